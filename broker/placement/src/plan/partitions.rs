//! The assignment as it is: columns, so that a million partitions cost little.

use std::collections::{BTreeMap, HashMap};

/// The partitions of a cluster with their replicas.
#[derive(Clone, Debug, Default)]
pub struct Partitions {
    names: Vec<String>,
    numbers: HashMap<String, u32>,
    topics: Vec<u32>,
    ids: Vec<i32>,
    sizes: Vec<u64>,
    /// Where the replicas of each partition end in `replicas`.
    ends: Vec<u32>,
    replicas: Vec<i32>,
    /// The targets of the reassignments under way, by the index of the partition.
    targets: BTreeMap<usize, Vec<i32>>,
}

impl Partitions {
    /// None, with room for `partitions` of them that have `replicas` replicas together.
    #[must_use]
    pub fn with_capacity(partitions: usize, replicas: usize) -> Partitions {
        Partitions {
            topics: Vec::with_capacity(partitions),
            ids: Vec::with_capacity(partitions),
            sizes: Vec::with_capacity(partitions),
            ends: Vec::with_capacity(partitions),
            replicas: Vec::with_capacity(replicas),
            ..Partitions::default()
        }
    }

    /// The number of the topic with this name: the next one, when it is new.
    pub fn topic(&mut self, name: &str) -> u32 {
        if let Some(number) = self.numbers.get(name) {
            return *number;
        }
        let number = self.names.len() as u32;
        self.names.push(name.to_owned());
        self.numbers.insert(name.to_owned(), number);
        number
    }

    /// The name of a topic; empty when there is no such topic.
    #[must_use]
    pub fn topic_name(&self, topic: u32) -> &str {
        self.names.get(topic as usize).map_or("", String::as_str)
    }

    /// Adds a partition with its replicas in order of preference, and the bytes of one replica.
    pub fn push(&mut self, topic: u32, partition: i32, replicas: &[i32], size: u64) {
        self.topics.push(topic);
        self.ids.push(partition);
        self.sizes.push(size);
        self.replicas.extend_from_slice(replicas);
        self.ends.push(self.replicas.len() as u32);
    }

    /// Adds a partition that is being reassigned: `replicas` are those of before, so without `adding` and with
    /// `removing` of `ListPartitionReassignments`; `target` are those that it will have.
    pub fn push_moving(&mut self, topic: u32, partition: i32, replicas: &[i32], target: &[i32], size: u64) {
        self.targets.insert(self.len(), target.to_vec());
        self.push(topic, partition, replicas, size);
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    /// The topic of the partition at this index. This and what follows take an index below [`Partitions::len`].
    #[must_use]
    pub fn topic_of(&self, at: usize) -> u32 {
        self.topics[at]
    }

    /// The partition's number in its topic.
    #[must_use]
    pub fn partition_of(&self, at: usize) -> i32 {
        self.ids[at]
    }

    /// Its replicas, without what a reassignment under way adds.
    #[must_use]
    pub fn replicas_of(&self, at: usize) -> &[i32] {
        let start = if at == 0 { 0 } else { self.ends[at - 1] };
        &self.replicas[start as usize..self.ends[at] as usize]
    }

    /// The bytes of one of its replicas.
    #[must_use]
    pub fn size_of(&self, at: usize) -> u64 {
        self.sizes[at]
    }

    /// The target of its reassignment, when one is under way.
    #[must_use]
    pub fn target_of(&self, at: usize) -> Option<&[i32]> {
        if self.targets.is_empty() {
            return None;
        }
        self.targets.get(&at).map(Vec::as_slice)
    }

    /// What it will have if nothing is changed: the target under way, else its replicas.
    pub(super) fn start_of(&self, at: usize) -> &[i32] {
        self.target_of(at).unwrap_or_else(|| self.replicas_of(at))
    }

    /// How many topics there are.
    pub(super) fn topics(&self) -> usize {
        self.names.len()
    }
}
