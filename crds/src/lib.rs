//! The Kubernetes API of Odradek: KafkaCluster and KafkaTopic.
//!
//! One resource a file. The YAML that is installed ([`crd::all`]) is generated from these types by
//! `cargo run -p odradek-crds --bin odradek-crdgen`, and a test fails when it drifts.

pub mod cluster;
pub mod cluster_status;
pub mod config;
pub mod crd;
pub mod pod;
pub mod pool;
pub mod rebalance;
pub mod rules;
pub mod storage;
pub mod topic;
pub mod topic_rules;

pub use cluster::{
    ClusterTemplate, KafkaCluster, KafkaClusterSpec, Listener, PodDisruptionBudgetTemplate, Rack, RollingStrategy,
    RollingUnit, RollingUpdate,
};
pub use cluster_status::{
    BrokerPhase, BrokerStatus, ControllerStatus, KafkaClusterStatus, ListenerAddress, ListenerStatus, NodePoolStatus,
    PlannedStep, QuorumStatus, RollingState, RollingUpdateStatus,
};
pub use config::{Config, ConfigValue};
pub use pod::{PodMetadata, PodTemplate, Resources};
pub use pool::{Controllers, NodePool, Role};
pub use rebalance::{
    AutoRebalance, BrokerZone, LeaderBalance, PlannedMove, RebalanceMode, RebalanceState, RebalanceStatus,
};
pub use storage::{Storage, StorageType};
pub use topic::{
    AdoptionPolicy, DeletionPolicy, KafkaTopic, KafkaTopicSpec, KafkaTopicStatus, ReplicasChange, ReplicasChangeState,
};
pub use topic_rules::TopicRules;

/// The API group of every resource here.
pub const GROUP: &str = "odradek.dev";
/// The API version of every resource here.
pub const VERSION: &str = "v1alpha1";
/// The label of a KafkaTopic that names its KafkaCluster, and of everything that is made for a cluster.
pub const CLUSTER_LABEL: &str = "odradek.dev/cluster";
/// The label of a KafkaTopic that names the namespace of its KafkaCluster. Its own when absent.
pub const CLUSTER_NAMESPACE_LABEL: &str = "odradek.dev/cluster-namespace";
/// The annotation of a KafkaTopic that says `"false"` when its topic is neither to be changed nor deleted.
pub const MANAGED_ANNOTATION: &str = "odradek.dev/managed";
