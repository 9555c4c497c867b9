//! What the status says. Pure.

use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt;
use odradek_crds::{KafkaTopic, KafkaTopicStatus};

use super::validate::Validated;
use crate::{
    conditions::{Truth, Verdict, merge},
    kafka::{INVALID_REPLICATION_FACTOR, KafkaFailure, TopicView},
    refusal::Refusal,
};

/// The status of a topic that is as its spec says.
pub fn ready(topic: &KafkaTopic, valid: &Validated, view: &TopicView, now: Timestamp) -> KafkaTopicStatus {
    let verdicts = vec![
        Verdict::new("Ready", true, "UpToDate", "The topic is as its spec says"),
        Verdict::new("Reconciling", false, "UpToDate", "The topic is as its spec says"),
        Verdict::new("Stalled", false, "UpToDate", "Nothing needs a person"),
    ];
    KafkaTopicStatus {
        cluster: Some(valid.cluster.name_any()),
        topic_name: Some(valid.topic.clone()),
        topic_id: Some(view.id.clone()),
        partitions: Some(view.partitions),
        replicas: Some(view.replicas),
        ..with(topic, verdicts, now)
    }
}

/// The status of a topic whose spec is refused.
pub fn refused(topic: &KafkaTopic, refusals: &[Refusal], now: Timestamp) -> KafkaTopicStatus {
    let reason = refusals.first().map_or("InvalidSpec", |refusal| refusal.reason.as_str());
    let message: Vec<String> = refusals.iter().map(ToString::to_string).collect();
    let message = message.join("; ");
    let verdicts = vec![
        Verdict::new("Ready", false, reason, message.clone()),
        Verdict::new("Reconciling", false, reason, "Nothing is changed until the spec is"),
        Verdict::new("Stalled", true, reason, message),
    ];
    with(topic, verdicts, now)
}

/// The status of a topic that waits for its cluster.
pub fn waiting(topic: &KafkaTopic, message: &str, now: Timestamp) -> KafkaTopicStatus {
    // What a topic is does not change while its cluster cannot be asked; whether it serves does.
    let verdicts = vec![
        Verdict::new("Ready", Truth::False, "ClusterNotReady", message),
        Verdict::new("Reconciling", true, "ClusterNotReady", message),
        Verdict::new("Stalled", false, "ClusterNotReady", "Nothing needs a person"),
    ];
    with(topic, verdicts, now)
}

/// The status of a topic that Kafka did not take. It is tried again.
pub fn failed(topic: &KafkaTopic, verb: &str, failure: &KafkaFailure, now: Timestamp) -> KafkaTopicStatus {
    if let KafkaFailure::Unreachable(why) = failure {
        return waiting(topic, &format!("The brokers cannot be asked: {why}"), now);
    }
    let field = match failure {
        KafkaFailure::Refused { code: INVALID_REPLICATION_FACTOR, .. } => "spec.replicas: ",
        KafkaFailure::Refused { .. } | KafkaFailure::Unreachable(_) => "",
    };
    let message = format!("{field}cannot {verb} the topic: {failure}");
    let verdicts = vec![
        Verdict::new("Ready", false, "KafkaError", message.clone()),
        Verdict::new("Reconciling", true, "KafkaError", message),
        Verdict::new("Stalled", false, "KafkaError", "It is tried again"),
    ];
    with(topic, verdicts, now)
}

fn with(topic: &KafkaTopic, verdicts: Vec<Verdict>, now: Timestamp) -> KafkaTopicStatus {
    let old = topic.status.clone().unwrap_or_default();
    let generation = topic.metadata.generation;
    KafkaTopicStatus {
        conditions: merge(&old.conditions, verdicts, generation, now),
        observed_generation: generation,
        ..old
    }
}
