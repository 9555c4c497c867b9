//! The follower's side: what the next fetch has to name.

use std::collections::{BTreeMap, BTreeSet};

use super::{INITIAL_EPOCH, NO_SESSION, next_epoch};

/// The next fetch of a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Built<K, S> {
    /// The session's id; 0 for none.
    pub session_id: i32,
    /// Its epoch; 0 makes the fetch a full one.
    pub epoch: i32,
    /// What it names: everything in a full fetch, else what is new or changed.
    pub asked: Vec<(K, S)>,
    /// What the leader need not look at any more.
    pub forgotten: Vec<K>,
}

/// A fetch session with one leader, one fetch at a time. `S` is what a fetch says of a partition.
#[derive(Debug, Clone)]
pub struct FetchSessionHandler<K, S> {
    session_id: i32,
    epoch: i32,
    partitions: BTreeMap<K, S>,
    changed: BTreeSet<K>,
    /// The leader has these, and they are not wanted any more.
    forgotten: BTreeSet<K>,
}

impl<K: Ord + Clone, S: Clone + PartialEq> Default for FetchSessionHandler<K, S> {
    fn default() -> Self {
        FetchSessionHandler {
            session_id: NO_SESSION,
            epoch: INITIAL_EPOCH,
            partitions: BTreeMap::new(),
            changed: BTreeSet::new(),
            forgotten: BTreeSet::new(),
        }
    }
}

impl<K: Ord + Clone, S: Clone + PartialEq> FetchSessionHandler<K, S> {
    /// `key` is to be fetched, as `state` says.
    pub fn set(&mut self, key: K, state: S) {
        if self.partitions.get(&key) == Some(&state) {
            return;
        }
        self.forgotten.remove(&key);
        self.changed.insert(key.clone());
        self.partitions.insert(key, state);
    }

    /// `key` is not to be fetched any more.
    pub fn remove(&mut self, key: &K) {
        if self.partitions.remove(key).is_some() {
            self.changed.remove(key);
            self.forgotten.insert(key.clone());
        }
    }

    /// What was last said of `key`.
    #[must_use]
    pub fn get(&self, key: &K) -> Option<&S> {
        self.partitions.get(key)
    }

    /// Whether a fetch would name nothing and wait for nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.partitions.is_empty() && (self.session_id == NO_SESSION || self.forgotten.is_empty())
    }

    /// The next fetch. [`FetchSessionHandler::answered`] or [`FetchSessionHandler::failed`] must follow before the one
    /// after it.
    pub fn build(&mut self) -> Built<K, S> {
        let changed = std::mem::take(&mut self.changed);
        let forgotten = std::mem::take(&mut self.forgotten);
        let (asked, forgotten) = if self.epoch == INITIAL_EPOCH {
            (self.partitions.iter().map(|(key, state)| (key.clone(), state.clone())).collect(), Vec::new())
        } else {
            let asked = changed.into_iter().filter_map(|key| {
                let state = self.partitions.get(&key)?.clone();
                Some((key, state))
            });
            (asked.collect(), forgotten.into_iter().collect())
        };
        Built { session_id: self.session_id, epoch: self.epoch, asked, forgotten }
    }

    /// The leader answered, with that error for the whole fetch (0 for none) and that session. True when the answer
    /// may be used; otherwise the next fetch is a full one.
    pub fn answered(&mut self, error_code: i16, session_id: i32) -> bool {
        match error_code {
            0 if session_id == NO_SESSION => {
                // No room for a session, or no session any more.
                self.session_id = NO_SESSION;
                self.epoch = INITIAL_EPOCH;
                true
            }
            0 if self.epoch == INITIAL_EPOCH => {
                self.session_id = session_id;
                self.epoch = next_epoch(INITIAL_EPOCH);
                true
            }
            0 if self.session_id == session_id => {
                self.epoch = next_epoch(self.epoch);
                true
            }
            70 => {
                self.session_id = NO_SESSION;
                self.epoch = INITIAL_EPOCH;
                false
            }
            _ => {
                self.failed();
                false
            }
        }
    }

    /// No answer came: whether the leader saw the fetch is not known, so the session is closed with the next one.
    pub fn failed(&mut self) {
        self.epoch = INITIAL_EPOCH;
    }

    /// Whether the last fetch, not answered yet, was a full one.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.epoch == INITIAL_EPOCH
    }
}
