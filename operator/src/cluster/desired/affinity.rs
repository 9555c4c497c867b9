//! Where the pods of a pool may run.

use k8s_openapi::api::core::v1::{
    Affinity, NodeAffinity, NodeSelector, NodeSelectorRequirement, NodeSelectorTerm, TopologySpreadConstraint,
};
use odradek_crds::Role;

use super::{label_selector, role_selector};
use crate::cluster::validate::{Pool, Validated};

/// What the spec says of affinity, with the zones of the set in each of its required node terms
/// (which are alternatives, so that one without the zones would let pods leave them).
pub(super) fn affinity(cluster: &Validated, pool: &Pool, zone: Option<&str>) -> Option<Affinity> {
    let zones: Vec<String> = match zone {
        Some(zone) => vec![zone.to_owned()],
        None => zones_of(cluster, pool).to_vec(),
    };
    let mut affinity = pool.template.affinity.clone();
    if zones.is_empty() {
        return affinity;
    }
    let pinned =
        NodeSelectorRequirement { key: cluster.topology_key.clone(), operator: "In".to_owned(), values: Some(zones) };
    let node = affinity
        .get_or_insert_default()
        .node_affinity
        .get_or_insert_with(NodeAffinity::default)
        .required_during_scheduling_ignored_during_execution
        .get_or_insert_with(NodeSelector::default);
    if node.node_selector_terms.is_empty() {
        node.node_selector_terms.push(NodeSelectorTerm::default());
    }
    for term in &mut node.node_selector_terms {
        term.match_expressions.get_or_insert_default().push(pinned.clone());
    }
    affinity
}

/// Spreads pods of the same role: over zones where no set pins them, and over nodes as far as there
/// are some.
pub(super) fn spread(cluster: &Validated, pool: &Pool, zone: Option<&str>) -> Vec<TopologySpreadConstraint> {
    let role = if pool.has(Role::Broker) { Role::Broker } else { Role::Controller };
    let constraint = |key: &str, hard: bool| TopologySpreadConstraint {
        max_skew: 1,
        topology_key: key.to_owned(),
        when_unsatisfiable: if hard { "DoNotSchedule" } else { "ScheduleAnyway" }.to_owned(),
        label_selector: Some(label_selector(role_selector(cluster, role))),
        // A zone whose nodes are all tainted is no place to wait for.
        node_taints_policy: hard.then(|| "Honor".to_owned()),
        ..TopologySpreadConstraint::default()
    };
    let mut constraints = Vec::new();
    if zone.is_none() && zones_of(cluster, pool).len() > 1 {
        constraints.push(constraint(&cluster.topology_key, true));
    }
    constraints.push(constraint("kubernetes.io/hostname", false));
    constraints
}

/// The zones of a set that is pinned to none of them. Brokers only have such a set from the time when the cluster knew no
/// zones, and their volumes do not move.
fn zones_of<'a>(cluster: &'a Validated, pool: &Pool) -> &'a [String] {
    if pool.has(Role::Broker) { &[] } else { &cluster.controller_zones }
}
