//! Judges a topic's spec, once, into a type that the plan can trust. Pure.

use std::{collections::BTreeMap, sync::Arc};

use kube::ResourceExt;
use odradek_crds::{CLUSTER_LABEL, KafkaCluster, KafkaTopic};

use super::observe::{Observed, topic_name};
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
}

/// Judges the spec. All refusals are told at once.
pub fn validate(topic: &KafkaTopic, observed: &Observed) -> Result<Validated, Vec<Refusal>> {
    let spec = &topic.spec;
    let cluster = cluster(topic, observed).map_err(|refusal| vec![refusal])?;
    let mut refusals = Vec::new();
    let name = topic_name(topic);
    if let Some(older) = &observed.older {
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
    })
}

fn cluster(topic: &KafkaTopic, observed: &Observed) -> Result<Arc<KafkaCluster>, Refusal> {
    let field = format!("metadata.labels[{CLUSTER_LABEL}]");
    let Some(label) = topic.labels().get(CLUSTER_LABEL) else {
        let message = "the label is missing: name the KafkaCluster of the topic with it";
        return Err(Refusal::new(Reason::InvalidSpec, field, message));
    };
    let known = topic.status.as_ref().and_then(|status| status.cluster.as_ref());
    if let Some(known) = known.filter(|known| *known != label) {
        return Err(Refusal::new(
            Reason::NotSupported,
            field,
            format!(
                "a topic cannot move from the cluster {known} to {label}: set the label back, or make a new KafkaTopic"
            ),
        ));
    }
    observed.cluster.clone().ok_or_else(|| {
        Refusal::new(
            Reason::ClusterNotFound,
            field,
            format!("there is no KafkaCluster {label} in the namespace of the topic"),
        )
    })
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
    use odradek_crds::{Config, KafkaTopicStatus, NodePool};

    use super::*;

    fn cluster(brokers: i32) -> Arc<KafkaCluster> {
        let mut cluster = KafkaCluster::default();
        cluster.metadata.name = Some("demo".to_owned());
        cluster.spec.node_pools = vec![NodePool::brokers("broker", brokers)];
        Arc::new(cluster)
    }

    fn topic() -> KafkaTopic {
        let mut topic = KafkaTopic::default();
        topic.metadata.name = Some("orders".to_owned());
        topic.metadata.labels = Some([(CLUSTER_LABEL.to_owned(), "demo".to_owned())].into());
        topic
    }

    fn refusals(change: impl FnOnce(&mut KafkaTopic, &mut Observed)) -> Vec<String> {
        let mut topic = topic();
        let mut observed = Observed { cluster: Some(cluster(3)), older: None };
        change(&mut topic, &mut observed);
        let refused = validate(&topic, &observed).expect_err("refused");
        refused.iter().map(|r| format!("{} {r}", r.reason.as_str())).collect()
    }

    #[test]
    fn a_plain_topic_passes() {
        let mut topic = topic();
        topic.spec.replicas = Some(3);
        topic.spec.config = [("retention.ms", 1000)].into_iter().collect::<Config>();
        let observed = Observed { cluster: Some(cluster(3)), older: None };
        let valid = validate(&topic, &observed).expect("valid");
        assert_eq!(valid.topic, "orders");
        assert_eq!(valid.config["retention.ms"], "1000");
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
        ]);
    }
}
