//! Brokers that wait for committed entries.

use std::collections::BTreeMap;

use crate::event::RequestId;

/// A FetchMetadata request that waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct WaitingFetch {
    pub request: RequestId,
    pub connection: u64,
    /// The next entry that it wants.
    pub from: u64,
}

/// Requests that wait for an entry, or for their time.
#[derive(Debug, Default)]
pub(super) struct Fetches {
    /// By deadline (monotonic milliseconds), then in the order in which they came.
    waiting: BTreeMap<(u64, u64), WaitingFetch>,
    next: u64,
}

impl Fetches {
    /// Lets a request wait until `deadline_ms`.
    pub(super) fn push(&mut self, deadline_ms: u64, fetch: WaitingFetch) {
        self.waiting.insert((deadline_ms, self.next), fetch);
        self.next += 1;
    }

    /// How many wait.
    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// When the first of them has waited long enough.
    pub(super) fn next_deadline(&self) -> Option<u64> {
        self.waiting.first_key_value().map(|(key, _)| key.0)
    }

    /// Takes out what need not wait any more: all of them when `all`, else those whose entry is there (below `end`)
    /// or whose time is over.
    pub(super) fn take_due(&mut self, now_ms: u64, end: u64, all: bool) -> Vec<WaitingFetch> {
        if all {
            return std::mem::take(&mut self.waiting).into_values().collect();
        }
        let due = |key: &(u64, u64), fetch: &WaitingFetch| key.0 <= now_ms || fetch.from < end;
        let keys: Vec<_> = self.waiting.iter().filter(|(key, fetch)| due(key, fetch)).map(|(key, _)| *key).collect();
        keys.iter().filter_map(|key| self.waiting.remove(key)).collect()
    }

    /// Nobody waits for these any more.
    pub(super) fn forget_connection(&mut self, connection: u64) {
        self.waiting.retain(|_, fetch| fetch.connection != connection);
    }
}
