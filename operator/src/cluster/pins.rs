//! What the operator wrote on sets and claims: which sets there are and were, with how many nodes, in which zones. Pure.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::{apps::v1::StatefulSet, core::v1::PersistentVolumeClaim};
use kube::ResourceExt;

use super::layout::{BLOCK, Identity, Pin};
use crate::{
    kafka::KafkaView,
    names::{
        CONTROLLERS_POOL, IDENTITY_ANNOTATION, INITIAL_LEVEL_ANNOTATION, LEFT_ANNOTATION, REPLICAS_ANNOTATION,
        ZONES_ANNOTATION,
    },
};

/// The level of `metadata.version` that a cluster was made with; nothing where it was made without one.
pub(super) fn initial_level(sets: &[StatefulSet]) -> Option<Option<String>> {
    (!sets.is_empty()).then(|| sets.iter().find_map(|set| set.annotations().get(INITIAL_LEVEL_ANNOTATION)).cloned())
}

/// The zones that are written on the sets of the brokers.
pub(super) fn pinned_zones(sets: &[StatefulSet]) -> Option<Vec<String>> {
    let of_brokers = |set: &&StatefulSet| identity(set.annotations()).is_none_or(|it| it.pool != CONTROLLERS_POOL);
    sets.iter().filter(of_brokers).find_map(written_zones)
}

/// The zones that the controllers were made in, which stay theirs: their volumes do not move.
pub(super) fn controller_zones(sets: &[StatefulSet]) -> Option<Vec<String>> {
    let of_controllers = |set: &&StatefulSet| identity(set.annotations()).is_some_and(|it| it.pool == CONTROLLERS_POOL);
    sets.iter().find(of_controllers).and_then(written_zones)
}

fn written_zones(set: &StatefulSet) -> Option<Vec<String>> {
    let written = set.annotations().get(ZONES_ANNOTATION)?;
    Some(written.split(',').filter(|zone| !zone.is_empty()).map(str::to_owned).collect())
}

/// The pins, with the nodes that left and yet hold replicas: a topic can be made in the moment when a broker goes. They
/// come back, and leave anew once they are empty.
pub(super) fn with_holders(pins: &[Pin], view: &KafkaView) -> Vec<Pin> {
    let holders: BTreeSet<i32> = view.partitions.iter().flat_map(|partition| &partition.replicas).copied().collect();
    let mut pins = pins.to_vec();
    for pin in pins.iter_mut().filter(|pin| pin.identity.pool != CONTROLLERS_POOL) {
        let first = pin.identity.first_id;
        if let Some(highest) = holders.range(first..first + BLOCK).next_back() {
            pin.replicas = pin.replicas.max(highest - first + 1);
        }
    }
    pins
}

/// Whether the broker of a claim has left.
pub(super) fn has_left(claim: &PersistentVolumeClaim) -> bool {
    claim.annotations().contains_key(LEFT_ANNOTATION)
}

/// Whose claim it is, and of which node.
pub(super) fn owner_of(claim: &PersistentVolumeClaim) -> Option<(Identity, i32)> {
    let identity = identity(claim.annotations())?;
    let id = claim.name_any().rsplit('-').next()?.parse::<i32>().ok()?;
    Some((identity, id))
}

/// What is written on the sets, and on the claims of sets that are gone.
pub(super) fn pins(sets: &[StatefulSet], claims: &[PersistentVolumeClaim]) -> Vec<Pin> {
    let mut pins: BTreeMap<String, Pin> = BTreeMap::new();
    for set in sets {
        if let Some(identity) = identity(set.annotations()) {
            let replicas = given_replicas(set);
            pins.insert(identity.set.clone(), Pin { identity, replicas });
        }
    }
    let there: BTreeSet<String> = pins.keys().cloned().collect();
    for claim in claims.iter().filter(|claim| claim.metadata.deletion_timestamp.is_none()) {
        let Some((identity, id)) = owner_of(claim) else { continue };
        if !there.contains(&identity.set) {
            let replicas = if has_left(claim) { 0 } else { id - identity.first_id + 1 };
            let pin =
                pins.entry(identity.set.clone()).or_insert_with(|| Pin { identity: identity.clone(), replicas: 0 });
            pin.replicas = pin.replicas.max(replicas);
        }
    }
    let mut pins: Vec<Pin> = pins.into_values().collect();
    pins.sort_by_key(|pin| pin.identity.first_id);
    pins
}

/// How many nodes the operator gave a set. Somebody may have scaled it meanwhile: ids and voters do not follow that.
/// A set from before the number was written has what it says itself.
fn given_replicas(set: &StatefulSet) -> i32 {
    let written = set.annotations().get(REPLICAS_ANNOTATION).and_then(|replicas| replicas.parse().ok());
    let said = || set.spec.as_ref().and_then(|spec| spec.replicas);
    written.filter(|replicas| *replicas >= 0).or_else(said).unwrap_or(1)
}

fn identity(annotations: &BTreeMap<String, String>) -> Option<Identity> {
    serde_json::from_str(annotations.get(IDENTITY_ANNOTATION)?).ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_set_has_the_nodes_that_the_operator_gave_it() {
        let set = |annotations: serde_json::Value| -> StatefulSet {
            serde_json::from_value(json!({ "metadata": { "name": "s", "annotations": annotations }, "spec": {
                "replicas": 7, "selector": {}, "serviceName": "s", "template": {},
            }}))
            .expect("a set")
        };
        assert_eq!(given_replicas(&set(json!({ REPLICAS_ANNOTATION: "3" }))), 3);
        assert_eq!(given_replicas(&set(json!({ REPLICAS_ANNOTATION: "0" }))), 0);
        for unreadable in [json!({}), json!({ REPLICAS_ANNOTATION: "-1" }), json!({ REPLICAS_ANNOTATION: "three" })] {
            assert_eq!(given_replicas(&set(unreadable)), 7);
        }
    }

    #[test]
    fn claims_remember_sets_that_are_gone() {
        let claim = |name: &str, left: bool| -> PersistentVolumeClaim {
            let identity = json!({ "clusterId": "id", "set": "s", "pool": "p", "zone": "z", "firstId": 1000 });
            let mut claim = json!({ "metadata": {
                "name": name,
                "annotations": { IDENTITY_ANNOTATION: identity.to_string() },
            }});
            if left {
                claim["metadata"]["annotations"][LEFT_ANNOTATION] = "true".into();
            }
            serde_json::from_value(claim).expect("a claim")
        };
        let found = |claims: &[PersistentVolumeClaim]| {
            let pins = pins(&[], claims);
            pins.iter().map(|pin| (pin.identity.first_id, pin.replicas)).collect::<Vec<_>>()
        };
        assert_eq!(found(&[claim("data-s-1000", false), claim("data-s-1002", false)]), [(1000, 3)]);
        assert_eq!(found(&[claim("data-s-1000", false), claim("data-s-1002", true)]), [(1000, 1)]);
        // The name and the ids stay taken.
        assert_eq!(found(&[claim("data-s-1000", true)]), [(1000, 0)]);
    }

    #[test]
    fn a_node_that_left_with_a_replica_comes_back() {
        let identity = Identity {
            cluster_id: "id".to_owned(),
            set: "s".to_owned(),
            pool: "p".to_owned(),
            zone: None,
            first_id: 1000,
            controller: false,
        };
        let pins = [Pin { identity, replicas: 2 }];
        let holding = |replicas: &[i32]| {
            let partition = crate::kafka::PartitionView { replicas: replicas.to_vec(), ..Default::default() };
            with_holders(&pins, &KafkaView { partitions: vec![partition], ..KafkaView::default() })[0].replicas
        };
        assert_eq!((holding(&[0, 1000]), holding(&[1002]), holding(&[2000])), (2, 3, 2));
    }
}
