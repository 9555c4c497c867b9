//! The StatefulSets: one for each pool and zone.

use std::collections::BTreeMap;

use k8s_openapi::{
    api::{
        apps::v1::{
            StatefulSet, StatefulSetOrdinals, StatefulSetPersistentVolumeClaimRetentionPolicy, StatefulSetSpec,
            StatefulSetUpdateStrategy,
        },
        core::v1::{PersistentVolumeClaim, PersistentVolumeClaimSpec, VolumeResourceRequirements},
    },
    apimachinery::pkg::{api::resource::Quantity, apis::meta::v1::ObjectMeta},
};
use odradek_crds::{CLUSTER_LABEL, Role, StorageType};

use super::{label_selector, meta, pod};
use crate::{
    cluster::{
        layout::{Identity, SetLayout},
        validate::{Pool, Validated},
    },
    names::{
        self, DECLARED_ANNOTATION, IDENTITY_ANNOTATION, INITIAL_LEVEL_ANNOTATION, REPLICAS_ANNOTATION,
        TEMPLATE_ANNOTATION, ZONES_ANNOTATION,
    },
};

/// The StatefulSet of a pool in a zone.
pub fn stateful_set(cluster: &Validated, pool: &Pool, set: &SetLayout) -> StatefulSet {
    let identity = identity(cluster, pool, set);
    let mut metadata = meta(cluster, set.name.clone());
    metadata.labels.get_or_insert_default().extend(set_labels(cluster, pool, set));
    let template = pod::template(cluster, pool, set);
    let template_json = serde_json::to_string(&template).unwrap_or_default();
    let zones = if pool.has(Role::Broker) { &cluster.zones } else { &cluster.controller_zones };
    let mut annotations = BTreeMap::from([
        (IDENTITY_ANNOTATION.to_owned(), identity.clone()),
        (TEMPLATE_ANNOTATION.to_owned(), format!("{:016x}", names::fnv1a(template_json.as_bytes()))),
        (REPLICAS_ANNOTATION.to_owned(), set.replicas.to_string()),
        (ZONES_ANNOTATION.to_owned(), zones.join(",")),
    ]);
    annotations.extend(pool.declared.iter().map(|declared| (DECLARED_ANNOTATION.to_owned(), declared.clone())));
    let initial_level = cluster.level.initial.map(|level| (INITIAL_LEVEL_ANNOTATION.to_owned(), level.to_string()));
    annotations.extend(initial_level);
    metadata.annotations = Some(annotations);
    let claims =
        (pool.storage.type_ == StorageType::PersistentClaim).then(|| vec![claim(cluster, pool, set, identity)]);
    StatefulSet {
        metadata,
        spec: Some(StatefulSetSpec {
            replicas: Some(set.replicas),
            ordinals: Some(StatefulSetOrdinals { start: Some(set.first_id) }),
            selector: label_selector(selector(cluster, set)),
            service_name: Some(cluster.headless(pool)),
            pod_management_policy: Some("Parallel".to_owned()),
            // The operator alone decides when a pod goes.
            update_strategy: Some(StatefulSetUpdateStrategy {
                type_: Some("OnDelete".to_owned()),
                rolling_update: None,
            }),
            persistent_volume_claim_retention_policy: Some(StatefulSetPersistentVolumeClaimRetentionPolicy {
                when_deleted: Some("Retain".to_owned()),
                when_scaled: Some("Retain".to_owned()),
            }),
            revision_history_limit: Some(3),
            template,
            volume_claim_templates: claims,
            ..StatefulSetSpec::default()
        }),
        status: None,
    }
}

/// What is written on the set and its claims, so that ids and volumes are found again.
fn identity(cluster: &Validated, pool: &Pool, set: &SetLayout) -> String {
    let identity = Identity {
        cluster_id: cluster.cluster_id.clone(),
        set: set.name.clone(),
        pool: pool.name.clone(),
        zone: set.zone.clone(),
        first_id: set.first_id,
        controller: pool.has(Role::Controller),
    };
    serde_json::to_string(&identity).unwrap_or_default()
}

/// What tells the pods of this set from all others.
pub(super) fn selector(cluster: &Validated, set: &SetLayout) -> BTreeMap<String, String> {
    BTreeMap::from([(CLUSTER_LABEL.to_owned(), cluster.name.clone()), (names::SET_LABEL.to_owned(), set.name.clone())])
}

/// Labels of the set, its pods and its claims.
pub(super) fn set_labels(cluster: &Validated, pool: &Pool, set: &SetLayout) -> BTreeMap<String, String> {
    let mut labels = selector(cluster, set);
    labels.insert(names::POOL_LABEL.to_owned(), pool.name.clone());
    if let Some(zone) = &set.zone {
        labels.insert(names::ZONE_LABEL.to_owned(), zone.clone());
    }
    labels
}

fn claim(cluster: &Validated, pool: &Pool, set: &SetLayout, identity: String) -> PersistentVolumeClaim {
    let mut labels = names::common_labels(&cluster.name);
    labels.extend(set_labels(cluster, pool, set));
    PersistentVolumeClaim {
        metadata: ObjectMeta {
            name: Some(pod::DATA_VOLUME.to_owned()),
            labels: Some(labels),
            annotations: Some(BTreeMap::from([(IDENTITY_ANNOTATION.to_owned(), identity)])),
            ..ObjectMeta::default()
        },
        spec: Some(PersistentVolumeClaimSpec {
            access_modes: Some(vec!["ReadWriteOnce".to_owned()]),
            storage_class_name: pool.storage.class.clone(),
            resources: Some(VolumeResourceRequirements {
                requests: Some(BTreeMap::from([("storage".to_owned(), Quantity(pool.storage.size.clone()))])),
                limits: None,
            }),
            ..PersistentVolumeClaimSpec::default()
        }),
        status: None,
    }
}
