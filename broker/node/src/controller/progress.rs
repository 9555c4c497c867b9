//! When voters and brokers were last heard of, for DescribeQuorum and for metrics. Nothing is decided by it.

use std::collections::BTreeMap;

use bytes::Bytes;

/// A broker that follows the metadata.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Observer {
    /// The entry after the last one that it has applied.
    pub end: u64,
    /// When it was last heard of, in milliseconds since 1970.
    pub heard_ms: i64,
    /// When it last had everything; -1 for never.
    pub caught_up_ms: i64,
}

/// Since when nothing new is known of the others.
#[derive(Debug, Default)]
pub(super) struct Progress {
    /// Controllers, each with its disk.
    controllers: BTreeMap<(u64, Bytes), (i64, i64)>,
    observers: BTreeMap<i32, Observer>,
}

impl Progress {
    /// Another leader counts anew.
    pub(super) fn clear(&mut self) {
        *self = Progress::default();
    }

    /// A controller sent a message; `caught_up` when it has the leader's whole log.
    pub(super) fn heard_of_controller(&mut self, id: u64, directory_id: Bytes, caught_up: bool, wall_ms: i64) {
        let (heard, last) = self.controllers.entry((id, directory_id)).or_insert((-1, -1));
        *heard = wall_ms;
        if caught_up {
            *last = wall_ms;
        }
    }

    /// A broker said which entry it has applied.
    pub(super) fn heard_of_broker(&mut self, id: i32, applied: u64, committed: u64, wall_ms: i64) {
        let caught_up = self.observers.get(&id).map_or(-1, |observer| observer.caught_up_ms);
        let caught_up_ms = if applied >= committed { wall_ms } else { caught_up };
        self.observers.insert(id, Observer { end: applied + 1, heard_ms: wall_ms, caught_up_ms });
    }

    /// A broker is gone.
    pub(super) fn forget_broker(&mut self, id: i32) {
        self.observers.remove(&id);
    }

    /// (last heard of, last caught up) of a controller, -1 for never.
    pub(super) fn controller(&self, id: u64, directory_id: &Bytes) -> (i64, i64) {
        self.controllers.get(&(id, directory_id.clone())).copied().unwrap_or((-1, -1))
    }

    /// Every broker that was heard of, by id.
    pub(super) fn observers(&self) -> impl Iterator<Item = (i32, &Observer)> {
        self.observers.iter().map(|(id, observer)| (*id, observer))
    }
}
