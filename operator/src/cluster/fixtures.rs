//! What the tests of the pure parts share.

use odradek_crds::KafkaCluster;

use super::{
    observe::{KafkaState, NodeZones, Observed},
    pods::PodView,
    validate::{Validated, validate},
};
use crate::kafka::{KafkaView, PartitionView};

pub(crate) const IMAGE: &str = "odradek/broker:dev";

/// A cluster resource from the YAML of its spec.
pub(crate) fn cluster(spec: &str) -> KafkaCluster {
    let spec: serde_json::Value = serde_yaml::from_str(spec).expect("YAML");
    let value = serde_json::json!({
        "apiVersion": "odradek.dev/v1alpha1",
        "kind": "KafkaCluster",
        "metadata": {
            "name": "demo", "namespace": "kafka", "generation": 1,
            "uid": "01234567-89ab-4def-8123-456789abcdef",
        },
        "spec": spec,
    });
    serde_json::from_value(value).expect("a KafkaCluster")
}

/// Nothing is there but nodes in three zones.
pub(crate) fn nothing() -> Observed {
    let zones = ["zone-a", "zone-b", "zone-c"].map(str::to_owned).to_vec();
    Observed { node_zones: NodeZones::Zones(zones), ..Observed::default() }
}

/// A new cluster that is valid.
pub(crate) fn valid(spec: &str) -> Validated {
    validate(&cluster(spec), &nothing(), IMAGE).expect("a valid spec")
}

/// The cluster as it is when all that was wanted is there, every pod is ready, and every replica is in
/// sync.
pub(crate) fn all_there(valid: &Validated) -> Observed {
    let objects = super::desired::objects(valid, valid.max_unavailable).expect("objects");
    let mut observed = Observed { pinned_zones: Some(valid.zones.clone()), ..Observed::default() };
    for object in objects {
        let mut live = object.value.clone();
        live["metadata"]["uid"] = format!("uid-{}", object.name).into();
        live["metadata"]["generation"] = 1.into();
        if object.api.kind == "StatefulSet" {
            live["status"] = serde_json::json!({
                "replicas": 1, "observedGeneration": 1, "updateRevision": format!("{}-1", object.name),
            });
            observed.sets.push(serde_json::from_value(live.clone()).expect("a set"));
        }
        observed.live.insert((object.api.kind.clone(), object.name.clone()), live);
    }
    for pool in valid.all_pools() {
        for set in &pool.sets {
            observed.pods.extend(set.pods().map(|(id, name)| PodView {
                uid: format!("uid-{name}"),
                set: set.name.clone(),
                id,
                broker: pool.has(odradek_crds::Role::Broker),
                controller: pool.has(odradek_crds::Role::Controller),
                revision: format!("{}-1", set.name),
                node: Some("node".to_owned()),
                phase: odradek_crds::BrokerPhase::Ready,
                stuck: None,
                name,
            }));
        }
    }
    let brokers: Vec<i32> = observed.pods.iter().filter(|pod| pod.broker).map(|pod| pod.id).collect();
    observed.kafka = KafkaState::View(KafkaView {
        cluster_id: valid.cluster_id.clone(),
        partitions: vec![PartitionView {
            topic: "orders".to_owned(),
            partition: 0,
            leader: brokers.first().copied(),
            replicas: brokers.clone(),
            in_sync: brokers.clone(),
        }],
        brokers,
    });
    observed
}

/// Changes what the brokers say.
pub(crate) fn with_view(mut observed: Observed, change: impl FnOnce(&mut KafkaView)) -> Observed {
    if let KafkaState::View(view) = &mut observed.kafka {
        change(view);
    }
    observed
}
