//! Kubernetes as a person uses it: `kubectl` on PATH and the current KUBECONFIG.

mod clients;
mod compare;
mod kubectl;
mod load;
mod namespace;
mod nodes;
mod operator;
mod producer;
mod state;

pub use clients::{Clients, Record};
pub use compare::compare;
pub use kubectl::{Forward, kubectl, kubectl_json, zones};
pub use load::Load;
pub use namespace::{Namespace, in_namespace, in_namespace_alone};
pub use nodes::{AddedNode, cluster_tool, node_in};
pub use operator::{Operator, OtherImage, Usage};
pub use producer::{Produced, Producer};

use serde_json::Value;

/// The condition of a type in an object's status.
#[must_use]
pub fn condition<'a>(object: &'a Value, type_: &str) -> Option<&'a Value> {
    object["status"]["conditions"].as_array()?.iter().find(|condition| condition["type"] == type_)
}

/// The name of an object.
#[must_use]
pub fn name(object: &Value) -> &str {
    object["metadata"]["name"].as_str().unwrap_or_default()
}

/// The UID of an object.
#[must_use]
pub fn uid(object: &Value) -> &str {
    object["metadata"]["uid"].as_str().unwrap_or_default()
}
