//! Which zones a cluster uses. They are pinned when it is made. Pure.

use odradek_crds::Rack;

use super::observe::{NodeZones, Observed};
use crate::{
    names::CONTROLLERS_POOL,
    refusal::{Reason, Refusal},
};

/// The zones of the cluster, in the order of their broker ids; none if it does not know zones.
pub fn zones(rack: &Rack, observed: &Observed) -> Result<Vec<String>, Refusal> {
    if let Some(bad) = rack.zones.iter().find(|zone| !is_label_value(zone)) {
        return Err(Refusal::new(
            Reason::InvalidSpec,
            "spec.rack.zones",
            format!("{bad:?} is no zone: a zone is the value of a node's label"),
        ));
    }
    match &observed.pinned_zones {
        Some(pinned) if rack.zones.is_empty() => Ok(pinned.clone()),
        Some(pinned) => chosen(rack, pinned, observed),
        None => made(rack, observed),
    }
}

/// The zones of a cluster that is made now. Claims of a former life come first, with their ids.
fn made(rack: &Rack, observed: &Observed) -> Result<Vec<String>, Refusal> {
    let mut broker_pins = observed.pins.iter().filter(|pin| pin.identity.pool != CONTROLLERS_POOL);
    if broker_pins.any(|pin| pin.identity.zone.is_none()) {
        return Ok(Vec::new());
    }
    let mut zones = Vec::new();
    let written = observed.pins.iter().filter_map(|pin| pin.identity.zone.as_ref());
    let found = match (&observed.node_zones, rack.zones.is_empty()) {
        (_, false) => rack.zones.as_slice(),
        (NodeZones::Zones(zones), true) => zones.as_slice(),
        (NodeZones::NotRead | NodeZones::Forbidden, true) => {
            return Err(Refusal::new(
                Reason::ZonesUnknown,
                "spec.rack.zones",
                "the operator may not list nodes to learn their zones: name the zones here, or \
                 install the chart with nodeAccess=true",
            ));
        }
    };
    for zone in written.chain(found) {
        if !zones.contains(zone) {
            zones.push(zone.clone());
        }
    }
    Ok(zones)
}

/// The zones that the spec names, after those that are pinned.
fn chosen(rack: &Rack, pinned: &[String], observed: &Observed) -> Result<Vec<String>, Refusal> {
    let in_use =
        |zone: &String| observed.pins.iter().any(|pin| pin.replicas > 0 && pin.identity.zone.as_ref() == Some(zone));
    if pinned.is_empty() {
        return Err(Refusal::new(
            Reason::NotSupported,
            "spec.rack.zones",
            "the cluster was made without zones, and giving it zones is not supported yet: take \
             them out",
        ));
    }
    if let Some(lost) = pinned.iter().find(|zone| in_use(zone) && !rack.zones.contains(zone)) {
        return Err(Refusal::new(
            Reason::NotSupported,
            "spec.rack.zones",
            format!("{lost} has brokers, and moving them to other zones is not supported yet: put it back"),
        ));
    }
    let kept = pinned.iter().filter(|zone| rack.zones.contains(zone));
    let added = rack.zones.iter().filter(|zone| !pinned.contains(zone));
    Ok(kept.chain(added).cloned().collect())
}

/// Whether a text may be the value of a label.
fn is_label_value(text: &str) -> bool {
    let inner = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let ends = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
    text.len() <= 63 && text.chars().all(inner) && ends(text.chars().next()) && ends(text.chars().last())
}

#[cfg(test)]
mod tests {
    use super::super::layout::{Identity, Pin};
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
        assert!(zones(&rack(&["a", "c"]), &observed).is_err());
        let without = Observed { pinned_zones: Some(vec![]), ..Observed::default() };
        assert_eq!(zones(&rack(&[]), &without), Ok(vec![]));
        assert!(zones(&rack(&["a"]), &without).is_err());
    }

    #[test]
    fn claims_of_a_former_life_come_first() {
        let observed = Observed {
            node_zones: NodeZones::Zones(strings(&["a", "b", "c"])),
            pins: vec![pin(Some("c"), 0), pin(Some("a"), 1000)],
            ..Observed::default()
        };
        assert_eq!(zones(&rack(&[]), &observed), Ok(strings(&["c", "a", "b"])));
        let without = Observed { pins: vec![pin(None, 0)], ..observed };
        assert_eq!(zones(&rack(&[]), &without), Ok(vec![]));
    }
}
