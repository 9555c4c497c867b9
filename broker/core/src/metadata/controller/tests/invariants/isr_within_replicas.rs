//! The in-sync set is made of replicas, each once, in their order.

use std::collections::BTreeSet;

use crate::metadata::image::Partition;

pub(super) fn check(place: &str, state: &Partition) {
    let distinct: BTreeSet<_> = state.replicas.iter().collect();
    assert_eq!(distinct.len(), state.replicas.len(), "{place}: a replica twice");
    assert!(!state.replicas.is_empty(), "{place}: no replicas");
    let in_order: Vec<i32> = state.replicas.iter().copied().filter(|id| state.isr.contains(id)).collect();
    assert_eq!(state.isr, in_order, "{place}");
}
