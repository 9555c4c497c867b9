//! Calls to other brokers and to controllers.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicI32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
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
    /// `controller.quorum.bootstrap.servers`: the first is controller -2, the second -3, and so on, as in Kafka.
    pub bootstrap: Vec<(String, u16)>,
    /// Bound on resolving and connecting (`socket.connection.setup.timeout.ms`).
    pub connect_timeout: Duration,
    /// Seeds the jitter of the pauses between attempts.
    pub seed: u64,
}

/// What calls to the bootstrap server of that place in the list go to.
#[must_use]
pub fn bootstrap_id(place: usize) -> i32 {
    i32::try_from(place).map_or(i32::MIN, |place| -2 - place)
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
    /// Where the controllers listen, as the configuration or they themselves say.
    addresses: Mutex<BTreeMap<i32, (String, u16)>>,
    controllers: Mutex<BTreeMap<i32, Controller>>,
    brokers: Mutex<BTreeMap<i32, Broker>>,
}

/// The connection to one controller.
#[derive(Debug)]
struct Controller {
    connection: Connection,
    /// Where its own messages came from last.
    heard_at: Option<IpAddr>,
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
        let bootstrap = config.bootstrap.iter().enumerate().map(|(place, at)| (bootstrap_id(place), at.clone()));
        let addresses = config.controllers.clone().into_iter().chain(bootstrap).collect();
        Self {
            inner: Arc::new(Inner {
                client_id: format!("broker-{}", config.node_id),
                next_id: AtomicI32::new(0),
                next_seed: AtomicU64::new(config.seed),
                addresses: Mutex::new(addresses),
                controllers: Mutex::default(),
                brokers: Mutex::default(),
                config,
            }),
        }
    }

    /// The controllers that are known, by id; bootstrap servers come last.
    pub(crate) fn controllers(&self) -> Vec<i32> {
        let known: Vec<i32> = lock(&self.inner.addresses).keys().copied().collect();
        let (named, bootstrap): (Vec<i32>, Vec<i32>) = known.into_iter().partition(|id| *id >= 0);
        named.into_iter().chain(bootstrap).collect()
    }

    /// One call, whose answer must be there within `timeout`.
    pub(crate) async fn call(
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
    pub(super) async fn post(&self, to: i32, message: &ControllerRequest) -> Result<(), String> {
        let connection = self.controller(to).map_err(|error| format!("{error:?}"))?;
        let (_, frame) = self.controller_frame(message).map_err(|error| format!("{error:?}"))?;
        connection.post(frame).await.map_err(|error| error.to_string())
    }

    /// Waits until the connection to a controller breaks.
    pub(super) async fn controller_broken(&self, to: i32) {
        if let Ok(connection) = self.controller(to) {
            connection.broken().await;
        }
    }

    /// Where controllers listen now. One that is not named stays where it was, and what `controller.quorum.voters` says
    /// counts for those that it names: whoever set it knows of a move before the controllers do.
    pub(super) fn update_controllers(&self, told: impl IntoIterator<Item = (i32, (String, u16))>) {
        let mut addresses = lock(&self.inner.addresses);
        for (id, at) in told {
            if self.inner.config.controllers.contains_key(&id) {
                continue;
            }
            let before = addresses.insert(id, at.clone());
            if before.as_ref() != Some(&at) {
                tracing::info!(controller = id, host = at.0, port = at.1, "a controller's address");
                lock(&self.inner.controllers).remove(&id);
            }
        }
    }

    /// A controller's own message came from there. One that was started again elsewhere is found by this sooner than by
    /// its name, which leads to the former place for a while.
    pub(super) fn heard_of_controller(&self, id: i32, ip: IpAddr) {
        let mut controllers = lock(&self.inner.controllers);
        let Some(controller) = controllers.get_mut(&id) else { return };
        if controller.heard_at == Some(ip) {
            return;
        }
        controller.heard_at = Some(ip);
        if controller.connection.remote() != Some(ip) {
            tracing::debug!(controller = id, %ip, "connecting anew, to where it was heard of");
            controller.connection = self.connect(controller.connection.address().to_owned(), Some(ip));
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

    fn connect(&self, address: String, heard_at: Option<IpAddr>) -> Connection {
        let mut config = PeerConfig::new(address, self.inner.next_seed.fetch_add(1, Ordering::Relaxed));
        config.connect_timeout = self.inner.config.connect_timeout;
        config.heard_at = heard_at;
        Connection::start(config)
    }

    fn controller(&self, id: i32) -> Result<Connection, CallError> {
        // In this order everywhere: addresses, then connections.
        let addresses = lock(&self.inner.addresses);
        let mut controllers = lock(&self.inner.controllers);
        if let Some(controller) = controllers.get(&id) {
            return Ok(controller.connection.clone());
        }
        let Some((host, port)) = addresses.get(&id) else {
            return Err(CallError::Disconnected(format!("nobody said where controller {id} listens")));
        };
        let connection = self.connect(address(host, *port), None);
        controllers.insert(id, Controller { connection: connection.clone(), heard_at: None });
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
        let connection = broker.idle.pop().unwrap_or_else(|| self.connect(address.clone(), None));
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

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
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
