//! The zones of the nodes that may run brokers. Only read while the cluster is not pinned to its zones.

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::{Node, Taint};
use odradek_crds::KafkaCluster;

use crate::nodes::{Nodes, zone_of};

/// The zones of the nodes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum NodeZones {
    /// There was no need to read them.
    #[default]
    NotRead,
    /// The operator may not list nodes.
    Forbidden,
    /// The zones, in order.
    Zones(Vec<String>),
}

/// The zones of these nodes.
pub(super) fn node_zones(cluster: &KafkaCluster, nodes: &Nodes) -> NodeZones {
    match nodes {
        Nodes::All(nodes) => NodeZones::Zones(zones_of(cluster, nodes)),
        Nodes::Forbidden => NodeZones::Forbidden,
        Nodes::NotRead => NodeZones::NotRead,
    }
}

/// The zones of the nodes that may run brokers. Taints that Kubernetes itself sets come and go with
/// the state of a node, and say nothing about its zone.
fn zones_of(cluster: &KafkaCluster, nodes: &[Node]) -> Vec<String> {
    let tolerations = cluster.spec.node_pools.iter().flat_map(|p| &p.template).flat_map(|t| &t.tolerations);
    let tolerated = |taint: &Taint| {
        taint.effect == "PreferNoSchedule"
            || taint.key.starts_with("node.kubernetes.io/")
            || tolerations.clone().any(|toleration| {
                toleration.key.as_ref().is_none_or(|key| *key == taint.key)
                    && toleration.effect.as_ref().is_none_or(|effect| *effect == taint.effect)
                    && (toleration.operator.as_deref() == Some("Exists")
                        || toleration.value.as_deref().unwrap_or_default()
                            == taint.value.as_deref().unwrap_or_default())
            })
    };
    let zones: BTreeSet<String> = nodes
        .iter()
        .filter(|node| {
            let taints = node.spec.as_ref().and_then(|spec| spec.taints.as_deref());
            taints.unwrap_or_default().iter().all(tolerated)
        })
        .filter_map(|node| zone_of(node, &cluster.spec.rack.topology_key))
        .map(str::to_owned)
        .collect();
    zones.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn zones_leave_out_nodes_that_brokers_cannot_use() {
        let node = |name: &str, zone: &str, taint: &str| -> Node {
            let taints = if taint.is_empty() { json!([]) } else { json!([{ "key": taint, "effect": "NoSchedule" }]) };
            serde_json::from_value(json!({
                "metadata": { "name": name, "labels": { "topology.kubernetes.io/zone": zone } },
                "spec": { "taints": taints },
            }))
            .expect("a node")
        };
        let nodes = [
            node("n1", "zone-b", ""),
            node("n2", "zone-a", "node.kubernetes.io/unreachable"),
            node("n3", "zone-a", ""),
            node("cp", "zone-c", "node-role.kubernetes.io/control-plane"),
            node("x", "", ""),
        ];
        assert_eq!(zones_of(&KafkaCluster::default(), &nodes), ["zone-a", "zone-b"]);
    }
}
