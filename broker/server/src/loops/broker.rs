//! The broker's thread.

use std::time::Duration;

use odradek_node::broker::{BrokerNode, BrokerStatus};
use odradek_node::event::{Command, Event};
use odradek_wire::features::FinalizedFeatures;
use tokio::sync::{mpsc, oneshot};

use super::features::{self, Features, TellFeatures};
use super::{BrokerOutbox, Clock, DiskPool, Ended, LoopEnded, Waited, take, wait};
use crate::health::Health;
use crate::identity::Unnamed;

/// What enters the broker's thread.
#[derive(Debug)]
pub(super) enum Message {
    Event(Event),
    Status(oneshot::Sender<BrokerStatus>),
    Close,
}

/// The way into the broker's thread; clones lead to the same one.
#[derive(Debug, Clone)]
pub struct BrokerHandle {
    sender: mpsc::Sender<Message>,
    features: Features,
}

/// The other end of [`BrokerHandle`].
#[derive(Debug)]
pub struct BrokerInbox {
    receiver: mpsc::Receiver<Message>,
    features: TellFeatures,
}

/// A queue for at most `bound` events (`queued.max.requests`).
#[must_use]
pub fn channel(bound: usize) -> (BrokerHandle, BrokerInbox) {
    let (sender, receiver) = mpsc::channel(bound.clamp(1, super::MOST_QUEUED));
    let (tell, features) = features::channel();
    (BrokerHandle { sender, features }, BrokerInbox { receiver, features: tell })
}

impl BrokerHandle {
    /// Puts an event into the queue; waits while it is full.
    ///
    /// # Errors
    ///
    /// The broker has stopped.
    pub async fn send(&self, event: Event) -> Result<(), LoopEnded> {
        self.sender.send(Message::Event(event)).await.map_err(|_| LoopEnded)
    }

    /// [`BrokerHandle::send`] for threads outside the runtime.
    ///
    /// # Errors
    ///
    /// The broker has stopped.
    pub fn blocking_send(&self, event: Event) -> Result<(), LoopEnded> {
        self.sender.blocking_send(Message::Event(event)).map_err(|_| LoopEnded)
    }

    /// After [`BrokerLoop::stopped`] was heard: closes the logs and ends the loop.
    pub async fn close(&self) {
        // A loop that has ended needs no telling.
        self.sender.send(Message::Close).await.ok();
    }

    /// The features that are on, as far as the broker knows.
    #[must_use]
    pub fn features(&self) -> FinalizedFeatures {
        self.features.get()
    }

    /// What the broker knows of itself; `None` when it has stopped.
    pub async fn status(&self) -> Option<BrokerStatus> {
        let (answer, wait) = oneshot::channel();
        self.sender.send(Message::Status(answer)).await.ok()?;
        wait.await.ok()
    }
}

/// What the broker's thread works with.
pub struct BrokerLoop {
    /// The state machine.
    pub node: BrokerNode,
    /// Where events come from.
    pub inbox: BrokerInbox,
    /// For the answers of jobs.
    pub handle: BrokerHandle,
    /// Where answers and calls go.
    pub outbox: Box<dyn BrokerOutbox>,
    /// Who syncs and removes files.
    pub pool: DiskPool,
    /// Heard when the controlled shutdown is over. The loop goes on, so that what is in flight can be answered, until
    /// [`BrokerHandle::close`].
    pub stopped: Option<oneshot::Sender<()>>,
    /// Folders that wait for the cluster's id.
    pub unnamed: Option<Unnamed>,
    /// What `/readyz` looks at.
    pub health: Health,
    /// The process's clock.
    pub clock: Clock,
    /// Whose timers wake the thread.
    pub runtime: tokio::runtime::Handle,
}

impl BrokerLoop {
    /// Runs until the broker has stopped or failed. Call it on a thread of its own.
    #[must_use]
    pub fn run(mut self) -> Ended {
        let mut messages = Vec::new();
        let mut events = Vec::new();
        let mut commands = Vec::new();
        loop {
            let due = self.node.next_deadline();
            if due > self.clock.now().mono_ms {
                let until = self.clock.instant(due);
                if matches!(wait(&self.runtime, &mut self.inbox.receiver, until, &mut messages), Waited::Closed) {
                    // Only when the rest of the process is gone: what can be saved is saved.
                    return self.close();
                }
            } else {
                take(&mut self.inbox.receiver, &mut messages);
            }
            let mut closing = false;
            for message in messages.drain(..) {
                match message {
                    Message::Event(event) => events.push(event),
                    Message::Close => closing = true,
                    // Nobody may wait for it any more.
                    Message::Status(answer) => drop(answer.send(self.node.status())),
                }
            }
            self.node.turn(self.clock.now(), events.drain(..), &mut commands);
            self.inbox.features.tell(self.node.image());
            for command in commands.drain(..) {
                if let Some(ended) = self.carry_out(command) {
                    return ended;
                }
            }
            if closing {
                return self.close();
            }
        }
    }

    fn carry_out(&mut self, command: Command) -> Option<Ended> {
        match command {
            Command::Reply { request, response } => self.outbox.reply(request, response),
            Command::Call { call, to, body, timeout_ms } => {
                self.outbox.call(call, to, body, Duration::from_millis(timeout_ms));
            }
            Command::Flush { log, job } => {
                let handle = self.handle.clone();
                self.pool.run(move || {
                    let result = job.run();
                    // A broker that has stopped flushed everything itself.
                    handle.blocking_send(Event::Flushed { log, result }).ok();
                });
            }
            Command::Load { log, step, job } => {
                let handle = self.handle.clone();
                self.pool.run(move || {
                    let result = job.run();
                    // A copy that was not whole is made again after a start.
                    handle.blocking_send(Event::Loaded { log, step, result }).ok();
                });
            }
            Command::Run(job) => self.pool.run(move || {
                if let Err(error) = (job.run)() {
                    tracing::error!("{}: {error}", job.what);
                }
            }),
            Command::Controllers(addresses) => self.outbox.controllers(addresses),
            Command::State(state) => {
                self.health.broker(state);
                return self.name_folders();
            }
            Command::Stopped => {
                // Nobody to tell: then nobody will close either, and the loop ends when the senders are gone.
                self.stopped.take().map(|stopped| stopped.send(()));
            }
            Command::Fatal { reason, exit_code } => return Some(Ended::Failed { reason, exit_code }),
        }
        None
    }

    /// Writes down the cluster's id once the controllers told it.
    fn name_folders(&mut self) -> Option<Ended> {
        let unnamed = self.unnamed.as_ref()?;
        let cluster_id = self.node.status().cluster_id?;
        if let Err(error) = unnamed.name(&cluster_id) {
            return Some(Ended::Failed { reason: error.to_string(), exit_code: 1 });
        }
        self.unnamed = None;
        None
    }

    /// Flushes every log and leaves the marker of a clean stop.
    fn close(mut self) -> Ended {
        self.pool.drain(Duration::from_secs(5));
        match self.node.close() {
            Ok(()) => Ended::Stopped,
            Err(reasons) => Ended::Failed { reason: reasons.join("; "), exit_code: 1 },
        }
    }
}
