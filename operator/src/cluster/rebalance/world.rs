//! The cluster that `model` runs: what Kafka makes of reassignments, what happens by itself, and what goes wrong.

use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::{
    cluster::{
        dice::Dice,
        fixtures::{IMAGE, all_there, cluster, nothing, valid},
        observe::KafkaState,
        pins::pins,
        validate::validate,
    },
    kafka::{
        KafkaView, PartitionView, Reassigning, ThrottledReplicas,
        moves::{FOLLOWER_REPLICAS, LEADER_REPLICAS},
    },
};

const SIX: &str = "{ nodePools: [{ name: broker, replicas: 6 }], autoRebalance: { concurrentMoves: 2 } }";
const THREE: &str = "{ nodePools: [{ name: broker, replicas: 3 }], autoRebalance: { concurrentMoves: 2 } }";
pub(super) const OLD: [i32; 3] = [0, 1000, 2000];
pub(super) const NEW: [i32; 3] = [1, 1001, 2001];

pub(super) struct World {
    /// Six brokers, and the same with three that have to go.
    pub(super) specs: [Validated; 2],
    pub(super) small: bool,
    pub(super) now: Observed,
    pub(super) lists: BTreeMap<String, ThrottledReplicas>,
    pub(super) dice: Dice,
    /// What a person began.
    pub(super) others: BTreeSet<(String, i32)>,
}

impl World {
    pub(super) fn new(seed: u64) -> World {
        let six = valid(SIX);
        let now = all_there(&six);
        let pinned = Observed { pins: pins(&now.sets, &[]), pinned_zones: now.pinned_zones.clone(), ..nothing() };
        let three = validate(&cluster(THREE), &pinned, IMAGE).expect("a spec that shrinks");
        assert_eq!(three.leaving(), BTreeSet::from(NEW));
        let mut world = World {
            specs: [six, three],
            small: false,
            now,
            lists: BTreeMap::new(),
            dice: Dice(seed),
            others: BTreeSet::new(),
        };
        let many = 1 + world.dice.below(40);
        let spread = world.dice.one_in(2);
        let partition = |at: usize| {
            let replicas = if spread && at % 2 == 1 { NEW } else { OLD };
            let replicas: Vec<i32> = (0..3).map(|n| replicas[(at / 2 + n) % 3]).collect();
            PartitionView {
                topic: format!("t{}", at % 3),
                partition: i32::try_from(at / 3).expect("small"),
                leader: replicas.first().copied(),
                in_sync: replicas.clone(),
                replicas,
            }
        };
        world.view().partitions = (0..many).map(partition).collect();
        // A person's throttle of something else.
        let theirs = ThrottledReplicas { leader: Some("99:7".to_owned()), follower: Some("99:8".to_owned()) };
        world.lists.insert("t0".to_owned(), theirs);
        world
    }

    pub(super) fn view(&mut self) -> &mut KafkaView {
        match &mut self.now.kafka {
            KafkaState::View(view) => view,
            other => panic!("{other:?}"),
        }
    }

    pub(super) fn spec(&self) -> Validated {
        self.specs[usize::from(self.small)].clone()
    }

    pub(super) fn partition(&mut self, topic: &str, partition: i32) -> &mut PartitionView {
        let found = self.view().partitions.iter_mut().find(|p| p.topic == topic && p.partition == partition);
        found.expect("a partition")
    }

    /// What Kafka makes of a reassignment.
    pub(super) fn reassign(&mut self, topic: &str, number: i32, to: Option<&[i32]>) {
        let at = (topic.to_owned(), number);
        let way = self.view().moving.remove(&at).unwrap_or_default();
        let partition = self.partition(topic, number);
        let original: Vec<i32> = partition.replicas.iter().filter(|id| !way.adding.contains(id)).copied().collect();
        let to = to.map_or_else(|| original.clone(), <[i32]>::to_vec);
        let only = |some: &[i32], others: &[i32]| some.iter().filter(|id| !others.contains(id)).copied().collect();
        let way = Reassigning { adding: only(&to, &original), removing: only(&original, &to) };
        partition.replicas = to.iter().chain(&way.removing).copied().collect();
        let replicas = partition.replicas.clone();
        partition.in_sync.retain(|id| replicas.contains(id));
        self.view().moving.insert(at, way);
        if self.view().moving[&(topic.to_owned(), number)].adding.is_empty() {
            self.finish(topic, number);
        }
    }

    fn finish(&mut self, topic: &str, number: i32) {
        let Some(way) = self.view().moving.remove(&(topic.to_owned(), number)) else { return };
        let partition = self.partition(topic, number);
        partition.in_sync.extend(way.adding.iter().copied());
        partition.replicas.retain(|id| !way.removing.contains(id));
        partition.in_sync.retain(|id| !way.removing.contains(id));
        if partition.leader.is_none_or(|leader| !partition.in_sync.contains(&leader)) {
            partition.leader = partition.in_sync.first().copied();
        }
    }

    /// Whatever happens by itself.
    pub(super) fn tick(&mut self, troubled: bool) {
        let moving: Vec<((String, i32), Reassigning)> =
            self.view().moving.iter().map(|(at, way)| (at.clone(), way.clone())).collect();
        for ((topic, partition), way) in moving {
            let up = way.adding.iter().all(|id| self.view().brokers.contains(id));
            if up && self.partition(&topic, partition).leader.is_some() && self.dice.one_in(2) {
                self.finish(&topic, partition);
                self.others.remove(&(topic, partition));
            }
        }
        let up = self.view().brokers.clone();
        for partition in &mut self.view().partitions {
            // Those that are back catch up; a reassignment's are looked at above.
            let behind = partition.replicas.iter().filter(|id| up.contains(id) && !partition.in_sync.contains(id));
            let behind: Vec<i32> = behind.take(3).copied().collect();
            partition.in_sync.extend(behind);
            if partition.leader.is_none_or(|leader| !up.contains(&leader)) {
                partition.leader = partition.in_sync.iter().find(|id| up.contains(id)).copied();
            }
        }
        let moving: Vec<((String, i32), Vec<i32>)> =
            self.view().moving.iter().map(|(at, way)| (at.clone(), way.adding.clone())).collect();
        for ((topic, partition), adding) in moving {
            self.partition(&topic, partition).in_sync.retain(|id| !adding.contains(id));
        }
        if troubled {
            self.mishap();
        }
    }

    fn mishap(&mut self) {
        if self.dice.one_in(10) {
            self.small = !self.small;
        }
        if self.dice.one_in(8) {
            let at = self.dice.below(6);
            let id = OLD.into_iter().chain(NEW).nth(at).expect("one of six");
            let view = self.view();
            if view.brokers.contains(&id) {
                view.brokers.retain(|other| *other != id);
                for partition in &mut view.partitions {
                    if partition.in_sync.len() > 1 {
                        partition.in_sync.retain(|other| *other != id);
                    }
                    if partition.leader == Some(id) {
                        partition.leader = partition.in_sync.first().copied().filter(|next| *next != id);
                    }
                }
            } else {
                view.brokers.push(id);
            }
        }
        if self.dice.one_in(10) {
            let many = self.now_partitions();
            let at = self.dice.below(many);
            let one = self.view().partitions[at].clone();
            let key = (one.topic.clone(), one.partition);
            // What the status still lists is the operator's.
            let own = Own::read(&self.now.moves.remembered.own).has(&key.0, key.1);
            if !own && !self.view().moving.contains_key(&key) {
                let mut to = one.replicas.clone();
                to.rotate_left(1);
                let zone = to[0] / 1000 * 1000;
                to[0] = if to[0] == zone { zone + 1 } else { zone };
                self.reassign(&one.topic, one.partition, Some(&to));
                self.others.insert(key);
            }
        }
    }

    pub(super) fn now_partitions(&mut self) -> usize {
        self.view().partitions.len()
    }

    pub(super) fn configure(&mut self, changes: &[ConfigChange]) {
        for change in changes {
            match change {
                ConfigChange::Set(key, value) => drop(self.view().config.insert(key.clone(), Some(value.clone()))),
                ConfigChange::Delete(key) => drop(self.view().config.remove(key)),
            }
        }
    }

    pub(super) fn name(&mut self, topic: &str, changes: &[ConfigChange]) {
        let set = self.lists.entry(topic.to_owned()).or_default();
        for change in changes {
            let value = match change {
                ConfigChange::Set(_, value) => Some(value.clone()),
                ConfigChange::Delete(_) => None,
            };
            match change.key() {
                LEADER_REPLICAS => set.leader = value,
                FOLLOWER_REPLICAS => set.follower = value,
                other => panic!("{other}"),
            }
        }
    }
}
