//! The threads that run the node's state machines, and the ways in and out of them.
//!
//! One thread runs [`odradek_node::broker::BrokerNode`], another one [`odradek_node::controller::ControllerNode`].
//! Events reach them through a bounded queue (`queued.max.requests`): a task that waits for room there does not read
//! its socket. What they want done leaves through [`BrokerOutbox`] and [`ControllerOutbox`], which never block.

pub mod broker;
pub mod clock;
pub mod controller;
pub mod disk_pool;
mod features;

use std::collections::BTreeMap;
use std::time::Duration;

use odradek_core::metadata::rpc::{ControllerRequest, ControllerResponse};
use odradek_node::controller::Endpoint;
use odradek_node::event::{CallId, Peer, PeerRequest, RequestId, Response};
use tokio::sync::mpsc;
use tokio::time::Instant;

pub use broker::{BrokerHandle, BrokerInbox};
pub use clock::Clock;
pub use controller::{ControllerHandle, ControllerInbox};
pub use disk_pool::DiskPool;

/// What the broker's loop sends out. No call may block: each comes from the loop's own thread.
pub trait BrokerOutbox: Send {
    /// Answers a request; dropped when its connection is gone.
    fn reply(&mut self, request: RequestId, response: Response);
    /// Calls a peer. Exactly one [`odradek_node::event::Event::Answer`] with the same `call` must follow.
    fn call(&mut self, call: CallId, to: Peer, body: PeerRequest, timeout: Duration);
    /// Where the controllers listen now, by node id.
    fn controllers(&mut self, addresses: BTreeMap<i32, (String, u16)>);
}

/// What the controller's loop sends out. No call may block: each comes from the loop's own thread.
pub trait ControllerOutbox: Send {
    /// Answers a request; dropped when its connection is gone.
    fn reply(&mut self, request: RequestId, response: ControllerResponse);
    /// Sends to another controller, in order, or drops it.
    fn send(&mut self, to: u64, message: ControllerRequest);
    /// Sends to one of `controller.quorum.bootstrap.servers`, or drops it.
    fn probe(&mut self, server: usize, message: ControllerRequest);
    /// Where the other controllers listen now, by node id.
    fn controllers(&mut self, addresses: BTreeMap<u64, Vec<Endpoint>>);
}

/// Why a loop ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ended {
    /// After a shutdown: all is on disk.
    Stopped,
    /// It cannot go on.
    Failed {
        /// For the log and standard error.
        reason: String,
        /// Of the process: 2 for identity and configuration, 1 for the rest.
        exit_code: i32,
    },
}

/// The loop has ended: nothing is taken any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the node is stopping")]
pub struct LoopEnded;

/// How many messages one turn takes before it looks at deadlines and sends what it decided.
const TURN: usize = 256;

/// The most that tokio's channels take.
const MOST_QUEUED: usize = tokio::sync::Semaphore::MAX_PERMITS;

/// What waited for a loop.
enum Waited {
    /// Messages were added, or the deadline has come.
    Turn,
    /// Every sender is gone.
    Closed,
}

/// Waits for messages until `deadline` and takes all that are there, up to one turn's worth.
fn wait<M>(
    runtime: &tokio::runtime::Handle,
    inbox: &mut mpsc::Receiver<M>,
    deadline: Option<Instant>,
    messages: &mut Vec<M>,
) -> Waited {
    take(inbox, messages);
    if messages.is_empty() {
        let received = runtime.block_on(async {
            match deadline {
                Some(deadline) => tokio::time::timeout_at(deadline, inbox.recv()).await,
                None => Ok(inbox.recv().await),
            }
        });
        match received {
            Ok(Some(message)) => {
                messages.push(message);
                take(inbox, messages);
            }
            Ok(None) => return Waited::Closed,
            Err(_) => {}
        }
    }
    Waited::Turn
}

fn take<M>(inbox: &mut mpsc::Receiver<M>, messages: &mut Vec<M>) {
    while messages.len() < TURN {
        match inbox.try_recv() {
            Ok(message) => messages.push(message),
            Err(_) => return,
        }
    }
}

#[cfg(test)]
mod tests;
