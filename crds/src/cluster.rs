//! `KafkaCluster`: brokers and controllers in the zones of a Kubernetes cluster.

// Two columns of the same type are no duplicates.
#![allow(clippy::duplicated_attributes)]

use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    cluster_status::KafkaClusterStatus,
    config::Config,
    pool::{Controllers, NodePool},
    rebalance::AutoRebalance,
    rules::{rule, rules},
    topic_rules::TopicRules,
};

/// What the cluster should be.
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "odradek.dev",
    version = "v1alpha1",
    kind = "KafkaCluster",
    plural = "kafkaclusters",
    shortname = "kc",
    category = "odradek",
    namespaced,
    status = "KafkaClusterStatus",
    derive = "PartialEq",
    derive = "Default",
    doc = "A Kafka-compatible broker cluster.",
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = r#".status.conditions[?(@.type=="Ready")].status"#,
        description = "Whether every broker and controller serves"
    ),
    printcolumn(
        name = "Brokers",
        type_ = "string",
        json_path = ".status.brokersReady",
        description = "Brokers that serve, of those wanted"
    ),
    printcolumn(
        name = "Controllers",
        type_ = "string",
        json_path = ".status.controllersReady",
        description = "Controllers that run, of those wanted"
    ),
    printcolumn(
        name = "Zones",
        type_ = "integer",
        json_path = ".status.zoneCount",
        description = "Zones that the brokers are spread over"
    ),
    printcolumn(name = "Version", type_ = "string", json_path = ".status.version"),
    printcolumn(name = "Status", type_ = "string", json_path = r#".status.conditions[?(@.type=="Ready")].reason"#),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(
        name = "Message",
        type_ = "string",
        json_path = r#".status.conditions[?(@.type=="Ready")].message"#,
        priority = 1
    ),
    printcolumn(name = "Metadata Version", type_ = "string", json_path = ".status.metadataVersion", priority = 1),
    printcolumn(name = "Cluster ID", type_ = "string", json_path = ".status.clusterId", priority = 1)
)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = rules(&[
    ("!has(self.controllers) || !self.nodePools.exists(p, 'controller' in p.roles)",
     "controllers and a node pool with the controller role exclude each other: say where the controllers are in one place"),
    ("!self.nodePools.exists(p, 'controller' in p.roles) || self.nodePools.filter(p, 'controller' in p.roles).map(p, p.replicas).sum() % 2 == 1",
     "the replicas of the node pools with the controller role must add up to an odd number: an even number of controllers bears no more failures than one fewer"),
    ("self.nodePools.filter(p, 'controller' in p.roles).map(p, p.replicas).sum() <= 9",
     "at most 9 nodes may have the controller role"),
    ("!has(self.config) || !has(self.config.min__dot__insync__dot__replicas) || !has(self.config.default__dot__replication__dot__factor) || int(self.config.min__dot__insync__dot__replicas) <= int(self.config.default__dot__replication__dot__factor)",
     "config: min.insync.replicas is larger than default.replication.factor, so that acks=all could never succeed"),
    ("!has(self.config) || !has(self.config.default__dot__replication__dot__factor) || int(self.config.default__dot__replication__dot__factor) <= self.nodePools.map(p, p.replicas).sum()",
     "config: default.replication.factor is larger than the number of brokers in nodePools"),
    ("!has(self.config) || !has(self.config.offsets__dot__topic__dot__replication__dot__factor) || int(self.config.offsets__dot__topic__dot__replication__dot__factor) <= self.nodePools.map(p, p.replicas).sum()",
     "config: offsets.topic.replication.factor is larger than the number of brokers in nodePools"),
])))]
pub struct KafkaClusterSpec {
    /// Release of the broker to run, which is the tag of its image. The operator's own release when
    /// absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 63), regex(pattern = r"^[0-9A-Za-z_][0-9A-Za-z._-]*$"))]
    pub version: Option<String>,
    /// Level of `metadata.version`, such as 4.1-IV1: the form in which the controllers write. It is raised to this once
    /// every broker and controller runs a release that reads it, and never lowered; afterwards no older release can be
    /// run. Absent: it stays where it is. A new cluster starts at this level, and without it at the newest of its release.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 16), regex(pattern = r"^[0-9]+\.[0-9]+(-IV[0-9]+)?$"))]
    pub metadata_version: Option<String>,
    /// Image of the broker, which wins over version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 512))]
    pub image: Option<String>,
    /// Kafka's configuration keys of the brokers and controllers. Keys that the operator sets
    /// itself, such as listeners and node.id, and keys that Kafka does not know are refused.
    #[serde(default, skip_serializing_if = "Config::is_empty")]
    #[schemars(schema_with = "crate::config::cluster_schema")]
    pub config: Config,
    /// Where clients connect.
    #[serde(default = "default_listeners")]
    #[schemars(length(min = 1, max = 8))]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    #[schemars(extend("x-kubernetes-validations" = rule(
        "self.all(l, self.exists_one(m, m.port == l.port))",
        "two listeners have the same port",
    )))]
    pub listeners: Vec<Listener>,
    /// How brokers are spread over zones.
    #[serde(default)]
    pub rack: Rack,
    /// The controllers, which keep the metadata of the cluster. Absent: a quorum of three, or one
    /// controller in a cluster of one broker.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub controllers: Option<Controllers>,
    /// The brokers, in pools of the same shape.
    #[serde(default = "default_node_pools")]
    #[schemars(length(min = 1, max = 16))]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub node_pools: Vec<NodePool>,
    /// What KafkaTopics may do in this cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub topics: Option<TopicRules>,
    /// How pods are made anew when their template changes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rolling_update: Option<RollingUpdate>,
    /// When pods may be made anew, as cron expressions in UTC: a roll goes on while one of them matches the
    /// present second, as `* * 2-4 * * SAT,SUN` (seconds first) does from 02:00 to 04:59:59 at weekends. Absent: at any time.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), inner(length(min = 1, max = 128)))]
    pub maintenance_time_windows: Vec<String>,
    /// How replicas move between brokers, when brokers come and go.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auto_rebalance: Option<AutoRebalance>,
    /// Additions to what is made for the whole cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template: Option<ClusterTemplate>,
}

/// How pods are made anew when their template changes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RollingUpdate {
    /// Whether a person approves each roll.
    #[serde(default)]
    pub strategy: RollingStrategy,
    /// What goes at once.
    #[serde(default)]
    pub max_unavailable: RollingUnit,
    /// Under `Supervised`: the hash that status.rollingUpdate shows, of the roll that may go on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub approved: Option<String>,
}

/// Whether a person approves each roll.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum RollingStrategy {
    /// The operator rolls by itself.
    #[default]
    Unsupervised,
    /// Nothing rolls until `approved` holds the hash of the roll.
    Supervised,
}

/// What goes at once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum RollingUnit {
    /// One broker.
    #[default]
    Broker,
    /// All brokers of a zone, whenever the active controller finds that safe; else one broker.
    Zone,
}

/// Where clients connect.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = rules(&[
    ("self.type == 'internal'", "listeners: only type internal is supported yet"),
    ("!self.tls", "listeners: tls: true is not supported yet"),
    ("!(self.port in [8080, 9091, 9093])", "listeners: ports 8080, 9091 and 9093 are used by the brokers themselves"),
    ("!(self.name in ['controller', 'replication'])", "listeners: the names controller and replication are used by the brokers themselves"),
])))]
pub struct Listener {
    /// Name of the listener.
    #[schemars(length(min = 1, max = 11), regex(pattern = r"^[a-z0-9]+$"))]
    pub name: String,
    /// Port of the listener, on the brokers and on the bootstrap service.
    #[schemars(range(min = 1024, max = 65535))]
    pub port: u16,
    /// `internal`: reached from inside the Kubernetes cluster.
    #[serde(rename = "type", default = "default_listener_type")]
    #[schemars(length(max = 32))]
    pub type_: String,
    /// Whether the listener speaks TLS.
    #[serde(default)]
    pub tls: bool,
}

/// How brokers are spread over zones.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Rack {
    /// The label of the nodes that names their zone.
    #[serde(default = "default_topology_key")]
    #[schemars(length(min = 1, max = 317))]
    #[schemars(extend("x-kubernetes-validations" = rule(
        "self == oldSelf",
        "rack.topologyKey cannot be changed: the zones of a cluster are pinned when it is made",
    )))]
    pub topology_key: String,
    /// The zones to use, by name. Absent: the zones of the nodes at the time when the cluster is
    /// made, which are then pinned. Changed: brokers are made in zones that are new, and leave those that are taken out
    /// or crowded, one by one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32), inner(length(min = 1, max = 63)))]
    #[schemars(extend("x-kubernetes-list-type" = "set"))]
    pub zones: Vec<String>,
}

/// Additions to what is made for the whole cluster.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClusterTemplate {
    /// The PodDisruptionBudget of the cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pod_disruption_budget: Option<PodDisruptionBudgetTemplate>,
}

/// The PodDisruptionBudget of the cluster.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PodDisruptionBudgetTemplate {
    /// How many pods may be evicted at once while every replica is in sync. While anything is not,
    /// none may.
    #[serde(default = "default_max_unavailable")]
    #[schemars(range(min = 0, max = 1))]
    pub max_unavailable: i32,
}

impl Default for Rack {
    fn default() -> Self {
        Rack { topology_key: default_topology_key(), zones: Vec::new() }
    }
}

fn default_listeners() -> Vec<Listener> {
    vec![Listener { name: "client".to_owned(), port: 9092, type_: default_listener_type(), tls: false }]
}

fn default_listener_type() -> String {
    "internal".to_owned()
}

fn default_topology_key() -> String {
    "topology.kubernetes.io/zone".to_owned()
}

fn default_node_pools() -> Vec<NodePool> {
    vec![NodePool::brokers("broker", crate::pool::default_replicas())]
}

fn default_max_unavailable() -> i32 {
    1
}
