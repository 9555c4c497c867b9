//! `POST /restart-safety`: may these brokers and controllers stop now? Passed on to the active controller, whichever
//! process is asked.
//!
//! The body is JSON, all fields optional: `{"action": "check"|"acquire"|"release", "holder": "name", "brokers": [1],
//! "controllers": [1], "ttlSeconds": 60, "ignoreNeverSafe": false, "dryRun": false}`. The answer is 200 with the verdict;
//! 409 when a lease was asked for and not granted; 400 for a wrong request; 503 when no active controller answers.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use odradek_core::metadata::rpc::{
    NOT_CONTROLLER, Response as Answer, RestartAction, RestartSafetyRequest, RestartSafetyResponse,
};
use odradek_node::event::{Peer, PeerRequest, PeerResponse};
use serde_json::{Value, json};

use super::Sources;
use crate::net::Peers;

/// For one controller's answer.
const TIMEOUT: Duration = Duration::from_secs(2);
/// An election ends within this.
const PATIENCE: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_millis(100);

/// Without `ttlSeconds`.
const DEFAULT_TTL_SECONDS: u64 = 60;

pub(super) async fn post(State(sources): State<Arc<Sources>>, body: String) -> Response {
    let request = match parse(&body) {
        Ok(request) => request,
        Err(message) => return (StatusCode::BAD_REQUEST, Json(json!({ "error": message }))).into_response(),
    };
    let acquire = request.action == RestartAction::Acquire as i32;
    match tokio::time::timeout(PATIENCE, ask(&sources.peers, request)).await {
        Ok(answer) if answer.error_code != 0 => {
            (StatusCode::BAD_REQUEST, Json(json!({ "error": answer.error_message }))).into_response()
        }
        Ok(answer) => {
            let code = if acquire && !answer.granted { StatusCode::CONFLICT } else { StatusCode::OK };
            (code, Json(page(&answer))).into_response()
        }
        Err(_) => {
            let message = "no active controller answers: whether it is safe is not known";
            (StatusCode::SERVICE_UNAVAILABLE, Json(json!({ "error": message }))).into_response()
        }
    }
}

/// Asks one controller after the other until the active one answers.
async fn ask(peers: &Peers, request: RestartSafetyRequest) -> RestartSafetyResponse {
    let controllers = peers.controllers();
    let mut turn = 0;
    let mut told: Option<i32> = None;
    loop {
        if let Some(id) = told.take().or_else(|| controllers.get(turn % controllers.len().max(1)).copied()) {
            let body = PeerRequest::Controller(Box::new(request.clone().into()));
            match peers.call(&Peer::Controller { id }, body, TIMEOUT).await {
                Ok(PeerResponse::Controller(answer)) => match answer.response {
                    Some(Answer::RestartSafety(answer)) => return answer,
                    _ if answer.error_code == NOT_CONTROLLER && answer.leader_id >= 0 && answer.leader_id != id => {
                        told = Some(answer.leader_id);
                        continue;
                    }
                    _ => {}
                },
                Ok(PeerResponse::Fetch(_)) => {}
                Err(error) => tracing::debug!(id, ?error, "restart safety"),
            }
        }
        turn += 1;
        tokio::time::sleep(PAUSE).await;
    }
}

fn parse(body: &str) -> Result<RestartSafetyRequest, String> {
    let value: Value = match body.trim() {
        "" => json!({}),
        text => serde_json::from_str(text).map_err(|error| format!("the body is no JSON: {error}"))?,
    };
    let fields = value.as_object().ok_or("the body must be a JSON object")?;
    let known = ["action", "holder", "brokers", "controllers", "ttlSeconds", "ignoreNeverSafe", "dryRun"];
    if let Some(unknown) = fields.keys().find(|key| !known.contains(&key.as_str())) {
        return Err(format!("unknown field {unknown}: {} are known", known.join(", ")));
    }
    let flag = |name: &str| match fields.get(name) {
        None => Ok(false),
        Some(value) => value.as_bool().ok_or_else(|| format!("{name} must be true or false")),
    };
    let text = |name: &str, default: &str| match fields.get(name) {
        None => Ok(default.to_owned()),
        Some(value) => value.as_str().map(str::to_owned).ok_or_else(|| format!("{name} must be a string")),
    };
    let ids = |name: &str| match fields.get(name) {
        None => Ok(Vec::new()),
        Some(value) => value
            .as_array()
            .and_then(|ids| ids.iter().map(|id| i32::try_from(id.as_i64()?).ok().filter(|id| *id >= 0)).collect())
            .ok_or_else(|| format!("{name} must be a list of node ids")),
    };
    let ttl_seconds = match fields.get("ttlSeconds") {
        None => DEFAULT_TTL_SECONDS,
        Some(value) => value.as_u64().ok_or("ttlSeconds must be a whole number")?,
    };
    let action = match text("action", "check")?.as_str() {
        "check" => RestartAction::Check,
        "acquire" if flag("dryRun")? => RestartAction::Check,
        "acquire" => RestartAction::Acquire,
        "release" => RestartAction::Release,
        other => return Err(format!("action {other} is none of check, acquire, release")),
    };
    Ok(RestartSafetyRequest {
        action: action as i32,
        holder: text("holder", "")?,
        broker_ids: ids("brokers")?,
        controller_ids: ids("controllers")?,
        ttl_ms: u32::try_from(ttl_seconds.saturating_mul(1_000)).unwrap_or(u32::MAX),
        ignore_never_safe: flag("ignoreNeverSafe")?,
    })
}

fn page(answer: &RestartSafetyResponse) -> Value {
    let reasons: Vec<Value> = answer
        .reasons
        .iter()
        .map(|reason| {
            json!({
                "code": reason.code,
                "message": reason.message,
                "count": reason.count,
                "examples": reason.examples,
            })
        })
        .collect();
    let lease = answer.lease.as_ref().map(|lease| {
        json!({
            "holder": lease.holder,
            "brokers": lease.broker_ids,
            "controllers": lease.controller_ids,
            "expiresInSeconds": lease.left_ms as f64 / 1_000.0,
        })
    });
    json!({
        "safe": answer.safe,
        "granted": answer.granted,
        "reasons": reasons,
        "lease": lease,
        "partitions": answer.partitions,
        "activeController": answer.controller_id,
        "metadataOffset": answer.metadata_offset,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_read_and_a_wrong_one_is_told() {
        let request = parse(r#"{"action":"acquire","holder":"h","brokers":[1,2],"ttlSeconds":5}"#).unwrap();
        assert_eq!((request.action, request.ttl_ms), (RestartAction::Acquire as i32, 5_000));
        assert_eq!(request.broker_ids, [1, 2]);
        let dry = parse(r#"{"action":"acquire","dryRun":true}"#).unwrap();
        assert_eq!(dry.action, RestartAction::Check as i32);
        assert_eq!(parse("").unwrap(), RestartSafetyRequest { ttl_ms: 60_000, ..Default::default() });
        for (body, told) in [
            ("[", "no JSON"),
            ("[]", "object"),
            (r#"{"broker":[1]}"#, "unknown field broker"),
            (r#"{"brokers":[-1]}"#, "brokers"),
            (r#"{"brokers":"1"}"#, "brokers"),
            (r#"{"action":"stop"}"#, "action stop"),
            (r#"{"ttlSeconds":-1}"#, "ttlSeconds"),
            (r#"{"ignoreNeverSafe":1}"#, "ignoreNeverSafe"),
        ] {
            let error = parse(body).unwrap_err();
            assert!(error.contains(told), "{body}: {error}");
        }
    }
}
