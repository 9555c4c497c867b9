//! Which zones a cluster uses. They are pinned when it is made. Pure.

use odradek_crds::Rack;

use super::{
    layout::Identity,
    observe::{NodeZones, Observed},
};
use crate::{
    names::CONTROLLERS_POOL,
    refusal::{Reason, Refusal},
};

/// The zones of the cluster, in the order of their broker ids; none if it does not know zones. The spec's word counts at
/// any time; what the nodes say only counts when the cluster is made.
pub fn zones(rack: &Rack, observed: &Observed) -> Result<Vec<String>, Refusal> {
    if let Some(bad) = rack.zones.iter().find(|zone| !is_label_value(zone)) {
        return Err(Refusal::new(
            Reason::InvalidSpec,
            "spec.rack.zones",
            format!("{bad:?} is no zone: a zone is the value of a node's label"),
        ));
    }
    let written = observed.pinned_zones.clone().unwrap_or_else(|| of_brokers(observed));
    if !rack.zones.is_empty() {
        return Ok(chosen(rack, &written));
    }
    match &observed.pinned_zones {
        Some(pinned) => Ok(pinned.clone()),
        None => made(written, observed),
    }
}

/// The zones that brokers are in, those of a former life included.
fn of_brokers(observed: &Observed) -> Vec<String> {
    let mut zones: Vec<String> = Vec::new();
    for zone in brokers(observed).filter_map(|identity| identity.zone.as_ref()) {
        if !zones.contains(zone) {
            zones.push(zone.clone());
        }
    }
    zones
}

fn brokers(observed: &Observed) -> impl Iterator<Item = &Identity> {
    let pins = observed.pins.iter().filter(|pin| pin.replicas > 0 && pin.identity.pool != CONTROLLERS_POOL);
    pins.map(|pin| &pin.identity)
}

/// The zones of a cluster that is made now, from those of its former life, which come first with their ids.
fn made(mut zones: Vec<String>, observed: &Observed) -> Result<Vec<String>, Refusal> {
    if zones.is_empty() && brokers(observed).next().is_some() {
        return Ok(zones);
    }
    let NodeZones::Zones(found) = &observed.node_zones else {
        return Err(Refusal::new(
            Reason::ZonesUnknown,
            "spec.rack.zones",
            "the operator may not list nodes to learn their zones: name the zones here, or \
             install the chart with nodeAccess=true",
        ));
    };
    zones.extend(found.iter().filter(|zone| !zones.contains(zone)).cloned().collect::<Vec<_>>());
    Ok(zones)
}

/// The zones that the spec names, those first that the cluster is in already.
fn chosen(rack: &Rack, written: &[String]) -> Vec<String> {
    let kept = written.iter().filter(|zone| rack.zones.contains(zone));
    let added = rack.zones.iter().filter(|zone| !written.contains(zone));
    kept.chain(added).cloned().collect()
}

/// Whether a text may be the value of a label.
fn is_label_value(text: &str) -> bool {
    let inner = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let ends = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
    text.len() <= 63 && text.chars().all(inner) && ends(text.chars().next()) && ends(text.chars().last())
}

#[cfg(test)]
mod tests {
    use super::super::layout::Pin;
    use super::*;

    fn rack(zones: &[&str]) -> Rack {
        Rack { zones: zones.iter().map(|z| (*z).to_owned()).collect(), ..Rack::default() }
    }

    fn strings(zones: &[&str]) -> Vec<String> {
        zones.iter().map(|z| (*z).to_owned()).collect()
    }

    fn pin(zone: Option<&str>, first_id: i32) -> Pin {
        let identity = Identity {
            cluster_id: "id".to_owned(),
            set: format!("s{first_id}"),
            pool: "broker".to_owned(),
            zone: zone.map(str::to_owned),
            first_id,
            controller: false,
        };
        Pin { identity, replicas: 1 }
    }

    #[test]
    fn a_new_cluster_takes_the_zones_of_the_nodes_or_of_the_spec() {
        let observed = Observed { node_zones: NodeZones::Zones(strings(&["a", "b"])), ..Observed::default() };
        assert_eq!(zones(&rack(&[]), &observed), Ok(strings(&["a", "b"])));
        assert_eq!(zones(&rack(&["c"]), &observed), Ok(strings(&["c"])));
        let forbidden = Observed { node_zones: NodeZones::Forbidden, ..Observed::default() };
        let refusal = zones(&rack(&[]), &forbidden).expect_err("unknown");
        assert_eq!(refusal.reason, Reason::ZonesUnknown);
        assert!(zones(&rack(&["-x"]), &observed).is_err());
    }

    #[test]
    fn pinned_zones_stay_whatever_the_nodes_say() {
        let observed = Observed {
            pinned_zones: Some(strings(&["a", "b"])),
            pins: vec![pin(Some("a"), 0), pin(Some("b"), 1000)],
            ..Observed::default()
        };
        assert_eq!(zones(&rack(&[]), &observed), Ok(strings(&["a", "b"])));
        assert_eq!(zones(&rack(&["c", "b", "a"]), &observed), Ok(strings(&["a", "b", "c"])));
        assert_eq!(zones(&rack(&["a", "c"]), &observed), Ok(strings(&["a", "c"])));
        let without = Observed {
            pinned_zones: Some(vec![]),
            node_zones: NodeZones::Zones(strings(&["a"])),
            ..Observed::default()
        };
        assert_eq!(zones(&rack(&[]), &without), Ok(vec![]));
        assert_eq!(zones(&rack(&["a"]), &without), Ok(strings(&["a"])));
    }

    #[test]
    fn claims_of_a_former_life_come_first() {
        let observed = Observed {
            node_zones: NodeZones::Zones(strings(&["a", "b", "c"])),
            pins: vec![pin(Some("c"), 0), pin(Some("a"), 1000)],
            ..Observed::default()
        };
        assert_eq!(zones(&rack(&[]), &observed), Ok(strings(&["c", "a", "b"])));
        assert_eq!(zones(&rack(&["a", "d"]), &observed), Ok(strings(&["a", "d"])));
        let without = Observed { pins: vec![pin(None, 0)], ..observed };
        assert_eq!(zones(&rack(&[]), &without), Ok(vec![]));
        assert_eq!(zones(&rack(&["a"]), &without), Ok(strings(&["a"])));
    }
}
