//! A leader is registered and not fenced.

use crate::metadata::image::{Image, Partition};

pub(super) fn check(place: &str, image: &Image, state: &Partition) {
    if let Some(leader) = state.leader() {
        assert!(image.broker(leader).is_some_and(|broker| !broker.fenced), "{place}");
    }
}
