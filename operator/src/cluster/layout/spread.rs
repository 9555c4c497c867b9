//! How many nodes of a pool each zone should have in the end: as even as it goes, with as few that come and go as it goes.

use odradek_crds::NodePool;

use super::{Ids, Pin, SetLayout};

/// Says how many nodes of the pool each set should have, and adds the sets that are missing. Sets outside of the zones
/// end up with none. Growth is given out at once; a set keeps what it has beyond what is wanted until that has left.
pub(super) fn spread(pool: &NodePool, zones: &[String], pins: &[Pin], sets: &mut Vec<SetLayout>, ids: &mut Ids<'_>) {
    let mut places: Vec<Place> = if zones.is_empty() { vec![None] } else { zones.iter().cloned().map(Some).collect() }
        .into_iter()
        .map(|zone| {
            let of_zone = sets.iter().position(|set| set.zone == zone);
            let others = pins.iter().filter(|pin| pin.identity.zone == zone && pin.identity.pool != pool.name);
            Place {
                nodes: of_zone.map_or(0, |at| sets[at].replicas),
                others: others.map(|pin| pin.replicas).sum(),
                first_id: of_zone.map_or(i32::MAX, |at| sets[at].first_id),
                zone,
            }
        })
        .collect();
    loop {
        let nodes: i32 = places.iter().map(|place| place.nodes).sum();
        let (Some(least), Some(most)) = (least(&places), most(&places)) else { return };
        let uneven = places[most].nodes - places[least].nodes > 1;
        if nodes > pool.replicas || (nodes == pool.replicas && uneven) {
            places[most].nodes -= 1;
        }
        if nodes < pool.replicas || (nodes == pool.replicas && uneven) {
            places[least].nodes += 1;
        }
        if nodes == pool.replicas && !uneven {
            break;
        }
    }
    for place in places.into_iter().filter(|place| place.nodes > 0) {
        let at = sets.iter().position(|set| set.zone == place.zone).unwrap_or_else(|| {
            sets.push(ids.set(&pool.name, place.zone.as_deref()));
            sets.len() - 1
        });
        sets[at].wanted = place.nodes;
        sets[at].replicas = sets[at].replicas.max(place.nodes);
    }
}

/// A zone, or the only place of a cluster that does not know zones.
struct Place {
    zone: Option<String>,
    nodes: i32,
    /// Nodes of other pools: where a pool has as many nodes in one zone as in another, it goes where the cluster has fewer.
    others: i32,
    first_id: i32,
}

/// The place that the next node goes to; the first one among equals.
fn least(places: &[Place]) -> Option<usize> {
    (0..places.len()).min_by_key(|at| (places[*at].nodes, places[*at].others))
}

/// The place that a node leaves; that of the highest id among equals.
fn most(places: &[Place]) -> Option<usize> {
    (0..places.len()).max_by_key(|at| (places[*at].nodes, places[*at].first_id))
}
