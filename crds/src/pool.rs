//! The nodes of a cluster: controllers, and pools of brokers.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    pod::{PodTemplate, Resources},
    rules::{rule, rules},
    storage::Storage,
};

/// The controllers, which keep the metadata of the cluster.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Controllers {
    /// How many: 1, 3 or 5. Absent: 3, or 1 in a cluster of one broker, and later as many as there are. The quorum
    /// follows a change one voter at a time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-kubernetes-validations" = rule(
        "self in [1, 3, 5]",
        "controllers.replicas must be 1, 3 or 5: an even number of controllers bears no more failures than one fewer",
    )))]
    #[schemars(range(min = 1, max = 5))]
    pub replicas: Option<i32>,
    /// CPU and memory of each controller.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources: Option<Resources>,
    /// Where each controller keeps the metadata log.
    #[serde(default)]
    pub storage: Storage,
    /// Additions to the pods of the controllers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template: Option<PodTemplate>,
}

/// Nodes of the same shape, spread over the zones.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct NodePool {
    /// Name of the pool, part of the names of its pods.
    #[schemars(length(min = 1, max = 30), regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"))]
    #[schemars(extend("x-kubernetes-validations" = rule(
        "!(self in ['controller', 'controllers'])",
        "nodePools: the names controller and controllers are used for the controllers",
    )))]
    pub name: String,
    /// How many nodes, over all zones. Fewer than before: the highest ids of the zones that have most leave one by
    /// one, each once its replicas are on others. A pool that is taken out of the spec leaves as a whole.
    #[serde(default = "default_replicas")]
    #[schemars(range(min = 1, max = 1000))]
    #[schemars(extend("x-kubernetes-validations" = rule(
        "self >= 1",
        "nodePools: a pool has at least one node: to remove the pool take it out of nodePools; records need at least one broker",
    )))]
    pub replicas: i32,
    /// What each node does: `[broker]` or `[controller, broker]`.
    #[serde(default = "default_roles")]
    #[schemars(length(min = 1, max = 2))]
    #[schemars(extend("x-kubernetes-list-type" = "set"))]
    #[schemars(extend("x-kubernetes-validations" = rules(&[
        ("'broker' in self", "nodePools: roles must hold broker; controllers that are no brokers are described by spec.controllers"),
        ("('controller' in self) == ('controller' in oldSelf)", "nodePools: the controller role cannot be given or taken later"),
    ])))]
    pub roles: Vec<Role>,
    /// CPU and memory of each node.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources: Option<Resources>,
    /// Where each node keeps its data.
    #[serde(default)]
    pub storage: Storage,
    /// Additions to the pods.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template: Option<PodTemplate>,
}

/// What a node does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Keeps the metadata of the cluster.
    Controller,
    /// Keeps records and serves clients.
    Broker,
}

impl Role {
    /// The role as `process.roles` writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Role::Controller => "controller",
            Role::Broker => "broker",
        }
    }
}

impl NodePool {
    /// A pool of brokers with nothing else said.
    pub fn brokers(name: &str, replicas: i32) -> NodePool {
        NodePool {
            name: name.to_owned(),
            replicas,
            roles: default_roles(),
            resources: None,
            storage: Storage::default(),
            template: None,
        }
    }

    /// Whether the nodes of the pool are controllers too.
    pub fn has_controllers(&self) -> bool {
        self.roles.contains(&Role::Controller)
    }
}

pub(crate) fn default_replicas() -> i32 {
    3
}

fn default_roles() -> Vec<Role> {
    vec![Role::Broker]
}
