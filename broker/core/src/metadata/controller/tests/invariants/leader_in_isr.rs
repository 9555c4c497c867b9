//! A leader is in its in-sync set.

use crate::metadata::image::Partition;

pub(super) fn check(place: &str, state: &Partition) {
    if let Some(leader) = state.leader() {
        assert!(state.isr.contains(&leader), "{place}");
    }
}
