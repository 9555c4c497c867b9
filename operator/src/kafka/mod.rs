//! What the reconcilers need of Kafka's admin protocol, and no more.

use std::collections::BTreeMap;

use futures::future::BoxFuture;

pub mod keys;
pub mod live;
pub mod pool;

/// The admin calls of one cluster.
pub trait KafkaAdmin: Send + Sync {
    /// The brokers and every partition of the cluster.
    fn view(&self) -> BoxFuture<'_, Result<KafkaView, KafkaFailure>>;
    /// One topic with the configuration that was set on it, or nothing if there is none.
    fn topic<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Option<TopicView>, KafkaFailure>>;
    /// Makes a topic.
    fn create<'a>(&'a self, topic: &'a NewTopic) -> BoxFuture<'a, Result<(), KafkaFailure>>;
    /// Grows a topic to a number of partitions.
    fn grow<'a>(&'a self, name: &'a str, partitions: i32) -> BoxFuture<'a, Result<(), KafkaFailure>>;
    /// Changes the configuration that is set on a topic.
    fn configure<'a>(&'a self, name: &'a str, changes: &'a [ConfigChange]) -> BoxFuture<'a, Result<(), KafkaFailure>>;
    /// Deletes a topic. A topic that is not there is deleted already.
    fn delete<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<(), KafkaFailure>>;
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

/// One topic.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TopicView {
    /// Its id, as Kafka's tools print it.
    pub id: String,
    /// How many partitions it has.
    pub partitions: i32,
    /// How many replicas its partitions have; the smallest number where they differ.
    pub replicas: i32,
    /// The configuration that was set on the topic itself.
    pub config: BTreeMap<String, String>,
}

/// A topic to make.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewTopic {
    /// Its name.
    pub name: String,
    /// Partitions; the brokers' default when absent.
    pub partitions: Option<i32>,
    /// Replicas; the brokers' default when absent.
    pub replicas: Option<i32>,
    /// Configuration of the topic.
    pub config: BTreeMap<String, String>,
}

/// One change to the configuration of a topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConfigChange {
    /// Sets a key.
    Set(String, String),
    /// Takes a key back.
    Delete(String),
}

/// Why a call failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KafkaFailure {
    /// No broker answered.
    #[error("{0}")]
    Unreachable(String),
    /// Kafka said no.
    #[error("{name} ({code}){}", message.as_deref().map(|m| format!(": {m}")).unwrap_or_default())]
    Refused {
        /// Kafka's error code.
        code: i16,
        /// Kafka's name of it.
        name: String,
        /// What the broker said besides.
        message: Option<String>,
    },
}

/// Kafka's code of an impossible replication factor.
pub const INVALID_REPLICATION_FACTOR: i16 = 38;

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
