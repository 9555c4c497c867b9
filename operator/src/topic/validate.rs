//! Judges a topic's spec, once, into a type that the plan can trust. Pure.

use std::{collections::BTreeMap, sync::Arc};

use kube::ResourceExt;
use odradek_crds::{AdoptionPolicy, CLUSTER_LABEL, CLUSTER_NAMESPACE_LABEL, KafkaCluster, KafkaTopic};

use super::{
    finalize::is_guarded,
    observe::{ClusterRef, Observed, is_managed, known_cluster, labelled_cluster, topic_name},
};
use crate::{
    kafka::keys::{Scope, problems},
    refusal::{Reason, Refusal},
};

/// A topic that can be carried out.
#[derive(Clone, Debug)]
pub struct Validated {
    /// Its cluster.
    pub cluster: Arc<KafkaCluster>,
    /// Its name in Kafka.
    pub topic: String,
    /// Partitions wanted.
    pub partitions: Option<i32>,
    /// Replicas wanted.
    pub replicas: Option<i32>,
    /// Configuration wanted.
    pub config: BTreeMap<String, String>,
    /// The only keys that may be touched, or all.
    pub allowed_keys: Option<Vec<String>>,
    /// Whether anything may be changed.
    pub managed: bool,
    /// Which topic of that name is this resource's.
    pub own: Own,
}

/// Which topic of a name is the resource's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Own {
    /// Whichever is there.
    Any,
    /// The one with this id.
    Id(String),
    /// The one that it was about to make when it was last heard of.
    Begun,
    /// None that is there already.
    None,
}

/// Judges the spec. All refusals are told at once.
pub fn validate(topic: &KafkaTopic, observed: &Observed) -> Result<Validated, Vec<Refusal>> {
    let spec = &topic.spec;
    let cluster = cluster(topic, observed).map_err(|refusal| vec![refusal])?;
    let mut refusals = Vec::new();
    let name = topic_name(topic);
    if let Some(older) = observed.older.as_ref().filter(|_| is_managed(topic)) {
        refusals.push(Refusal::new(
            Reason::ResourceConflict,
            "spec.topicName",
            format!("the KafkaTopic {older} stands for the topic {name} already: delete one of the two"),
        ));
    }
    if name.starts_with("__") {
        refusals.push(Refusal::new(
            Reason::InvalidSpec,
            "spec.topicName",
            format!("{name} is one of the cluster's own topics"),
        ));
    }
    let brokers: i32 = cluster.spec.node_pools.iter().map(|pool| pool.replicas).sum();
    if let Some(replicas) = spec.replicas.filter(|replicas| *replicas > brokers) {
        refusals.push(Refusal::new(
            Reason::InvalidSpec,
            "spec.replicas",
            format!("{replicas} replicas do not fit: the cluster {} has {brokers} brokers", cluster.name_any()),
        ));
    }
    for problem in problems(Scope::Topic, &spec.config) {
        let field = format!("spec.config[{}]", problem.key);
        refusals.push(Refusal::new(Reason::InvalidConfig, field, problem.problem));
    }
    let allowed_keys = cluster.spec.topics.as_ref().and_then(|rules| rules.config_allow_list.clone());
    refusals.extend(allowed_keys.iter().flat_map(|allowed| outside(topic, &cluster, allowed)));
    refusals.extend(min_insync(topic));
    if !refusals.is_empty() {
        return Err(refusals);
    }
    Ok(Validated {
        cluster,
        topic: name,
        partitions: spec.partitions,
        replicas: spec.replicas,
        config: spec.config.0.iter().filter_map(|(key, value)| Some((key.clone(), value.text()?))).collect(),
        allowed_keys,
        managed: is_managed(topic),
        own: own(topic),
    })
}

/// The cluster, if it is there and takes the topic.
fn cluster(topic: &KafkaTopic, observed: &Observed) -> Result<Arc<KafkaCluster>, Refusal> {
    let field = format!("metadata.labels[{CLUSTER_LABEL}]");
    let Some(wanted) = labelled_cluster(topic) else {
        let message = "the label is missing: name the KafkaCluster of the topic with it";
        return Err(Refusal::new(Reason::InvalidSpec, field, message));
    };
    if let Some(known) = known_cluster(topic).filter(|known| *known != wanted) {
        let (known, wanted) = if known.namespace == wanted.namespace {
            (known.name, wanted.name)
        } else {
            (known.to_string(), wanted.to_string())
        };
        return Err(Refusal::new(
            Reason::NotSupported,
            field,
            format!(
                "a topic cannot move from the cluster {known} to {wanted}: set the label back, or make a new KafkaTopic"
            ),
        ));
    }
    let here = topic.namespace().unwrap_or_default();
    let foreign = wanted.namespace != here;
    let field = if foreign { format!("metadata.labels[{CLUSTER_NAMESPACE_LABEL}]") } else { field };
    if let Some(only) = observed.watched.as_ref().filter(|only| **only != wanted.namespace) {
        return Err(Refusal::new(
            Reason::NotAllowed,
            field,
            format!(
                "the operator looks at the namespace {only} only, and not at {}: take the label away, or let it look \
                 at all namespaces (watchNamespace of its chart)",
                wanted.namespace
            ),
        ));
    }
    let Some(cluster) = observed.cluster.clone() else {
        let place = if foreign { &wanted.namespace } else { "of the topic" };
        let message = format!("there is no KafkaCluster {} in the namespace {place}", wanted.name);
        return Err(Refusal::new(Reason::ClusterNotFound, field, message));
    };
    if !takes(&cluster, &here) {
        return Err(Refusal::new(
            Reason::NotAllowed,
            field,
            format!(
                "the KafkaCluster {wanted} takes no topics of the namespace {here}: add {here} to its \
                 spec.topics.namespaces, or make the KafkaTopic in the namespace {}",
                wanted.namespace
            ),
        ));
    }
    Ok(cluster)
}

/// Whether a cluster takes topics of a namespace.
pub fn takes(cluster: &KafkaCluster, namespace: &str) -> bool {
    ClusterRef::of(cluster).namespace == namespace
        || cluster.spec.topics.as_ref().is_some_and(|rules| rules.allows(namespace))
}

/// Which topic of the name is the resource's: any, unless it is not to adopt one.
pub fn own(topic: &KafkaTopic) -> Own {
    if topic.spec.adoption_policy == AdoptionPolicy::Adopt {
        return Own::Any;
    }
    let status = topic.status.as_ref();
    match status.and_then(|status| status.topic_id.clone()) {
        Some(id) => Own::Id(id),
        None if is_guarded(topic) || status.is_some_and(|status| status.topic_name.is_some()) => Own::Begun,
        None => Own::None,
    }
}

/// Keys that the cluster does not let KafkaTopics set.
fn outside(topic: &KafkaTopic, cluster: &KafkaCluster, allowed: &[String]) -> Vec<Refusal> {
    let keys = topic.spec.config.0.keys().filter(|key| !allowed.contains(key));
    keys.map(|key| {
        let may = if allowed.is_empty() { "none".to_owned() } else { allowed.join(", ") };
        Refusal::new(
            Reason::InvalidConfig,
            format!("spec.config[{key}]"),
            format!(
                "the cluster {} does not let KafkaTopics set it (its spec.topics.configAllowList: {may})",
                cluster.name_any()
            ),
        )
    })
    .collect()
}

/// What the schema refuses too, in case that the resource is older than the schema.
fn min_insync(topic: &KafkaTopic) -> Option<Refusal> {
    const KEY: &str = "min.insync.replicas";
    let replicas = topic.spec.replicas?;
    let least: i32 = topic.spec.config.text(KEY)?.parse().ok()?;
    (least > replicas).then(|| {
        Refusal::new(
            Reason::InvalidConfig,
            format!("spec.config[{KEY}]"),
            format!("{least} is larger than spec.replicas ({replicas}), so that acks=all could never succeed"),
        )
    })
}

#[cfg(test)]
mod tests {
    use odradek_crds::{Config, KafkaTopicStatus, TopicRules};

    use super::*;
    use crate::topic::fixtures::{cluster, observed, topic};

    fn refusals(change: impl FnOnce(&mut KafkaTopic, &mut Observed)) -> Vec<String> {
        let (mut topic, mut observed) = (topic(), observed());
        change(&mut topic, &mut observed);
        let refused = validate(&topic, &observed).expect_err("refused");
        refused.iter().map(|r| format!("{} {r}", r.reason.as_str())).collect()
    }

    fn rules(namespaces: &[&str], keys: Option<&[&str]>) -> Option<Arc<KafkaCluster>> {
        let owned = |list: &[&str]| list.iter().map(|item| (*item).to_owned()).collect();
        let mut cluster = cluster(3);
        let rules = TopicRules { namespaces: owned(namespaces), config_allow_list: keys.map(owned) };
        Arc::make_mut(&mut cluster).spec.topics = Some(rules);
        Some(cluster)
    }

    fn foreign(topic: &mut KafkaTopic) {
        topic.metadata.namespace = Some("team".to_owned());
        topic.labels_mut().insert(CLUSTER_NAMESPACE_LABEL.to_owned(), "n".to_owned());
    }

    #[test]
    fn a_plain_topic_passes() {
        let mut topic = topic();
        topic.spec.replicas = Some(3);
        topic.spec.config = [("retention.ms", 1000)].into_iter().collect::<Config>();
        let valid = validate(&topic, &observed()).expect("valid");
        assert_eq!(valid.topic, "orders");
        assert_eq!(valid.config["retention.ms"], "1000");
    }

    #[test]
    fn a_topic_of_another_namespace_passes_where_the_cluster_says_so() {
        let mut topic = topic();
        foreign(&mut topic);
        for allowed in ["*", "team"] {
            let observed = Observed { cluster: rules(&[allowed], None), ..observed() };
            validate(&topic, &observed).expect("valid");
        }
    }

    #[test]
    fn what_cannot_work_is_refused_with_its_field() {
        insta::assert_yaml_snapshot!([
            refusals(|t, _| t.spec.replicas = Some(4)),
            refusals(|t, _| t.spec.config = [("retention", 1)].into_iter().collect()),
            refusals(|t, _| {
                t.spec.replicas = Some(2);
                t.spec.config = [("min.insync.replicas", 3)].into_iter().collect();
            }),
            refusals(|_, o| o.older = Some("first".to_owned())),
            refusals(|_, o| o.cluster = None),
            refusals(|t, _| t.metadata.labels = None),
            refusals(|t, _| t.spec.topic_name = Some("__consumer_offsets".to_owned())),
            refusals(|t, _| {
                t.status = Some(KafkaTopicStatus { cluster: Some("old".to_owned()), ..Default::default() });
            }),
            refusals(|t, o| {
                t.spec.config = [("retention.ms", 1), ("segment.ms", 1)].into_iter().collect();
                o.cluster = rules(&[], Some(&["retention.ms", "cleanup.policy"]));
            }),
            refusals(|t, _| foreign(t)),
            refusals(|t, o| {
                foreign(t);
                o.cluster = rules(&["other"], None);
            }),
            refusals(|t, o| {
                foreign(t);
                o.cluster = None;
            }),
            refusals(|t, o| {
                foreign(t);
                o.watched = Some("team".to_owned());
                o.cluster = None;
            }),
            refusals(|t, _| {
                let status = KafkaTopicStatus { cluster: Some("demo".to_owned()), ..Default::default() };
                t.status = Some(KafkaTopicStatus { cluster_namespace: Some("there".to_owned()), ..status });
            }),
        ]);
    }

    #[test]
    fn one_that_manages_nothing_conflicts_with_nobody() {
        let mut topic = topic();
        topic.annotations_mut().insert(odradek_crds::MANAGED_ANNOTATION.to_owned(), "false".to_owned());
        let observed = Observed { older: Some("first".to_owned()), ..observed() };
        assert!(!validate(&topic, &observed).expect("valid").managed);
    }

    #[test]
    fn which_topic_is_its_own() {
        let mut topic = topic();
        assert_eq!(own(&topic), Own::Any);
        topic.spec.adoption_policy = AdoptionPolicy::Refuse;
        assert_eq!(own(&topic), Own::None);
        let mut begun = topic.clone();
        begun.metadata.finalizers = Some(vec![crate::topic::finalize::FINALIZER.to_owned()]);
        assert_eq!(own(&begun), Own::Begun);
        begun.metadata.finalizers = None;
        begun.status = Some(KafkaTopicStatus { topic_name: Some("orders".to_owned()), ..Default::default() });
        assert_eq!(own(&begun), Own::Begun);
        topic.status = Some(KafkaTopicStatus { topic_id: Some("id".to_owned()), ..Default::default() });
        assert_eq!(own(&topic), Own::Id("id".to_owned()));
    }
}
