//! The broker's part of a process.

use std::sync::Arc;
use std::time::Duration;

use odradek_node::broker::{AdvertisedListener, BrokerNode, Start};
use odradek_node::event::{Event, ListenerRole};
use tokio::sync::oneshot;
use uuid::Uuid;

use super::{Failure, Shared};
use crate::identity::Identity;
use crate::loops::broker::{self, BrokerLoop};
use crate::loops::{BrokerHandle, DiskPool};
use crate::net::{Bound, BrokerOut, BrokerService, Listeners, Replies};
use crate::node_config;
use crate::recovery::{self, Recovery};

/// Its sockets have their ports.
pub(super) struct BoundBroker {
    listeners: Listeners,
    bound: Vec<(Bound, ListenerRole)>,
    advertised: Vec<AdvertisedListener>,
}

/// Its loop runs and its listeners serve.
pub(super) struct Running {
    pub(super) handle: BrokerHandle,
    listeners: Option<Listeners>,
    stopped: oneshot::Receiver<()>,
}

/// Binds its listeners; `None` when this process is no broker.
pub(super) async fn bind(shared: &Shared) -> Result<Option<BoundBroker>, Failure> {
    let config = &shared.config;
    if !config.node.broker {
        return Ok(None);
    }
    let listeners = Listeners::new(shared.sockets.clone());
    let mut bound = Vec::new();
    let mut advertised = Vec::new();
    for listener in &config.listeners.broker {
        let socket = super::bind(&listeners, listener).await?;
        let role = match listener.name == config.listeners.inter_broker {
            true => ListenerRole::InterBroker,
            false => ListenerRole::Client,
        };
        if let Some(told) = config.listeners.advertised.iter().find(|told| told.name == listener.name) {
            advertised.push(AdvertisedListener {
                name: told.name.clone(),
                host: told.host.clone(),
                // Port 0 asked for any free one: tell which one it became.
                port: if told.port == 0 { socket.address().port() } else { told.port },
                security_protocol: told.protocol.name().to_owned(),
            });
        }
        bound.push((socket, role));
    }
    Ok(Some(BoundBroker { listeners, bound, advertised }))
}

/// Opens all logs on threads of their own.
pub(super) async fn recover(shared: &Shared, identity: &Identity) -> Result<Recovery, Failure> {
    let (done, wait) = oneshot::channel();
    let (disk, dirs, health) = (shared.disk.clone(), identity.log_dirs.clone(), shared.health.clone());
    let threads = shared.config.log.recovery_threads_per_dir;
    let wall_ms = shared.clock.now().wall_ms;
    std::thread::Builder::new()
        .name("recovery".to_owned())
        // When nobody waits any more, the process is ending.
        .spawn(move || drop(done.send(recovery::run(&disk, &dirs, threads, wall_ms, &health))))
        .map_err(|error| Failure::runtime(format!("no thread for the recovery: {error}")))?;
    match wait.await {
        Ok(Ok(recovery)) => Ok(recovery),
        Ok(Err(reasons)) => Err(Failure::runtime(reasons.join("\n"))),
        Err(_) => Err(Failure::runtime("the recovery ended without a result")),
    }
}

impl BoundBroker {
    /// Starts the loop over the recovered logs, and serves.
    pub(super) fn start(
        mut self,
        shared: &Shared,
        identity: &Identity,
        recovered: Recovery,
    ) -> Result<Running, Failure> {
        let config = &shared.config;
        let (handle, inbox) = broker::channel(config.network.queued_max_requests);
        let (stopped_sender, stopped) = oneshot::channel();
        let replies = Arc::new(Replies::default());
        let settings =
            node_config::broker(config, identity.cluster_id.clone(), identity.log_dirs.clone(), self.advertised);
        let start = Start {
            incarnation: Uuid::new_v4(),
            previous_broker_epoch: recovered.previous_broker_epoch,
            seed: super::seed(),
        };
        let mut node = BrokerNode::new(settings, shared.disk.clone(), recovered.logs, start, shared.clock.now());
        node.resume_moves(recovered.moves);
        let outbox = BrokerOut::new(replies.clone(), shared.peers.clone(), handle.clone(), shared.runtime.clone());
        let work = BrokerLoop {
            node,
            inbox,
            handle: handle.clone(),
            outbox: Box::new(outbox),
            pool: DiskPool::new(config.network.background_threads),
            stopped: Some(stopped_sender),
            unnamed: identity.unnamed(),
            health: shared.health.clone(),
            clock: shared.clock,
            runtime: shared.runtime.clone(),
        };
        super::spawn("broker", shared.ended.clone(), move || work.run())?;
        for (bound, role) in self.bound {
            let traffic = shared.sockets.traffic.clone();
            let service = BrokerService::new(handle.clone(), traffic, config.network.request_max_bytes);
            self.listeners.serve(bound, role, service, replies.clone());
        }
        Ok(Running { handle, listeners: Some(self.listeners), stopped })
    }
}

impl Running {
    /// Hands the leaders over; ends when that is done, or has taken too long.
    pub(super) async fn hand_over(&mut self) {
        // A loop that has ended tells so in another way.
        if self.handle.send(Event::Shutdown).await.is_ok() && (&mut self.stopped).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Answers what is in flight for at most `grace`, then closes the logs.
    pub(super) async fn close(&mut self, grace: Duration) {
        if let Some(listeners) = self.listeners.take() {
            listeners.shutdown(grace).await;
        }
        self.handle.close().await;
    }
}
