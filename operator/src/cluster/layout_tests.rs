use proptest::prelude::*;

use super::*;

fn zones(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

/// What the next reconcile reads back from a layout that was applied.
fn pins(layout: &Layout, pools: &[NodePool]) -> Vec<Pin> {
    let pin = |pool: &str, controller: bool, set: &SetLayout| Pin {
        identity: Identity {
            cluster_id: "id".to_owned(),
            set: set.name.clone(),
            pool: pool.to_owned(),
            zone: set.zone.clone(),
            first_id: set.first_id,
            controller,
        },
        replicas: set.replicas,
    };
    let mut pins: Vec<Pin> = pools
        .iter()
        .zip(&layout.pools)
        .flat_map(|(p, sets)| sets.iter().map(move |set| (p, set)))
        .map(|(p, set)| pin(&p.name, p.has_controllers(), set))
        .collect();
    pins.extend(layout.controllers.iter().map(|set| pin(CONTROLLERS_POOL, true, set)));
    pins
}

#[test]
fn a_new_cluster_is_spread_over_its_zones() {
    let pools = [NodePool::brokers("broker", 3)];
    let made = layout("demo", &pools, None, &zones(&["a", "b", "c"]), &[]).expect("a layout");
    let sets: Vec<_> = made.pools[0].iter().map(|s| (s.name.as_str(), s.first_id, s.replicas)).collect();
    assert_eq!(sets, [("demo-broker-a", 0, 1), ("demo-broker-b", 1000, 1), ("demo-broker-c", 2000, 1)]);
    let controllers = made.controllers.expect("controllers of their own");
    assert_eq!((controllers.first_id, controllers.replicas), (3000, 3));
}

#[test]
fn one_broker_has_one_controller_and_keeps_it_when_it_grows() {
    let mut pools = [NodePool::brokers("broker", 1)];
    let made = layout("demo", &pools, None, &[], &[]).expect("a layout");
    assert_eq!(made.pools[0][0].name, "demo-broker");
    assert_eq!(made.controllers.as_ref().map(|c| c.replicas), Some(1));
    let pinned = pins(&made, &pools);
    pools[0].replicas = 3;
    let grown = layout("demo", &pools, None, &[], &pinned).expect("a layout");
    assert_eq!(grown.controllers.map(|c| c.replicas), Some(1));
    assert_eq!(grown.pools[0][0].replicas, 3);
}

#[test]
fn fewer_nodes_removed_pools_and_other_quorums_are_refused() {
    let pools = [NodePool::brokers("x", 3), NodePool::brokers("y", 1)];
    let made = layout("demo", &pools, None, &[], &[]).expect("a layout");
    let pinned = pins(&made, &pools);
    let fewer = [NodePool::brokers("x", 2), NodePool::brokers("y", 1)];
    let refused = layout("demo", &fewer, None, &[], &pinned).expect_err("fewer");
    assert_eq!(refused[0].field, "spec.nodePools[x].replicas");
    let removed = layout("demo", &pools[..1], None, &[], &pinned).expect_err("removed");
    assert_eq!(removed[0].field, "spec.nodePools[y]");
    let quorum = layout("demo", &pools, Some(5), &[], &pinned).expect_err("quorum");
    assert_eq!(quorum[0].field, "spec.controllers.replicas");
    assert_eq!(quorum[0].reason, Reason::NotSupported);
}

proptest! {
    /// However a cluster grows, nothing that was given out moves, no id is given twice, and a pool
    /// is spread evenly over the zones that it had from the start.
    #[test]
    fn ids_never_move_or_collide(
        zone_count in 0usize..5,
        first in prop::collection::vec(1i32..20, 1..4),
        growth in prop::collection::vec((0usize..4, 0i32..10), 0..6),
    ) {
        let zones: Vec<String> = (0..zone_count).map(|i| format!("zone-{i}")).collect();
        let mut pools: Vec<NodePool> = first
            .iter()
            .enumerate()
            .map(|(i, n)| NodePool::brokers(&format!("p{i}"), *n))
            .collect();
        let mut pinned: Vec<Pin> = Vec::new();
        for step in std::iter::once(None).chain(growth.iter().map(Some)) {
            if let Some((pool, more)) = step {
                match pools.get_mut(*pool) {
                    Some(pool) => pool.replicas += more,
                    None => pools.push(NodePool::brokers(&format!("q{}", pools.len()), more + 1)),
                }
            }
            let made = layout("c", &pools, None, &zones, &pinned).expect("growth is never refused");
            let now = pins(&made, &pools);
            for old in &pinned {
                let new = now.iter().find(|pin| pin.identity == old.identity);
                prop_assert!(new.is_some_and(|new| new.replicas >= old.replicas));
            }
            let sets = made.pools.iter().flatten().chain(&made.controllers);
            let ids: Vec<i32> = sets.clone().flat_map(|set| set.ids()).collect();
            let names: BTreeSet<_> = sets.clone().map(|set| &set.name).collect();
            prop_assert_eq!(names.len(), sets.count());
            prop_assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), ids.len());
            for (pool, sets) in pools.iter().zip(&made.pools) {
                prop_assert_eq!(sets.iter().map(|set| set.replicas).sum::<i32>(), pool.replicas);
                let counts: Vec<i32> = zones
                    .iter()
                    .map(|zone| sets.iter().filter(|s| s.zone.as_ref() == Some(zone)).map(|s| s.replicas).sum())
                    .collect();
                let spread = counts.iter().max().unwrap_or(&0) - counts.iter().min().unwrap_or(&0);
                prop_assert!(spread <= 1, "{:?}", counts);
            }
            pinned = now;
        }
    }
}
