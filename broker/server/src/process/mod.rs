//! One process from its start to its end.
//!
//! Up: folders are locked and identified; sockets are bound; the controller opens its log; the broker recovers its
//! logs; the loops start, then the listeners serve. `/livez` answers all along.
//!
//! Down, after SIGTERM or SIGINT: the broker hands its leaders over (for at most `odradek.shutdown.timeout.ms`),
//! answers what is in flight, closes its logs; the controller goes last, since the broker needs it until then. A
//! second signal ends the process at once.

mod broker;
mod controller;
mod signals;

use std::sync::Arc;
use std::time::{Duration, Instant};

use odradek_log::{Disk, RealDisk};
use odradek_wire::features::RELEASE;
use tokio::sync::mpsc;
use uuid::Uuid;

use self::signals::Signals;
use crate::config::{Listener, ServerConfig};
use crate::health::Health;
use crate::http::{self, Sources};
use crate::identity;
use crate::loops::{Clock, Ended};
use crate::metrics::Traffic;
use crate::net::{Bound, Listeners, ListenersConfig, Peers, PeersConfig};

/// How long answers in flight may take once the leaders are handed over.
const GRACE: Duration = Duration::from_secs(1);

/// Why the process ends before it was asked to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// For standard error.
    pub reason: String,
    /// 2 for identity and configuration, 1 for the rest.
    pub exit_code: u8,
}

impl Failure {
    /// Something that may be different the next time: exit code 1.
    fn runtime(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), exit_code: 1 }
    }
}

/// What the parts of a process share.
struct Shared {
    config: ServerConfig,
    disk: Arc<dyn Disk>,
    clock: Clock,
    health: Health,
    sockets: ListenersConfig,
    peers: Peers,
    runtime: tokio::runtime::Handle,
    /// Where the loops' threads say how they ended.
    ended: mpsc::UnboundedSender<Ended>,
}

/// Runs until a signal or a failure. Blocks.
///
/// # Errors
///
/// A line for standard error, and the exit code.
pub fn run(config: ServerConfig) -> Result<(), Failure> {
    let started = Instant::now();
    let cores = std::thread::available_parallelism().map_or(2, usize::from);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        // More threads than cores would only take turns.
        .worker_threads(config.network.threads.min(cores.max(2)))
        // Name look-ups and file reads of small answers.
        .max_blocking_threads(16)
        .thread_name("net")
        .enable_all()
        .build()
        .map_err(|error| Failure::runtime(format!("no threads for the network: {error}")))?;
    let result = runtime.block_on(live(config, started));
    // A task that hangs on a socket must not hold the exit.
    runtime.shutdown_background();
    result
}

async fn live(config: ServerConfig, started: Instant) -> Result<(), Failure> {
    let mut signals = Signals::listen().map_err(|error| Failure::runtime(format!("no signals: {error}")))?;
    let disk: Arc<dyn Disk> = Arc::new(RealDisk::new());
    let identity = identity::claim(&disk, &config, identity::new_directory_id)
        .map_err(|error| Failure { exit_code: error.exit_code(), reason: error.to_string() })?;
    let traffic = Traffic::default();
    let (ended_sender, mut ended) = mpsc::unbounded_channel();
    let shared = Shared {
        disk,
        clock: Clock::start(),
        health: Health::default(),
        sockets: ListenersConfig::new(config.network.clone(), traffic.clone()),
        peers: Peers::new(PeersConfig {
            node_id: config.node.id,
            controllers: config.quorum.voters.clone(),
            bootstrap: config.quorum.bootstrap.clone(),
            connect_timeout: config.network.connect_timeout,
            seed: seed(),
        }),
        runtime: tokio::runtime::Handle::current(),
        ended: ended_sender,
        config,
    };
    let config = &shared.config;
    if config.node.broker {
        shared.health.recovering(0, 0);
    }
    let sources = Sources {
        health: shared.health.clone(),
        broker: Arc::default(),
        controller: Arc::default(),
        peers: shared.peers.clone(),
        traffic,
        started,
    };
    if let Some(address) = config.own.http {
        let listener = http::bind(address).await.map_err(Failure::runtime)?;
        tokio::spawn(http::serve(listener, sources.clone()));
    }

    // All ports are taken before anything is opened: one that is in use is told at once.
    let controller = controller::bind(&shared).await?;
    let broker = broker::bind(&shared).await?;
    let controller = controller.map(|bound| bound.start(&shared, &identity)).transpose()?;
    if let Some(running) = &controller {
        sources.controller.set(running.handle.clone()).ok();
    }
    let broker = match broker {
        None => None,
        Some(bound) => {
            let recovered = tokio::select! {
                recovered = broker::recover(&shared, &identity) => recovered?,
                () = signals.next() => {
                    tracing::info!("asked to end while logs were being recovered; the next start goes on with it");
                    return Ok(());
                }
            };
            let running = bound.start(&shared, &identity, recovered)?;
            sources.broker.set(running.handle.clone()).ok();
            Some(running)
        }
    };
    tracing::info!(
        node = config.node.id,
        roles = roles(config),
        ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX),
        "started {}",
        RELEASE,
    );

    tokio::select! {
        () = signals.next() => tracing::info!("asked to end; a second signal ends at once"),
        Some(ended) = ended.recv() => return Err(failed(ended)),
    }
    tokio::select! {
        result = stop(broker, controller, &mut ended) => result?,
        () = signals.next() => return Err(Failure::runtime("a second signal: ending without closing the logs")),
    }
    tracing::info!("stopped");
    // The locks of the folders are held until here.
    drop(identity);
    Ok(())
}

/// Takes the port of a listener.
async fn bind(listeners: &Listeners, listener: &Listener) -> Result<Bound, Failure> {
    let bound = listeners.bind(listener).await.map_err(|error| {
        Failure::runtime(format!(
            "listeners={}://{}:{} cannot be bound: {error}; another process may use the port",
            listener.name, listener.host, listener.port
        ))
    })?;
    tracing::info!(listener = %listener.name, address = %bound.address(), "listening");
    Ok(bound)
}

/// Runs a loop on a thread of its own.
fn spawn(
    name: &str,
    ended: mpsc::UnboundedSender<Ended>,
    work: impl FnOnce() -> Ended + Send + 'static,
) -> Result<(), Failure> {
    std::thread::Builder::new()
        .name(name.to_owned())
        // Nobody listens any more when the process is ending anyway.
        .spawn(move || drop(ended.send(work())))
        .map(drop)
        .map_err(|error| Failure::runtime(format!("no thread for the {name}'s loop: {error}")))
}

/// A random number for ids and jitter.
fn seed() -> u64 {
    Uuid::new_v4().as_u64_pair().0
}

async fn stop(
    broker: Option<broker::Running>,
    controller: Option<controller::Running>,
    ended: &mut mpsc::UnboundedReceiver<Ended>,
) -> Result<(), Failure> {
    if let Some(mut broker) = broker {
        tokio::select! {
            () = broker.hand_over() => {}
            Some(ended) = ended.recv() => return Err(failed(ended)),
        }
        broker.close(GRACE).await;
        wait_for(ended).await?;
    }
    if let Some(controller) = controller {
        controller.shut_down().await;
        wait_for(ended).await?;
        controller.close().await;
    }
    Ok(())
}

/// Waits for the end of the one loop that was asked to end.
async fn wait_for(ended: &mut mpsc::UnboundedReceiver<Ended>) -> Result<(), Failure> {
    match ended.recv().await {
        Some(Ended::Stopped) | None => Ok(()),
        Some(other) => Err(failed(other)),
    }
}

fn failed(ended: Ended) -> Failure {
    match ended {
        Ended::Failed { reason, exit_code } => Failure { reason, exit_code: u8::try_from(exit_code).unwrap_or(1) },
        Ended::Stopped => Failure::runtime("a loop ended without being asked to"),
    }
}

fn roles(config: &ServerConfig) -> &'static str {
    match (config.node.broker, config.node.controller) {
        (true, true) => "broker,controller",
        (true, false) => "broker",
        _ => "controller",
    }
}
