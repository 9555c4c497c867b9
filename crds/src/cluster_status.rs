//! What the operator says about a `KafkaCluster`.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::rebalance::RebalanceStatus;

/// What the cluster is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct KafkaClusterStatus {
    /// Ready: every broker and controller serves. InSync: every replica is in sync, so that a
    /// broker may stop. Reconciling: the operator is at work. Stalled: a person must act. RackAligned:
    /// every broker runs in the zone that is its rack. ZonesPresent: every zone with brokers has a node
    /// that is ready.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
    /// The generation of the spec that this status speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// The id of the Kafka cluster. It is kept on the claims, and found again when the resource is
    /// deleted and made again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster_id: Option<String>,
    /// Release of the broker that the pods should run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Level of `metadata.version` that the cluster has, as its brokers said last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata_version: Option<String>,
    /// Brokers that serve, of those wanted, such as 3/3.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub brokers_ready: Option<String>,
    /// Controllers that run, of those wanted, such as 3/3.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub controllers_ready: Option<String>,
    /// Where clients connect.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub listeners: Vec<ListenerStatus>,
    /// The zones that the cluster is pinned to, in the order of their broker ids.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub zones: Vec<String>,
    /// How many zones have brokers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zone_count: Option<i32>,
    /// The pools.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub node_pools: Vec<NodePoolStatus>,
    /// The controllers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub controllers: Vec<ControllerStatus>,
    /// Who votes among the controllers, as the active one says. Absent while nobody tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quorum: Option<QuorumStatus>,
    /// The brokers. At most 100 are listed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub brokers: Vec<BrokerStatus>,
    /// How far the pods are on their way to the present template.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rolling_update: Option<RollingUpdateStatus>,
    /// How the replicas lie on the brokers, and what moves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rebalance: Option<RebalanceStatus>,
    /// What the operator is about to do, in order. At most 50 steps are listed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub plan: Vec<PlannedStep>,
    /// How many more steps there are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan_omitted: Option<i32>,
}

/// How far the pods are on their way to the present template.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RollingUpdateStatus {
    /// Hash of what the pods are to be made from: what spec.rollingUpdate.approved has to hold under `Supervised`.
    pub hash: String,
    /// What the roll does.
    pub state: RollingState,
    /// Pods that are made from it already, of all, such as 2/6.
    pub progress: String,
    /// How many pods have yet to be made anew.
    pub pending: i32,
    /// How many pods are as they should be.
    pub done: i32,
    /// What it waits for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// What a roll does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum RollingState {
    /// Every pod is made from the present template.
    #[default]
    UpToDate,
    /// It waits for a person's approval.
    WaitingForApproval,
    /// It waits for a maintenance window.
    WaitingForWindow,
    /// It waits until the next pod may stop.
    Waiting,
    /// A pod is being made anew.
    Rolling,
}

/// Where clients connect.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ListenerStatus {
    /// Name of the listener.
    pub name: String,
    /// Hosts and ports of the listener.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub addresses: Vec<ListenerAddress>,
    /// What to give a client as bootstrap.servers.
    pub bootstrap_servers: String,
}

/// One address of a listener.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ListenerAddress {
    /// DNS name.
    pub host: String,
    /// Port.
    pub port: i32,
}

/// One pool.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct NodePoolStatus {
    /// Name of the pool.
    pub name: String,
    /// Nodes wanted.
    pub replicas: i32,
    /// Nodes that serve.
    pub ready_replicas: i32,
    /// The ids of its nodes, as ranges.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node_ids: Option<String>,
}

/// One controller.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ControllerStatus {
    /// Node id.
    pub id: i32,
    /// Pod.
    pub pod: String,
    /// Node of Kubernetes that it runs on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// Whether it runs.
    pub ready: bool,
}

/// The controllers' quorum.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct QuorumStatus {
    /// The active controller.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leader: Option<i32>,
    /// Ids of the controllers that vote.
    #[serde(default)]
    pub voters: Vec<i32>,
    /// Ids of the controllers that follow without a vote.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub observers: Vec<i32>,
}

/// One broker.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BrokerStatus {
    /// Broker id.
    pub id: i32,
    /// Pod.
    pub pod: String,
    /// Zone that the broker is pinned to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rack: Option<String>,
    /// Node of Kubernetes that it runs on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// Whether all of its replicas are in sync. Absent while that is unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub in_sync: Option<bool>,
    /// How many partitions it leads. Absent while that is unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leaders: Option<i32>,
    /// What the broker is doing.
    #[serde(default)]
    pub phase: BrokerPhase,
}

/// What a broker is doing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum BrokerPhase {
    /// Its pod is not there yet, or waits for a node or a volume.
    #[default]
    Pending,
    /// Its pod runs, and does not serve yet.
    Starting,
    /// It serves.
    Ready,
    /// Its pod cannot run: its image or its start fails.
    Failing,
    /// Its pod is being stopped.
    Stopping,
}

/// One step of the plan.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PlannedStep {
    /// What will be done.
    pub step: String,
    /// What it is done to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// The broker that it concerns.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub broker: Option<i32>,
    /// Why.
    pub reason: String,
    /// What it waits for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blocked_by: Option<String>,
}
