//! A connection that a process keeps to one other process of its cluster, for whole frames.

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::net::TcpStream;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use crate::resolve;
use crate::transport::{Transport, TransportError};

/// Bound on connecting to where a peer was heard of: it is there, or it is not.
const HEARD_AT: Duration = Duration::from_millis(500);

/// Calls that may wait for a connection before callers wait themselves.
const QUEUE: usize = 256;

/// How to reach a peer, and how patient to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerConfig {
    /// Its address as `host:port`; the name is resolved again at each connect.
    pub address: String,
    /// Where it was heard of last: tried before the name is resolved, since what a name leads to is known late.
    pub heard_at: Option<IpAddr>,
    /// Bound on resolving and connecting.
    pub connect_timeout: Duration,
    /// Pause after the first failed attempt; doubles with each further one.
    pub backoff_min: Duration,
    /// Bound on the pause.
    pub backoff_max: Duration,
    /// Seed of the jitter (a fifth of each pause, up or down), so that peers of one process do
    /// not knock in step.
    pub seed: u64,
}

impl PeerConfig {
    /// 2 s to connect, pauses from 50 ms to 1 s (`reconnect.backoff.ms` and its maximum in Kafka).
    pub fn new(address: String, seed: u64) -> PeerConfig {
        PeerConfig {
            address,
            heard_at: None,
            connect_timeout: Duration::from_secs(2),
            backoff_min: Duration::from_millis(50),
            backoff_max: Duration::from_secs(1),
            seed,
        }
    }
}

/// Why a call to a peer has no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PeerError {
    /// No connection could be made, or it broke: the request may or may not have been carried
    /// out.
    #[error("connection to {address}: {reason}")]
    Disconnected {
        /// Where to.
        address: String,
        /// Why.
        reason: String,
    },
    /// No answer in time.
    #[error("no answer from {address} within {after:?}")]
    TimedOut {
        /// Where to.
        address: String,
        /// The bound.
        after: Duration,
    },
}

/// A connection to a peer that mends itself. Clones share it; its task ends with the last.
///
/// A call made without a connection waits for the next attempt, and fails with it: so callers
/// that call again at once are slowed to the pace of the attempts. When the connection breaks, all
/// calls that wait fail at once.
#[derive(Debug, Clone)]
pub struct Peer {
    address: Arc<str>,
    connections: mpsc::Sender<Asked>,
    remote: Arc<Mutex<Option<IpAddr>>>,
}

/// Who wants a connection.
type Asked = oneshot::Sender<Result<Transport, String>>;

impl Peer {
    /// Starts the task that keeps the connection; connects at the first call.
    pub fn start(config: PeerConfig) -> Peer {
        let address = Arc::from(config.address.as_str());
        let (connections, asked) = mpsc::channel(QUEUE);
        let remote = Arc::new(Mutex::new(None));
        tokio::spawn(keep(config, asked, remote.clone()));
        Peer { address, connections, remote }
    }

    /// The address that it connects to.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Where the newest connection leads to, whether or not it is still good; `None` before the first one.
    pub fn remote(&self) -> Option<IpAddr> {
        *self.remote.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends a whole frame (length included) and waits at most `limit` for its answer (a frame
    /// without its length), connecting first when needed. `correlation_id` must be the one in the
    /// frame, and not in use by another call to this peer.
    pub async fn call(&self, frame: Bytes, correlation_id: i32, limit: Duration) -> Result<Bytes, PeerError> {
        let deadline = Instant::now() + limit;
        let timed_out = || PeerError::TimedOut { address: self.address.to_string(), after: limit };
        let disconnected = |reason: String| PeerError::Disconnected { address: self.address.to_string(), reason };
        let transport = match tokio::time::timeout_at(deadline, self.transport()).await {
            Ok(Ok(transport)) => transport,
            Ok(Err(reason)) => return Err(disconnected(reason)),
            Err(_) => return Err(timed_out()),
        };
        let left = deadline.saturating_duration_since(Instant::now());
        match transport.call(frame, correlation_id, left).await {
            Ok(answer) => Ok(answer),
            Err(TransportError::Disconnected(reason)) => Err(disconnected(reason)),
            Err(TransportError::TimedOut) => {
                // Answers may come in the order of requests: whatever waits behind this one would
                // wait for it too, and the peer may be gone without a word.
                transport.close(format!("no answer within {limit:?}"));
                Err(timed_out())
            }
        }
    }

    /// Sends a whole frame whose answer is of no interest, connecting first when needed. Frames
    /// that one task posts one after the other leave in that order. An error says that it was not
    /// sent; no error does not say that it arrived.
    pub async fn post(&self, frame: Bytes) -> Result<(), PeerError> {
        let disconnected = |reason: String| PeerError::Disconnected { address: self.address.to_string(), reason };
        let transport = self.transport().await.map_err(disconnected)?;
        match transport.post(frame).await {
            Ok(()) => Ok(()),
            Err(TransportError::Disconnected(reason)) => Err(disconnected(reason)),
            Err(TransportError::TimedOut) => Err(disconnected("no answer".to_owned())),
        }
    }

    /// Waits until the open connection breaks, and says why; connects first when there is none.
    pub async fn broken(&self) -> String {
        match self.transport().await {
            Ok(transport) => transport.closed().await,
            Err(reason) => reason,
        }
    }

    async fn transport(&self) -> Result<Transport, String> {
        let gone = || "its task has ended".to_owned();
        let (sender, receiver) = oneshot::channel();
        self.connections.send(sender).await.map_err(|_| gone())?;
        receiver.await.map_err(|_| gone())?
    }
}

/// Hands out the connection, and makes a new one when there is none.
async fn keep(config: PeerConfig, mut asked: mpsc::Receiver<Asked>, remote: Arc<Mutex<Option<IpAddr>>>) {
    let mut connection: Option<Transport> = None;
    let mut pauses = Pauses::new(&config);
    while let Some(first) = asked.recv().await {
        if connection.as_ref().is_none_or(Transport::is_closed) {
            connection = None;
            pauses.wait().await;
        }
        let result = match &connection {
            Some(transport) => Ok(transport.clone()),
            None => match connect(&config).await {
                Ok(stream) => {
                    pauses.succeeded();
                    let at = stream.peer_addr().ok().map(|at| at.ip().to_canonical());
                    *remote.lock().unwrap_or_else(PoisonError::into_inner) = at;
                    Ok(connection.insert(Transport::start(stream)).clone())
                }
                Err(error) => {
                    pauses.failed();
                    tracing::debug!(peer = config.address, %error, "no connection");
                    Err(error.to_string())
                }
            },
        };
        // All that came meanwhile share the attempt's fate; a caller may have given up.
        let _ = first.send(result.clone());
        while let Ok(next) = asked.try_recv() {
            let _ = next.send(result.clone());
        }
    }
}

/// Where it was heard of, else where its name leads to.
async fn connect(config: &PeerConfig) -> std::io::Result<TcpStream> {
    let port = config.address.rsplit_once(':').and_then(|(_, port)| port.parse().ok());
    if let (Some(ip), Some(port)) = (config.heard_at, port) {
        let at = SocketAddr::new(ip, port);
        match resolve::connect(&at.to_string(), config.connect_timeout.min(HEARD_AT)).await {
            Ok(stream) => return Ok(stream),
            Err(error) => tracing::debug!(peer = config.address, %at, %error, "it does not listen where it was heard"),
        }
    }
    resolve::connect(&config.address, config.connect_timeout).await
}

/// Pauses between attempts: none before the first, then doubling, with jitter.
struct Pauses {
    min: Duration,
    max: Duration,
    next: Duration,
    state: u64,
    until: Option<Instant>,
}

impl Pauses {
    fn new(config: &PeerConfig) -> Pauses {
        Pauses {
            min: config.backoff_min,
            max: config.backoff_max,
            next: config.backoff_min,
            state: config.seed,
            until: None,
        }
    }

    async fn wait(&self) {
        if let Some(until) = self.until {
            tokio::time::sleep_until(until).await;
        }
    }

    /// A connection that is made may still break at once (a port without a broker behind it): so
    /// the next attempt is not free of a pause either.
    fn succeeded(&mut self) {
        self.next = self.min;
        self.until = Some(Instant::now() + self.min);
    }

    fn failed(&mut self) {
        let pause = self.next.mul_f64(self.jitter());
        self.until = Some(Instant::now() + pause);
        self.next = (self.next * 2).min(self.max);
    }

    /// From 0.8 to 1.2 (splitmix64).
    fn jitter(&mut self) -> f64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^= z >> 31;
        0.8 + 0.4 * (z >> 11) as f64 / (1u64 << 53) as f64
    }
}
