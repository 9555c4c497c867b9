//! `/livez`, `/readyz` and `/metrics` of the operator.

use std::{future::Future, net::SocketAddr};

use axum::{Router, extract::State, http::StatusCode, routing::get};
use tokio::net::TcpListener;

use crate::metrics::Metrics;

/// Serves until the signal to stop.
pub async fn serve(
    address: SocketAddr,
    metrics: Metrics,
    stop: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    let app = Router::new()
        .route("/livez", get(|| async { "ok\n" }))
        // A process that waits to become the leader is ready to.
        .route("/readyz", get(|| async { "ok\n" }))
        .route("/metrics", get(figures))
        .with_state(metrics);
    #[cfg(feature = "failpoints")]
    let app = app.merge(failpoints());
    let listener = TcpListener::bind(address).await?;
    tracing::info!(%address, "serving /livez, /readyz and /metrics");
    axum::serve(listener, app).with_graceful_shutdown(stop).await
}

async fn figures(State(metrics): State<Metrics>) -> Result<String, StatusCode> {
    metrics.text().map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)
}

/// What arms failpoints, and names them all.
#[cfg(feature = "failpoints")]
fn failpoints() -> Router {
    use axum::{Json, extract::Path, routing::post};

    use crate::failpoint;

    let arm =
        |Path(name): Path<String>| async move { failpoint::arm(&name).map_err(|why| (StatusCode::NOT_FOUND, why)) };
    Router::new()
        .route("/failpoints", get(|| async { Json(failpoint::names()) }))
        .route("/failpoints/{*name}", post(arm))
}
