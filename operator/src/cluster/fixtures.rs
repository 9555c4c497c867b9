//! What the tests of the pure parts share.

use std::collections::BTreeMap;

use odradek_client::{QuorumDescription, QuorumReplica};
use odradek_crds::KafkaCluster;

use super::{
    ask::next_question,
    observe::{KafkaState, NodeZones, Observed},
    pods::PodView,
    validate::{Validated, validate},
};
use crate::kafka::{
    KafkaView, PartitionView, RegisteredBroker,
    restart::{Against, NodeSet, RestartVerdict},
};

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
    let mut observed = Observed {
        pinned_zones: Some(valid.zones.clone()),
        initial_level: Some(valid.level.initial.map(|level| level.to_string())),
        ..Observed::default()
    };
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
                zone: None,
                phase: odradek_crds::BrokerPhase::Ready,
                stuck: None,
                ip: Some("10.0.0.1".to_owned()),
                ready_since: None,
                recovering: None,
                name,
            }));
        }
    }
    let brokers: Vec<i32> = observed.pods.iter().filter(|pod| pod.broker).map(|pod| pod.id).collect();
    let rack = |pod: &PodView| {
        let set = valid.pools.iter().flat_map(|pool| &pool.sets).find(|set| set.name == pod.set);
        set.and_then(|set| set.zone.clone())
    };
    let registered = observed.pods.iter().filter(|pod| pod.broker).map(|pod| RegisteredBroker {
        id: pod.id,
        rack: rack(pod),
        fenced: false,
        address: format!("{}:9092", pod.name),
    });
    let registered = registered.collect();
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
        registered,
        moving: BTreeMap::new(),
        quorum: Some(quorum(observed.pods.iter().filter(|pod| pod.controller).map(|pod| pod.id))),
        config: super::config::running(&valid.config).into_iter().map(|(key, value)| (key, Some(value))).collect(),
        metadata_version: Some(27),
    });
    asked(valid, observed)
}

/// What is written on the sets of a cluster that is there.
pub(crate) fn with_pins(valid: &Validated, mut observed: Observed) -> Observed {
    observed.pins = super::pins::pins(&observed.sets, &observed.claims);
    observed.pinned_zones = Some(valid.zones.clone());
    observed
}

/// A quorum of these voters, all of them up to date.
pub(crate) fn quorum(voters: impl IntoIterator<Item = i32>) -> QuorumDescription {
    let voters: Vec<QuorumReplica> = voters
        .into_iter()
        .map(|id| QuorumReplica {
            id,
            directory_id: uuid::Uuid::from_u128(1 + u128::from(id.unsigned_abs())),
            log_end_offset: 7,
            last_fetch_ms: Some(1),
            last_caught_up_ms: Some(1),
            endpoints: Vec::new(),
        })
        .collect();
    let leader = voters.first().map(|voter| voter.id);
    QuorumDescription { leader, leader_epoch: 3, high_watermark: 7, voters, observers: Vec::new() }
}

/// Changes what the brokers say.
pub(crate) fn with_view(mut observed: Observed, change: impl FnOnce(&mut KafkaView)) -> Observed {
    if let KafkaState::View(view) = &mut observed.kafka {
        change(view);
    }
    observed
}

/// Every set has a new revision, as after a change of the template.
pub(crate) fn with_new_revisions(mut observed: Observed) -> Observed {
    for set in &mut observed.sets {
        let name = set.metadata.name.clone().unwrap_or_default();
        if let Some(status) = &mut set.status {
            status.update_revision = Some(format!("{name}-2"));
        }
    }
    observed
}

/// Asks the model of the active controller all that the plan wants to know.
pub(crate) fn asked(valid: &Validated, mut observed: Observed) -> Observed {
    observed.restart.verdicts.clear();
    while let Some(set) = next_question(valid, &observed) {
        let verdict = verdict(&observed, &set, valid);
        observed.restart.verdicts.insert(set, verdict);
    }
    observed
}

/// The rules of the active controller on what a test knows: `min.insync.replicas` of the cluster, a controller that is
/// up to date when its pod is ready, and the lease that the test put into `observed.restart`.
pub(crate) fn verdict(observed: &Observed, set: &NodeSet, valid: &Validated) -> RestartVerdict {
    let controllers: Vec<&PodView> = observed.pods.iter().filter(|pod| pod.controller).collect();
    let mut verdict = RestartVerdict {
        active_controller: controllers.iter().find(|pod| pod.ready()).map_or(-1, |pod| pod.id),
        lease: observed.lease_of_a_test.clone(),
        ..RestartVerdict::default()
    };
    let mut note = |code: &str, what: String| {
        verdict.reasons.push(Against { code: code.to_owned(), message: what, examples: Vec::new() });
    };
    if !set.controllers.is_empty() {
        let outside: Vec<bool> =
            controllers.iter().filter(|pod| !set.controllers.contains(&pod.id)).map(|pod| pod.ready()).collect();
        let voters = valid.voters().len();
        if outside.len() > voters / 2 && outside.iter().filter(|up| **up).count() <= voters / 2 {
            note("NO_MAJORITY", "no majority".to_owned());
        } else if outside.len() <= voters / 2 && set.strict {
            note("NEVER_MAJORITY", "never a majority".to_owned());
        }
        if outside.contains(&false) {
            note("CONTROLLER_BEHIND", "a controller is behind".to_owned());
        }
    }
    let KafkaState::View(view) = &observed.kafka else {
        verdict.safe = verdict.reasons.is_empty();
        return verdict;
    };
    for pod in observed.pods.iter().filter(|pod| pod.broker && !set.brokers.contains(&pod.id)) {
        if !view.brokers.contains(&pod.id) {
            note("BROKER_NOT_SERVING", pod.id.to_string());
        }
    }
    let minimum: usize = valid.config[crate::cluster::config::MIN_INSYNC].parse().expect("a number");
    for partition in &view.partitions {
        let outside = |ids: &[i32]| ids.iter().filter(|id| !set.brokers.contains(id)).count();
        if outside(&partition.replicas) == partition.replicas.len() {
            continue;
        }
        let needed = minimum.min(partition.replicas.len()).max(1);
        let name = format!("{}-{}", partition.topic, partition.partition);
        if outside(&partition.replicas) < needed {
            if set.strict {
                note("NEVER_ENOUGH_REPLICAS", name);
            }
        } else if partition.leader.is_none() {
            note("OFFLINE", name);
        } else if outside(&partition.in_sync) < needed {
            note("WOULD_BE_UNDER_MIN_ISR", name);
        } else if outside(&partition.replicas) != outside(&partition.in_sync) {
            note("CATCHING_UP", name);
        }
    }
    verdict.safe = verdict.reasons.is_empty();
    verdict
}
