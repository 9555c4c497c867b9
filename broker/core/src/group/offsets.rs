//! The offsets that one group has committed.

use std::collections::BTreeMap;

use super::Name;
use super::record::CommittedOffset;

/// A change of one offset that is being written; without a value it is a deletion.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct OffsetChange {
    pub(super) group: Name,
    pub(super) topic: Name,
    pub(super) partition: i32,
    pub(super) value: Option<CommittedOffset>,
}

/// Committed offsets by topic and partition, and which of them have writes under way.
#[derive(Debug, Default)]
pub(super) struct Offsets {
    committed: BTreeMap<Name, BTreeMap<i32, CommittedOffset>>,
    /// How many writes are under way. Their values become visible only when they are committed, but
    /// whoever deletes has to know that they exist.
    pending: BTreeMap<(Name, i32), usize>,
}

impl Offsets {
    pub(super) fn is_empty(&self) -> bool {
        self.committed.is_empty()
    }

    pub(super) fn has_pending(&self) -> bool {
        !self.pending.is_empty()
    }

    pub(super) fn is_pending(&self, topic: &Name, partition: i32) -> bool {
        // The key is made for the look-up: cloning a name only counts a reference.
        self.pending.contains_key(&(topic.clone(), partition))
    }

    pub(super) fn get(&self, topic: &str, partition: i32) -> Option<&CommittedOffset> {
        self.committed.get(topic)?.get(&partition)
    }

    /// All committed offsets, by topic.
    pub(super) fn topics(&self) -> impl Iterator<Item = (&Name, &BTreeMap<i32, CommittedOffset>)> {
        self.committed.iter()
    }

    /// The name that is kept for a topic, so that each is stored once.
    pub(super) fn name_of(&self, topic: &str) -> Name {
        match self.committed.get_key_value(topic) {
            Some((name, _)) => name.clone(),
            None => topic.into(),
        }
    }

    /// Every partition with an offset, be it committed or on its way.
    pub(super) fn all_keys(&self) -> Vec<(Name, i32)> {
        let committed =
            self.committed.iter().flat_map(|(topic, offsets)| offsets.keys().map(|&index| (topic.clone(), index)));
        let mut keys: Vec<_> = committed.chain(self.pending.keys().cloned()).collect();
        keys.sort();
        keys.dedup();
        keys
    }

    /// The partitions of one topic with an offset, be it committed or on its way.
    pub(super) fn keys_of(&self, topic: &str) -> Vec<(Name, i32)> {
        let name = self.name_of(topic);
        let range = (name.clone(), i32::MIN)..=(name.clone(), i32::MAX);
        let committed = self.committed.get(topic).into_iter().flatten();
        let mut keys: Vec<_> = committed
            .map(|(&index, _)| (name.clone(), index))
            .chain(self.pending.range(range).map(|(key, _)| key.clone()))
            .collect();
        keys.sort();
        keys.dedup();
        keys
    }

    /// A write of this offset is under way.
    pub(super) fn begin(&mut self, topic: &Name, partition: i32) {
        *self.pending.entry((topic.clone(), partition)).or_default() += 1;
    }

    /// The write has ended, well or badly.
    pub(super) fn end(&mut self, topic: &Name, partition: i32) {
        let key = (topic.clone(), partition);
        if let Some(count) = self.pending.get_mut(&key) {
            *count -= 1;
            if *count == 0 {
                self.pending.remove(&key);
            }
        }
    }

    /// Makes a committed change visible.
    pub(super) fn apply(&mut self, topic: &Name, partition: i32, value: Option<CommittedOffset>) {
        match value {
            Some(value) => {
                let offsets = self.committed.entry(topic.clone()).or_default();
                offsets.insert(partition, value);
            }
            None => {
                if let Some(offsets) = self.committed.get_mut(topic) {
                    offsets.remove(&partition);
                    if offsets.is_empty() {
                        self.committed.remove(topic);
                    }
                }
            }
        }
    }
}
