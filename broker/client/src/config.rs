//! What a client must know.

use std::time::Duration;

/// How to reach a cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientConfig {
    /// Addresses as `host:port`, tried in order from the last one that worked; names are resolved
    /// again at each connect.
    pub bootstrap: Vec<String>,
    /// The name that the brokers see.
    pub client_id: String,
    /// Bound on resolving, connecting and the exchange of versions, for each address.
    pub connect_timeout: Duration,
    /// Bound on each request, from sending to its answer; sent along where the request has a
    /// time-out of its own.
    pub request_timeout: Duration,
}

impl Default for ClientConfig {
    /// `localhost:9092`, client id `odradek`, 5 s to connect, 30 s for a request.
    fn default() -> ClientConfig {
        ClientConfig {
            bootstrap: vec!["localhost:9092".to_owned()],
            client_id: "odradek".to_owned(),
            connect_timeout: Duration::from_secs(5),
            request_timeout: Duration::from_secs(30),
        }
    }
}

impl ClientConfig {
    /// The request time-out as requests carry it, in ms.
    pub(crate) fn request_timeout_ms(&self) -> i32 {
        i32::try_from(self.request_timeout.as_millis()).unwrap_or(i32::MAX)
    }
}
