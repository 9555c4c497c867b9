//! The deadlines of one partition's groups.

use std::collections::{BTreeMap, BTreeSet};

use super::Name;

/// What a deadline is for. There is at most one of each.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Timer {
    /// The session of a member, or the wait for a pending member's second join.
    Member { group: Name, member: Name },
    /// The end of the join phase.
    Join { group: Name },
    /// The end of the wait for SyncGroup.
    Sync { group: Name },
    /// The next look at a group's committed offsets.
    Expiry { group: Name },
    /// The end of the wait for a write to be committed.
    Write { number: u64 },
}

/// Timers by what they are for and by when they end; the same order on every run.
#[derive(Debug, Default)]
pub(super) struct Timers {
    due: BTreeSet<(u64, Timer)>,
    at: BTreeMap<Timer, u64>,
}

impl Timers {
    /// Sets the timer to `at_ms`, whether or not it was set before.
    pub(super) fn set(&mut self, timer: Timer, at_ms: u64) {
        if let Some(before) = self.at.insert(timer.clone(), at_ms) {
            self.due.remove(&(before, timer.clone()));
        }
        self.due.insert((at_ms, timer));
    }

    pub(super) fn cancel(&mut self, timer: &Timer) {
        if let Some(at_ms) = self.at.remove(timer) {
            self.due.remove(&(at_ms, timer.clone()));
        }
    }

    pub(super) fn get(&self, timer: &Timer) -> Option<u64> {
        self.at.get(timer).copied()
    }

    /// Takes the earliest timer that is due.
    pub(super) fn pop_due(&mut self, now_ms: u64) -> Option<Timer> {
        if self.next()? > now_ms {
            return None;
        }
        let (_, timer) = self.due.pop_first()?;
        self.at.remove(&timer);
        Some(timer)
    }

    pub(super) fn next(&self) -> Option<u64> {
        self.due.first().map(|&(at_ms, _)| at_ms)
    }
}
