//! A new leader comes from the in-sync set (M3).

use crate::metadata::image::Partition;

pub(super) fn check(place: &str, old: &Partition, new: &Partition) {
    if new.leader != old.leader
        && let Some(leader) = new.leader()
    {
        assert!(old.isr.contains(&leader), "{place}: led by one that was not in sync: {old:?}");
    }
    // Who asks to let others in is the leader; nobody joins with a change of leader.
    let joined = new.isr.iter().any(|id| !old.isr.contains(id));
    assert!(!joined || new.leader == old.leader, "{place}: joined with a new leader: {old:?}");
}
