//! May these brokers and controllers stop? Asked of the active controller through the HTTP port of any pod that serves
//! (`POST /restart-safety`).
//!
//! [`Door`] says how that port is reached.

use std::{collections::BTreeSet, time::Duration};

use http_body_util::{BodyExt, Full, Limited};
use hyper::{Request, StatusCode, body::Bytes, client::conn::http1};
use hyper_util::rt::TokioIo;
use kube::Client;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::net::TcpStream;

/// Bound on one question: a little more than the broker's own patience with its controllers.
const TIMEOUT: Duration = Duration::from_secs(6);
/// The largest answer that is read, in bytes.
const MOST_BYTES: usize = 1 << 20;

/// Brokers and controllers that would stop together.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct NodeSet {
    /// Ids of the brokers.
    pub brokers: BTreeSet<i32>,
    /// Ids of the controllers.
    pub controllers: BTreeSet<i32>,
    /// Whether partitions that no state of the cluster keeps available count too: those with no more replicas outside
    /// of the set than `min.insync.replicas`. One broker goes in spite of them, or it could never go.
    pub strict: bool,
}

/// What the active controller says of a set.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RestartVerdict {
    /// Whether the set may stop now.
    pub safe: bool,
    /// Whether the lease was given.
    #[serde(default)]
    pub granted: bool,
    /// What speaks against it.
    #[serde(default)]
    pub reasons: Vec<Against>,
    /// The lease that is held, by whomever.
    #[serde(default)]
    pub lease: Option<Lease>,
    /// The active controller.
    pub active_controller: i32,
}

/// What speaks against a stop.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct Against {
    /// A code, such as `UNDER_MIN_ISR`.
    pub code: String,
    /// A sentence.
    pub message: String,
    /// Partitions, brokers or controllers that it is about; a few of them.
    #[serde(default)]
    pub examples: Vec<String>,
}

/// The lease to stop a set.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Lease {
    /// Who holds it.
    pub holder: String,
    /// Ids of the brokers.
    #[serde(default)]
    pub brokers: BTreeSet<i32>,
    /// Ids of the controllers.
    #[serde(default)]
    pub controllers: BTreeSet<i32>,
    /// When it ends by itself, in seconds.
    #[serde(default)]
    pub expires_in_seconds: f64,
}

impl Eq for Lease {}

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Ask {
    /// For the verdict alone.
    Check,
    /// For the lease, which is given when the set is safe.
    Acquire,
    /// To give the lease back.
    Release,
}

impl RestartVerdict {
    /// What speaks against it, as one sentence; nothing when the set is safe.
    pub fn against(&self) -> Option<String> {
        if self.safe {
            return None;
        }
        let reasons: Vec<String> = self.reasons.iter().map(ToString::to_string).collect();
        Some(if reasons.is_empty() { "the active controller says no".to_owned() } else { reasons.join("; ") })
    }
}

impl std::fmt::Display for Against {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.code, self.message)?;
        if !self.examples.is_empty() {
            let shown: Vec<&str> = self.examples.iter().take(3).map(String::as_str).collect();
            write!(f, " ({}{})", shown.join(", "), if self.examples.len() > shown.len() { ", ..." } else { "" })?;
        }
        Ok(())
    }
}

/// How the HTTP port of a pod is reached.
#[derive(Clone)]
pub enum Door {
    /// At its own address (host and port), as from inside of the Kubernetes cluster.
    Address(String),
    /// Through the API server, from wherever that is reached. Takes the right to `create` and `get` `pods/proxy`.
    Proxy {
        /// The API server.
        client: Client,
        /// Namespace of the pod.
        namespace: String,
        /// The pod.
        pod: String,
        /// Its HTTP port.
        port: u16,
    },
}

impl std::fmt::Display for Door {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Door::Address(address) => f.write_str(address),
            Door::Proxy { namespace, pod, .. } => write!(f, "pod {namespace}/{pod}"),
        }
    }
}

/// Asks the process behind a door. The error says why there is no answer.
pub async fn ask(door: &Door, ask: Ask, set: &NodeSet, holder: &str, ttl: Duration) -> Result<RestartVerdict, String> {
    let body = json!({
        "action": ask,
        "holder": holder,
        "brokers": set.brokers,
        "controllers": set.controllers,
        "ttlSeconds": ttl.as_secs(),
        "ignoreNeverSafe": !set.strict,
    });
    let (status, text) = send(door, "POST", "/restart-safety", body.to_string()).await?;
    match status {
        // A conflict is an answer too: the lease was not given, and the verdict says why.
        StatusCode::OK | StatusCode::CONFLICT => {
            serde_json::from_str(&text).map_err(|error| format!("{door} answers what is no verdict: {error}"))
        }
        other => Err(format!("{door} answers {other}: {}", text.trim())),
    }
}

/// Why the process behind a door is not ready, in its own words.
pub async fn readiness(door: &Door) -> Result<Vec<String>, String> {
    #[derive(Deserialize)]
    struct Page {
        reasons: Vec<String>,
    }
    let (_, text) = send(door, "GET", "/readyz", String::new()).await?;
    let page: Page = serde_json::from_str(&text).map_err(|error| format!("{door}/readyz: {error}"))?;
    Ok(page.reasons)
}

type Failure = Box<dyn std::error::Error + Send + Sync>;

async fn send(door: &Door, method: &str, path: &str, body: String) -> Result<(StatusCode, String), String> {
    let answer = async {
        match door {
            Door::Address(address) => exchange(address, method, path, body).await,
            Door::Proxy { client, namespace, pod, port } => {
                let uri = format!("/api/v1/namespaces/{namespace}/pods/{pod}:{port}/proxy{path}");
                proxied(client, method, &uri, body).await
            }
        }
    };
    match tokio::time::timeout(TIMEOUT, answer).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(error)) => Err(format!("{door}: {error}")),
        Err(_) => Err(format!("{door}: no answer within {TIMEOUT:?}")),
    }
}

async fn proxied(client: &Client, method: &str, uri: &str, body: String) -> Result<(StatusCode, String), Failure> {
    let request = Request::builder().method(method).uri(uri).header("content-type", "application/json");
    let response = client.send(request.body(body.into_bytes().into())?).await?;
    let status = response.status();
    let body = Limited::new(response.into_body(), MOST_BYTES).collect().await?.to_bytes();
    Ok((status, String::from_utf8_lossy(&body).into_owned()))
}

async fn exchange(address: &str, method: &str, path: &str, body: String) -> Result<(StatusCode, String), Failure> {
    let stream = TcpStream::connect(address).await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let connection = tokio::spawn(connection);
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header("host", address)
        .header("content-type", "application/json")
        .header("connection", "close")
        .body(Full::new(Bytes::from(body)))?;
    let answer = async {
        let response = sender.send_request(request).await?;
        let status = response.status();
        let body = Limited::new(response.into_body(), MOST_BYTES).collect().await?.to_bytes();
        Ok((status, String::from_utf8_lossy(&body).into_owned()))
    }
    .await;
    connection.abort();
    answer
}

#[cfg(test)]
mod tests {
    use axum::{Router, http::StatusCode as Code, routing::post};

    use super::*;

    async fn served(code: u16, body: &'static str) -> String {
        let answer = move |got: String| async move {
            assert!(got.contains(r#""action":"acquire""#) && got.contains(r#""ignoreNeverSafe":true"#), "{got}");
            (Code::from_u16(code).expect("a code"), body)
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address").to_string();
        let app = Router::new().route("/restart-safety", post(answer));
        tokio::spawn(async move { axum::serve(listener, app).await });
        address
    }

    async fn asked(address: &str) -> Result<RestartVerdict, String> {
        let set = NodeSet { brokers: [1].into(), ..NodeSet::default() };
        ask(&Door::Address(address.to_owned()), Ask::Acquire, &set, "h", Duration::from_secs(60)).await
    }

    #[tokio::test]
    async fn a_verdict_is_read_and_a_refused_lease_is_one_too() {
        let address = served(
            409,
            r#"{"safe":false,"granted":false,"reasons":[{"code":"CATCHING_UP","message":"1 partitions","count":1,
                "examples":["a-0","a-1","a-2","a-3"]}],"lease":{"holder":"x","brokers":[2],"controllers":[],
                "expiresInSeconds":1.5},"partitions":4,"activeController":3,"metadataOffset":9}"#,
        )
        .await;
        let verdict = asked(&address).await.expect("a verdict");
        assert_eq!(verdict.against().as_deref(), Some("CATCHING_UP: 1 partitions (a-0, a-1, a-2, ...)"));
        assert_eq!((verdict.granted, verdict.active_controller), (false, 3));
        assert_eq!(verdict.lease.expect("a lease").brokers, [2].into());
    }

    #[tokio::test]
    async fn whatever_is_no_verdict_is_told() {
        let told = asked(&served(503, r#"{"error":"no active controller"}"#).await).await.unwrap_err();
        assert!(told.contains("503") && told.contains("no active controller"), "{told}");
        let told = asked(&served(200, "<html>").await).await.unwrap_err();
        assert!(told.contains("no verdict"), "{told}");
        let told = asked("127.0.0.1:1").await.unwrap_err();
        assert!(told.contains("127.0.0.1:1"), "{told}");
    }
}
