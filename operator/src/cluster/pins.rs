//! What the operator wrote on sets and claims: which sets there are and were, with how many nodes, in which zones. Pure.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::{apps::v1::StatefulSet, core::v1::PersistentVolumeClaim};
use kube::ResourceExt;

use super::layout::{Identity, Pin};
use crate::names::{IDENTITY_ANNOTATION, REPLICAS_ANNOTATION, ZONES_ANNOTATION};

/// The zones that are written on the sets.
pub(super) fn pinned_zones(sets: &[StatefulSet]) -> Option<Vec<String>> {
    let written = sets.iter().find_map(|set| set.annotations().get(ZONES_ANNOTATION))?;
    Some(written.split(',').filter(|zone| !zone.is_empty()).map(str::to_owned).collect())
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
        let Some(identity) = identity(claim.annotations()) else { continue };
        let Some(ordinal) = claim.name_any().rsplit('-').next().and_then(|o| o.parse::<i32>().ok()) else {
            continue;
        };
        if !there.contains(&identity.set) {
            let replicas = ordinal - identity.first_id + 1;
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
        let claim = |name: &str| -> PersistentVolumeClaim {
            let identity = json!({ "clusterId": "id", "set": "s", "pool": "p", "zone": "z", "firstId": 1000 });
            serde_json::from_value(json!({ "metadata": {
                "name": name,
                "annotations": { IDENTITY_ANNOTATION: identity.to_string() },
            }}))
            .expect("a claim")
        };
        let found = pins(&[], &[claim("data-s-1000"), claim("data-s-1002")]);
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].identity.first_id, found[0].replicas), (1000, 3));
    }
}
