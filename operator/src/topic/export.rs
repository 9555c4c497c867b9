//! A topic that is there as the KafkaTopic that describes it: applying it changes nothing. Pure.

use std::collections::BTreeSet;

use kube::ResourceExt;
use odradek_crds::{CLUSTER_LABEL, Config, ConfigValue, DeletionPolicy, KafkaCluster, KafkaTopic};

use super::{plan::LEFT_ALONE, replicas::differs};
use crate::{
    kafka::{
        TopicView,
        keys::{Scope, problems},
    },
    names::topic_resource,
};

/// What a topic becomes.
#[derive(Clone, Debug, PartialEq)]
pub struct Export {
    /// The resource, in the namespace of its cluster.
    pub resource: KafkaTopic,
    /// What it does not say, and why.
    pub notes: Vec<String>,
}

/// The resource of a topic, under a name that is not `taken`; or why there can be none.
pub fn export(
    cluster: &KafkaCluster,
    name: &str,
    topic: &TopicView,
    deletion_policy: DeletionPolicy,
    taken: &BTreeSet<String>,
) -> Result<Export, String> {
    let mut notes = Vec::new();
    let allowed = cluster.spec.topics.as_ref().and_then(|rules| rules.config_allow_list.as_ref());
    let mut config = Config::default();
    for (key, value) in topic.config.iter().filter(|(key, _)| !LEFT_ALONE.contains(&key.as_str())) {
        if allowed.is_some_and(|allowed| !allowed.contains(key)) {
            notes.push(format!(
                "{key}={value} is left out: spec.topics.configAllowList of the cluster does not hold it"
            ));
        } else {
            config.0.insert(key.clone(), typed(value));
        }
    }
    if let Some(problem) = problems(Scope::Topic, &config).first() {
        return Err(format!("{}: {}", problem.key, problem.problem));
    }
    let mut replicas = Some(topic.replicas);
    let least: Option<i32> = config.text("min.insync.replicas").and_then(|least| least.parse().ok());
    if differs(usize::try_from(topic.replicas).unwrap_or(0), topic) {
        notes.push("replicas is left out: its partitions have different numbers of replicas".to_owned());
        replicas = None;
    } else if let Some(least) = least.filter(|least| *least > topic.replicas) {
        let has = topic.replicas;
        notes.push(format!("replicas is left out: it has {has}, fewer than its min.insync.replicas ({least})"));
        replicas = None;
    }
    let mut resource = KafkaTopic::default();
    let resource_name = topic_resource(name, taken);
    resource.spec.topic_name = (resource_name != name).then(|| name.to_owned());
    resource.metadata.name = Some(resource_name);
    resource.metadata.namespace = cluster.namespace();
    resource.metadata.labels = Some([(CLUSTER_LABEL.to_owned(), cluster.name_any())].into());
    resource.spec.partitions = Some(topic.partitions);
    resource.spec.replicas = replicas;
    resource.spec.config = config;
    resource.spec.deletion_policy = deletion_policy;
    Ok(Export { resource, notes })
}

/// Numbers and booleans as such, where they are written in the one way in which they are read back.
fn typed(text: &str) -> ConfigValue {
    match (text, text.parse::<i64>()) {
        (_, Ok(number)) if number.to_string() == text => number.into(),
        ("true", _) => true.into(),
        ("false", _) => false.into(),
        _ => text.into(),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use odradek_crds::TopicRules;

    use super::*;
    use crate::{
        kafka::Replicas,
        topic::{
            fixtures,
            observe::Observed,
            plan::{Step, plan},
            validate::validate,
        },
    };

    fn view(replicas: &[usize], config: &[(&str, &str)]) -> TopicView {
        let partition = |(at, many): (usize, &usize)| {
            let now: Vec<i32> = (0..i32::try_from(*many).expect("few")).collect();
            let partition = i32::try_from(at).expect("few");
            Replicas { partition, in_sync: now.clone(), now, ..Replicas::default() }
        };
        TopicView {
            id: "id".to_owned(),
            partitions: i32::try_from(replicas.len()).expect("few"),
            replicas: i32::try_from(*replicas.iter().min().expect("one")).expect("few"),
            config: config.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect(),
            min_insync: Some(1),
            assignment: replicas.iter().enumerate().map(partition).collect(),
        }
    }

    fn with_rules(allowed: Option<&[&str]>) -> Arc<KafkaCluster> {
        let mut cluster = fixtures::cluster(3);
        let config_allow_list = allowed.map(|keys| keys.iter().map(|key| (*key).to_owned()).collect());
        Arc::make_mut(&mut cluster).spec.topics = Some(TopicRules { config_allow_list, ..TopicRules::default() });
        cluster
    }

    #[test]
    fn applying_what_was_exported_changes_nothing() {
        let throttled = ("leader.replication.throttled.replicas", "*");
        let views = [
            view(
                &[3, 3],
                &[("retention.ms", "604800000"), ("preallocate", "false"), ("cleanup.policy", "compact,delete")],
            ),
            view(&[1], &[throttled]),
            view(&[2, 3], &[("min.insync.replicas", "2")]),
            view(&[1, 1], &[("min.insync.replicas", "2"), ("min.cleanable.dirty.ratio", "0.50")]),
        ];
        for allowed in [None, Some(&["retention.ms", "min.insync.replicas"][..])] {
            for (view, name) in views.iter().zip(["orders", "Orders_1", "a.b", "x"]) {
                let cluster = with_rules(allowed);
                let export =
                    export(&cluster, name, view, DeletionPolicy::Delete, &BTreeSet::new()).expect("a resource");
                // As it comes back from the API server.
                let text = serde_yaml::to_string(&export.resource).expect("YAML");
                let read: KafkaTopic = serde_yaml::from_str(&text).expect("a KafkaTopic");
                let observed = Observed { cluster: Some(cluster), ..Observed::default() };
                let valid = validate(&read, &observed).unwrap_or_else(|refused| panic!("{refused:?}\n{text}"));
                assert_eq!(valid.topic, name);
                assert_eq!(plan(&valid, Some(view)), Ok(Vec::<Step>::new()), "{text}");
            }
        }
    }

    #[test]
    fn what_is_not_said_is_noted() {
        let notes = |view: &TopicView, allowed| {
            let cluster = with_rules(allowed);
            export(&cluster, "t", view, DeletionPolicy::Delete, &BTreeSet::new()).map(|export| export.notes)
        };
        assert_eq!(notes(&view(&[3], &[("retention.ms", "1")]), None), Ok(vec![]));
        insta::assert_yaml_snapshot!([
            notes(&view(&[1, 2], &[]), None),
            notes(&view(&[1], &[("min.insync.replicas", "2")]), None),
            notes(&view(&[1], &[("retention.ms", "1")]), Some(&["cleanup.policy"])),
            notes(&view(&[1], &[("of.a.later.release", "1")]), None),
        ]);
    }
}
