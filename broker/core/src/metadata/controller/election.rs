//! What becomes of a partition: who leads it, who is in its in-sync set. Rules only.

use odradek_probe::{Mutation, mutated, reached};

use crate::metadata::image::{Partition, TopicPartition};
use crate::metadata::record::{Brokers, NO_LEADER, PartitionChange};

/// The state that a partition should go to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Next {
    pub(super) isr: Vec<i32>,
    pub(super) leader: i32,
    pub(super) last_known_leader: Option<i32>,
}

impl Next {
    /// The partition stays as it is.
    pub(super) fn same(partition: &Partition) -> Next {
        Next { isr: partition.isr.clone(), leader: partition.leader, last_known_leader: partition.last_known_leader }
    }

    /// The record that takes the partition there; `None` when it is there already.
    pub(super) fn change(&self, at: TopicPartition, partition: &Partition) -> Option<PartitionChange> {
        if *self == Next::same(partition) {
            return None;
        }
        Some(PartitionChange {
            topic_id: at.topic_id.as_bytes().to_vec(),
            partition: at.partition,
            isr: (self.isr != partition.isr).then(|| Brokers { ids: self.isr.clone() }),
            // Since Kafka's metadata version 3.6 an in-sync set that shrinks under the same
            // leader leaves the leader epoch alone: nobody has to truncate.
            leader: (self.leader != partition.leader).then_some(self.leader),
            last_known_leader: (self.last_known_leader != partition.last_known_leader)
                .then(|| self.last_known_leader.unwrap_or(NO_LEADER)),
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
    if !next.isr.is_empty() {
        if has_leader || elect_clean(partition, &mut next, electorate) {
            return next;
        }
        if loss == Loss::Stopping {
            // Nobody can take over: it leads until it is gone.
            return Next::same(partition);
        }
        next.leader = NO_LEADER;
        elect_unclean(partition, &mut next, electorate);
        return next;
    }
    // The whole in-sync set is lost at once. What is acknowledged is on each of its members, so
    // they all stay in it, and any of them may lead again.
    reached("a whole in-sync set lost");
    match loss {
        Loss::Stopping => return Next::same(partition),
        Loss::Fenced => next.isr.clone_from(&partition.isr),
        // The data is gone: leading from here loses what was acknowledged, and only an unclean
        // election may do it.
        Loss::Data => {
            next.last_known_leader =
                partition.leader().or(partition.isr.first().copied()).or(partition.last_known_leader);
        }
    }
    next.leader = NO_LEADER;
    elect_unclean(partition, &mut next, electorate);
    next
}

/// The partition after brokers became active: a leader for it when it has none.
pub(super) fn with_leader(partition: &Partition, electorate: &Electorate<'_>) -> Next {
    let mut next = Next::same(partition);
    if next.leader == NO_LEADER && !elect_clean(partition, &mut next, electorate) {
        elect_unclean(partition, &mut next, electorate);
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

/// Elects the first in-sync replica, in the order of preference, that may lead.
fn elect_clean(partition: &Partition, next: &mut Next, electorate: &Electorate<'_>) -> bool {
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

/// Elects any replica that may lead, when that is allowed. The one that is known to have lost its
/// data comes last.
fn elect_unclean(partition: &Partition, next: &mut Next, electorate: &Electorate<'_>) {
    if !(electorate.unclean)() {
        return;
    }
    let candidate = partition
        .replicas
        .iter()
        .filter(|broker| (electorate.active)(**broker))
        .min_by_key(|broker| next.last_known_leader == Some(**broker));
    if let Some(candidate) = candidate {
        next.leader = *candidate;
        next.isr = vec![*candidate];
        next.last_known_leader = None;
    }
}

fn lead(next: &mut Next, leader: i32, electorate: &Electorate<'_>) {
    if mutated(Mutation::ElectOutsideInSync) && !next.isr.contains(&leader) {
        next.isr.push(leader);
    }
    next.leader = leader;
    // A set that was lost as a whole still holds those that did not come back.
    next.isr.retain(|broker| *broker == leader || (electorate.active)(*broker));
    next.last_known_leader = None;
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
            directories: Vec::new(),
        }
    }

    fn lose(state: &Partition, gone: &[i32], loss: Loss, unclean: bool) -> (Vec<i32>, i32) {
        let active = |broker: i32| !gone.contains(&broker);
        let electorate = Electorate { active: &active, unclean: &|| unclean };
        let next = without(state, &|broker| gone.contains(&broker), loss, &electorate);
        (next.isr, next.leader)
    }

    #[test]
    fn the_next_in_line_leads() {
        let state = partition(&[1, 2, 3], &[1, 2, 3], 1);
        assert_eq!(lose(&state, &[1], Loss::Fenced, false), (vec![2, 3], 2));
        assert_eq!(lose(&state, &[3], Loss::Fenced, false), (vec![1, 2], 1));
        let state = partition(&[1, 2, 3], &[1, 3], 1);
        assert_eq!(lose(&state, &[1], Loss::Stopping, false), (vec![3], 3));
    }

    #[test]
    fn the_last_one_stays_in_sync() {
        let state = partition(&[1, 2, 3], &[1], 1);
        assert_eq!(lose(&state, &[1], Loss::Fenced, false), (vec![1], NO_LEADER));
        assert_eq!(lose(&state, &[1], Loss::Stopping, false), (vec![1], 1));
        assert_eq!(lose(&state, &[1], Loss::Fenced, true), (vec![2], 2));
        assert_eq!(lose(&state, &[1], Loss::Data, false), (vec![], NO_LEADER));
        assert_eq!(lose(&state, &[1], Loss::Data, true), (vec![2], 2));
    }

    #[test]
    fn a_set_lost_at_once_stays() {
        let state = partition(&[1, 2, 3], &[1, 2], 1);
        assert_eq!(lose(&state, &[1, 2], Loss::Fenced, false), (vec![1, 2], NO_LEADER));
        let lost = partition(&[1, 2, 3], &[1, 2], NO_LEADER);
        let active = |broker: i32| broker == 2;
        let electorate = Electorate { active: &active, unclean: &|| false };
        let next = with_leader(&lost, &electorate);
        assert_eq!((next.isr, next.leader), (vec![2], 2));
    }

    #[test]
    fn lost_data_leads_last() {
        let mut state = partition(&[1, 2], &[], NO_LEADER);
        state.last_known_leader = Some(1);
        let all = |_: i32| true;
        let next = with_leader(&state, &Electorate { active: &all, unclean: &|| true });
        assert_eq!((next.isr, next.leader, next.last_known_leader), (vec![2], 2, None));
        let next = with_leader(&state, &Electorate { active: &all, unclean: &|| false });
        assert_eq!(next, Next::same(&state));
    }
}
