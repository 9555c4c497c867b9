//! What the tests of topics begin with.

use std::sync::Arc;

use odradek_crds::{CLUSTER_LABEL, KafkaCluster, KafkaTopic, NodePool};

use super::observe::Observed;

/// A cluster `n/demo` of so many brokers.
pub(crate) fn cluster(brokers: i32) -> Arc<KafkaCluster> {
    let mut cluster = KafkaCluster::default();
    cluster.metadata.name = Some("demo".to_owned());
    cluster.metadata.namespace = Some("n".to_owned());
    cluster.spec.node_pools = vec![NodePool::brokers("broker", brokers)];
    Arc::new(cluster)
}

/// A topic `n/orders` of that cluster.
pub(crate) fn topic() -> KafkaTopic {
    let mut topic = KafkaTopic::default();
    topic.metadata.name = Some("orders".to_owned());
    topic.metadata.namespace = Some("n".to_owned());
    topic.metadata.labels = Some([(CLUSTER_LABEL.to_owned(), "demo".to_owned())].into());
    topic
}

/// The cluster is there with three brokers, and nobody stands before the topic.
pub(crate) fn observed() -> Observed {
    Observed { cluster: Some(cluster(3)), ..Observed::default() }
}
