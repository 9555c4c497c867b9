//! An async Kafka client for admin and internal calls.
//!
//! - [`Admin`]: topics, configs and the cluster's description, for the operator, tests and tools.
//! - [`conn::Connection`]: one connection with typed requests in flight side by side.
//! - [`peer::Peer`]: a connection that a broker keeps to another process, for raw frames.
//!
//! Works against Odradek and against Apache Kafka 2.8 and newer. No consumer and no producer.

pub mod admin;
mod config;
pub mod conn;
mod error;
pub mod peer;
mod resolve;
mod transport;

pub use admin::Admin;
pub use admin::types::{
    BrokerDescription, ClusterDescription, ConfigEntry, ConfigOp, ConfigSource, CreatedTopic, Features, LogDir,
    LogDirReplica, NewTopic, PartitionDescription, PartitionReassignment, QuorumDescription, QuorumEndpoint,
    QuorumReplica, Reassignment, TopicDescription,
};
pub use config::ClientConfig;
pub use error::{Error, KafkaError};
pub use odradek_wire::features;
