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
    names::{self, CONTROLLERS_POOL},
    refusal::{Reason, Refusal},
};

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
    /// How many nodes.
    pub replicas: i32,
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

/// Lays out the cluster: what is pinned stays, and what is wanted beyond it goes to the zone that
/// has fewest nodes of the pool.
pub fn layout(
    cluster: &str,
    pools: &[NodePool],
    wanted_controllers: Option<i32>,
    zones: &[String],
    pins: &[Pin],
) -> Result<Layout, Vec<Refusal>> {
    let mut refusals = removed_pools(pools, pins);
    refusals.extend(moved_controllers(pools, wanted_controllers, pins));
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
        SetLayout { name, zone: zone.map(str::to_owned), first_id: self.block(), replicas: 0 }
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
        })
        .collect();
    sets.sort_by_key(|set| set.first_id);
    let there: i32 = sets.iter().map(|set| set.replicas).sum();
    let field = format!("spec.nodePools[{}].replicas", pool.name);
    if pool.replicas < there {
        return Err(Refusal::new(
            Reason::ScaleDownUnsupported,
            field,
            format!(
                "{} is fewer than the {there} nodes that the pool has, or had by the volumes that are kept. \
                 Their replicas must be moved to other brokers first, which is not supported yet: set it \
                 back to {there}",
                pool.replicas
            ),
        ));
    }
    let places: Vec<Option<&str>> =
        if zones.is_empty() { vec![None] } else { zones.iter().map(|zone| Some(zone.as_str())).collect() };
    for _ in there..pool.replicas {
        // The place with the fewest nodes; the first one among equals.
        let count = |place: &Option<&str>| {
            let of_place = sets.iter().filter(|set| set.zone.as_deref() == *place);
            of_place.map(|set| set.replicas).sum::<i32>()
        };
        let Some(place) = places.iter().min_by_key(|place| count(place)).copied() else { break };
        let index = match sets.iter().position(|set| set.zone.as_deref() == place) {
            Some(index) => index,
            None => {
                sets.push(ids.set(&pool.name, place));
                sets.len() - 1
            }
        };
        sets[index].replicas += 1;
    }
    if let Some(set) = sets.iter().find(|set| set.replicas > BLOCK) {
        return Err(Refusal::new(
            Reason::InvalidSpec,
            field,
            format!("{} nodes would be in one set ({}), which holds {BLOCK}", set.replicas, set.name),
        ));
    }
    Ok(sets)
}

fn controller_set(
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
        };
    }
    let brokers: i32 = pools.iter().map(|pool| pool.replicas).sum();
    SetLayout {
        name: names::controllers_set(cluster),
        zone: None,
        first_id: ids.block(),
        replicas: wanted.unwrap_or(if brokers == 1 { 1 } else { 3 }),
    }
}

/// Pools with nodes that the spec no longer has.
fn removed_pools(pools: &[NodePool], pins: &[Pin]) -> Vec<Refusal> {
    let mut removed: BTreeMap<&str, i32> = BTreeMap::new();
    for pin in pins {
        let pool = pin.identity.pool.as_str();
        if pool != CONTROLLERS_POOL && !pools.iter().any(|p| p.name == pool) {
            *removed.entry(pool).or_default() += pin.replicas;
        }
    }
    removed
        .into_iter()
        .filter(|(_, replicas)| *replicas > 0)
        .map(|(pool, replicas)| {
            Refusal::new(
                Reason::ScaleDownUnsupported,
                format!("spec.nodePools[{pool}]"),
                format!(
                    "the pool is gone from the spec and has {replicas} nodes. Their replicas must be \
                     moved to other brokers first, which is not supported yet: put the pool back"
                ),
            )
        })
        .collect()
}

/// A quorum that differs from the one that the cluster was made with.
fn moved_controllers(pools: &[NodePool], wanted: Option<i32>, pins: &[Pin]) -> Option<Refusal> {
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

#[cfg(test)]
#[path = "layout_tests.rs"]
mod tests;
