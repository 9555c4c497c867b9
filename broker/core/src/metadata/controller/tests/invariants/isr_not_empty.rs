//! The in-sync set has a member while there is a leader; when it has none, it is known who led last.

use crate::metadata::image::Partition;

pub(super) fn check(place: &str, state: &Partition) {
    if state.isr.is_empty() {
        assert_eq!(state.leader(), None, "{place}");
        assert!(state.last_known_leader.is_some(), "{place}: nobody knows who had the data");
    } else {
        assert_eq!(state.last_known_leader, None, "{place}");
        assert!(!state.last_known_leader_lost_data, "{place}");
    }
}
