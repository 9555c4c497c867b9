//! Calls to other brokers and to controllers.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use odradek_client::peer::{Peer as Connection, PeerConfig, PeerError};
use odradek_core::metadata::rpc::{ControllerRequest, ControllerResponse};
use odradek_node::event::{CallError, Peer, PeerRequest, PeerResponse};
use odradek_wire::messages::{ApiKey, FetchRequest};
use odradek_wire::{request, response};
use prost::Message;

/// Version of Fetch between brokers: names topics by id, and carries the follower's broker epoch. A fixed one, so that
/// two releases understand each other while a cluster is upgraded.
const FETCH: i16 = 17;

/// Header of an answer of the own API: the correlation id.
const ANSWER_HEADER: usize = 4;

/// How to reach the others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeersConfig {
    /// `node.id` of this process, which the others see in its client id.
    pub node_id: i32,
    /// Controllers by id, as `controller.quorum.voters` has them: host and port.
    pub controllers: BTreeMap<i32, (String, u16)>,
    /// Bound on resolving and connecting (`socket.connection.setup.timeout.ms`).
    pub connect_timeout: Duration,
    /// Seeds the jitter of the pauses between attempts.
    pub seed: u64,
}

/// Connections to other processes; clones share them. They are made at the first call, and again after they broke.
#[derive(Debug, Clone)]
pub struct Peers {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    config: PeersConfig,
    client_id: String,
    next_id: AtomicI32,
    next_seed: AtomicU64,
    controllers: Mutex<BTreeMap<i32, Connection>>,
    brokers: Mutex<BTreeMap<i32, Broker>>,
}

/// Connections to one broker. Its answers come in the order of the requests, and a fetch may wait there: so each
/// connection has one fetch under way at most.
#[derive(Debug)]
struct Broker {
    address: String,
    idle: Vec<Connection>,
}

impl Peers {
    /// No connection yet. Calls must come from inside of a tokio runtime.
    pub fn new(config: PeersConfig) -> Self {
        Self {
            inner: Arc::new(Inner {
                client_id: format!("broker-{}", config.node_id),
                next_id: AtomicI32::new(0),
                next_seed: AtomicU64::new(config.seed),
                controllers: Mutex::default(),
                brokers: Mutex::default(),
                config,
            }),
        }
    }

    /// One call, whose answer must be there within `timeout`.
    pub(super) async fn call(
        &self,
        to: &Peer,
        body: PeerRequest,
        timeout: Duration,
    ) -> Result<PeerResponse, CallError> {
        match (to, body) {
            (Peer::Controller { id }, PeerRequest::Controller(request)) => {
                let connection = self.controller(*id)?;
                let (correlation_id, frame) = self.controller_frame(&request)?;
                let answer = connection.call(frame, correlation_id, timeout).await.map_err(failed)?;
                let body = answer.get(ANSWER_HEADER..).unwrap_or_default();
                let answer = ControllerResponse::decode(body).map_err(malformed)?;
                Ok(PeerResponse::Controller(Box::new(answer)))
            }
            (Peer::Broker { id, host, port }, PeerRequest::Fetch(request)) => {
                let lane = self.lane(*id, address(host, *port));
                let answer = self.fetch(&lane.connection, &request, timeout).await;
                // Whatever came of it, nothing waits there any more: a time-out has closed it.
                drop(lane);
                answer
            }
            (to, _) => Err(CallError::Malformed(format!("{to:?} does not take such a request"))),
        }
    }

    /// Sends a message to a controller; its answer is of no interest. Messages that one task posts keep their order.
    pub(super) async fn post(&self, to: u64, message: &ControllerRequest) -> Result<(), String> {
        let id = i32::try_from(to).map_err(|_| format!("{to} is no node id"))?;
        let connection = self.controller(id).map_err(|error| format!("{error:?}"))?;
        let (_, frame) = self.controller_frame(message).map_err(|error| format!("{error:?}"))?;
        connection.post(frame).await.map_err(|error| error.to_string())
    }

    /// Waits until the connection to a controller breaks.
    pub(super) async fn controller_broken(&self, to: u64) {
        let connection = i32::try_from(to).ok().and_then(|id| self.controller(id).ok());
        if let Some(connection) = connection {
            connection.broken().await;
        }
    }

    async fn fetch(
        &self,
        connection: &Connection,
        fetch: &FetchRequest,
        timeout: Duration,
    ) -> Result<PeerResponse, CallError> {
        let correlation_id = self.correlation_id();
        let frame = request::encode(FETCH, correlation_id, &self.inner.client_id, fetch).map_err(malformed)?;
        let answer = connection.call(frame, correlation_id, timeout).await.map_err(failed)?;
        let answer = response::decode(ApiKey::Fetch as i16, FETCH, answer).map_err(malformed)?;
        Ok(PeerResponse::Fetch(Box::new(answer)))
    }

    fn controller_frame(&self, message: &ControllerRequest) -> Result<(i32, Bytes), CallError> {
        let correlation_id = self.correlation_id();
        let body = message.encode_to_vec();
        let frame = request::encode_controller(correlation_id, &self.inner.client_id, &body).map_err(malformed)?;
        Ok((correlation_id, frame))
    }

    fn correlation_id(&self) -> i32 {
        self.inner.next_id.fetch_add(1, Ordering::Relaxed)
    }

    fn connect(&self, address: String) -> Connection {
        let mut config = PeerConfig::new(address, self.inner.next_seed.fetch_add(1, Ordering::Relaxed));
        config.connect_timeout = self.inner.config.connect_timeout;
        Connection::start(config)
    }

    fn controller(&self, id: i32) -> Result<Connection, CallError> {
        let mut controllers = self.inner.controllers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(connection) = controllers.get(&id) {
            return Ok(connection.clone());
        }
        let Some((host, port)) = self.inner.config.controllers.get(&id) else {
            return Err(CallError::Disconnected(format!("controller.quorum.voters has no node {id}")));
        };
        let connection = self.connect(address(host, *port));
        controllers.insert(id, connection.clone());
        Ok(connection)
    }

    /// A connection to a broker with no fetch under way.
    fn lane(&self, id: i32, address: String) -> Lane {
        let mut brokers = self.inner.brokers.lock().unwrap_or_else(PoisonError::into_inner);
        let broker = brokers.entry(id).or_insert_with(|| Broker { address: address.clone(), idle: Vec::new() });
        if broker.address != address {
            // It registered anew, somewhere else.
            *broker = Broker { address: address.clone(), idle: Vec::new() };
        }
        let connection = broker.idle.pop().unwrap_or_else(|| self.connect(address.clone()));
        Lane { peers: self.clone(), id, address, connection }
    }
}

/// A connection that is lent.
struct Lane {
    peers: Peers,
    id: i32,
    address: String,
    connection: Connection,
}

impl Drop for Lane {
    fn drop(&mut self) {
        let mut brokers = self.peers.inner.brokers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(broker) = brokers.get_mut(&self.id)
            && broker.address == self.address
        {
            broker.idle.push(self.connection.clone());
        }
    }
}

/// Addresses of version 6 stand in brackets before a port.
fn address(host: &str, port: u16) -> String {
    if host.contains(':') && !host.starts_with('[') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

fn failed(error: PeerError) -> CallError {
    match error {
        PeerError::Disconnected { .. } => CallError::Disconnected(error.to_string()),
        PeerError::TimedOut { .. } => CallError::TimedOut,
    }
}

fn malformed(error: impl std::fmt::Display) -> CallError {
    CallError::Malformed(error.to_string())
}
