//! The steps from the topic in Kafka to the one in the spec. Pure.

use super::{
    desired::new_topic,
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
}

impl Step {
    /// The step in one word.
    pub fn verb(&self) -> &'static str {
        match self {
            Step::Create(_) => "create",
            Step::Grow { .. } => "grow",
            Step::Configure(_) => "configure",
        }
    }

    /// The step in one sentence.
    pub fn describe(&self) -> String {
        match self {
            Step::Create(topic) => format!("topic {} is made", topic.name),
            Step::Grow { from, to } => format!("partitions grow from {from} to {to}"),
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
const LEFT_ALONE: [&str; 2] = ["leader.replication.throttled.replicas", "follower.replication.throttled.replicas"];

/// Plans the steps. A spec that cannot be met as a whole is not met in part.
pub fn plan(topic: &Validated, view: Option<&TopicView>) -> Result<Vec<Step>, Refusal> {
    let Some(view) = view else { return Ok(vec![Step::Create(new_topic(topic))]) };
    if !is_own(topic, view) {
        return Err(exists(topic));
    }
    if let Some(replicas) = topic.replicas.filter(|replicas| *replicas != view.replicas) {
        return Err(Refusal::new(
            Reason::NotSupported,
            "spec.replicas",
            format!(
                "the topic has {} replicas, and changing them to {replicas} takes a reassignment, which \
                 is not supported yet: set it back to {}",
                view.replicas, view.replicas
            ),
        ));
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
    Ok(steps)
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
    // What KafkaTopics may not set, others may.
    let ours = |key: &String| topic.allowed_keys.as_ref().is_none_or(|allowed| allowed.contains(key));
    let taken_back = view
        .config
        .keys()
        .filter(|key| !topic.config.contains_key(*key) && !LEFT_ALONE.contains(&key.as_str()) && ours(key));
    set.map(|(key, value)| ConfigChange::Set(key.clone(), value.clone()))
        .chain(taken_back.map(|key| ConfigChange::Delete(key.clone())))
        .collect()
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, sync::Arc};

    use odradek_crds::KafkaCluster;

    use super::*;

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
    fn fewer_partitions_and_other_replicas_are_refused() {
        let view = there(3, 2, &[]);
        let fewer = plan(&wanted(2, 2, &[]), Some(&view)).expect_err("refused");
        assert_eq!((fewer.reason, fewer.field.as_str()), (Reason::NotSupported, "spec.partitions"));
        let replicas = plan(&wanted(6, 3, &[]), Some(&view)).expect_err("refused");
        assert_eq!((replicas.reason, replicas.field.as_str()), (Reason::NotSupported, "spec.replicas"));
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
