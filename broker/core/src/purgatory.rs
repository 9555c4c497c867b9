//! The purgatory: operations that wait for something to happen, or for their deadline (M9).
//!
//! It holds produce requests that wait for the in-sync set, fetches that wait for bytes, and
//! deletions that wait for the controller. It knows none of them: an operation is a value of the
//! caller's, the keys that it watches and the time at which it ends. Nothing here walks over all
//! operations: what a call costs depends on the operations that it names, and on the logarithm of
//! the rest.
//!
//! Every answer is ordered by the age of the operations, so that the same calls give the same
//! answers in the simulator and in the server.

use std::collections::{BTreeMap, BTreeSet};

/// Names one waiting operation. Ids grow in the order of [`Purgatory::add`] and are never reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OpId(u64);

/// Operations that wait, by the keys that they watch and by their deadlines.
///
/// `K` is what can change (a partition, a group), `V` is what the caller needs to finish the
/// operation.
#[derive(Debug, Clone)]
pub struct Purgatory<K, V> {
    next: u64,
    operations: BTreeMap<OpId, Operation<K, V>>,
    watchers: BTreeMap<K, BTreeSet<OpId>>,
    deadlines: BTreeSet<(u64, OpId)>,
}

#[derive(Debug, Clone)]
struct Operation<K, V> {
    deadline_ms: u64,
    keys: Vec<K>,
    value: V,
}

impl<K, V> Default for Purgatory<K, V> {
    fn default() -> Self {
        Self { next: 0, operations: BTreeMap::new(), watchers: BTreeMap::new(), deadlines: BTreeSet::new() }
    }
}

impl<K: Ord + Clone, V> Purgatory<K, V> {
    /// An empty purgatory.
    pub fn new() -> Self {
        Self::default()
    }

    /// Keeps `value` until [`remove`](Self::remove) or until `deadline_ms` (monotonic
    /// milliseconds), watching `keys`.
    ///
    /// A key that is named twice counts once. An operation without keys only waits for its
    /// deadline.
    pub fn add(&mut self, deadline_ms: u64, keys: impl IntoIterator<Item = K>, value: V) -> OpId {
        let id = OpId(self.next);
        self.next += 1;
        let keys: Vec<K> =
            keys.into_iter().filter(|key| self.watchers.entry(key.clone()).or_default().insert(id)).collect();
        self.deadlines.insert((deadline_ms, id));
        self.operations.insert(id, Operation { deadline_ms, keys, value });
        id
    }

    /// The operations that watch `key`, oldest first.
    ///
    /// The caller looks at each one ([`get_mut`](Self::get_mut)) and removes those that are
    /// complete; the others go on waiting.
    pub fn notify(&self, key: &K) -> Vec<OpId> {
        self.watchers.get(key).map(|ids| ids.iter().copied().collect()).unwrap_or_default()
    }

    /// Whether any operation watches `key`.
    pub fn is_watched(&self, key: &K) -> bool {
        self.watchers.contains_key(key)
    }

    /// The value of an operation that still waits.
    pub fn get(&self, id: OpId) -> Option<&V> {
        self.operations.get(&id).map(|operation| &operation.value)
    }

    /// The value of an operation that still waits, to be changed in place.
    pub fn get_mut(&mut self, id: OpId) -> Option<&mut V> {
        self.operations.get_mut(&id).map(|operation| &mut operation.value)
    }

    /// Ends an operation and hands its value back; `None` when it has already ended.
    pub fn remove(&mut self, id: OpId) -> Option<V> {
        let operation = self.operations.remove(&id)?;
        self.deadlines.remove(&(operation.deadline_ms, id));
        for key in &operation.keys {
            if let Some(ids) = self.watchers.get_mut(key) {
                ids.remove(&id);
                // An empty set would keep every key that was ever watched in memory.
                if ids.is_empty() {
                    self.watchers.remove(key);
                }
            }
        }
        Some(operation.value)
    }

    /// Ends all operations that watch `key`, oldest first: what a lost leadership or a deleted
    /// topic calls for.
    pub fn remove_watching(&mut self, key: &K) -> Vec<(OpId, V)> {
        self.notify(key).into_iter().filter_map(|id| self.remove(id).map(|value| (id, value))).collect()
    }

    /// Ends the operations whose deadline is at or before `now_ms`, by deadline and then by age.
    pub fn expired(&mut self, now_ms: u64) -> Vec<(OpId, V)> {
        let mut ended = Vec::new();
        while let Some(&(deadline_ms, id)) = self.deadlines.first() {
            if deadline_ms > now_ms {
                break;
            }
            match self.remove(id) {
                Some(value) => ended.push((id, value)),
                None => {
                    self.deadlines.remove(&(deadline_ms, id));
                }
            }
        }
        ended
    }

    /// When the next operation expires, in monotonic milliseconds.
    pub fn next_deadline(&self) -> Option<u64> {
        self.deadlines.first().map(|&(deadline_ms, _)| deadline_ms)
    }

    /// How many operations wait.
    pub fn len(&self) -> usize {
        self.operations.len()
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.operations.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn notify_names_only_those_who_watch_oldest_first() {
        let mut purgatory = Purgatory::new();
        let first = purgatory.add(100, ["a", "b"], 1);
        let second = purgatory.add(50, ["b", "b"], 2);
        assert_eq!(purgatory.notify(&"a"), vec![first]);
        assert_eq!(purgatory.notify(&"b"), vec![first, second]);
        assert!(purgatory.notify(&"c").is_empty());
        assert!(!purgatory.is_watched(&"c"));
    }

    #[test]
    fn a_removed_operation_leaves_no_trace() {
        let mut purgatory = Purgatory::new();
        let id = purgatory.add(100, ["a"], "value");
        assert_eq!(purgatory.get(id), Some(&"value"));
        assert_eq!(purgatory.remove(id), Some("value"));
        assert_eq!(purgatory.remove(id), None);
        assert!(purgatory.notify(&"a").is_empty());
        assert_eq!(purgatory.next_deadline(), None);
        assert!(purgatory.is_empty());
        assert!(purgatory.expired(u64::MAX).is_empty());
        assert!(purgatory.watchers.is_empty(), "keys must not pile up");
    }

    #[test]
    fn deadlines_end_in_order_and_only_when_due() {
        let mut purgatory = Purgatory::new();
        let late = purgatory.add(20, ["a"], "late");
        let early = purgatory.add(10, ["a"], "early");
        let bare = purgatory.add(10, [], "bare");
        assert_eq!(purgatory.next_deadline(), Some(10));
        assert!(purgatory.expired(9).is_empty());
        assert_eq!(purgatory.expired(10), vec![(early, "early"), (bare, "bare")]);
        assert_eq!(purgatory.next_deadline(), Some(20));
        assert_eq!(purgatory.notify(&"a"), vec![late]);
        assert_eq!(purgatory.expired(30), vec![(late, "late")]);
    }

    #[test]
    fn all_that_watch_a_key_can_be_ended_at_once() {
        let mut purgatory = Purgatory::new();
        let first = purgatory.add(10, ["a", "b"], 1);
        let other = purgatory.add(10, ["b"], 2);
        assert_eq!(purgatory.remove_watching(&"a"), vec![(first, 1)]);
        assert_eq!(purgatory.notify(&"b"), vec![other]);
    }

    #[derive(Debug, Clone)]
    enum Step {
        Add(u64, Vec<u8>),
        Remove(usize),
        Expire(u64),
        Touch(usize),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            (0u64..100, prop::collection::vec(0u8..4, 0..3)).prop_map(|(d, k)| Step::Add(d, k)),
            (0usize..40).prop_map(Step::Remove),
            (0u64..100).prop_map(Step::Expire),
            (0usize..40).prop_map(Step::Touch),
        ]
    }

    proptest! {
        /// A list that is searched whole is the model.
        #[test]
        fn agrees_with_a_plain_list(steps in prop::collection::vec(step(), 0..60)) {
            let mut purgatory: Purgatory<u8, u64> = Purgatory::new();
            let mut model: Vec<(OpId, u64, Vec<u8>, u64)> = Vec::new();
            let mut all = Vec::new();
            for (at, step) in steps.into_iter().enumerate() {
                match step {
                    Step::Add(deadline, keys) => {
                        let id = purgatory.add(deadline, keys.clone(), at as u64);
                        all.push(id);
                        model.push((id, deadline, keys, at as u64));
                    }
                    Step::Remove(index) => {
                        if let Some(&id) = all.get(index) {
                            let want = model.iter().position(|m| m.0 == id).map(|p| model.remove(p).3);
                            prop_assert_eq!(purgatory.remove(id), want);
                        }
                    }
                    Step::Expire(now) => {
                        let mut due: Vec<_> = model.iter().filter(|m| m.1 <= now).cloned().collect();
                        due.sort_by_key(|m| (m.1, m.0));
                        model.retain(|m| m.1 > now);
                        let due: Vec<_> = due.into_iter().map(|m| (m.0, m.3)).collect();
                        prop_assert_eq!(purgatory.expired(now), due);
                    }
                    Step::Touch(index) => {
                        if let Some(&id) = all.get(index) {
                            let known = model.iter_mut().find(|m| m.0 == id);
                            prop_assert_eq!(purgatory.get_mut(id).is_some(), known.is_some());
                            if let (Some(value), Some(known)) = (purgatory.get_mut(id), known) {
                                *value += 1000;
                                known.3 += 1000;
                            }
                        }
                    }
                }
                prop_assert_eq!(purgatory.len(), model.len());
                prop_assert_eq!(purgatory.next_deadline(), model.iter().map(|m| m.1).min());
                for key in 0u8..4 {
                    let watching: Vec<_> =
                        model.iter().filter(|m| m.2.contains(&key)).map(|m| m.0).collect();
                    prop_assert_eq!(purgatory.notify(&key), watching);
                }
            }
        }
    }
}
