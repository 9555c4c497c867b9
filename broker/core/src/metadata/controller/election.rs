//! What becomes of a partition: who leads it, who is in its in-sync set, who is eligible. Rules only.
//!
//! Eligible leader replicas (KIP-966): while the in-sync set is smaller than `min.insync.replicas` the leader's high
//! watermark stands still, so whoever leaves the set then holds everything acknowledged, and goes on to do so until the
//! set has grown again. Leaders come from the in-sync set; when it is empty, from the eligible; when nobody is eligible
//! either (all came back from unclean stops), the last known leader leads again; and only where unclean elections are
//! allowed, any other replica does.

use odradek_probe::{Mutation, mutated, reached};

use crate::metadata::image::{Partition, TopicPartition};
use crate::metadata::record::{Brokers, NO_LEADER, PartitionChange};

/// An election that may have lost something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Risk {
    /// The last known leader leads again after an unclean stop: what its disk had not taken may be lost.
    LastKnownLeader,
    /// A replica leads that was neither in sync nor eligible.
    Unclean,
}

/// The state that a partition should go to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Next {
    pub(super) isr: Vec<i32>,
    pub(super) leader: i32,
    pub(super) last_known_leader: Option<i32>,
    pub(super) last_known_leader_lost_data: bool,
    /// Not eligible any more, whatever they held: they came back from an unclean stop.
    pub(super) ineligible: Vec<i32>,
    /// Set by an election from outside of the in-sync and the eligible set.
    pub(super) risk: Option<Risk>,
}

impl Next {
    /// The partition stays as it is.
    pub(super) fn same(partition: &Partition) -> Next {
        Next {
            isr: partition.isr.clone(),
            leader: partition.leader,
            last_known_leader: partition.last_known_leader,
            last_known_leader_lost_data: partition.last_known_leader_lost_data,
            ineligible: Vec::new(),
            risk: None,
        }
    }

    /// The leader, when there is one.
    pub(super) fn leader(&self) -> Option<i32> {
        (self.leader != NO_LEADER).then_some(self.leader)
    }

    /// The eligible replicas outside of the in-sync set, in the order of preference.
    fn elr(&self, partition: &Partition, min_insync: usize) -> Vec<i32> {
        let enough = partition.floor(min_insync);
        // What an election outside of the sets lost, those who were in them may still have: but nobody acknowledged
        // anything since that they had to agree with.
        if self.isr.len() >= enough || self.risk.is_some() {
            return Vec::new();
        }
        let held = |id: &i32| partition.isr.contains(id) || partition.elr.contains(id);
        let gone = |id: &i32| self.isr.contains(id) || self.ineligible.contains(id);
        partition.replicas.iter().filter(|id| held(id) && !gone(id)).copied().collect()
    }

    /// The record that takes the partition there; `None` when it is there already. `min_insync` is the topic's
    /// `min.insync.replicas`.
    pub(super) fn change(
        &self,
        at: TopicPartition,
        partition: &Partition,
        min_insync: usize,
    ) -> Option<PartitionChange> {
        let elr = self.elr(partition, min_insync);
        let last_known = (self.last_known_leader, self.last_known_leader_lost_data);
        let same = self.isr == partition.isr
            && self.leader == partition.leader
            && elr == partition.elr
            && last_known == (partition.last_known_leader, partition.last_known_leader_lost_data);
        if same {
            return None;
        }
        Some(PartitionChange {
            topic_id: at.topic_id.as_bytes().to_vec(),
            partition: at.partition,
            isr: (self.isr != partition.isr).then(|| Brokers { ids: self.isr.clone() }),
            // Since Kafka's metadata version 3.6 an in-sync set that shrinks under the same
            // leader leaves the leader epoch alone: nobody has to truncate.
            leader: (self.leader != partition.leader).then_some(self.leader),
            elr: (elr != partition.elr).then_some(Brokers { ids: elr }),
            last_known_leader: (self.last_known_leader != partition.last_known_leader)
                .then(|| self.last_known_leader.unwrap_or(NO_LEADER)),
            last_known_leader_lost_data: (self.last_known_leader_lost_data != partition.last_known_leader_lost_data)
                .then_some(self.last_known_leader_lost_data),
            ..PartitionChange::default()
        })
    }
}

/// Who may lead, and under which conditions.
pub(super) struct Electorate<'a> {
    /// Whether a broker is registered, unfenced and not about to stop.
    pub(super) active: &'a dyn Fn(i32) -> bool,
    /// Whether this partition may get a leader that was not in sync; asked only when it matters.
    pub(super) unclean: &'a dyn Fn() -> bool,
}

/// How a broker is lost to the partitions in whose in-sync sets it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Loss {
    /// It answers no more; what it holds is still there.
    Fenced,
    /// It came back from an unclean stop: what its disk had not taken may be gone.
    Unclean,
    /// It came back with none of its data, or with a part of it.
    Data,
    /// It is about to stop, and still serves.
    Stopping,
}

/// The partition after the brokers for which `lost` holds are lost.
pub(super) fn without(
    partition: &Partition,
    lost: &dyn Fn(i32) -> bool,
    loss: Loss,
    electorate: &Electorate<'_>,
) -> Next {
    let mut next = Next::same(partition);
    next.isr.retain(|broker| !lost(*broker));
    let has_leader = next.leader != NO_LEADER && !lost(next.leader);
    if loss == Loss::Stopping {
        if has_leader || (!next.isr.is_empty() && elect_in_sync(partition, &mut next, electorate)) {
            return next;
        }
        // Nobody can take over: it leads until it is gone.
        return Next::same(partition);
    }
    if matches!(loss, Loss::Unclean | Loss::Data) {
        next.ineligible = partition.replicas.iter().copied().filter(|id| lost(*id)).collect();
    }
    if next.isr.is_empty() && !partition.isr.is_empty() {
        reached("a whole in-sync set lost");
        next.last_known_leader = partition.leader().or(partition.isr.first().copied());
        next.last_known_leader_lost_data = false;
    }
    if loss == Loss::Data && next.last_known_leader.is_some_and(lost) {
        next.last_known_leader_lost_data = true;
    }
    if !has_leader {
        next.leader = NO_LEADER;
        elect(partition, &mut next, electorate);
    }
    next
}

/// The partition after brokers became active: a leader for it when it has none.
pub(super) fn with_leader(partition: &Partition, electorate: &Electorate<'_>) -> Next {
    let mut next = Next::same(partition);
    if next.leader == NO_LEADER {
        elect(partition, &mut next, electorate);
    }
    next
}

/// The partition led by its preferred leader; `None` when that one is not in sync or not active.
pub(super) fn with_preferred(partition: &Partition, electorate: &Electorate<'_>) -> Option<Next> {
    let preferred = partition.preferred_leader()?;
    if !partition.isr.contains(&preferred) || !(electorate.active)(preferred) {
        return None;
    }
    let mut next = Next::same(partition);
    lead(&mut next, preferred, electorate);
    Some(next)
}

/// Elects whoever may lead, the safest first.
fn elect(partition: &Partition, next: &mut Next, electorate: &Electorate<'_>) {
    if elect_in_sync(partition, next, electorate) || elect_eligible(partition, next, electorate) {
        return;
    }
    if !elect_last_known(partition, next, electorate) {
        elect_unclean(partition, next, electorate);
    }
}

/// Elects the first in-sync replica, in the order of preference, that may lead.
fn elect_in_sync(partition: &Partition, next: &mut Next, electorate: &Electorate<'_>) -> bool {
    let outside = mutated(Mutation::ElectOutsideInSync);
    let candidate = partition
        .replicas
        .iter()
        .find(|broker| (outside || next.isr.contains(broker)) && (electorate.active)(**broker));
    let Some(candidate) = candidate else {
        return false;
    };
    lead(next, *candidate, electorate);
    true
}

/// Those who were in the sets before the event, and may still be counted on.
fn eligible<'a>(partition: &'a Partition, next: &'a Next) -> impl Iterator<Item = &'a i32> {
    partition
        .replicas
        .iter()
        .filter(|id| (partition.elr.contains(id) || partition.isr.contains(id)) && !next.ineligible.contains(id))
}

/// Elects the first eligible replica, in the order of preference, that may lead: only when nobody is in sync.
fn elect_eligible(partition: &Partition, next: &mut Next, electorate: &Electorate<'_>) -> bool {
    if !next.isr.is_empty() {
        return false;
    }
    let candidate = eligible(partition, next).find(|broker| (electorate.active)(**broker)).copied();
    let Some(candidate) = candidate else { return false };
    reached("an eligible replica elected");
    next.isr = vec![candidate];
    lead(next, candidate, electorate);
    true
}

/// Elects the last known leader when nobody is in sync or eligible: it has all that was acknowledged, unless its
/// machine stopped too.
fn elect_last_known(partition: &Partition, next: &mut Next, electorate: &Electorate<'_>) -> bool {
    if !next.isr.is_empty() || next.last_known_leader_lost_data || eligible(partition, next).next().is_some() {
        return false;
    }
    let Some(candidate) = next.last_known_leader.filter(|broker| (electorate.active)(*broker)) else {
        return false;
    };
    // A reassignment may have taken it out.
    if !partition.replicas.contains(&candidate) {
        return false;
    }
    reached("the last known leader elected");
    next.isr = vec![candidate];
    lead(next, candidate, electorate);
    next.risk = Some(Risk::LastKnownLeader);
    true
}

/// Elects any replica that may lead, when that is allowed: the last known leader first, unless it is known to have lost
/// its data; then it comes last.
fn elect_unclean(partition: &Partition, next: &mut Next, electorate: &Electorate<'_>) {
    if !(electorate.unclean)() {
        return;
    }
    let rank = |broker: &i32| match next.last_known_leader == Some(*broker) {
        true if next.last_known_leader_lost_data => 2,
        true => 0,
        false => 1,
    };
    let candidate =
        partition.replicas.iter().filter(|broker| (electorate.active)(**broker)).min_by_key(|broker| rank(broker));
    if let Some(candidate) = candidate.copied() {
        reached("an unclean election");
        next.isr = vec![candidate];
        lead(next, candidate, electorate);
        next.risk = Some(Risk::Unclean);
    }
}

fn lead(next: &mut Next, leader: i32, electorate: &Electorate<'_>) {
    if mutated(Mutation::ElectOutsideInSync) && !next.isr.contains(&leader) {
        next.isr.push(leader);
    }
    next.leader = leader;
    // Who is about to stop does not follow a new leader.
    next.isr.retain(|broker| *broker == leader || (electorate.active)(*broker));
    next.last_known_leader = None;
    next.last_known_leader_lost_data = false;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn partition(replicas: &[i32], isr: &[i32], leader: i32) -> Partition {
        Partition {
            replicas: replicas.to_vec(),
            isr: isr.to_vec(),
            leader,
            leader_epoch: 4,
            partition_epoch: 7,
            adding: Vec::new(),
            removing: Vec::new(),
            elr: Vec::new(),
            last_known_leader: None,
            last_known_leader_lost_data: false,
            directories: Vec::new(),
        }
    }

    /// The in-sync set, the eligible, and the leader, with `min.insync.replicas=2`.
    type State = (Vec<i32>, Vec<i32>, i32);

    fn lose(state: &Partition, gone: &[i32], loss: Loss, unclean: bool) -> State {
        let active = |broker: i32| !gone.contains(&broker);
        let electorate = Electorate { active: &active, unclean: &|| unclean };
        let next = without(state, &|broker| gone.contains(&broker), loss, &electorate);
        (next.isr.clone(), next.elr(state, 2), next.leader)
    }

    fn come(state: &Partition, active: &[i32], unclean: bool) -> (State, Option<Risk>) {
        let electorate = Electorate { active: &|broker| active.contains(&broker), unclean: &|| unclean };
        let next = with_leader(state, &electorate);
        ((next.isr.clone(), next.elr(state, 2), next.leader), next.risk)
    }

    #[test]
    fn the_next_in_line_leads() {
        let state = partition(&[1, 2, 3], &[1, 2, 3], 1);
        assert_eq!(lose(&state, &[1], Loss::Fenced, false), (vec![2, 3], vec![], 2));
        assert_eq!(lose(&state, &[3], Loss::Fenced, false), (vec![1, 2], vec![], 1));
        let state = partition(&[1, 2, 3], &[1, 3], 1);
        assert_eq!(lose(&state, &[1], Loss::Stopping, false), (vec![3], vec![1], 3));
    }

    #[test]
    fn who_leaves_a_set_that_is_too_small_is_eligible() {
        let state = partition(&[1, 2, 3], &[1, 2], 1);
        assert_eq!(lose(&state, &[2], Loss::Fenced, false), (vec![1], vec![2], 1));
        assert_eq!(lose(&state, &[2], Loss::Unclean, false), (vec![1], vec![], 1));
        let state = Partition { elr: vec![3], ..partition(&[1, 2, 3], &[1], 1) };
        assert_eq!(lose(&state, &[1], Loss::Fenced, false), (vec![3], vec![1], 3));
    }

    #[test]
    fn the_last_one_is_the_last_known_leader() {
        let state = partition(&[1, 2, 3], &[1], 1);
        assert_eq!(lose(&state, &[1], Loss::Fenced, false), (vec![], vec![1], NO_LEADER));
        assert_eq!(lose(&state, &[1], Loss::Stopping, false), (vec![1], vec![], 1));
        assert_eq!(lose(&state, &[1], Loss::Fenced, true), (vec![2], vec![], 2));
        assert_eq!(lose(&state, &[1], Loss::Unclean, false), (vec![], vec![], NO_LEADER));
        assert_eq!(lose(&state, &[1], Loss::Data, false), (vec![], vec![], NO_LEADER));
        assert_eq!(lose(&state, &[1], Loss::Data, true), (vec![2], vec![], 2));
        let lost = Partition { last_known_leader: Some(1), ..partition(&[1, 2, 3], &[], NO_LEADER) };
        assert_eq!(come(&lost, &[2, 3], false).0, (vec![], vec![], NO_LEADER));
        assert_eq!(come(&lost, &[1, 2], false), ((vec![1], vec![], 1), Some(Risk::LastKnownLeader)));
        let eligible = Partition { elr: vec![3], ..lost.clone() };
        assert_eq!(come(&eligible, &[1, 2], false).0.2, NO_LEADER, "3 has more than 1 may have");
        assert_eq!(come(&eligible, &[1, 3], false), ((vec![3], vec![], 3), None));
    }

    #[test]
    fn a_set_lost_at_once_is_eligible() {
        let state = partition(&[1, 2, 3], &[1, 2], 1);
        assert_eq!(lose(&state, &[1, 2], Loss::Fenced, false), (vec![], vec![1, 2], NO_LEADER));
        let lost = Partition { elr: vec![1, 2], last_known_leader: Some(1), ..partition(&[1, 2, 3], &[], NO_LEADER) };
        assert_eq!(come(&lost, &[2, 3], false), ((vec![2], vec![1], 2), None));
    }

    #[test]
    fn lost_data_leads_last() {
        let mut state = partition(&[1, 2], &[], NO_LEADER);
        state.last_known_leader = Some(1);
        assert_eq!(come(&state, &[1, 2], true).0.2, 1);
        state.last_known_leader_lost_data = true;
        assert_eq!(come(&state, &[1, 2], true), ((vec![2], vec![], 2), Some(Risk::Unclean)));
        assert_eq!(come(&state, &[1, 2], false).0, (vec![], vec![], NO_LEADER));
    }

    #[test]
    fn enough_in_sync_and_nobody_else_is_eligible() {
        let state = Partition { elr: vec![2, 3], ..partition(&[1, 2, 3], &[1], 1) };
        let grown = Next { isr: vec![1, 2], ..Next::same(&state) };
        assert!(grown.elr(&state, 2).is_empty());
        assert_eq!(grown.elr(&state, 3), [3]);
        assert_eq!(Next::same(&state).elr(&state, 2), [2, 3]);
    }
}
