//! Where a node keeps its data.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::rules::rules;

/// Where each node of a pool keeps its data.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = rules(&[
    ("self.type == oldSelf.type", "storage.type cannot be changed: the data of a pool does not move; add a pool with the other storage"),
    ("!has(oldSelf.size) || (has(self.size) && quantity(self.size).compareTo(quantity(oldSelf.size)) >= 0)", "storage.size cannot shrink: volumes only grow"),
    ("has(self.class) == has(oldSelf.class) && (!has(self.class) || self.class == oldSelf.class)", "storage.class cannot be changed: the data of a pool does not move; add a pool with the other class"),
])))]
pub struct Storage {
    /// `persistent-claim` keeps data on a PersistentVolumeClaim for each node; `ephemeral` loses it
    /// with the pod, which only fits tests.
    #[serde(rename = "type", default)]
    pub type_: StorageType,
    /// Size of each node's volume, such as 100Gi. It can grow, never shrink. 10Gi for brokers and
    /// 1Gi for controllers when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 32), regex(pattern = r"^[0-9]+(\.[0-9]+)?(k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei)?$"))]
    pub size: Option<String>,
    /// The StorageClass of the claims. The cluster's default class when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub class: Option<String>,
    /// Whether deleting the KafkaCluster deletes the claims, and all records in them. They are kept
    /// by default: applying the same KafkaCluster again brings all records back. The claim of a broker that has left
    /// holds no record that is not elsewhere; it is deleted or kept by the same rule.
    #[serde(default)]
    pub delete_claim: bool,
}

/// The kinds of storage.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum StorageType {
    /// A PersistentVolumeClaim for each node.
    #[default]
    PersistentClaim,
    /// A volume that lives and dies with the pod.
    Ephemeral,
}
