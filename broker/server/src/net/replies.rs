//! From the loop back to the connection that asked.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use odradek_node::event::RequestId;
use tokio::sync::oneshot;

/// Shards, so that the loop's thread and the connections' seldom meet at one lock.
const SHARDS: usize = 16;

/// Who waits for which reply. Shared by all connections of a loop and the loop's outbox.
#[derive(Debug)]
pub struct Replies<R> {
    next: AtomicU64,
    // Looked up by id only; the order of a map is never seen.
    shards: [Mutex<HashMap<RequestId, oneshot::Sender<R>>>; SHARDS],
}

impl<R> Default for Replies<R> {
    fn default() -> Self {
        Self { next: AtomicU64::new(1), shards: std::array::from_fn(|_| Mutex::default()) }
    }
}

impl<R> Replies<R> {
    /// Delivers a reply; dropped when nobody waits for it any more. Does not block.
    pub fn deliver(&self, id: RequestId, reply: R) {
        let sender = self.shard(id).lock().unwrap_or_else(PoisonError::into_inner).remove(&id);
        if let Some(sender) = sender {
            // The connection may have gone in this very moment.
            drop(sender.send(reply));
        }
    }

    /// How many wait.
    #[cfg(test)]
    pub(super) fn waiting(&self) -> usize {
        self.shards.iter().map(|shard| shard.lock().expect("no panic").len()).sum()
    }

    /// A new id, and the future of its reply.
    pub(super) fn expect_one(self: &Arc<Self>) -> (RequestId, Expected<R>) {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let (sender, receiver) = oneshot::channel();
        self.shard(id).lock().unwrap_or_else(PoisonError::into_inner).insert(id, sender);
        (id, Expected { id, receiver, replies: self.clone() })
    }

    fn shard(&self, id: RequestId) -> &Mutex<HashMap<RequestId, oneshot::Sender<R>>> {
        &self.shards[(id % SHARDS as u64) as usize]
    }
}

/// A reply to come: `None` when the loop ended without it. Dropping it ends the wait.
#[derive(Debug)]
pub(super) struct Expected<R> {
    id: RequestId,
    receiver: oneshot::Receiver<R>,
    replies: Arc<Replies<R>>,
}

impl<R> Expected<R> {
    /// The reply, when it is there already.
    pub(super) fn now(&mut self) -> Option<R> {
        self.receiver.try_recv().ok()
    }
}

impl<R> Future for Expected<R> {
    type Output = Option<R>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.receiver).poll(context).map(Result::ok)
    }
}

impl<R> Drop for Expected<R> {
    fn drop(&mut self) {
        self.replies.shard(self.id).lock().unwrap_or_else(PoisonError::into_inner).remove(&self.id);
    }
}
