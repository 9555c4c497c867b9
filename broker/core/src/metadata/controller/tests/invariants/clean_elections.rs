//! A new leader comes from the in-sync set, or (KIP-966) from the eligible; when both are empty it is the last known one
//! (M3).

use crate::metadata::image::Partition;

pub(super) fn check(place: &str, old: &Partition, new: &Partition) {
    // Who is left of it leads before any eligible one.
    let set_is_lost = !old.isr.iter().any(|id| new.isr.contains(id));
    let could_lead = |id: &i32| {
        old.isr.contains(id)
            || set_is_lost && old.elr.contains(id)
            // The last eligible one may come back from an unclean stop in the same step.
            || old.isr.is_empty()
                && new.elr.is_empty()
                && old.last_known_leader == Some(*id)
                && !old.last_known_leader_lost_data
    };
    if new.leader != old.leader
        && let Some(leader) = new.leader()
    {
        assert!(could_lead(&leader), "{place}: led by one that could not: {old:?}");
    }
    // Who asks to let others in is the leader; nobody joins with a change of leader, but the leader itself.
    let joined = new.isr.iter().any(|id| !old.isr.contains(id) && *id != new.leader);
    assert!(!joined || new.leader == old.leader, "{place}: joined with a new leader: {old:?}");
}
