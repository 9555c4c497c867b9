//! Racks held against the zones where pods really are, and zones that vanished. Pure. What is moved for it:
//! `rebalance/zones.rs`.
//!
//! A broker's rack is the zone that its set is pinned to, on every version of Kubernetes, and no broker needs to read
//! nodes for that. A pod's real zone is what its node's label says now; where the operator may not read nodes, what
//! Kubernetes 1.35 and later copied from the node to the pod.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::Node;
use odradek_crds::Role;

use super::{observe::Observed, pods::PodView, rebalance::zones::SETTLED, safety::view, validate::Validated};
use crate::{
    conditions::{Truth, Verdict},
    nodes::{is_ready, zone_of},
};
/// Type of the condition that tells whether racks are where pods run.
pub const ALIGNED: &str = "RackAligned";
/// Type of the condition that tells whether the zones are there.
pub const PRESENT: &str = "ZonesPresent";

/// Brokers or zones that a message names.
const NAMED: usize = 3;

/// A broker whose rack is not where it runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Drift {
    /// Its id.
    pub broker: i32,
    /// The zone that its set is pinned to.
    pub pinned: String,
    /// The zone where its pod runs, when that is another one.
    pub runs_in: Option<String>,
    /// The rack that it is registered with, when that is another one; empty for none.
    pub registered: Option<String>,
}

impl std::fmt::Display for Drift {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Drift { broker, pinned, runs_in, registered } = self;
        write!(f, "broker {broker} of {pinned}")?;
        if let Some(zone) = runs_in {
            write!(f, " runs in {zone}")?;
        }
        if let Some(rack) = registered {
            let and = if runs_in.is_some() { " and" } else { "" };
            let rack = if rack.is_empty() { "without a rack".to_owned() } else { format!("with rack {rack}") };
            write!(f, "{and} is registered {rack}")?;
        }
        Ok(())
    }
}

/// The zone where a pod runs, as far as it is known.
pub fn real_zone<'a>(pod: &'a PodView, nodes: &BTreeMap<&str, &'a Node>, topology_key: &str) -> Option<&'a str> {
    let node = pod.node.as_deref().and_then(|name| nodes.get(name));
    node.and_then(|node| zone_of(node, topology_key)).or(pod.zone.as_deref())
}

/// Where the pods of brokers run, as far as it is known.
pub fn real_zones<'a>(cluster: &Validated, observed: &'a Observed) -> BTreeMap<i32, &'a str> {
    if cluster.zones.is_empty() {
        return BTreeMap::new();
    }
    let nodes: BTreeMap<&str, &Node> = observed
        .nodes
        .all()
        .unwrap_or_default()
        .iter()
        .filter_map(|node| Some((node.metadata.name.as_deref()?, node)))
        .collect();
    let zone = |pod: &'a PodView| Some((pod.id, real_zone(pod, &nodes, &cluster.topology_key)?));
    observed.pods.iter().filter(|pod| pod.broker).filter_map(zone).collect()
}

/// Brokers whose rack is not where they run; and how many could be looked at.
pub fn drifted(cluster: &Validated, observed: &Observed) -> (Vec<Drift>, usize) {
    let real = real_zones(cluster, observed);
    let racks: BTreeMap<i32, &str> = view(cluster, observed)
        .map(|view| {
            view.registered.iter().map(|broker| (broker.id, broker.rack.as_deref().unwrap_or_default())).collect()
        })
        .unwrap_or_default();
    let mut drifts = Vec::new();
    let mut known = 0;
    for set in cluster.pools.iter().filter(|pool| pool.has(Role::Broker)).flat_map(|pool| &pool.sets) {
        let Some(pinned) = &set.zone else { continue };
        for id in set.ids() {
            let (real, rack) = (real.get(&id).copied(), racks.get(&id).copied());
            known += usize::from(real.is_some() && rack.is_some());
            let other = |is: Option<&str>| is.filter(|is| is != pinned).map(str::to_owned);
            let (runs_in, registered) = (other(real), other(rack));
            if runs_in.is_some() || registered.is_some() {
                drifts.push(Drift { broker: id, pinned: pinned.clone(), runs_in, registered });
            }
        }
    }
    (drifts, known)
}

/// Zones of the cluster that have brokers and no node that can run them, each with why.
pub fn lost_zones(cluster: &Validated, observed: &Observed) -> Option<Vec<(String, &'static str)>> {
    let nodes = observed.nodes.all()?;
    let mut zones: BTreeMap<&str, bool> = BTreeMap::new();
    for node in nodes {
        if let Some(zone) = zone_of(node, &cluster.topology_key) {
            *zones.entry(zone).or_default() |= is_ready(node);
        }
    }
    let in_use = |zone: &&String| {
        let sets = cluster.all_pools().flat_map(|pool| &pool.sets);
        sets.into_iter().any(|set| set.replicas > 0 && set.zone.as_ref() == Some(zone))
    };
    let why = |zone: &String| match zones.get(zone.as_str()) {
        None => Some("no node carries it"),
        Some(false) => Some("none of its nodes is ready"),
        Some(true) => None,
    };
    Some(cluster.zones.iter().filter(in_use).filter_map(|zone| Some((zone.clone(), why(zone)?))).collect())
}

/// What the status says of both.
pub fn verdicts(cluster: &Validated, observed: &Observed) -> Vec<Verdict> {
    if cluster.zones.is_empty() {
        return Vec::new();
    }
    vec![aligned(cluster, observed), present(cluster, observed)]
}

fn aligned(cluster: &Validated, observed: &Observed) -> Verdict {
    let (drifts, known) = drifted(cluster, observed);
    let brokers: i32 = cluster.pools.iter().filter(|pool| pool.has(Role::Broker)).map(|pool| pool.replicas()).sum();
    let brokers = usize::try_from(brokers).unwrap_or_default();
    if !drifts.is_empty() {
        let told = listed(drifts.iter().map(ToString::to_string));
        let message = format!("{told}. {}", consequence(&drifts, observed, &cluster.topology_key));
        return Verdict::new(ALIGNED, false, "RackDrift", message);
    }
    if known < brokers {
        let message =
            format!("Of {} of {brokers} brokers it is not known where they run, or their rack", brokers - known);
        return Verdict::new(ALIGNED, Truth::Unknown, "Unknown", message);
    }
    Verdict::new(ALIGNED, true, "Aligned", "Every broker runs in the zone that is its rack")
}

/// What becomes of it, and what a person should do.
fn consequence(drifts: &[Drift], observed: &Observed, topology_key: &str) -> String {
    let elsewhere: Vec<&Drift> = drifts.iter().filter(|drift| drift.runs_in.is_some()).collect();
    if elsewhere.is_empty() {
        return "Nothing is moved for it: a broker takes its rack when it starts".to_owned();
    }
    let minutes = SETTLED.as_mins();
    let mut text = format!(
        "What runs in a zone for {minutes} minutes counts as there, and replicas that share a zone by it are moved as \
         spec.autoRebalance says"
    );
    let Some(nodes) = observed.nodes.all() else { return text };
    let mut zones: BTreeSet<&str> = elsewhere.iter().map(|drift| drift.pinned.as_str()).collect();
    zones.retain(|zone| !nodes.iter().any(|node| zone_of(node, topology_key) == Some(*zone)));
    if !zones.is_empty() {
        let zones: Vec<&str> = zones.into_iter().collect();
        let zones = zones.join(", ");
        text.push_str(&format!(
            ". Their StatefulSets only run them in {zones}, which no node carries: pods that stop do not come back. Give \
             the nodes their label back, or leave {zones} out of spec.rack.zones, so that brokers of other zones take \
             their place"
        ));
    }
    text
}

fn present(cluster: &Validated, observed: &Observed) -> Verdict {
    match lost_zones(cluster, observed) {
        None => Verdict::new(PRESENT, Truth::Unknown, "Unknown", "The operator may not list nodes"),
        Some(lost) if lost.is_empty() => {
            Verdict::new(PRESENT, true, "Present", "Every zone with brokers has a node that is ready")
        }
        Some(lost) => {
            let zones = listed(lost.iter().map(|(zone, why)| format!("{zone}: {why}")));
            let message = format!("{zones}. Its brokers stay where they are, and come back with it");
            Verdict::new(PRESENT, false, "ZoneLost", message)
        }
    }
}

fn listed(all: impl ExactSizeIterator<Item = String>) -> String {
    let count = all.len();
    let mut text = all.take(NAMED).collect::<Vec<_>>().join("; ");
    if count > NAMED {
        text.push_str(&format!("; and {} more", count - NAMED));
    }
    text
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::json;

    use super::*;
    use crate::{
        cluster::fixtures::{all_there, valid, with_view},
        nodes::Nodes,
    };

    fn node(name: &str, zone: &str, ready: &str) -> Node {
        serde_json::from_value(json!({
            "metadata": { "name": name, "labels": { "topology.kubernetes.io/zone": zone } },
            "status": { "conditions": [{ "type": "Ready", "status": ready }] },
        }))
        .expect("a node")
    }

    fn on(mut observed: Observed, nodes: &[Node]) -> Observed {
        observed.nodes = Nodes::All(Arc::new(nodes.to_vec()));
        for pod in &mut observed.pods {
            pod.node = pod.set.rsplit('-').next().map(|zone| format!("node-{zone}"));
        }
        observed
    }

    fn said(cluster: &Validated, observed: &Observed) -> Vec<String> {
        let line = |v: Verdict| format!("{}={} {}: {}", v.type_, v.status.as_str(), v.reason, v.message);
        verdicts(cluster, observed).into_iter().map(line).collect()
    }

    #[test]
    fn racks_are_held_against_where_pods_run() {
        let valid = valid("{}");
        let nodes = ["a", "b", "c"].map(|at| node(&format!("node-{at}"), &format!("zone-{at}"), "True"));
        let whole = on(all_there(&valid), &nodes);
        let mut moved = nodes.clone();
        moved[1] = node("node-b", "zone-x", "True");
        let relabelled = on(all_there(&valid), &moved);
        let other_rack = with_view(whole.clone(), |view| view.registered[0].rack = Some("old".to_owned()));
        let none = with_view(whole.clone(), |view| view.registered[2].rack = None);
        // Without the nodes, what Kubernetes copied to the pods.
        let mut copied = all_there(&valid);
        copied.nodes = Nodes::Forbidden;
        for pod in copied.pods.iter_mut().filter(|pod| pod.broker) {
            pod.zone = pod.set.strip_prefix("demo-broker-").map(str::to_owned);
        }
        let mut neither = copied.clone();
        neither.pods[0].zone = None;
        let mut lost = nodes.clone();
        lost[2] = node("node-c", "zone-c", "Unknown");
        let down = on(all_there(&valid), &lost);
        let told: Vec<_> =
            [&whole, &relabelled, &other_rack, &none, &copied, &neither, &down].map(|seen| said(&valid, seen)).into();
        insta::assert_yaml_snapshot!(told);
    }

    #[test]
    fn a_cluster_without_zones_has_no_racks_to_hold() {
        let mut valid = valid("{}");
        valid.zones.clear();
        assert_eq!(verdicts(&valid, &all_there(&valid)), []);
    }
}
