//! Brokers that have to go: which of them is emptied now, and what each of them waits for. Pure.
//!
//! A broker leaves in this order: its replicas are moved to others; it is stopped for good, which lowers its set by one; it is
//! unregistered; its claim is deleted, or kept and marked. Nothing of that is remembered: each look tells from what is there
//! which of it is next.

use std::collections::BTreeSet;

use odradek_crds::Role;

use super::{
    observe::Observed,
    safety::{self, Safety, judge},
    validate::{Pool, Validated},
};
use crate::kafka::{KafkaView, PartitionView, restart::NodeSet};

/// The broker whose replicas are moved to others now, if one has to go; or why none may be emptied yet. In the second case
/// nothing new is moved off a broker, and what is on its way goes on.
pub fn to_empty(cluster: &Validated, observed: &Observed) -> Result<Option<i32>, String> {
    let Some(next) = cluster.next_leaving() else { return Ok(None) };
    let view = safety::view(cluster, observed)?;
    if let Some(why) = does_not_fit(cluster, view) {
        return Err(why);
    }
    match staying(cluster, observed, view) {
        Some(why) => Err(format!("brokers only leave while all that stay serve: {why}")),
        None => Ok(Some(next)),
    }
}

/// Why fewer brokers can never do, which takes a person.
pub fn never(cluster: &Validated, observed: &Observed) -> Option<String> {
    cluster.next_leaving()?;
    does_not_fit(cluster, safety::view(cluster, observed).ok()?)
}

/// What the broker that goes next waits for before it is stopped for good.
pub fn waits(cluster: &Validated, observed: &Observed, next: i32) -> Option<String> {
    let view = match to_empty(cluster, observed).and_then(|_| safety::view(cluster, observed)) {
        Ok(view) => view,
        Err(why) => return Some(why),
    };
    if let Some(why) = holds(view, next) {
        return Some(why);
    }
    if let Some(gone) = gone(cluster, view).next() {
        return Some(format!("broker {gone}, which is gone, has to be unregistered first"));
    }
    match judge(cluster, observed, &question(next)) {
        Safety::Safe => None,
        Safety::Unsafe(why) => Some(why),
    }
}

/// What the active controller is asked about a broker that goes.
pub fn question(id: i32) -> NodeSet {
    NodeSet { brokers: BTreeSet::from([id]), ..NodeSet::default() }
}

/// The brokers that are registered and are none of the cluster's nodes any more.
pub fn gone<'a>(cluster: &'a Validated, view: &'a KafkaView) -> impl Iterator<Item = i32> + 'a {
    let ids: BTreeSet<i32> = brokers(cluster).flat_map(|pool| &pool.sets).flat_map(|set| set.ids()).collect();
    view.registered.iter().map(|broker| broker.id).filter(move |id| !ids.contains(id))
}

/// What a broker still holds, in words and numbers.
pub fn holds(view: &KafkaView, id: i32) -> Option<String> {
    let (replicas, moves) = (view.holds(id), view.moves(id));
    if replicas == 0 && moves == 0 {
        return None;
    }
    let mut why = format!("it holds {replicas} replicas, {moves} of them on their way");
    let mut lost = view.partitions.iter().filter(|p| p.leader.is_none() && p.replicas.contains(&id));
    if let Some(first) = lost.next() {
        why += &format!(
            "; {} partitions of them have no leader and cannot be copied, {}-{} among them: bring one of brokers {:?} back",
            lost.count() + 1,
            first.topic,
            first.partition,
            if first.in_sync.is_empty() { &first.replicas } else { &first.in_sync },
        );
    }
    Some(why)
}

fn brokers(cluster: &Validated) -> impl Iterator<Item = &Pool> {
    cluster.pools.iter().filter(|pool| pool.has(Role::Broker))
}

/// Partitions with more replicas than there would be brokers.
fn does_not_fit(cluster: &Validated, view: &KafkaView) -> Option<String> {
    let left = brokers(cluster).flat_map(|pool| &pool.sets).map(|set| set.wanted).sum::<i32>();
    let left = usize::try_from(left).unwrap_or_default();
    let wide = view.partitions.iter().filter(|partition| target(view, partition) > left);
    let topics: BTreeSet<&str> = wide.clone().map(|partition| partition.topic.as_str()).collect();
    let widest = wide.max_by_key(|partition| target(view, partition))?;
    Some(format!(
        "{left} brokers would be left, and {} topics have more replicas than that: {} has {}. Lower their replication \
         factors, or keep {} brokers",
        topics.len(),
        widest.topic,
        target(view, widest),
        target(view, widest),
    ))
}

/// How many replicas a partition has, or will have once what is under way is over.
fn target(view: &KafkaView, partition: &PartitionView) -> usize {
    let leaving = view.moving.get(&(partition.topic.clone(), partition.partition)).map_or(0, |way| way.removing.len());
    partition.replicas.len() - leaving.min(partition.replicas.len())
}

/// What is missing of the brokers that stay: those that take over come first.
fn staying(cluster: &Validated, observed: &Observed, view: &KafkaView) -> Option<String> {
    let leaving = cluster.leaving();
    let stays = brokers(cluster).flat_map(|pool| &pool.sets).flat_map(|set| set.pods());
    let mut missing = stays.filter(|(id, name)| {
        let serves = || observed.pods.iter().any(|pod| pod.name == *name && pod.ready());
        !(leaving.contains(id) || serves() && view.brokers.contains(id))
    });
    let (_, first) = missing.next()?;
    let stuck = observed.pods.iter().find(|pod| pod.name == first).and_then(|pod| pod.stuck.as_ref());
    let why = stuck.map(|why| format!(" ({why})")).unwrap_or_default();
    Some(match missing.count() {
        0 => format!("{first} does not{why}"),
        more => format!("{first}{why} and {more} more do not"),
    })
}

#[cfg(test)]
#[path = "leave_tests.rs"]
mod tests;
