//! The controllers of a cluster: those of their own set, and what may not change about a quorum.

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
            wanted: pin.replicas,
        };
    }
    let brokers: i32 = pools.iter().map(|pool| pool.replicas).sum();
    let replicas = wanted.unwrap_or(if brokers == 1 { 1 } else { 3 });
    SetLayout { name: names::controllers_set(cluster), zone: None, first_id: ids.block(), replicas, wanted: replicas }
}

/// A quorum that differs from the one that the cluster was made with.
pub(super) fn moved_controllers(pools: &[NodePool], wanted: Option<i32>, pins: &[Pin]) -> Option<Refusal> {
    let pinned: i32 = pins.iter().filter(|pin| pin.identity.controller).map(|pin| pin.replicas).sum();
    if pinned == 0 {
        return None;
    }
    let in_pools = pins.iter().any(|p| p.identity.controller && p.identity.pool != CONTROLLERS_POOL);
    let combined: i32 = pools.iter().filter(|p| p.has_controllers()).map(|p| p.replicas).sum();
    let (field, asked) = match (in_pools, combined) {
        (false, 0) => ("spec.controllers.replicas", wanted.unwrap_or(pinned)),
        (true, 0) => ("spec.nodePools", 0),
        (true, asked) => ("spec.nodePools", asked),
        (false, _) => ("spec.nodePools", 0),
    };
    (asked != pinned).then(|| {
        Refusal::new(
            Reason::NotSupported,
            field,
            format!(
                "the cluster was made with {pinned} controllers{}, and changing them is not \
                 supported yet: set it back",
                if in_pools { " in its node pools" } else { " of their own" }
            ),
        )
    })
}
