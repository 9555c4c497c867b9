//! A fenced broker is in no in-sync set: nobody waits for it.

use crate::metadata::image::{Image, Partition};

pub(super) fn check(place: &str, image: &Image, state: &Partition) {
    for id in &state.isr {
        let broker = image.broker(*id);
        assert!(broker.is_some_and(|broker| !broker.fenced), "{place}: {id} is fenced");
    }
}
