//! The steps from the topic in Kafka to the one in the spec. Pure.

use super::{
    desired::new_topic,
    replicas::differs,
    validate::{Own, Validated},
};
use crate::{
    kafka::{ConfigChange, NewTopic, TopicView},
    refusal::{Reason, Refusal},
};

/// One step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Makes the topic.
    Create(NewTopic),
    /// Grows it.
    Grow {
        /// Partitions that it has.
        from: i32,
        /// Partitions that it gets.
        to: i32,
    },
    /// Changes its configuration.
    Configure(Vec<ConfigChange>),
    /// Gives it another number of replicas, which takes several turns.
    Replicate {
        /// Replicas that it has.
        from: i32,
        /// Replicas that it gets.
        to: i32,
    },
}

impl Step {
    /// The step in one word.
    pub fn verb(&self) -> &'static str {
        match self {
            Step::Create(_) => "create",
            Step::Grow { .. } => "grow",
            Step::Configure(_) => "configure",
            Step::Replicate { .. } => "reassign",
        }
    }

    /// The step in one sentence.
    pub fn describe(&self) -> String {
        match self {
            Step::Create(topic) => format!("topic {} is made", topic.name),
            Step::Grow { from, to } => format!("partitions grow from {from} to {to}"),
            Step::Replicate { from, to } => format!("replicas change from {from} to {to}"),
            Step::Configure(changes) => {
                let changes: Vec<String> = changes
                    .iter()
                    .map(|change| match change {
                        ConfigChange::Set(key, value) => format!("{key}={value}"),
                        ConfigChange::Delete(key) => format!("{key} taken back"),
                    })
                    .collect();
                format!("configuration changes: {}", changes.join(", "))
            }
        }
    }
}

/// Keys that tools set for the time of a reassignment: taking them back would undo its throttle.
pub(super) const LEFT_ALONE: [&str; 2] =
    ["leader.replication.throttled.replicas", "follower.replication.throttled.replicas"];

/// Plans the steps. A spec that cannot be met as a whole is not met in part.
pub fn plan(topic: &Validated, view: Option<&TopicView>) -> Result<Vec<Step>, Refusal> {
    let Some(view) = view else { return Ok(vec![Step::Create(new_topic(topic))]) };
    if !is_own(topic, view) {
        return Err(exists(topic));
    }
    if let Some(refusal) = topic.replicas.and_then(|replicas| too_few(replicas, topic, view)) {
        return Err(refusal);
    }
    let mut steps = Vec::new();
    if let Some(partitions) = topic.partitions.filter(|partitions| *partitions != view.partitions) {
        if partitions < view.partitions {
            return Err(Refusal::new(
                Reason::NotSupported,
                "spec.partitions",
                format!(
                    "the topic has {} partitions, and Kafka cannot take partitions away: set it back to {}",
                    view.partitions, view.partitions
                ),
            ));
        }
        steps.push(Step::Grow { from: view.partitions, to: partitions });
    }
    let changes = config_changes(topic, view);
    if !changes.is_empty() {
        steps.push(Step::Configure(changes));
    }
    if let Some(replicas) = topic.replicas.filter(|replicas| differs(usize::try_from(*replicas).unwrap_or(0), view)) {
        steps.push(Step::Replicate { from: view.replicas, to: replicas });
    }
    Ok(steps)
}

/// Refuses to go below what `min.insync.replicas` of the topic needs: it takes no writes with acks=all from then on.
pub fn too_few(replicas: i32, topic: &Validated, view: &TopicView) -> Option<Refusal> {
    const KEY: &str = "min.insync.replicas";
    // The spec's own is judged with the spec. One that is about to be taken back counts no more.
    if topic.config.contains_key(KEY) || view.config.contains_key(KEY) && is_ours(topic, KEY) {
        return None;
    }
    let least = view.min_insync.filter(|least| replicas < *least && replicas < view.replicas)?;
    Some(Refusal::new(
        Reason::InvalidSpec,
        "spec.replicas",
        format!(
            "{replicas} is less than min.insync.replicas of the topic ({least}), so that acks=all could never succeed: \
             set spec.config[{KEY}] to {replicas} or less first"
        ),
    ))
}

/// What KafkaTopics may not set, others may.
fn is_ours(topic: &Validated, key: &str) -> bool {
    topic.allowed_keys.as_ref().is_none_or(|allowed| allowed.iter().any(|allowed| allowed == key))
}

fn is_own(topic: &Validated, view: &TopicView) -> bool {
    match &topic.own {
        Own::Any | Own::Begun => true,
        Own::Id(id) => *id == view.id,
        Own::None => false,
    }
}

/// Why a topic is not taken that was there before.
pub fn exists(topic: &Validated) -> Refusal {
    Refusal::new(
        Reason::TopicExists,
        "spec.adoptionPolicy",
        format!(
            "a topic {} that this resource did not make is in the cluster: set adoptionPolicy to Adopt to take it \
             over, or choose another spec.topicName",
            topic.topic
        ),
    )
}

fn config_changes(topic: &Validated, view: &TopicView) -> Vec<ConfigChange> {
    let set = topic.config.iter().filter(|(key, value)| view.config.get(*key) != Some(*value));
    let taken_back = view
        .config
        .keys()
        .filter(|key| !topic.config.contains_key(*key) && !LEFT_ALONE.contains(&key.as_str()) && is_ours(topic, key));
    set.map(|(key, value)| ConfigChange::Set(key.clone(), value.clone()))
        .chain(taken_back.map(|key| ConfigChange::Delete(key.clone())))
        .collect()
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, sync::Arc};

    use odradek_crds::KafkaCluster;

    use super::*;
    use crate::kafka::Replicas;

    fn config(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
    }

    fn wanted(partitions: i32, replicas: i32, pairs: &[(&str, &str)]) -> Validated {
        Validated {
            cluster: Arc::new(KafkaCluster::default()),
            topic: "orders".to_owned(),
            partitions: Some(partitions),
            replicas: Some(replicas),
            config: config(pairs),
            allowed_keys: None,
            managed: true,
            own: Own::Any,
        }
    }

    fn there(partitions: i32, replicas: i32, pairs: &[(&str, &str)]) -> TopicView {
        TopicView { id: "id".to_owned(), partitions, replicas, config: config(pairs), ..TopicView::default() }
    }

    #[test]
    fn a_missing_topic_is_made() {
        let steps = plan(&wanted(3, 2, &[("a", "1")]), None).expect("a plan");
        assert!(matches!(&steps[..], [Step::Create(new)] if new.partitions == Some(3) && new.config["a"] == "1"));
    }

    #[test]
    fn nothing_is_done_where_nothing_differs() {
        let view = there(3, 2, &[("a", "1"), ("leader.replication.throttled.replicas", "*")]);
        assert_eq!(plan(&wanted(3, 2, &[("a", "1")]), Some(&view)), Ok(vec![]));
        let open = Validated { partitions: None, replicas: None, ..wanted(1, 1, &[("a", "1")]) };
        assert_eq!(plan(&open, Some(&view)), Ok(vec![]));
    }

    #[test]
    fn growth_and_drift_are_repaired() {
        let view = there(3, 2, &[("a", "2"), ("b", "1")]);
        let steps = plan(&wanted(6, 2, &[("a", "1"), ("c", "x")]), Some(&view)).expect("a plan");
        insta::assert_yaml_snapshot!(steps.iter().map(Step::describe).collect::<Vec<_>>());
    }

    #[test]
    fn fewer_partitions_are_refused() {
        let fewer = plan(&wanted(2, 2, &[]), Some(&there(3, 2, &[]))).expect_err("refused");
        assert_eq!((fewer.reason, fewer.field.as_str()), (Reason::NotSupported, "spec.partitions"));
    }

    #[test]
    fn another_number_of_replicas_comes_last() {
        let partition = Replicas { now: vec![1, 2], in_sync: vec![1, 2], ..Replicas::default() };
        let view = TopicView { assignment: vec![partition], min_insync: Some(2), ..there(1, 2, &[]) };
        let steps = plan(&wanted(2, 3, &[("a", "1")]), Some(&view)).expect("a plan");
        assert_eq!(steps.iter().map(Step::verb).collect::<Vec<_>>(), ["grow", "configure", "reassign"]);
        assert!(plan(&wanted(1, 2, &[]), Some(&view)).expect("a plan").is_empty());
        // Not below what the topic needs, unless the spec says what it needs from now on.
        let fewer = plan(&wanted(1, 1, &[]), Some(&view)).expect_err("refused");
        assert_eq!((fewer.reason, fewer.field.as_str()), (Reason::InvalidSpec, "spec.replicas"));
        assert!(fewer.message.contains("min.insync.replicas of the topic (2)"), "{fewer}");
        let told = plan(&wanted(1, 1, &[("min.insync.replicas", "1")]), Some(&view)).expect("a plan");
        assert_eq!(told.last().map(Step::verb), Some("reassign"));
    }

    #[test]
    fn keys_that_kafka_topics_may_not_set_are_left_alone() {
        let view = there(3, 2, &[("a", "1"), ("b", "1")]);
        let wanted = Validated { allowed_keys: Some(vec!["a".to_owned()]), ..wanted(3, 2, &[]) };
        let steps = plan(&wanted, Some(&view)).expect("a plan");
        assert_eq!(steps, [Step::Configure(vec![ConfigChange::Delete("a".to_owned())])]);
    }

    #[test]
    fn a_topic_that_was_there_before_is_adopted_only_where_that_is_wanted() {
        let view = there(3, 2, &[]);
        let cases = [
            (Own::Any, true),
            (Own::Begun, true),
            (Own::Id("id".to_owned()), true),
            (Own::Id("another".to_owned()), false),
            (Own::None, false),
        ];
        for (own, taken) in cases {
            let plan = plan(&Validated { own: own.clone(), ..wanted(3, 2, &[]) }, Some(&view));
            match plan {
                Ok(steps) => assert!(taken && steps.is_empty(), "{own:?}"),
                Err(refusal) => assert!(!taken && refusal.reason == Reason::TopicExists, "{own:?}"),
            }
        }
    }
}
