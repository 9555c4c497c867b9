//! The controller's thread.

use odradek_node::controller::{ControllerCommand, ControllerEvent, ControllerNode, ControllerStatus};
use odradek_wire::features::FinalizedFeatures;
use tokio::sync::{mpsc, oneshot};

use crate::identity::Unnamed;

use super::features::{self, Features, TellFeatures};
use super::{Clock, ControllerOutbox, Ended, LoopEnded, Waited, take, wait};

/// What enters the controller's thread.
#[derive(Debug)]
enum Message {
    Event(ControllerEvent),
    Status(oneshot::Sender<ControllerStatus>),
}

/// The way into the controller's thread; clones lead to the same one.
#[derive(Debug, Clone)]
pub struct ControllerHandle {
    sender: mpsc::Sender<Message>,
    features: Features,
}

/// The other end of [`ControllerHandle`].
#[derive(Debug)]
pub struct ControllerInbox {
    receiver: mpsc::Receiver<Message>,
    features: TellFeatures,
}

/// A queue for at most `bound` events.
#[must_use]
pub fn channel(bound: usize) -> (ControllerHandle, ControllerInbox) {
    let (sender, receiver) = mpsc::channel(bound.clamp(1, super::MOST_QUEUED));
    let (tell, features) = features::channel();
    (ControllerHandle { sender, features }, ControllerInbox { receiver, features: tell })
}

impl ControllerHandle {
    /// Puts an event into the queue; waits while it is full.
    ///
    /// # Errors
    ///
    /// The controller has stopped.
    pub async fn send(&self, event: ControllerEvent) -> Result<(), LoopEnded> {
        self.sender.send(Message::Event(event)).await.map_err(|_| LoopEnded)
    }

    /// The features that are on, as far as the controller knows.
    #[must_use]
    pub fn features(&self) -> FinalizedFeatures {
        self.features.get()
    }

    /// What the controller knows of itself; `None` when it has stopped.
    pub async fn status(&self) -> Option<ControllerStatus> {
        let (answer, wait) = oneshot::channel();
        self.sender.send(Message::Status(answer)).await.ok()?;
        wait.await.ok()
    }
}

/// What the controller's thread works with.
pub struct ControllerLoop {
    /// The state machine.
    pub node: ControllerNode,
    /// Where events come from.
    pub inbox: ControllerInbox,
    /// Where answers and messages to other controllers go.
    pub outbox: Box<dyn ControllerOutbox>,
    /// Folders that wait for the cluster's id.
    pub unnamed: Option<Unnamed>,
    /// The process's clock.
    pub clock: Clock,
    /// Whose timers wake the thread.
    pub runtime: tokio::runtime::Handle,
}

impl ControllerLoop {
    /// Runs until the controller has stopped or failed. Call it on a thread of its own: it syncs the metadata log.
    #[must_use]
    pub fn run(mut self) -> Ended {
        let mut messages = Vec::new();
        // A lone controller becomes active by this.
        let mut events = vec![ControllerEvent::Timer];
        let mut commands = Vec::new();
        loop {
            self.node.handle_all(self.clock.now(), events.drain(..), &mut commands);
            self.inbox.features.tell(self.node.image());
            for command in commands.drain(..) {
                match command {
                    ControllerCommand::Reply { request, response } => self.outbox.reply(request, response),
                    ControllerCommand::Send { to, message } => self.outbox.send(to, message),
                    ControllerCommand::Probe { server, message } => self.outbox.probe(server, message),
                    ControllerCommand::Controllers(addresses) => self.outbox.controllers(addresses),
                    ControllerCommand::Stopped => return self.close(),
                    ControllerCommand::Fatal { reason, exit_code } => return Ended::Failed { reason, exit_code },
                }
            }
            if let Some(cluster_id) = self.unnamed.as_ref().and_then(|_| self.node.image().cluster_id())
                && let Some(unnamed) = self.unnamed.take()
                && let Err(error) = unnamed.name(cluster_id)
            {
                return Ended::Failed { reason: error.to_string(), exit_code: 1 };
            }
            let due = self.node.next_deadline();
            if due.is_none_or(|due| due > self.clock.now().mono_ms) {
                let until = due.and_then(|due| self.clock.instant(due));
                if matches!(wait(&self.runtime, &mut self.inbox.receiver, until, &mut messages), Waited::Closed) {
                    return self.close();
                }
            } else {
                take(&mut self.inbox.receiver, &mut messages);
            }
            for message in messages.drain(..) {
                match message {
                    Message::Event(event) => events.push(event),
                    // Nobody may wait for it any more.
                    Message::Status(answer) => drop(answer.send(self.node.status())),
                }
            }
            if events.is_empty() {
                events.push(ControllerEvent::Timer);
            }
        }
    }

    fn close(self) -> Ended {
        match self.node.close() {
            Ok(()) => Ended::Stopped,
            Err(error) => Ended::Failed { reason: error.to_string(), exit_code: error.exit_code() },
        }
    }
}
