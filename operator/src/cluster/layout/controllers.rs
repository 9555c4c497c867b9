//! The controllers of a cluster: those of their own set, and what may not change about a quorum. How many of them there
//! are now, on the way to what is wanted, follows from who votes: see [`crate::cluster::quorum`].

use odradek_crds::NodePool;

use super::{Ids, Pin, SetLayout};
use crate::{
    names::{self, CONTROLLERS_POOL},
    refusal::{Reason, Refusal},
};

/// The set of the controllers that are no brokers.
pub(super) fn controller_set(
    cluster: &str,
    pools: &[NodePool],
    wanted: Option<i32>,
    pins: &[Pin],
    ids: &mut Ids<'_>,
) -> SetLayout {
    if let Some(pin) = pins.iter().find(|pin| pin.identity.pool == CONTROLLERS_POOL) {
        return SetLayout {
            name: pin.identity.set.clone(),
            zone: None,
            first_id: pin.identity.first_id,
            replicas: pin.replicas,
            wanted: wanted.unwrap_or(pin.replicas),
        };
    }
    let brokers: i32 = pools.iter().map(|pool| pool.replicas).sum();
    let replicas = wanted.unwrap_or(if brokers == 1 { 1 } else { 3 });
    SetLayout { name: names::controllers_set(cluster), zone: None, first_id: ids.block(), replicas, wanted: replicas }
}

/// Controllers that would have to move, or nodes that are brokers too and would have to become controllers.
pub(super) fn moved_controllers(pools: &[NodePool], pins: &[Pin]) -> Option<Refusal> {
    let pinned: i32 = pins.iter().filter(|pin| pin.identity.controller).map(|pin| pin.replicas).sum();
    if pinned == 0 {
        return None;
    }
    let in_pools = pins.iter().any(|p| p.identity.controller && p.identity.pool != CONTROLLERS_POOL);
    let combined: i32 = pools.iter().filter(|p| p.has_controllers()).map(|p| p.replicas).sum();
    let refuse = |field: &str, why: String| Some(Refusal::new(Reason::NotSupported, field, why));
    match (in_pools, combined) {
        // They come and go one by one.
        (false, 0) => None,
        (true, asked) if asked == pinned => None,
        (true, 0) => refuse(
            "spec.nodePools",
            format!(
                "the {pinned} controllers of the cluster are in its node pools, and cannot move to nodes of their own \
                 yet: give a pool the controller role again"
            ),
        ),
        (true, asked) => refuse(
            "spec.nodePools",
            format!(
                "{asked} nodes would be controllers and brokers, and the cluster has {pinned}: the number of controllers \
                 only changes where they have nodes of their own (spec.controllers): set it back to {pinned}"
            ),
        ),
        (false, _) => refuse(
            "spec.nodePools",
            format!(
                "the cluster has {pinned} controllers of their own, and they cannot move into a node pool yet: take the \
                 controller role from its pools"
            ),
        ),
    }
}
