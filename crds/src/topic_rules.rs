//! What KafkaTopics may do in a cluster.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::rules::rule;

/// What KafkaTopics may do in this cluster.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TopicRules {
    /// Other namespaces whose KafkaTopics may name this cluster, with the label odradek.dev/cluster-namespace; `*` for
    /// all. Those of the cluster's own namespace always may.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 1000),
        inner(length(min = 1, max = 63), regex(pattern = r"^(\*|[a-z0-9]([-a-z0-9]*[a-z0-9])?)$"))
    )]
    #[schemars(extend("x-kubernetes-list-type" = "set"))]
    pub namespaces: Vec<String>,
    /// The configuration keys that KafkaTopics may set. Any other is refused in a KafkaTopic, and left alone where it
    /// is set in Kafka. Absent: all keys of topics.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 100), inner(length(min = 1, max = 100)))]
    #[schemars(extend("x-kubernetes-list-type" = "set", "x-kubernetes-validations" = rule(
        "self.all(k, k.matches('^[a-z.]+$'))",
        "configAllowList: keys of topics have small letters and dots only",
    )))]
    pub config_allow_list: Option<Vec<String>>,
}

impl TopicRules {
    /// Whether topics of another namespace may be in the cluster.
    pub fn allows(&self, namespace: &str) -> bool {
        self.namespaces.iter().any(|allowed| allowed == "*" || allowed == namespace)
    }
}
