//! `/livez`, `/readyz`, `/metrics` and `/restart-safety` on `odradek.http.listener`.

mod restart_safety;

use std::future::Future;
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::json;

use crate::health::Health;
use crate::loops::{BrokerHandle, ControllerHandle};
use crate::metrics::{Snapshot, Traffic, render};
use crate::net::Peers;

/// What is asked when somebody asks.
#[derive(Debug, Clone)]
pub struct Sources {
    /// The broker's way through its life.
    pub health: Health,
    /// The broker's loop, once it runs.
    pub broker: Arc<OnceLock<BrokerHandle>>,
    /// The controller's loop, once it runs.
    pub controller: Arc<OnceLock<ControllerHandle>>,
    /// The way to the controllers.
    pub peers: Peers,
    /// Counters.
    pub traffic: Traffic,
    /// When the process started.
    pub started: Instant,
}

/// A loop that does not answer for this long is told as such; a page must not hang.
const PATIENCE: Duration = Duration::from_secs(2);

/// Opens the socket.
///
/// # Errors
///
/// The address cannot be bound: a line that names the key.
pub async fn bind(address: SocketAddr) -> Result<tokio::net::TcpListener, String> {
    tokio::net::TcpListener::bind(address)
        .await
        .map_err(|error| format!("odradek.http.listener={address} cannot be bound: {error}"))
}

/// Serves until the process ends.
pub async fn serve(listener: tokio::net::TcpListener, sources: Sources) {
    if let Err(error) = axum::serve(listener, router(sources)).await {
        tracing::error!("the listener for /livez, /readyz and /metrics ended: {error}");
    }
}

fn router(sources: Sources) -> Router {
    Router::new()
        // The process answers: that is all, also while logs are recovered.
        .route("/livez", get(|| async { "ok\n" }))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .route("/restart-safety", post(restart_safety::post))
        .with_state(Arc::new(sources))
}

async fn readyz(State(sources): State<Arc<Sources>>) -> Response {
    let mut reasons = Vec::new();
    reasons.extend(sources.health.broker_waits_for().map(|reason| format!("broker: {reason}")));
    // A broker that serves goes on serving without a quorum; only a controller alone is judged by it.
    if !sources.health.has_broker() {
        match sources.controller.get() {
            None => reasons.push("controller: starting".to_owned()),
            Some(controller) => match in_time(controller.status()).await {
                Some(status) if status.quorum.leader.is_some() => {}
                Some(_) => reasons.push("controller: no leader of the quorum is known".to_owned()),
                None => reasons.push("controller: its loop does not answer".to_owned()),
            },
        }
    }
    let code = if reasons.is_empty() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (code, Json(json!({ "ready": reasons.is_empty(), "reasons": reasons }))).into_response()
}

async fn metrics(State(sources): State<Arc<Sources>>) -> Response {
    let mut snapshot = Snapshot { uptime: sources.started.elapsed().as_secs_f64(), ..Snapshot::default() };
    if let Some(broker) = sources.broker.get() {
        snapshot.broker = in_time(broker.status()).await;
    }
    if let Some(controller) = sources.controller.get() {
        snapshot.controller = in_time(controller.status()).await;
    }
    let page = render(&sources.traffic, &snapshot);
    ([(header::CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8")], page).into_response()
}

async fn in_time<T>(answer: impl Future<Output = Option<T>>) -> Option<T> {
    tokio::time::timeout(PATIENCE, answer).await.ok().flatten()
}

#[cfg(test)]
mod tests;
