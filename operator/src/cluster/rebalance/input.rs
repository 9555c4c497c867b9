//! The cluster as the planner sees it, and its plan.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use odradek_placement::plan::{self, Broker, Disk, Mode, Move, Options, Partitions, Plan, PlanError, TopicGoal};

use super::{
    need::{Need, laid_out, racks, target, way},
    own::Own,
};
use crate::{
    cluster::validate::Validated,
    kafka::{KafkaView, ReplicaSizes},
};

/// The part of the smallest disk that stays free.
const KEPT_FREE: u64 = 20;

/// A plan, and what it was made of.
#[derive(Debug)]
pub struct Planned {
    /// What has to move, no more than may.
    pub plan: Plan,
    /// The partitions that it is about.
    pub partitions: Partitions,
    /// What it does with each of them.
    pub about: Vec<About>,
    /// The brokers, and what it is for.
    pub basis: Basis,
    /// How large replicas and disks were.
    pub sizes: Arc<ReplicaSizes>,
}

/// What a plan does with a partition.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum About {
    /// It is left as it is, or to where it is on its way.
    #[default]
    Left,
    /// It moves: the index into the moves.
    Moves(usize),
    /// What is under way is cancelled: the index into these.
    Cancelled(usize),
}

/// What a plan is made of beside the partitions and their sizes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Basis {
    emptied: BTreeSet<i32>,
    filling: BTreeSet<i32>,
    aligning: bool,
    /// Each with its rack, whether it is up, and whether it leaves.
    brokers: Vec<(i32, Option<String>, bool, bool)>,
}

impl Basis {
    /// What a plan would be made of now.
    pub fn of(cluster: &Validated, view: &KafkaView, need: &Need) -> Basis {
        let brokers = brokers(cluster, view, need, None).into_iter();
        Basis {
            emptied: need.emptied.clone(),
            filling: need.filling.clone(),
            aligning: !need.aligned.is_empty(),
            brokers: brokers.map(|b| (b.id, b.rack.map(str::to_owned), b.alive, b.leaving)).collect(),
        }
    }
}

impl PartialEq for Planned {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self, other) || (self.basis == other.basis && self.plan == other.plan)
    }
}

impl Planned {
    /// The name of the topic of a move.
    pub fn topic(&self, one: &Move) -> &str {
        self.partitions.topic_name(one.topic)
    }
}

fn brokers<'a>(
    cluster: &'a Validated,
    view: &'a KafkaView,
    need: &'a Need,
    sizes: Option<&ReplicaSizes>,
) -> Vec<Broker<'a>> {
    let racks = racks(cluster);
    let broker = |id: i32| {
        let registered = view.registered.iter().find(|broker| broker.id == id);
        let rack = registered.and_then(|broker| broker.rack.as_deref());
        let disk = sizes.and_then(|sizes| sizes.disks.get(&id));
        Broker {
            id,
            rack: need.counts_as(id).or(rack).or_else(|| racks.get(&id).copied().flatten()),
            alive: view.brokers.contains(&id),
            leaving: need.leaving.contains(&id),
            disk: disk.map(|d| Disk { size: d.size, used: d.size.saturating_sub(d.free) }),
        }
    };
    laid_out(cluster).into_iter().map(broker).collect()
}

fn partitions(view: &KafkaView, sizes: &ReplicaSizes) -> Partitions {
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
    partitions
}

/// Plans what has to move. Of what somebody else began, only what goes to a broker that must get nothing is touched.
pub fn planned(
    cluster: &Validated,
    view: &KafkaView,
    need: &Need,
    sizes: &Arc<ReplicaSizes>,
    own: &Own,
) -> Result<Planned, PlanError> {
    let partitions = partitions(view, sizes);
    let brokers = brokers(cluster, view, need, Some(sizes));
    let ids = laid_out(cluster);
    let emptying = !need.emptied.is_empty();
    let aligning = !emptying && need.filling.is_empty();
    let crowded = if aligning { crowded(cluster, view, need, &partitions) } else { BTreeSet::new() };
    let mode = if emptying {
        Mode::RemoveBrokers(need.emptied.intersection(&ids).copied().collect())
    } else if aligning {
        let topics: BTreeSet<u32> = crowded.iter().map(|(topic, _)| *topic).collect();
        Mode::Topics(topics.into_iter().map(|topic| TopicGoal { topic, replication_factor: None }).collect())
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
    if aligning {
        // Others of the same topics are no business of it.
        plan.moves.retain(|one| crowded.contains(&(one.topic, one.partition)));
    }
    let about = about(&plan, &partitions);
    Ok(Planned { plan, partitions, about, basis: Basis::of(cluster, view, need), sizes: sizes.clone() })
}

/// The partitions that share a zone by where their brokers run.
fn crowded(cluster: &Validated, view: &KafkaView, need: &Need, partitions: &Partitions) -> BTreeSet<(u32, i32)> {
    let counted = need.counted(cluster, view);
    let all = view.partitions.iter().enumerate().filter(|(_, one)| !counted.crowded(view, one).is_empty());
    all.map(|(at, _)| (partitions.topic_of(at), partitions.partition_of(at))).collect()
}

fn about(plan: &Plan, partitions: &Partitions) -> Vec<About> {
    let moves = plan.moves.iter().enumerate().map(|(at, one)| ((one.topic, one.partition), About::Moves(at)));
    let cancels = plan.cancels.iter().enumerate().map(|(at, one)| ((one.topic, one.partition), About::Cancelled(at)));
    let changed: BTreeMap<(u32, i32), About> = moves.chain(cancels).collect();
    let at = |at: usize| (partitions.topic_of(at), partitions.partition_of(at));
    (0..partitions.len()).map(|index| changed.get(&at(index)).copied().unwrap_or_default()).collect()
}
