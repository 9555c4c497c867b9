//! Every read of a reconcile: the cluster, the other resources, and the topic in Kafka.

use std::sync::Arc;

use kube::{Api, ResourceExt};
use kube_runtime::reflector::{ObjectRef, Store};
use odradek_crds::{CLUSTER_LABEL, KafkaCluster, KafkaTopic};

use super::error::Error;
use crate::context::Context;

/// What is there, in Kubernetes.
#[derive(Clone, Debug, Default)]
pub struct Observed {
    /// The cluster of the topic.
    pub cluster: Option<Arc<KafkaCluster>>,
    /// An older resource for the same topic of the same cluster.
    pub older: Option<String>,
}

/// What a topic's reconcile shares with others.
#[derive(Clone, Debug)]
pub struct TopicContext {
    /// What every reconcile shares.
    pub base: Arc<Context>,
    /// The topics that are known.
    pub topics: Store<KafkaTopic>,
    /// The clusters that are known.
    pub clusters: Store<KafkaCluster>,
}

/// The cluster that a topic is of: the one it is in already, else the one its label names.
pub fn cluster_name(topic: &KafkaTopic) -> Option<String> {
    let known = topic.status.as_ref().and_then(|status| status.cluster.clone());
    known.or_else(|| topic.labels().get(CLUSTER_LABEL).cloned())
}

/// Name of the topic in Kafka.
pub fn topic_name(topic: &KafkaTopic) -> String {
    topic.spec.topic_name.clone().unwrap_or_else(|| topic.name_any())
}

/// Reads all that a reconcile needs of Kubernetes.
pub async fn observe(topic: &KafkaTopic, ctx: &TopicContext) -> Result<Observed, Error> {
    let Some(name) = cluster_name(topic) else { return Ok(Observed::default()) };
    let namespace = topic.namespace().unwrap_or_default();
    let known = ctx.clusters.get(&ObjectRef::new(&name).within(&namespace));
    let cluster = match known {
        Some(cluster) => Some(cluster),
        // The store may be young. That a cluster is gone lets topics go, and has to be certain.
        None => {
            let api = Api::<KafkaCluster>::namespaced(ctx.base.client.clone(), &namespace);
            api.get_opt(&name).await.map_err(Error::Read)?.map(Arc::new)
        }
    };
    let older =
        ctx.topics.state().into_iter().filter(|other| stands_before(other, topic)).map(|other| other.name_any()).min();
    Ok(Observed { cluster, older })
}

/// Whether another resource stands for the same topic, and goes first: the oldest does, and of two
/// of the same age the one whose name comes first.
fn stands_before(other: &KafkaTopic, topic: &KafkaTopic) -> bool {
    let age = |t: &KafkaTopic| (t.metadata.creation_timestamp.as_ref().map(|time| time.0), t.name_any());
    other.uid() != topic.uid()
        && other.namespace() == topic.namespace()
        && cluster_name(other) == cluster_name(topic)
        && topic_name(other) == topic_name(topic)
        && age(other) < age(topic)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn topic(name: &str, uid: &str, created: &str, topic_name: &str) -> KafkaTopic {
        serde_json::from_value(json!({
            "apiVersion": "odradek.dev/v1alpha1", "kind": "KafkaTopic",
            "metadata": {
                "name": name, "namespace": "n", "uid": uid, "creationTimestamp": created,
                "labels": { CLUSTER_LABEL: "demo" },
            },
            "spec": { "topicName": topic_name },
        }))
        .expect("a topic")
    }

    #[test]
    fn the_oldest_of_two_goes_first() {
        let first = topic("b", "1", "2026-01-01T00:00:00Z", "orders");
        let second = topic("a", "2", "2026-01-02T00:00:00Z", "orders");
        let other = topic("c", "3", "2026-01-01T00:00:00Z", "payments");
        assert!(stands_before(&first, &second));
        assert!(!stands_before(&second, &first));
        assert!(!stands_before(&first, &other));
        assert!(!stands_before(&first, &first));
    }
}
