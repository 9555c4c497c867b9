//! A partition without a leader has nobody that could lead: in its in-sync set, or, when that is empty, among the eligible.

use crate::metadata::image::{Image, Partition};

pub(super) fn check(place: &str, image: &Image, state: &Partition) {
    if state.leader().is_none() {
        let candidates = if state.isr.is_empty() { &state.elr } else { &state.isr };
        for id in candidates {
            let broker = image.broker(*id);
            assert!(!broker.is_some_and(|broker| broker.is_active()), "{place}: {id} could lead");
        }
        if let Some(id) = state.last_known_leader
            && state.elr.is_empty()
            && !state.last_known_leader_lost_data
        {
            let broker = image.broker(id);
            assert!(!broker.is_some_and(|broker| broker.is_active()), "{place}: {id} could lead again");
        }
    }
}
