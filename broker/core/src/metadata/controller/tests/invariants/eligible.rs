//! KIP-966: eligible replicas are replicas outside of the in-sync set, in their order, and there are some only while that
//! set is smaller than `min.insync.replicas`.

use crate::metadata::image::Partition;

pub(super) fn check(place: &str, state: &Partition, min_insync: usize) {
    let in_order: Vec<i32> = state.replicas.iter().copied().filter(|id| state.elr.contains(id)).collect();
    assert_eq!(state.elr, in_order, "{place}");
    assert!(!state.elr.iter().any(|id| state.isr.contains(id)), "{place}: in sync, and eligible");
    let enough = state.floor(min_insync);
    assert!(state.elr.is_empty() || state.isr.len() < enough, "{place}: enough are in sync ({min_insync})");
}
