//! A reassignment never takes a replica away while one that is to stay has not got everything (M18).

use crate::metadata::image::Partition;

/// Unlike in the other invariants the step is one record: an entry may end one reassignment and begin the next.
pub(super) fn check(place: &str, old: &Partition, new: &Partition, unclean: bool) {
    for id in &new.adding {
        assert!(new.replicas.contains(id), "{place}: adds {id}, which is no replica");
        assert!(!new.removing.contains(id), "{place}: adds and removes {id}");
    }
    for id in &new.removing {
        assert!(new.replicas.contains(id), "{place}: removes {id}, which is no replica");
    }
    // Who was being added is a replica like the others only once it is in sync (or was, and is eligible).
    for id in old.adding.iter().filter(|id| new.replicas.contains(id) && !new.adding.contains(id)) {
        assert!(
            old.isr.contains(id) || old.elr.contains(id),
            "{place}: {id} counts as added, and was not in sync: {old:?}"
        );
    }
    // Who was there before leaves only when all that stay are in sync.
    let left = |id: &&i32| !old.adding.contains(id) && !new.replicas.contains(id);
    if let Some(id) = old.replicas.iter().find(left) {
        for kept in &new.replicas {
            assert!(old.isr.contains(kept), "{place}: {id} left, and {kept} was not in sync: {old:?}");
        }
        assert!(new.leader().is_some(), "{place}: {id} left, and nobody leads: {old:?}");
    }
    if !unclean && new.replicas != old.replicas && !old.isr.is_empty() {
        assert!(new.isr.iter().any(|id| old.isr.contains(id)), "{place}: nobody has the data: {old:?}");
        assert!(old.leader().is_none() || new.leader().is_some(), "{place}: lost its leader: {old:?}");
    }
}
