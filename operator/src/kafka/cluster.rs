//! The cluster as a whole.

use futures::future::BoxFuture;
use odradek_client::TopicDescription;

use super::{KafkaFailure, live::LiveAdmin};

/// Calls about the cluster as a whole.
pub trait ClusterAdmin: Send + Sync {
    /// The brokers and every partition of the cluster.
    fn view(&self) -> BoxFuture<'_, Result<KafkaView, KafkaFailure>>;
}

/// A cluster as its brokers see it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KafkaView {
    /// The id of the cluster.
    pub cluster_id: String,
    /// Ids of the brokers that are registered and not fenced.
    pub brokers: Vec<i32>,
    /// Every partition, those of internal topics included.
    pub partitions: Vec<PartitionView>,
}

/// One partition.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PartitionView {
    /// The topic.
    pub topic: String,
    /// Number of the partition.
    pub partition: i32,
    /// The broker that leads it.
    pub leader: Option<i32>,
    /// The brokers that hold it.
    pub replicas: Vec<i32>,
    /// Those of them that are in sync.
    pub in_sync: Vec<i32>,
}

impl KafkaView {
    /// Partitions that are not whole, with what they lack; empty when a broker may stop.
    pub fn out_of_sync(&self) -> impl Iterator<Item = &PartitionView> {
        self.partitions.iter().filter(|p| !p.is_whole())
    }
}

impl PartitionView {
    /// Whether the partition has a leader and every replica is in sync.
    pub fn is_whole(&self) -> bool {
        self.leader.is_some() && self.replicas.iter().all(|r| self.in_sync.contains(r))
    }
}

fn partitions(topic: &TopicDescription) -> impl Iterator<Item = PartitionView> + '_ {
    topic.partitions.iter().map(|partition| PartitionView {
        topic: topic.name.clone(),
        partition: partition.partition,
        leader: partition.leader,
        replicas: partition.replicas.clone(),
        in_sync: partition.isr.clone(),
    })
}

impl ClusterAdmin for LiveAdmin {
    fn view(&self) -> BoxFuture<'_, Result<KafkaView, KafkaFailure>> {
        Box::pin(async move {
            let (cluster, topics) = tokio::try_join!(self.admin.describe_cluster(), self.admin.list_topics())?;
            let alive = cluster.brokers.iter().filter(|broker| !broker.fenced);
            Ok(KafkaView {
                cluster_id: cluster.cluster_id.clone(),
                brokers: alive.map(|broker| broker.id).collect(),
                partitions: topics.iter().flat_map(partitions).collect(),
            })
        })
    }
}
