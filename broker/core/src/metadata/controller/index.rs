//! Which partitions a broker has to do with, so that a decision on a broker costs its own
//! partitions and not all.

use std::collections::{BTreeMap, BTreeSet};

use odradek_placement::Load;

use crate::metadata::image::{Image, Partition, TopicPartition};

type Partitions = BTreeSet<TopicPartition>;

/// Kept in step with the controller's speculative image.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct PartitionIndex {
    /// By replica.
    hosted: BTreeMap<i32, Partitions>,
    in_sync: BTreeMap<i32, Partitions>,
    /// Where a broker is eligible, or the last known leader.
    eligible: BTreeMap<i32, Partitions>,
    /// The partitions that have eligible replicas outside of the in-sync set.
    with_eligible: Partitions,
    led: BTreeMap<i32, Partitions>,
    leaderless: Partitions,
    /// By preferred leader: the partitions that it does not lead.
    displaced: BTreeMap<i32, Partitions>,
    load: BTreeMap<i32, Load>,
}

static NONE: Partitions = Partitions::new();

impl PartitionIndex {
    /// The partition's state goes from `old` to `new`; `None` where it does not exist.
    pub(super) fn update(&mut self, at: TopicPartition, old: Option<&Partition>, new: Option<&Partition>) {
        if let Some(old) = old {
            self.remove(at, old);
        }
        if let Some(new) = new {
            self.add(at, new);
        }
    }

    /// The index of all partitions of an image.
    pub(super) fn of(image: &Image) -> PartitionIndex {
        let mut index = PartitionIndex::default();
        for topic in image.topics() {
            for (partition, state) in &topic.partitions {
                let at = TopicPartition { topic_id: topic.id, partition: *partition };
                index.update(at, None, Some(state));
            }
        }
        index
    }

    fn add(&mut self, at: TopicPartition, state: &Partition) {
        for broker in &state.isr {
            self.in_sync.entry(*broker).or_default().insert(at);
        }
        for broker in &state.replicas {
            self.hosted.entry(*broker).or_default().insert(at);
            self.load.entry(*broker).or_default().replicas += 1;
        }
        for broker in state.elr.iter().chain(&state.last_known_leader) {
            self.eligible.entry(*broker).or_default().insert(at);
        }
        if !state.elr.is_empty() {
            self.with_eligible.insert(at);
        }
        match state.leader() {
            Some(leader) => {
                self.led.entry(leader).or_default().insert(at);
            }
            None => {
                self.leaderless.insert(at);
            }
        }
        if let Some(preferred) = state.preferred_leader() {
            self.load.entry(preferred).or_default().leaders += 1;
            if state.leader != preferred {
                self.displaced.entry(preferred).or_default().insert(at);
            }
        }
    }

    fn remove(&mut self, at: TopicPartition, state: &Partition) {
        for broker in &state.isr {
            take(&mut self.in_sync, *broker, at);
        }
        for broker in &state.replicas {
            take(&mut self.hosted, *broker, at);
            if let Some(load) = self.load.get_mut(broker) {
                load.replicas -= 1;
            }
        }
        for broker in state.elr.iter().chain(&state.last_known_leader) {
            take(&mut self.eligible, *broker, at);
        }
        self.with_eligible.remove(&at);
        match state.leader() {
            Some(leader) => take(&mut self.led, leader, at),
            None => {
                self.leaderless.remove(&at);
            }
        }
        if let Some(preferred) = state.preferred_leader() {
            if let Some(load) = self.load.get_mut(&preferred) {
                load.leaders -= 1;
            }
            take(&mut self.displaced, preferred, at);
        }
        for broker in &state.replicas {
            if self.load.get(broker) == Some(&Load::default()) {
                self.load.remove(broker);
            }
        }
    }

    /// The partitions that have a replica on the broker.
    pub(super) fn hosted(&self, broker: i32) -> &Partitions {
        self.hosted.get(&broker).unwrap_or(&NONE)
    }

    /// The brokers that do not lead all that they should.
    pub(super) fn displaced_brokers(&self) -> impl Iterator<Item = i32> {
        self.displaced.keys().copied()
    }

    /// The partitions in whose in-sync set the broker is.
    pub(super) fn in_sync(&self, broker: i32) -> &Partitions {
        self.in_sync.get(&broker).unwrap_or(&NONE)
    }

    /// The partitions where the broker is eligible to lead outside of the in-sync set, or the last known leader.
    pub(super) fn eligible(&self, broker: i32) -> &Partitions {
        self.eligible.get(&broker).unwrap_or(&NONE)
    }

    /// The partitions that have eligible replicas outside of the in-sync set.
    pub(super) fn with_eligible(&self) -> &Partitions {
        &self.with_eligible
    }

    /// The partitions that the broker leads.
    pub(super) fn led(&self, broker: i32) -> &Partitions {
        self.led.get(&broker).unwrap_or(&NONE)
    }

    /// The partitions without a leader.
    pub(super) fn leaderless(&self) -> &Partitions {
        &self.leaderless
    }

    /// The partitions that the broker should lead and does not.
    pub(super) fn displaced(&self, broker: i32) -> &Partitions {
        self.displaced.get(&broker).unwrap_or(&NONE)
    }

    /// What the broker carries: replicas, and partitions of which it is the preferred leader.
    pub(super) fn load(&self, broker: i32) -> Load {
        self.load.get(&broker).copied().unwrap_or_default()
    }
}

fn take(map: &mut BTreeMap<i32, Partitions>, broker: i32, at: TopicPartition) {
    if let Some(partitions) = map.get_mut(&broker) {
        partitions.remove(&at);
        if partitions.is_empty() {
            map.remove(&broker);
        }
    }
}
