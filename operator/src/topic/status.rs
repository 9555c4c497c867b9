//! What the status says. Pure.

use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt;
use odradek_crds::{KafkaTopic, KafkaTopicStatus, MANAGED_ANNOTATION, ReplicasChange, ReplicasChangeState};

use super::{observe::ClusterRef, plan::Step, validate::Validated};
use crate::{
    conditions::{Truth, Verdict, merge},
    kafka::{INVALID_REPLICATION_FACTOR, KafkaFailure, TopicView},
    refusal::Refusal,
};

/// The reason of every condition of a topic that is not managed.
const UNMANAGED: &str = "Unmanaged";

/// The status of a topic that is as its spec says.
pub fn ready(topic: &KafkaTopic, valid: &Validated, view: &TopicView, now: Timestamp) -> KafkaTopicStatus {
    let verdicts = vec![
        Verdict::new("Ready", true, "UpToDate", "The topic is as its spec says"),
        Verdict::new("Reconciling", false, "UpToDate", "The topic is as its spec says"),
        Verdict::new("Stalled", false, "UpToDate", "Nothing needs a person"),
    ];
    shown(topic, valid, Some(view), with(topic, verdicts, now))
}

/// The status of a topic that is not to be changed: what it is, and what would be changed.
pub fn unmanaged(
    topic: &KafkaTopic,
    valid: &Validated,
    view: Option<&TopicView>,
    plan: &Result<Vec<Step>, Refusal>,
    now: Timestamp,
) -> KafkaTopicStatus {
    let differs = match plan {
        Ok(steps) if steps.is_empty() => None,
        Ok(steps) => Some(steps.iter().map(Step::describe).collect::<Vec<_>>().join("; ")),
        Err(refusal) => Some(refusal.to_string()),
    };
    let ready = match &differs {
        None => "The topic is as its spec says, and is not managed".to_owned(),
        Some(differs) => format!("The topic is not managed, and not as its spec says. What would be done: {differs}"),
    };
    let quiet = format!("Nothing is changed while the annotation {MANAGED_ANNOTATION} is \"false\"");
    let verdicts = vec![
        Verdict::new("Ready", differs.is_none(), UNMANAGED, ready),
        Verdict::new("Reconciling", false, UNMANAGED, quiet.clone()),
        Verdict::new("Stalled", false, UNMANAGED, quiet),
    ];
    shown(topic, valid, view, with(topic, verdicts, now))
}

/// The status of a topic that is about to be made. It says that the topic which will be found later is this resource's.
pub fn begun(topic: &KafkaTopic, valid: &Validated, now: Timestamp) -> KafkaTopicStatus {
    let verdicts = vec![
        Verdict::new("Ready", false, "Creating", "The topic is being made"),
        Verdict::new("Reconciling", true, "Creating", "The topic is being made"),
        Verdict::new("Stalled", false, "Creating", "Nothing needs a person"),
    ];
    KafkaTopicStatus { topic_name: Some(valid.topic.clone()), ..with(topic, verdicts, now) }
}

/// The status of a resource whose topic somebody else made.
pub fn taken(topic: &KafkaTopic, refusal: &Refusal, now: Timestamp) -> KafkaTopicStatus {
    let status = refused(topic, std::slice::from_ref(refusal), now);
    KafkaTopicStatus { topic_name: None, topic_id: None, partitions: None, replicas: None, ..status }
}

/// What the topic is, beside the conditions.
fn shown(
    topic: &KafkaTopic,
    valid: &Validated,
    view: Option<&TopicView>,
    status: KafkaTopicStatus,
) -> KafkaTopicStatus {
    let cluster = ClusterRef::of(&valid.cluster);
    let foreign = Some(&cluster.namespace) != topic.namespace().as_ref();
    KafkaTopicStatus {
        cluster: Some(cluster.name),
        cluster_namespace: foreign.then_some(cluster.namespace),
        topic_name: Some(valid.topic.clone()),
        topic_id: view.map(|view| view.id.clone()),
        partitions: view.map(|view| view.partitions),
        replicas: view.map(|view| view.replicas),
        replicas_change: None,
        ..status
    }
}

/// The status of a topic whose number of replicas changes.
pub fn changing(
    topic: &KafkaTopic,
    valid: &Validated,
    view: &TopicView,
    change: ReplicasChange,
    now: Timestamp,
) -> KafkaTopicStatus {
    let reason = match change.state {
        ReplicasChangeState::Pending => "ReplicasChangePending",
        ReplicasChangeState::Ongoing => "ReplicasChangeOngoing",
    };
    let message = change.message.clone().unwrap_or_default();
    let verdicts = vec![
        Verdict::new("Ready", false, reason, message.clone()),
        Verdict::new("Reconciling", true, reason, message),
        Verdict::new("Stalled", false, reason, "Nothing needs a person"),
    ];
    let status = shown(topic, valid, Some(view), with(topic, verdicts, now));
    KafkaTopicStatus { replicas_change: Some(change), ..status }
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
    KafkaTopicStatus { replicas_change: None, ..with(topic, verdicts, now) }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::topic::{
        fixtures::{observed, topic},
        plan::plan,
        validate::validate,
    };

    fn rows(status: &KafkaTopicStatus) -> Vec<String> {
        let conditions = status.conditions.iter();
        conditions.map(|c| format!("{}={} {}: {}", c.type_, c.status, c.reason, c.message)).collect()
    }

    #[test]
    fn each_state_says_whether_it_is_ready_at_work_or_stuck() {
        let mut topic = topic();
        topic.metadata.generation = Some(3);
        topic.spec.partitions = Some(6);
        let valid = validate(&topic, &observed()).expect("valid");
        let view = TopicView { id: "id".to_owned(), partitions: 3, replicas: 3, ..TopicView::default() };
        let same = TopicView { partitions: 6, ..view.clone() };
        let now = Timestamp::UNIX_EPOCH;
        let refusal = Refusal::new(crate::refusal::Reason::TopicExists, "spec.adoptionPolicy", "it is there");
        let unreachable = KafkaFailure::Unreachable("no address answers".to_owned());
        let code = INVALID_REPLICATION_FACTOR;
        let said_no = KafkaFailure::Refused { code, name: "INVALID_REPLICATION_FACTOR".to_owned(), message: None };
        let of = |view: Option<&TopicView>| unmanaged(&topic, &valid, view, &plan(&valid, view), now);
        let message = Some("1 of 3 partitions have 3 replicas, 2 are on their way".to_owned());
        let change = ReplicasChange { target_replicas: 3, state: ReplicasChangeState::Ongoing, message };
        let all = [
            ready(&topic, &valid, &same, now),
            begun(&topic, &valid, now),
            waiting(&topic, "No broker serves yet", now),
            failed(&topic, "create", &unreachable, now),
            failed(&topic, "create", &said_no, now),
            taken(&topic, &refusal, now),
            of(Some(&same)),
            of(Some(&view)),
            of(None),
            changing(&topic, &valid, &view, change, now),
        ];
        assert!(all.iter().all(|status| status.observed_generation == Some(3)));
        assert!(all.iter().all(|status| status.conditions.iter().all(|c| c.observed_generation == Some(3))));
        insta::assert_yaml_snapshot!(all.iter().map(rows).collect::<Vec<_>>());
    }

    #[test]
    fn a_cluster_of_another_namespace_is_named() {
        let topic = topic();
        let mut valid = validate(&topic, &observed()).expect("valid");
        let view = TopicView::default();
        assert_eq!(ready(&topic, &valid, &view, Timestamp::UNIX_EPOCH).cluster_namespace, None);
        std::sync::Arc::make_mut(&mut valid.cluster).metadata.namespace = Some("kafka".to_owned());
        let status = ready(&topic, &valid, &view, Timestamp::UNIX_EPOCH);
        assert_eq!(status.cluster_namespace.as_deref(), Some("kafka"));
    }
}
