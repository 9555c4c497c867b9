//! Which nodes have to go, and in which order. It follows from the layout alone.

use std::collections::BTreeSet;

use super::SetLayout;

/// The ids of all nodes that have to go: the highest of their sets.
pub fn leaving<'a>(sets: impl IntoIterator<Item = &'a SetLayout>) -> BTreeSet<i32> {
    sets.into_iter().flat_map(|set| set.ids().skip(usize::try_from(set.wanted).unwrap_or_default())).collect()
}

/// The node that goes next: the highest id of the set that has most nodes, so that zones stay even on the way.
pub fn next_leaving<'a>(sets: impl IntoIterator<Item = &'a SetLayout>) -> Option<i32> {
    let too_many = sets.into_iter().filter(|set| set.replicas > set.wanted);
    let set = too_many.max_by_key(|set| (set.replicas, set.first_id))?;
    set.ids().last()
}
