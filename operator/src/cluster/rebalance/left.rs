//! What is left of a plan while its moves go on, and what of it begins. A plan holds as long as every partition is where
//! it was, on its way to where the plan wants it, or there already; and the brokers are what they were. Then the planner
//! need not be asked again.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use odradek_client::Reassignment;
use odradek_placement::plan::{BatchLimits, Cancel, InFlight, Move, next_batch};

use super::{
    input::{About, Planned},
    need::way,
    own::Own,
    throttle::Parts,
};
use crate::{
    cluster::validate::Validated,
    kafka::{KafkaView, PartitionView, Reassigning},
};

/// Partitions that move in the whole cluster at a time.
const MOST_PARTITIONS: usize = 1000;
/// Bytes that are on their way in the whole cluster at a time: a change of the spec is not to wait for hours.
const MOST_BYTES: u64 = 64 << 30;

/// What is left of a plan.
#[derive(Debug)]
pub struct Left<'a> {
    /// The plan.
    pub planned: &'a Planned,
    /// The moves that have yet to begin.
    pub moves: Vec<&'a Move>,
    cancels: Vec<&'a Cancel>,
    under_way: InFlight,
}

/// How far a plan is with a partition.
enum Stage {
    /// Nothing was done yet.
    Before,
    /// It is on its way to where the plan wants it.
    Begun,
    /// It is there.
    Over,
}

/// What is left of a plan; nothing when something happened that it did not reckon with.
pub fn left<'a>(planned: &'a Planned, view: &KafkaView) -> Option<Left<'a>> {
    if planned.partitions.len() != view.partitions.len() {
        return None;
    }
    let moving: HashMap<(&str, i32), &Reassigning> =
        view.moving.iter().map(|((topic, partition), way)| ((topic.as_str(), *partition), way)).collect();
    let mut begun = vec![false; planned.plan.moves.len()];
    let mut cancelled = vec![false; planned.plan.cancels.len()];
    let mut under_way = InFlight::default();
    for (at, partition) in view.partitions.iter().enumerate() {
        let way = match moving.is_empty() {
            true => None,
            false => moving.get(&(partition.topic.as_str(), partition.partition)).copied(),
        };
        let stage = stage(planned, at, partition, way)?;
        let is_over = !matches!(stage, Stage::Before);
        let stays = match planned.about[at] {
            About::Left => true,
            About::Moves(index) => {
                begun[index] = is_over;
                is_over
            }
            About::Cancelled(index) => {
                cancelled[index] = is_over;
                is_over
            }
        };
        if let Some(way) = way.filter(|_| stays) {
            let bytes = planned.partitions.size_of(at).saturating_mul(way.adding.len() as u64);
            under_way.add(bytes, way.adding.iter().copied());
        }
    }
    // What is about to be cancelled or replaced still takes its part of the bound.
    under_way.partitions = under_way.partitions.max(view.moving.len());
    let open = |flags: Vec<bool>| flags.into_iter().enumerate().filter(|(_, is_over)| !is_over).map(|(at, _)| at);
    Some(Left {
        planned,
        moves: open(begun).map(|at| &planned.plan.moves[at]).collect(),
        cancels: open(cancelled).map(|at| &planned.plan.cancels[at]).collect(),
        under_way,
    })
}

/// How far the plan is with one partition; nothing when it is neither where it was nor where it should be.
fn stage(planned: &Planned, at: usize, now: &PartitionView, way: Option<&Reassigning>) -> Option<Stage> {
    let partitions = &planned.partitions;
    if partitions.partition_of(at) != now.partition || partitions.topic_name(partitions.topic_of(at)) != now.topic {
        return None;
    }
    let (before, on_its_way) = (partitions.replicas_of(at), partitions.target_of(at));
    let Some(way) = way else {
        return match (planned.about[at], on_its_way) {
            (_, None) if now.replicas == before => Some(Stage::Before),
            (About::Moves(index), _) if now.replicas == planned.plan.moves[index].to => Some(Stage::Over),
            (About::Left, Some(there)) if now.replicas == there => Some(Stage::Over),
            (About::Cancelled(_), Some(_)) if is_same(now.replicas.iter(), before) => Some(Stage::Over),
            _ => None,
        };
    };
    let to: Vec<i32> = now.replicas.iter().filter(|id| !way.removing.contains(id)).copied().collect();
    let original = || now.replicas.iter().filter(|id| !way.adding.contains(id));
    if !is_same(original(), before) {
        return None;
    }
    match planned.about[at] {
        About::Moves(index) if to == planned.plan.moves[index].to => Some(Stage::Begun),
        _ => (on_its_way == Some(&to[..])).then_some(Stage::Before),
    }
}

/// Whether these are the same brokers, in whatever order.
fn is_same<'a>(some: impl Iterator<Item = &'a i32> + Clone, others: &[i32]) -> bool {
    some.clone().count() == others.len() && some.clone().all(|id| others.contains(id))
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

impl Left<'_> {
    /// Whether all of it was done, and nothing is on its way.
    pub fn is_over(&self) -> bool {
        self.moves.is_empty() && self.cancels.is_empty() && self.under_way.partitions == 0
    }

    /// What is cancelled or replaced, and the moves that may begin beside what is under way. Nothing new begins when it
    /// is held.
    pub fn next(&self, cluster: &Validated, view: &KafkaView, held: bool) -> Begun {
        let mut begun = Begun::default();
        for cancel in &self.cancels {
            let topic = self.planned.partitions.topic_name(cancel.topic).to_owned();
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
        for one in next_batch(self.moves.iter().copied(), &limits, &self.under_way) {
            // What is under way to a place that nobody wants is not waited for.
            if held && !one.replaces {
                continue;
            }
            let topic = self.planned.topic(one);
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
