//! Accepting connections, within the limits that the configuration sets.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use odradek_node::event::ListenerRole;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::budget::Budget;
use super::connection::{Shared, serve, stopped};
use super::replies::Replies;
use super::service::{ConnectionInfo, Service};
use super::socket::{self, SocketOptions};
use crate::config::{Listener, NetworkSettings};
use crate::metrics::Traffic;

/// After an accept that failed (no file handle left, for one).
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What listeners share: limits, budget, counters, the signal to stop.
#[derive(Debug, Clone)]
pub struct ListenersConfig {
    /// Keys of connections and requests.
    pub network: NetworkSettings,
    /// Memory for large requests, for all listeners of the process together.
    pub budget: Budget,
    /// Counters.
    pub traffic: Traffic,
}

impl ListenersConfig {
    /// With the budget that the keys ask for.
    pub fn new(network: NetworkSettings, traffic: Traffic) -> Self {
        let budget = Budget::new(network.queued_max_bytes, network.request_max_bytes);
        Self { network, budget, traffic }
    }
}

/// The listeners of a process. Dropping it closes listeners and connections at once.
pub struct Listeners {
    config: ListenersConfig,
    limits: Arc<Limits>,
    stop: watch::Sender<bool>,
    tasks: JoinSet<()>,
}

impl Listeners {
    /// None yet.
    pub fn new(config: ListenersConfig) -> Self {
        let limits = Arc::new(Limits::new(&config.network));
        Self { config, limits, stop: watch::Sender::new(false), tasks: JoinSet::new() }
    }

    /// Binds a listener; its connections wait in the backlog until [`Listeners::serve`].
    ///
    /// # Errors
    /// The address cannot be resolved or is in use.
    pub async fn bind(&self, listener: &Listener) -> io::Result<Bound> {
        let network = &self.config.network;
        let options = SocketOptions {
            send_buffer: network.send_buffer,
            receive_buffer: network.receive_buffer,
            backlog: network.backlog,
        };
        let socket = socket::listen(&listener.host, listener.port, options).await?;
        Ok(Bound { address: socket.local_addr()?, socket, name: Arc::from(listener.name.as_str()), options })
    }

    /// Serves a bound listener. `replies` is what the outbox of the service's loop delivers to.
    pub fn serve<S: Service>(&mut self, bound: Bound, role: ListenerRole, service: S, replies: Arc<Replies<S::Reply>>) {
        let network = &self.config.network;
        let shared = Arc::new(Shared {
            service,
            replies,
            budget: self.config.budget.clone(),
            traffic: self.config.traffic.clone(),
            max_frame: network.request_max_bytes,
            max_idle: network.max_idle,
        });
        let acceptor = Acceptor { bound, role, shared, limits: self.limits.clone(), stop: self.stop.subscribe() };
        self.tasks.spawn(acceptor.run());
    }

    /// Accepts no more, reads no further requests, and waits until what was asked is answered, at most for `grace`.
    /// The loops must still run.
    pub async fn shutdown(mut self, grace: Duration) {
        self.stop.send_replace(true);
        let all = async { while self.tasks.join_next().await.is_some() {} };
        if tokio::time::timeout(grace, all).await.is_err() {
            tracing::warn!("connections are closed with requests unanswered after {grace:?}");
        }
    }
}

/// A listener that has its port.
#[derive(Debug)]
pub struct Bound {
    socket: TcpListener,
    address: SocketAddr,
    name: Arc<str>,
    options: SocketOptions,
}

impl Bound {
    /// The address with the port that was bound, also where the configuration says port 0.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

struct Acceptor<S: Service> {
    bound: Bound,
    role: ListenerRole,
    shared: Arc<Shared<S>>,
    limits: Arc<Limits>,
    stop: watch::Receiver<bool>,
}

impl<S: Service> Acceptor<S> {
    async fn run(self) {
        let mut stop = self.stop.clone();
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                accepted = accept(&self.bound.socket, &self.limits) => match accepted {
                    Ok((stream, peer, place)) => self.start(&mut connections, stream, peer, place),
                    Err(error) => {
                        tracing::warn!(listener = %self.bound.name, "cannot accept a connection: {error}");
                        tokio::time::sleep(ACCEPT_PAUSE).await;
                    }
                },
                Some(_) = connections.join_next(), if !connections.is_empty() => {}
                () = stopped(&mut stop) => break,
            }
        }
        drop(self.bound.socket);
        while connections.join_next().await.is_some() {}
    }

    fn start(&self, connections: &mut JoinSet<()>, stream: TcpStream, peer: SocketAddr, place: OwnedSemaphorePermit) {
        let Some(address) = self.limits.enter(canonical(peer)) else {
            tracing::warn!(%peer, listener = %self.bound.name, "connection refused: max.connections.per.ip is reached");
            return;
        };
        if let Err(error) = socket::tune(&stream, self.bound.options) {
            // It may be gone already.
            tracing::debug!(%peer, "socket options: {error}");
        }
        let info = ConnectionInfo {
            id: self.limits.next.fetch_add(1, Ordering::Relaxed),
            peer,
            host: Arc::from(format!("/{}", canonical(peer))),
            listener: self.bound.name.clone(),
            role: self.role,
        };
        let (shared, stop) = (self.shared.clone(), self.stop.clone());
        connections.spawn(async move {
            serve(stream, info, &shared, stop).await;
            drop((place, address));
        });
    }
}

/// IPv4 addresses as such, also where they come through a socket for both families.
fn canonical(peer: SocketAddr) -> IpAddr {
    peer.ip().to_canonical()
}

/// Accepts once there is a place under `max.connections` and the rate allows it.
async fn accept(socket: &TcpListener, limits: &Limits) -> io::Result<(TcpStream, SocketAddr, OwnedSemaphorePermit)> {
    let place = limits.places.clone().acquire_owned().await.map_err(io::Error::other)?;
    limits.pace().await;
    let (stream, peer) = socket.accept().await?;
    limits.accepted();
    Ok((stream, peer, place))
}

/// Limits over all listeners of a process.
struct Limits {
    next: AtomicU64,
    places: Arc<Semaphore>,
    per_address: usize,
    overrides: BTreeMap<IpAddr, usize>,
    open: Arc<Mutex<BTreeMap<IpAddr, usize>>>,
    /// Least time between two connections.
    interval: Duration,
    /// When the next connection may come; runs at most one second behind, which is what may come at once.
    due: Mutex<Instant>,
}

impl Limits {
    fn new(network: &NetworkSettings) -> Self {
        // Names in the overrides are for those who resolve them; addresses are what is compared.
        let overrides =
            network.max_connections_overrides.iter().filter_map(|(host, limit)| Some((host.parse().ok()?, *limit)));
        Self {
            next: AtomicU64::new(1),
            places: Arc::new(Semaphore::new(network.max_connections.min(Semaphore::MAX_PERMITS))),
            per_address: network.max_connections_per_ip,
            overrides: overrides.collect(),
            open: Arc::default(),
            interval: Duration::from_secs(1) / network.max_creation_rate.max(1),
            due: Mutex::new(Instant::now()),
        }
    }

    async fn pace(&self) {
        let due = *self.due.lock().unwrap_or_else(PoisonError::into_inner);
        tokio::time::sleep_until(due).await;
    }

    fn accepted(&self) {
        let mut due = self.due.lock().unwrap_or_else(PoisonError::into_inner);
        let earliest = Instant::now().checked_sub(Duration::from_secs(1)).unwrap_or(*due);
        *due = (*due).max(earliest) + self.interval;
    }

    /// Counts a connection from `address`; `None` when there are too many.
    fn enter(&self, address: IpAddr) -> Option<Entered> {
        let limit = self.overrides.get(&address).copied().unwrap_or(self.per_address);
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let count = open.entry(address).or_insert(0);
        if *count >= limit {
            return None;
        }
        *count += 1;
        Some(Entered { address, open: self.open.clone() })
    }
}

/// A counted connection.
struct Entered {
    address: IpAddr,
    open: Arc<Mutex<BTreeMap<IpAddr, usize>>>,
}

impl Drop for Entered {
    fn drop(&mut self) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = open.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                open.remove(&self.address);
            }
        }
    }
}
