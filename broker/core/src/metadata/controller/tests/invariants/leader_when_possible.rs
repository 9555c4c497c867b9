//! A partition without a leader has no member of its in-sync set that could lead.

use crate::metadata::image::{Image, Partition};

pub(super) fn check(place: &str, image: &Image, state: &Partition) {
    if state.leader().is_none() {
        for id in &state.isr {
            let broker = image.broker(*id);
            assert!(!broker.is_some_and(|broker| broker.is_active()), "{place}: {id} could lead");
        }
    }
}
