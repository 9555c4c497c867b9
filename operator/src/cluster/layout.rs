//! Which StatefulSets there are, in which zones, with which broker ids. Pure, and the only place
//! that gives out ids.
//!
//! A set is given a block of 1,000 ids when it is first wanted. What was given is written on the set
//! and on its claims, read back here as [`Pin`]s, and never computed again: a broker id, and the
//! claim with its records, never move.

use std::collections::{BTreeMap, BTreeSet};

use odradek_crds::NodePool;
use serde::{Deserialize, Serialize};

use crate::{
    names::{self, CONTROLLERS_POOL, POOL_LABEL},
    refusal::{Reason, Refusal},
};

mod controllers;
mod leaving;
mod spread;

pub use leaving::{leaving, next_leaving};

use controllers::{controller_set, moved_controllers};

/// Ids of one set.
pub const BLOCK: i32 = 1000;

/// What is written on a set and on its claims, so that both are recognised ever after.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Identity {
    /// The id of the Kafka cluster.
    pub cluster_id: String,
    /// Name of the StatefulSet.
    pub set: String,
    /// The pool, or `controllers`.
    pub pool: String,
    /// The zone that the set is pinned to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zone: Option<String>,
    /// The first id, which is the first ordinal of the set.
    pub first_id: i32,
    /// Whether its pods are controllers.
    #[serde(default)]
    pub controller: bool,
}

/// A set that is there, or was there and left its claims.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pin {
    /// What was written on it.
    pub identity: Identity,
    /// How many nodes it has; of a set that is gone, how many its claims had.
    pub replicas: i32,
}

/// A set that should be there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetLayout {
    /// Name of the StatefulSet.
    pub name: String,
    /// The zone that it is pinned to.
    pub zone: Option<String>,
    /// The first id.
    pub first_id: i32,
    /// How many nodes are there or wanted now. It shrinks only once the node with the highest id is empty.
    pub replicas: i32,
    /// How many nodes it will have in the end. Those above it are leaving. Only controllers come one by one: of them it
    /// can be more than `replicas`.
    pub wanted: i32,
}

impl SetLayout {
    /// The ids of the set's nodes, which are the ordinals of its pods.
    pub fn ids(&self) -> impl Iterator<Item = i32> + use<> {
        self.first_id..self.first_id + self.replicas
    }

    /// The pods of the set with their ids.
    pub fn pods(&self) -> impl Iterator<Item = (i32, String)> + '_ {
        self.ids().map(|id| (id, format!("{}-{id}", self.name)))
    }
}

/// Every set of a cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    /// The sets of each pool, in the order of the spec.
    pub pools: Vec<Vec<SetLayout>>,
    /// The set of the controllers that are no brokers.
    pub controllers: Option<SetLayout>,
}

/// Lays out the cluster: what is pinned stays until it has left, what is wanted beyond it goes to the zones that have
/// fewest nodes of the pool, and what is too much leaves from those that have most. All of it follows from the spec and
/// from what is there: nothing is remembered. A pool that the spec no longer has and that has nodes still is one without
/// replicas here.
pub fn layout(
    cluster: &str,
    pools: &[NodePool],
    wanted_controllers: Option<i32>,
    zones: &[String],
    pins: &[Pin],
) -> Result<Layout, Vec<Refusal>> {
    let mut refusals = unknown_pools(pools, pins);
    refusals.extend(moved_controllers(pools, pins));
    let mut ids = Ids::after(cluster, pins);
    let mut laid = Vec::new();
    for pool in pools {
        match pool_sets(pool, zones, pins, &mut ids) {
            Ok(sets) => laid.push(sets),
            Err(refusal) => refusals.push(refusal),
        }
    }
    let dedicated = !pools.iter().any(NodePool::has_controllers);
    let controllers = dedicated.then(|| controller_set(cluster, pools, wanted_controllers, pins, &mut ids));
    if refusals.is_empty() { Ok(Layout { pools: laid, controllers }) } else { Err(refusals) }
}

/// Gives out blocks of ids and names of sets, none of them twice.
struct Ids<'a> {
    cluster: &'a str,
    next: i32,
    names: BTreeSet<String>,
}

impl<'a> Ids<'a> {
    fn after(cluster: &'a str, pins: &[Pin]) -> Self {
        let next = pins.iter().map(|pin| pin.identity.first_id / BLOCK + 1).max().unwrap_or(0);
        let mut names: BTreeSet<_> = pins.iter().map(|pin| pin.identity.set.clone()).collect();
        names.insert(names::controllers_set(cluster));
        Ids { cluster, next, names }
    }

    fn block(&mut self) -> i32 {
        self.next += 1;
        (self.next - 1) * BLOCK
    }

    fn set(&mut self, pool: &str, zone: Option<&str>) -> SetLayout {
        let name = names::set_name(self.cluster, pool, zone, &self.names);
        self.names.insert(name.clone());
        SetLayout { name, zone: zone.map(str::to_owned), first_id: self.block(), replicas: 0, wanted: 0 }
    }
}

fn pool_sets(pool: &NodePool, zones: &[String], pins: &[Pin], ids: &mut Ids<'_>) -> Result<Vec<SetLayout>, Refusal> {
    let mut sets: Vec<SetLayout> = pins
        .iter()
        .filter(|pin| pin.identity.pool == pool.name)
        .map(|pin| SetLayout {
            name: pin.identity.set.clone(),
            zone: pin.identity.zone.clone(),
            first_id: pin.identity.first_id,
            replicas: pin.replicas,
            wanted: 0,
        })
        .collect();
    sets.sort_by_key(|set| set.first_id);
    spread::spread(pool, zones, pins, &mut sets, ids);
    // One without nodes is kept where some may come again.
    let in_use =
        |set: &SetLayout| pool.replicas > 0 && set.zone.as_ref().map_or(zones.is_empty(), |z| zones.contains(z));
    sets.retain(|set| set.replicas > 0 || in_use(set));
    let field = || format!("spec.nodePools[{}].replicas", pool.name);
    if let Some(set) = sets.iter().find(|set| set.replicas > BLOCK) {
        return Err(Refusal::new(
            Reason::InvalidSpec,
            field(),
            format!("{} nodes would be in one set ({}), which holds {BLOCK}", set.replicas, set.name),
        ));
    }
    let moves = || sets.iter().find(|set| set.wanted != set.replicas);
    if let Some(set) = moves().filter(|_| pool.has_controllers()) {
        return Err(Refusal::new(
            Reason::NotSupported,
            field(),
            format!(
                "nodes of {} would leave, and they are controllers too, which is not supported: give the cluster \
                 controllers of their own before, or set the pool and spec.rack.zones back",
                set.name
            ),
        ));
    }
    Ok(sets)
}

/// Pools of which only claims are left, that the spec no longer has: nothing says any more what their pods are made of.
fn unknown_pools(pools: &[NodePool], pins: &[Pin]) -> Vec<Refusal> {
    let mut unknown: BTreeMap<&str, i32> = BTreeMap::new();
    for pin in pins {
        let pool = pin.identity.pool.as_str();
        if pool != CONTROLLERS_POOL && !pools.iter().any(|p| p.name == pool) {
            *unknown.entry(pool).or_default() += pin.replicas;
        }
    }
    let with_nodes = unknown.into_iter().filter(|(_, replicas)| *replicas > 0);
    with_nodes
        .map(|(pool, replicas)| {
            Refusal::new(
                Reason::InvalidSpec,
                format!("spec.nodePools[{pool}]"),
                format!(
                    "the pool is gone from the spec, volumes of {replicas} nodes of it are kept, and nothing says what their \
                     pods were made of: put the pool back, and take it out once the cluster is ready; or delete the claims \
                     with the label {POOL_LABEL}={pool} if their records are no longer wanted"
                ),
            )
        })
        .collect()
}

#[cfg(test)]
#[path = "layout_tests.rs"]
mod tests;
