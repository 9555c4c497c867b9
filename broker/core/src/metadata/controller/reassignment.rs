//! What a reassignment makes of a partition (KIP-455). Rules only.
//!
//! While one is under way, `replicas` are the target and then what leaves: `adding` has those of the target that are
//! new, `removing` those that leave. It is over once every replica of the target is in sync.

use odradek_probe::{Mutation, mutated, reached};

use crate::metadata::image::{Partition, TopicPartition};
use crate::metadata::record::{Brokers, Directories, NO_LEADER, PartitionChange};

/// The state that a partition should go to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Assigned {
    pub(super) replicas: Vec<i32>,
    pub(super) adding: Vec<i32>,
    pub(super) removing: Vec<i32>,
    pub(super) isr: Vec<i32>,
    pub(super) elr: Vec<i32>,
    pub(super) leader: i32,
    last_known_leader: Option<i32>,
    last_known_leader_lost_data: bool,
    /// Led by one that was neither in sync nor eligible.
    pub(super) unclean: bool,
}

/// Why a reassignment cannot be cancelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CancelRefused {
    /// There is none.
    NotReassigning,
    /// No replica of those before the reassignment is in sync or eligible, and may lead.
    NeedsUncleanElection,
}

impl Assigned {
    fn same(partition: &Partition) -> Assigned {
        Assigned {
            replicas: partition.replicas.clone(),
            adding: partition.adding.clone(),
            removing: partition.removing.clone(),
            isr: partition.isr.clone(),
            elr: partition.elr.clone(),
            leader: partition.leader,
            last_known_leader: partition.last_known_leader,
            last_known_leader_lost_data: partition.last_known_leader_lost_data,
            unclean: false,
        }
    }

    /// The record that takes the partition there; `None` when it is there already.
    pub(super) fn change(&self, at: TopicPartition, partition: &Partition) -> Option<PartitionChange> {
        let same = Assigned::same(partition);
        if *self == same {
            return None;
        }
        let list = |new: &[i32], old: &[i32]| (new != old).then(|| Brokers { ids: new.to_vec() });
        // A replica that leaves may still have fetches under way. Under a new leader epoch none of them counts, even
        // if it becomes a replica again with an empty log.
        let leaves = partition.replicas.iter().any(|id| !self.replicas.contains(id));
        Some(PartitionChange {
            topic_id: at.topic_id.as_bytes().to_vec(),
            partition: at.partition,
            replicas: list(&self.replicas, &partition.replicas),
            isr: list(&self.isr, &partition.isr),
            leader: (leaves || self.leader != partition.leader).then_some(self.leader),
            adding: list(&self.adding, &partition.adding),
            removing: list(&self.removing, &partition.removing),
            elr: list(&self.elr, &partition.elr),
            last_known_leader: (self.last_known_leader != same.last_known_leader)
                .then(|| self.last_known_leader.unwrap_or(NO_LEADER)),
            last_known_leader_lost_data: (self.last_known_leader_lost_data != same.last_known_leader_lost_data)
                .then_some(self.last_known_leader_lost_data),
            directories: self.directories(partition),
        })
    }

    /// Led by `leader`, who has the data.
    fn led_by(mut self, leader: i32) -> Assigned {
        self.leader = leader;
        self.last_known_leader = None;
        self.last_known_leader_lost_data = false;
        self
    }

    /// Each replica keeps its directory; those of new ones are not known yet, which KIP-858 writes as zeros.
    fn directories(&self, partition: &Partition) -> Option<Directories> {
        if partition.directories.is_empty() || self.replicas == partition.replicas {
            return None;
        }
        let of = |id: &i32| {
            let place = partition.replicas.iter().position(|had| had == id);
            place.and_then(|place| partition.directories.get(place)).map_or(vec![0; 16], |dir| dir.as_bytes().to_vec())
        };
        Some(Directories { ids: self.replicas.iter().map(of).collect() })
    }
}

/// Those of `ids` that are in the list, in the order of `ids`.
fn among(ids: &[i32], list: &[i32]) -> Vec<i32> {
    ids.iter().copied().filter(|id| list.contains(id)).collect()
}

/// Who has all that was acknowledged, and is counted on before anybody else.
fn holders(partition: &Partition) -> Vec<i32> {
    let sets = [&partition.isr, &partition.elr];
    let set = sets.into_iter().find(|set| !set.is_empty());
    set.cloned().unwrap_or_else(|| partition.last_known_leader.into_iter().collect())
}

/// The partition on its way to `target`: not empty, each broker once. A reassignment that is under way is replaced:
/// what it was adding and the new one does not want leaves at once, unless the in-sync set would fall below
/// `min_insync` (the topic's `min.insync.replicas`) by that, or nobody could lead. Then those of them that have the data
/// leave with the others, in the end.
pub(super) fn begin(
    partition: &Partition,
    target: &[i32],
    min_insync: usize,
    active: &dyn Fn(i32) -> bool,
) -> Assigned {
    let original: Vec<i32> = partition.original_replicas().collect();
    let unwanted = |id: &i32| partition.adding.contains(id) && !target.contains(id);
    let left: Vec<i32> = partition.isr.iter().copied().filter(|id| !unwanted(id)).collect();
    let may_lead = |leader: i32| left.contains(&leader) || left.iter().any(|id| active(*id));
    let enough = left.len() >= partition.floor(min_insync).min(partition.isr.len())
        && !partition.isr.is_empty()
        && partition.leader().is_none_or(may_lead);
    let holders = holders(partition);
    let lingers = |id: &i32| unwanted(id) && !enough && holders.contains(id);
    let removing: Vec<i32> = partition
        .replicas
        .iter()
        .copied()
        .filter(|id| (original.contains(id) && !target.contains(id)) || lingers(id))
        .collect();
    let replicas: Vec<i32> = target.iter().chain(&removing).copied().collect();
    let adding: Vec<i32> = target.iter().copied().filter(|id| !original.contains(id)).collect();
    let isr = among(&replicas, &partition.isr);
    // The floor is the same, or (of what lingers) higher: nobody becomes eligible, and nobody has to leave.
    let elr = among(&replicas, &partition.elr);
    let next = Assigned { replicas, adding, removing, isr, elr, ..Assigned::same(partition) };
    match partition.leader() {
        Some(leader) if !next.replicas.contains(&leader) => {
            let leader = next.isr.iter().copied().find(|id| active(*id));
            leader.map_or_else(|| next.clone(), |leader| next.clone().led_by(leader))
        }
        _ => next,
    }
}

/// The partition with its reassignment done; `None` while it is not: while a replica of the target is not in sync, or
/// none of them could lead. So the in-sync set is the whole target, and never below what the target allows.
pub(super) fn completed(partition: &Partition, active: &dyn Fn(i32) -> bool) -> Option<Assigned> {
    if !partition.is_reassigning() {
        return None;
    }
    let target: Vec<i32> = partition.target_replicas().collect();
    let in_sync = target.iter().all(|id| partition.isr.contains(id));
    if !in_sync && !mutated(Mutation::FinishReassignmentEarly) {
        return None;
    }
    let leader = partition.leader()?;
    let stays = target.contains(&leader);
    let leader = if stays { leader } else { target.iter().copied().find(|id| active(*id))? };
    reached(if stays { "reassignment done" } else { "reassignment done with a new leader" });
    let next = Assigned {
        isr: target.clone(),
        elr: Vec::new(),
        replicas: target,
        adding: Vec::new(),
        removing: Vec::new(),
        ..Assigned::same(partition)
    };
    Some(next.led_by(leader))
}

/// The partition as it was before its reassignment. `min_insync` is the topic's `min.insync.replicas`. When no replica
/// of then is in sync (or, with none in sync, eligible) and may lead, an unclean election decides, where `unclean`
/// allows it.
///
/// # Errors
///
/// When there is no reassignment, or an unclean election is needed and not allowed or not possible.
pub(super) fn cancelled(
    partition: &Partition,
    min_insync: usize,
    active: &dyn Fn(i32) -> bool,
    unclean: &dyn Fn() -> bool,
) -> Result<Assigned, CancelRefused> {
    if !partition.is_reassigning() {
        return Err(CancelRefused::NotReassigning);
    }
    let replicas: Vec<i32> = partition.original_replicas().collect();
    let isr = among(&replicas, &partition.isr);
    let eligible = among(&replicas, &partition.elr);
    let elr = if isr.len() >= partition.floor(min_insync) { Vec::new() } else { eligible.clone() };
    let next = Assigned { replicas, adding: Vec::new(), removing: Vec::new(), isr, elr, ..Assigned::same(partition) };
    match partition.leader() {
        Some(leader) if next.replicas.contains(&leader) => return Ok(next),
        None if next.replicas.iter().any(|id| holders(partition).contains(id)) => return Ok(next),
        Some(_) if !next.isr.is_empty() => {
            if let Some(leader) = next.isr.iter().copied().find(|id| active(*id)) {
                return Ok(next.led_by(leader));
            }
        }
        Some(_) => {
            if let Some(leader) = eligible.iter().copied().find(|id| active(*id)) {
                let rest = eligible.into_iter().filter(|id| *id != leader && 1 < partition.floor(min_insync));
                return Ok(Assigned { isr: vec![leader], elr: rest.collect(), ..next }.led_by(leader));
            }
        }
        None => {}
    }
    let candidate = next.replicas.iter().copied().find(|id| active(*id)).filter(|_| unclean());
    let leader = candidate.ok_or(CancelRefused::NeedsUncleanElection)?;
    Ok(Assigned { isr: vec![leader], elr: Vec::new(), unclean: true, ..next }.led_by(leader))
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

    fn under_way(state: &Partition, next: &Assigned, isr: &[i32]) -> Partition {
        Partition {
            replicas: next.replicas.clone(),
            adding: next.adding.clone(),
            removing: next.removing.clone(),
            isr: isr.to_vec(),
            leader: next.leader,
            ..state.clone()
        }
    }

    fn at() -> TopicPartition {
        TopicPartition { topic_id: uuid::Uuid::from_u128(5), partition: 0 }
    }

    fn all(_: i32) -> bool {
        true
    }

    #[test]
    fn the_target_comes_first_and_what_leaves_last() {
        let state = partition(&[1, 2, 3], &[1, 2, 3], 1);
        let next = begin(&state, &[4, 2, 5], 2, &all);
        assert_eq!(next.replicas, [4, 2, 5, 1, 3]);
        assert_eq!((next.adding.as_slice(), next.removing.as_slice()), (&[4, 5][..], &[1, 3][..]));
        assert_eq!((next.isr.as_slice(), next.leader), (&[2, 1, 3][..], 1));
        let change = next.change(at(), &state).unwrap();
        assert_eq!(change.leader, None, "the leader stays, and nobody has left yet");
    }

    #[test]
    fn nothing_to_do_is_no_change() {
        let state = partition(&[1, 2, 3], &[1, 2], 1);
        assert_eq!(begin(&state, &[1, 2, 3], 2, &all).change(at(), &state), None);
        let next = begin(&state, &[3, 1, 2], 2, &all);
        assert_eq!((next.adding.len(), next.removing.len()), (0, 0));
        let change = next.change(at(), &state).unwrap();
        assert_eq!((change.replicas, change.leader), (Some(Brokers { ids: vec![3, 1, 2] }), None), "only the order");
    }

    #[test]
    fn it_is_over_once_the_whole_target_is_in_sync() {
        let state = partition(&[1, 2], &[1, 2], 1);
        let next = begin(&state, &[3, 4], 1, &all);
        for isr in [&[1, 2][..], &[3, 1, 2], &[3, 1], &[4, 1]] {
            assert_eq!(completed(&under_way(&state, &next, isr), &all), None, "{isr:?}");
        }
        let moved = under_way(&state, &next, &[3, 4, 1]);
        let done = completed(&moved, &all).unwrap();
        assert_eq!((done.replicas.as_slice(), done.isr.as_slice(), done.leader), (&[3, 4][..], &[3, 4][..], 3));
        assert_eq!(completed(&moved, &|id| id == 4).unwrap().leader, 4, "3 may not lead");
        assert_eq!(completed(&moved, &|id| id == 1), None, "nobody could lead");
        let headless = Partition { leader: NO_LEADER, ..moved };
        assert_eq!(completed(&headless, &all), None, "who has the data is not sure without a leader");
    }

    #[test]
    fn who_leaves_is_fenced_by_a_new_leader_epoch() {
        let state = partition(&[1, 2], &[1, 2], 1);
        let next = begin(&state, &[1, 3], 1, &all);
        let moved = under_way(&state, &next, &[1, 3]);
        let change = completed(&moved, &all).unwrap().change(at(), &moved).unwrap();
        assert_eq!(change.leader, Some(1), "the same leader, and a new epoch");
        let grown = begin(&state, &[1, 2, 3], 1, &all);
        let grown = under_way(&state, &grown, &[1, 2, 3]);
        assert_eq!(completed(&grown, &all).unwrap().change(at(), &grown).unwrap().leader, None, "nobody left");
    }

    #[test]
    fn a_new_target_replaces_the_old_one_and_keeps_the_original() {
        let state = partition(&[1, 2], &[1, 2], 1);
        let first = begin(&state, &[1, 3], 1, &all);
        let moving = under_way(&state, &first, &[1, 3, 2]);
        let second = begin(&moving, &[1, 4], 1, &all);
        assert_eq!(second.replicas, [1, 4, 2], "3 is dropped at once");
        assert_eq!((second.adding.as_slice(), second.removing.as_slice()), (&[4][..], &[2][..]));
        assert_eq!(second.isr, [1, 2]);
        assert_eq!(second.change(at(), &moving).unwrap().leader, Some(1), "3 may still fetch");
        let back = begin(&moving, &[1, 2], 1, &all);
        assert_eq!((back.replicas.as_slice(), back.adding.len(), back.removing.len()), (&[1, 2][..], 0, 0));
    }

    #[test]
    fn what_a_replaced_one_was_adding_stays_while_it_is_needed() {
        let state = partition(&[1, 2], &[1, 2], 1);
        let first = begin(&state, &[1, 3], 2, &all);
        // 2 is lost: without 3 the in-sync set would be below its floor.
        let moving = under_way(&state, &first, &[1, 3]);
        let second = begin(&moving, &[1, 4], 2, &all);
        assert_eq!(second.replicas, [1, 4, 3, 2]);
        assert_eq!((second.adding.as_slice(), second.removing.as_slice()), (&[4][..], &[3, 2][..]));
        assert_eq!(second.isr, [1, 3]);
        let only = Partition { leader: 3, ..under_way(&state, &first, &[3]) };
        let second = begin(&only, &[1, 4], 1, &all);
        assert_eq!((second.isr.as_slice(), second.leader), (&[3][..], 3), "it is the only one with the data");
    }

    #[test]
    fn cancelling_goes_back() {
        let state = partition(&[1, 2], &[1, 2], 1);
        assert_eq!(cancelled(&state, 2, &all, &|| true), Err(CancelRefused::NotReassigning));
        let next = begin(&state, &[3, 4], 2, &all);
        let moving = under_way(&state, &next, &[3, 1]);
        let back = cancelled(&moving, 2, &all, &|| false).unwrap();
        assert_eq!((back.replicas.as_slice(), back.isr.as_slice(), back.leader), (&[1, 2][..], &[1][..], 1));
        let led = Partition { leader: 3, ..moving.clone() };
        assert_eq!(cancelled(&led, 2, &all, &|| false).unwrap().leader, 1, "3 leaves, and 1 has the data");
        let lost = Partition { leader: 3, ..under_way(&state, &next, &[3, 4]) };
        assert_eq!(cancelled(&lost, 2, &all, &|| false), Err(CancelRefused::NeedsUncleanElection));
        let back = cancelled(&lost, 2, &|id| id != 1, &|| true).unwrap();
        assert_eq!((back.isr.as_slice(), back.leader), (&[2][..], 2));
        assert_eq!(cancelled(&lost, 2, &|id| id > 2, &|| true), Err(CancelRefused::NeedsUncleanElection));
    }

    #[test]
    fn the_eligible_are_counted_on_when_nobody_is_in_sync() {
        let state = partition(&[1, 2], &[1, 2], 1);
        let next = begin(&state, &[3, 4], 2, &all);
        let moving = Partition { elr: vec![3, 1], ..under_way(&state, &next, &[4]) };
        let led = Partition { leader: 4, ..moving.clone() };
        let back = cancelled(&led, 2, &all, &|| false).unwrap();
        assert_eq!((back.isr.as_slice(), back.leader, back.unclean), (&[1][..], 1, false));
        // Nobody is there: whoever of then comes back first and has the data may lead.
        let headless = Partition { isr: vec![], leader: NO_LEADER, last_known_leader: Some(4), ..moving.clone() };
        let back = cancelled(&headless, 2, &|_| false, &|| false).unwrap();
        assert_eq!((back.isr.len(), back.elr.as_slice(), back.leader), (0, &[1][..], NO_LEADER));
        let lost = Partition { elr: vec![3], ..headless.clone() };
        assert_eq!(cancelled(&lost, 2, &all, &|| false), Err(CancelRefused::NeedsUncleanElection));
        // Replacing the target keeps them too.
        assert_eq!(begin(&lost, &[1, 5], 2, &all).replicas, [1, 5, 3, 2]);
        let last = Partition { elr: vec![], ..headless };
        assert_eq!(begin(&last, &[1, 5], 2, &all).replicas, [1, 5, 4, 2], "the last known leader");
    }

    #[test]
    fn directories_follow_their_replicas() {
        let dir = uuid::Uuid::from_u128;
        let state = Partition { directories: vec![dir(1), dir(2)], ..partition(&[1, 2], &[1, 2], 1) };
        let change = begin(&state, &[3, 2], 1, &all).change(at(), &state).unwrap();
        let ids: Vec<_> =
            change.directories.unwrap().ids.iter().map(|id| uuid::Uuid::from_slice(id).unwrap()).collect();
        assert_eq!(ids, [dir(0), dir(2), dir(1)]);
    }
}
