//! `KafkaTopic`: one topic of a cluster.

// Two columns of the same type are no duplicates.
#![allow(clippy::duplicated_attributes)]

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{config::Config, rules::rules};

/// What the topic should be.
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "odradek.dev",
    version = "v1alpha1",
    kind = "KafkaTopic",
    plural = "kafkatopics",
    shortname = "kt",
    category = "odradek",
    namespaced,
    status = "KafkaTopicStatus",
    derive = "PartialEq",
    derive = "Default",
    doc = "A topic of the KafkaCluster that the label odradek.dev/cluster names, in the same namespace or in the one that the label odradek.dev/cluster-namespace names.",
    printcolumn(
        name = "Cluster",
        type_ = "string",
        json_path = r".metadata.labels.odradek\.dev/cluster",
        description = "The cluster of the topic"
    ),
    printcolumn(
        name = "Partitions",
        type_ = "integer",
        json_path = ".status.partitions",
        description = "Partitions that the topic has"
    ),
    printcolumn(
        name = "Replicas",
        type_ = "integer",
        json_path = ".status.replicas",
        description = "Replicas of each partition"
    ),
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = r#".status.conditions[?(@.type=="Ready")].status"#,
        description = "Whether the topic is as its spec says"
    ),
    printcolumn(name = "Status", type_ = "string", json_path = r#".status.conditions[?(@.type=="Ready")].reason"#),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(name = "Topic", type_ = "string", json_path = ".status.topicName", priority = 1),
    printcolumn(
        name = "Message",
        type_ = "string",
        json_path = r#".status.conditions[?(@.type=="Ready")].message"#,
        priority = 1
    )
)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = rules(&[
    ("has(self.topicName) == has(oldSelf.topicName) && (!has(self.topicName) || self.topicName == oldSelf.topicName)",
     "topicName cannot be changed: a topic cannot be renamed"),
    ("!has(oldSelf.partitions) || (has(self.partitions) && self.partitions >= oldSelf.partitions)",
     "partitions cannot fall: Kafka cannot take partitions away"),
    ("!has(self.replicas) || !has(self.config) || !has(self.config.min__dot__insync__dot__replicas) || int(self.config.min__dot__insync__dot__replicas) <= self.replicas",
     "config: min.insync.replicas is larger than replicas, so that acks=all could never succeed"),
])))]
pub struct KafkaTopicSpec {
    /// Name of the topic in Kafka. The name of the resource when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 249), regex(pattern = r"^[a-zA-Z0-9._-]+$"))]
    #[schemars(extend("x-kubernetes-validations" = rules(&[
        ("self != '.' && self != '..'", "topicName cannot be . or .."),
    ])))]
    pub topic_name: Option<String>,
    /// Partitions of the topic. They can grow, never fall. The cluster's num.partitions when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 100_000))]
    pub partitions: Option<i32>,
    /// Replicas of each partition. The cluster's default.replication.factor when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1000))]
    pub replicas: Option<i32>,
    /// Kafka's configuration keys of topics. A key that is set in Kafka and not here is taken back.
    #[serde(default, skip_serializing_if = "Config::is_empty")]
    #[schemars(schema_with = "crate::config::topic_schema")]
    pub config: Config,
    /// What becomes of a topic of this name that is in the cluster already.
    #[serde(default)]
    pub adoption_policy: AdoptionPolicy,
    /// What deleting this resource does to the topic and its records.
    #[serde(default)]
    pub deletion_policy: DeletionPolicy,
}

/// What becomes of a topic that was there before this resource.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum AdoptionPolicy {
    /// It is this resource's from now on, and follows its spec: what existing topics are imported with.
    #[default]
    Adopt,
    /// It is left as it is, and this resource says TopicExists.
    Refuse,
}

/// What deleting the resource does to the topic.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum DeletionPolicy {
    /// The topic is deleted with its records.
    #[default]
    Delete,
    /// The topic stays.
    Retain,
}

/// What the topic is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct KafkaTopicStatus {
    /// Ready: the topic is as its spec says.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
    /// The generation of the spec that this status speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// The cluster that holds the topic. A topic cannot move to another one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster: Option<String>,
    /// Namespace of that cluster, when it is not the topic's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster_namespace: Option<String>,
    /// Name of the topic in Kafka.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub topic_name: Option<String>,
    /// Id of the topic in Kafka.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub topic_id: Option<String>,
    /// Partitions that the topic has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partitions: Option<i32>,
    /// Replicas of each partition.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replicas: Option<i32>,
    /// A change of the number of replicas that is under way or has to wait. Absent when there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replicas_change: Option<ReplicasChange>,
}

/// A change of the number of replicas. It is carried out by reassignments of partitions.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReplicasChange {
    /// Replicas that each partition is to have.
    pub target_replicas: i32,
    /// Whether it has begun.
    pub state: ReplicasChangeState,
    /// How far it is, or what it waits for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// Whether a change of the number of replicas has begun.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum ReplicasChangeState {
    /// Nothing moves yet.
    #[default]
    Pending,
    /// Replicas are copied.
    Ongoing,
}
