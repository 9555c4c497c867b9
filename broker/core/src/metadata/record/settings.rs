//! What is of the whole cluster, or of any resource.

use prost::Message;

/// A configuration value of a resource.
#[derive(Clone, PartialEq, Message)]
pub struct Config {
    /// Kafka's number of the resource's type: 2 topic, 4 broker.
    #[prost(int32, tag = "1")]
    pub resource_type: i32,
    /// The topic's name, or the broker's id; empty for all brokers.
    #[prost(string, tag = "2")]
    pub resource_name: String,
    /// The key.
    #[prost(string, tag = "3")]
    pub key: String,
    /// The value; `None` takes the key away.
    #[prost(string, optional, tag = "4")]
    pub value: Option<String>,
}

/// Producer ids were handed out, up to and without `next`.
#[derive(Clone, PartialEq, Message)]
pub struct ProducerIds {
    /// Who got them.
    #[prost(int32, tag = "1")]
    pub broker_id: i32,
    /// Its registration.
    #[prost(int64, tag = "2")]
    pub broker_epoch: i64,
    /// The first id that is still free.
    #[prost(int64, tag = "3")]
    pub next: i64,
}

/// A feature's level moved.
#[derive(Clone, PartialEq, Message)]
pub struct Feature {
    /// The feature's name, such as `metadata.version`.
    #[prost(string, tag = "1")]
    pub name: String,
    /// The level; 0 takes the feature away.
    #[prost(int32, tag = "2")]
    pub level: i32,
}

/// What the active controller's server.properties say, where controllers and brokers have to agree on a value. Written
/// when it differs from what was written before.
#[derive(Clone, PartialEq, Message)]
pub struct ClusterDefaults {
    /// `min.insync.replicas`, at least 1: leaders and the controller must mean the same by it, or an eligible replica
    /// (KIP-966) might lack what a leader acknowledged.
    #[prost(uint32, tag = "1")]
    pub min_insync_replicas: u32,
}

/// Who may stop which processes, and nobody else any other. It replaces the lease before it.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct RestartLease {
    /// Who has it; empty: nobody any more.
    #[prost(string, tag = "1")]
    pub holder: String,
    /// The brokers, in order.
    #[prost(int32, repeated, tag = "2")]
    pub broker_ids: Vec<i32>,
    /// The controllers, in order.
    #[prost(int32, repeated, tag = "3")]
    pub controller_ids: Vec<i32>,
    /// How long it lasts from when it was given or renewed. A controller that becomes active counts anew.
    #[prost(uint64, tag = "4")]
    pub ttl_ms: u64,
}

/// The cluster's id.
#[derive(Clone, PartialEq, Message)]
pub struct ClusterId {
    /// Kafka's form: 22 characters of URL-safe base64; any text without spaces is taken.
    #[prost(string, tag = "1")]
    pub cluster_id: String,
}
