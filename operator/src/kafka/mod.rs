//! What the reconcilers need of Kafka's admin protocol, and no more: one subject a file, each with its trait.
//! [`KafkaAdmin`] is all of them together, for one cluster.

pub mod batch;
mod bounds;
pub mod cluster;
pub mod failure;
pub mod keys;
pub mod live;
pub mod moves;
pub mod pool;
pub mod quorum;
pub mod restart;
pub mod topics;

pub use cluster::{ClusterAdmin, KafkaView, PartitionView, Reassigning, RegisteredBroker};
pub use failure::{INVALID_REPLICATION_FACTOR, KafkaFailure, TOPIC_ALREADY_EXISTS};
pub use moves::{DiskUse, MoveAdmin, ReplicaSizes, ThrottledReplicas};
pub use quorum::QuorumAdmin;
pub use topics::{BrokerLoad, ConfigChange, Loads, NewTopic, PartitionMove, Replicas, TopicAdmin, TopicView};

/// The admin calls of one cluster.
pub trait KafkaAdmin: ClusterAdmin + MoveAdmin + QuorumAdmin + TopicAdmin {}

impl<T: ClusterAdmin + MoveAdmin + QuorumAdmin + TopicAdmin> KafkaAdmin for T {}
