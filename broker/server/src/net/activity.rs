//! When a connection was last used.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::time::Instant;

/// Shared by the two halves of a connection.
#[derive(Debug)]
pub(super) struct Activity {
    start: Instant,
    /// Milliseconds from `start` to when bytes last moved.
    last: AtomicU64,
    /// Requests that the loop has and did not answer yet.
    asked: AtomicUsize,
}

impl Activity {
    pub(super) fn new() -> Self {
        Self { start: Instant::now(), last: AtomicU64::new(0), asked: AtomicUsize::new(0) }
    }

    /// Bytes moved.
    pub(super) fn moved(&self) {
        let now = u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.last.store(now, Ordering::Relaxed);
    }

    /// A request went to the loop.
    pub(super) fn asked(&self) {
        self.asked.fetch_add(1, Ordering::Relaxed);
    }

    /// The loop answered it.
    pub(super) fn answered(&self) {
        self.asked.fetch_sub(1, Ordering::Relaxed);
        self.moved();
    }

    /// Waits until nothing happened for `limit` (for ever when there is none). A request that waits in the loop is
    /// something: joining a group may take minutes.
    pub(super) async fn idle(&self, limit: Option<Duration>) {
        let Some(limit) = limit else { return std::future::pending().await };
        loop {
            let last = self.start + Duration::from_millis(self.last.load(Ordering::Relaxed));
            let due = last + limit;
            if Instant::now() >= due {
                if self.asked.load(Ordering::Relaxed) == 0 {
                    return;
                }
                // Looked at again when the answer may have come; an answer counts as a move.
                tokio::time::sleep(limit.max(Duration::from_millis(100))).await;
            } else {
                tokio::time::sleep_until(due).await;
            }
        }
    }
}
