//! The cluster as the planner sees it, and what of its plan may be carried out.

use std::collections::{BTreeMap, BTreeSet};

use odradek_client::Reassignment;
use odradek_placement::plan::{
    self, BatchLimits, Broker, Disk, InFlight, Mode, Move, Options, Partitions, Plan, PlanError,
};

use super::{
    need::{Need, laid_out, racks, target, way},
    own::Own,
    throttle::Parts,
};
use crate::{
    cluster::validate::Validated,
    kafka::{KafkaView, ReplicaSizes},
};

/// Partitions that move in the whole cluster at a time.
const MOST_PARTITIONS: usize = 1000;
/// Bytes that are on their way in the whole cluster at a time: a change of the spec is not to wait for hours.
const MOST_BYTES: u64 = 64 << 30;
/// The part of the smallest disk that stays free.
const KEPT_FREE: u64 = 20;

/// A plan, and the names in it.
pub struct Planned {
    /// What has to move, no more than may.
    pub plan: Plan,
    /// The partitions that it is about.
    pub partitions: Partitions,
}

/// Plans what has to move. Of what somebody else began, only what goes to a broker that must get nothing is touched.
pub fn planned(
    cluster: &Validated,
    view: &KafkaView,
    need: &Need,
    sizes: &ReplicaSizes,
    own: &Own,
) -> Result<Planned, PlanError> {
    let replicas = view.partitions.iter().map(|partition| partition.replicas.len()).sum();
    let mut partitions = Partitions::with_capacity(view.partitions.len(), replicas);
    for partition in &view.partitions {
        let topic = partitions.topic(&partition.topic);
        // Looking up costs a copy of the name, and most have no size that matters.
        let size = sizes.of(&partition.topic, partition.partition);
        match way(view, partition) {
            None => partitions.push(topic, partition.partition, &partition.replicas, size),
            Some(way) => {
                let before: Vec<i32> =
                    partition.replicas.iter().filter(|id| !way.adding.contains(id)).copied().collect();
                partitions.push_moving(topic, partition.partition, &before, &target(view, partition), size);
            }
        }
    }
    let racks = racks(cluster);
    let ids = laid_out(cluster);
    let brokers: Vec<Broker<'_>> = ids
        .iter()
        .map(|id| {
            let registered = view.registered.iter().find(|broker| broker.id == *id);
            let rack = registered.and_then(|broker| broker.rack.as_deref());
            Broker {
                id: *id,
                rack: rack.or_else(|| racks.get(id).copied().flatten()),
                alive: view.brokers.contains(id),
                leaving: need.leaving.contains(id),
                disk: sizes.disks.get(id).map(|d| Disk { size: d.size, used: d.size.saturating_sub(d.free) }),
            }
        })
        .collect();
    let emptying = !need.emptied.is_empty();
    let mode = if emptying {
        Mode::RemoveBrokers(need.emptied.intersection(&ids).copied().collect())
    } else {
        Mode::AddBrokers(need.filling.intersection(&ids).copied().collect())
    };
    let smallest = sizes.disks.values().map(|disk| disk.size).min().unwrap_or(0);
    let options = Options { keep_free: smallest / KEPT_FREE, ..Options::new(mode) };
    let mut plan = plan::plan(&brokers, &partitions, &options)?;
    let may_touch = |topic: u32, partition: i32| {
        let at = (partitions.topic_name(topic).to_owned(), partition);
        let Some(way) = view.moving.get(&at) else { return true };
        own.has(&at.0, partition) || way.adding.iter().any(|id| need.leaving.contains(id))
    };
    plan.cancels.retain(|cancel| may_touch(cancel.topic, cancel.partition));
    plan.moves.retain(|one| may_touch(one.topic, one.partition));
    if emptying {
        // One after the other, so that what follows has fewer brokers to go back to when the spec changes.
        plan.moves.retain(|one| {
            let on_its_way = view.moving.get(&(partitions.topic_name(one.topic).to_owned(), one.partition));
            let adding = on_its_way.iter().flat_map(|way| &way.adding);
            one.from.iter().chain(adding).any(|id| need.emptied.contains(id))
                || on_its_way.is_some_and(|way| way.adding.iter().any(|id| need.leaving.contains(id)))
        });
    }
    Ok(Planned { plan, partitions })
}

/// What begins now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Begun {
    /// Reassignments that begin, are replaced or cancelled.
    pub moves: Vec<Reassignment>,
    /// The replicas to throttle, by topic and partition.
    pub throttled: BTreeMap<String, BTreeMap<i32, Parts>>,
    /// Bytes that are copied.
    pub bytes: u64,
}

impl Planned {
    /// The name of the topic of a move.
    pub fn topic(&self, one: &Move) -> &str {
        self.partitions.topic_name(one.topic)
    }

    /// What is cancelled or replaced, and the moves that may begin beside what is under way. Nothing new begins when it
    /// is held.
    pub fn next(&self, cluster: &Validated, view: &KafkaView, held: bool) -> Begun {
        let mut begun = Begun::default();
        for cancel in &self.plan.cancels {
            let topic = self.partitions.topic_name(cancel.topic).to_owned();
            begun.moves.push(Reassignment { topic, partition: cancel.partition, replicas: None });
        }
        let limits = BatchLimits {
            max_partitions: MOST_PARTITIONS,
            max_bytes: MOST_BYTES,
            max_per_broker: cluster.rebalance.concurrent,
        };
        let leaders: BTreeMap<(&str, i32), i32> = view
            .partitions
            .iter()
            .filter_map(|partition| Some(((partition.topic.as_str(), partition.partition), partition.leader?)))
            .collect();
        let mut sends = senders(view);
        for one in self.plan.next_batch(&limits, &self.in_flight(view)) {
            // What is under way to a place that nobody wants is not waited for.
            if held && !one.replaces {
                continue;
            }
            let topic = self.topic(one);
            // Without a leader there is nobody to copy from.
            let Some(leader) = leaders.get(&(topic, one.partition)) else { continue };
            let followers: Vec<i32> = one.adding().collect();
            if !followers.is_empty() {
                let sent = sends.entry(*leader).or_default();
                if *sent >= cluster.rebalance.concurrent && !one.replaces {
                    continue;
                }
                *sent += 1;
            }
            if !followers.is_empty() && cluster.rebalance.throttle.is_some() {
                let parts = Parts { leaders: one.from.clone(), followers };
                begun.throttled.entry(topic.to_owned()).or_default().insert(one.partition, parts);
            }
            begun.bytes += one.bytes;
            let to = Some(one.to.clone());
            begun.moves.push(Reassignment { topic: topic.to_owned(), partition: one.partition, replicas: to });
        }
        begun
    }

    /// What is under way, what is about to be cancelled or replaced included.
    fn in_flight(&self, view: &KafkaView) -> InFlight {
        let mut all = self.plan.in_flight.clone();
        let others = view.moving.len().saturating_sub(all.partitions);
        all.partitions += others;
        all
    }
}

/// Partitions that each broker sends already, as their leader.
fn senders(view: &KafkaView) -> BTreeMap<i32, usize> {
    let mut sends = BTreeMap::new();
    if view.moving.is_empty() {
        return sends;
    }
    for partition in &view.partitions {
        if let (Some(leader), Some(way)) = (partition.leader, way(view, partition)) {
            *sends.entry(leader).or_default() += usize::from(!way.adding.is_empty());
        }
    }
    sends
}

/// The reassignments of the operator's own that nobody wants any more: nothing has to move.
pub fn taken_back(view: &KafkaView, own: &Own) -> Begun {
    let moving: BTreeSet<(&String, i32)> = view.moving.keys().map(|(topic, partition)| (topic, *partition)).collect();
    let back = own.iter().filter(|at| moving.contains(at));
    let moves = back.map(|(topic, partition)| Reassignment { topic: topic.clone(), partition, replicas: None });
    Begun { moves: moves.collect(), ..Begun::default() }
}
