use odradek_crds::Role;
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

/// A pool of so many nodes in these zones, each with the number of nodes that it has.
fn of(replicas: i32, there: &[(&str, i32)], wanted_zones: &[&str]) -> String {
    let pins: Vec<Pin> = there
        .iter()
        .zip(0..)
        .map(|((zone, replicas), at)| Pin {
            identity: Identity {
                cluster_id: "id".to_owned(),
                set: format!("s{at}"),
                pool: "x".to_owned(),
                zone: (!zone.is_empty()).then(|| (*zone).to_owned()),
                first_id: at * BLOCK,
                controller: false,
            },
            replicas: *replicas,
        })
        .collect();
    let made = layout("c", &[NodePool::brokers("x", replicas)], None, &zones(wanted_zones), &pins).expect("a layout");
    let sets = &made.pools[0];
    let shown: Vec<String> = sets
        .iter()
        .map(|set| format!("{}:{}>{}", set.zone.as_deref().unwrap_or("-"), set.replicas, set.wanted))
        .collect();
    format!("{} next {:?}", shown.join(" "), next_leaving(sets))
}

#[test]
fn nodes_come_at_once_and_leave_one_by_one_from_the_top() {
    insta::assert_yaml_snapshot!([
        // Growing and shrinking.
        of(5, &[("a", 1), ("b", 1), ("c", 1)], &["a", "b", "c"]),
        of(3, &[("a", 2), ("b", 2), ("c", 1)], &["a", "b", "c"]),
        of(3, &[("a", 2), ("b", 1), ("c", 1)], &["a", "b", "c"]),
        of(1, &[("a", 1), ("b", 1), ("c", 1)], &["a", "b", "c"]),
        of(3, &[("", 5)], &[]),
        // Zones added, taken out, exchanged, and given to a cluster without.
        of(3, &[("a", 3)], &["a", "b", "c"]),
        of(5, &[("a", 5), ("b", 2)], &["a", "b"]),
        of(4, &[("a", 2), ("b", 2), ("c", 0)], &["a", "b", "c"]),
        of(4, &[("a", 2), ("b", 2)], &["a"]),
        of(2, &[("a", 1), ("b", 1)], &["c", "d"]),
        of(3, &[("", 3)], &["a", "b", "c"]),
        // Both at once.
        of(7, &[("a", 3), ("b", 3)], &["a", "b", "c"]),
        of(3, &[("a", 5)], &["a", "b"]),
    ]);
}

#[test]
fn what_is_alike_in_one_pool_goes_where_the_cluster_has_fewer() {
    let pools = [NodePool::brokers("x", 1), NodePool::brokers("y", 1)];
    let made = layout("demo", &pools[..1], None, &zones(&["a", "b"]), &[]).expect("a layout");
    let grown = layout("demo", &pools, None, &zones(&["a", "b"]), &pins(&made, &pools[..1])).expect("a layout");
    assert_eq!(grown.pools[1][0].zone.as_deref(), Some("b"));
}

#[test]
fn controllers_stay_where_they_are() {
    let pools = [NodePool::brokers("x", 3)];
    let made = layout("demo", &pools, None, &[], &[]).expect("a layout");
    let pinned = pins(&made, &pools);
    for (wanted, expected) in [(None, 3), (Some(5), 5), (Some(1), 1)] {
        let controllers = layout("demo", &pools, wanted, &[], &pinned).expect("a layout").controllers.expect("a set");
        assert_eq!((controllers.replicas, controllers.wanted), (3, expected), "they go and come one by one");
    }
    let both = [NodePool { roles: vec![Role::Controller, Role::Broker], ..NodePool::brokers("x", 3) }];
    let made = layout("demo", &both, None, &zones(&["a"]), &[]).expect("a layout");
    let moved = layout("demo", &both, None, &zones(&["a", "b"]), &pins(&made, &both)).expect_err("controllers move");
    assert_eq!((moved[0].reason, moved[0].field.as_str()), (Reason::NotSupported, "spec.nodePools[x].replicas"));
    let five = [NodePool { replicas: 5, ..both[0].clone() }];
    for (other, pinned) in [(&five, pins(&made, &both)), (&pools, pins(&made, &both)), (&both, pinned)] {
        let refused = layout("demo", other, None, &[], &pinned).expect_err("they would move");
        assert_eq!((refused[0].reason, refused[0].field.as_str()), (Reason::NotSupported, "spec.nodePools"));
    }
}

/// How many nodes of a pool are to be in each of these zones.
fn counts(sets: &[SetLayout], zones: &[String]) -> Vec<i32> {
    let of = |zone: &String| sets.iter().filter(|s| s.zone.as_ref() == Some(zone)).map(|s| s.wanted).sum();
    zones.iter().map(of).collect()
}

proptest! {
    /// However specs follow each other, in the middle of what the one before began as well: no id is given twice, none
    /// moves, only the highest of a set leave, one at a time, none of those that left the list comes back into it while
    /// the spec stays the same, and in the end each pool is spread evenly over the zones.
    #[test]
    fn ids_never_move_or_collide(
        specs in prop::collection::vec((prop::collection::vec(1i32..12, 1..4), 0u8..16, 0usize..40), 1..8),
    ) {
        let mut pinned: Vec<Pin> = Vec::new();
        let mut zoned = false;
        for (replicas, mask, steps) in &specs {
            // A cluster that has zones never loses them all.
            let mut zones: Vec<String> = (0..4).filter(|z| mask & (1 << z) != 0).map(|z| format!("zone-{z}")).collect();
            if zoned && zones.is_empty() {
                zones.push("zone-0".to_owned());
            }
            zoned |= !zones.is_empty();
            let pools: Vec<NodePool> =
                replicas.iter().enumerate().map(|(i, n)| NodePool::brokers(&format!("p{i}"), *n)).collect();
            let pools: Vec<NodePool> = pools.into_iter().chain(removed(&pinned, replicas.len())).collect();
            let mut before: Option<BTreeSet<i32>> = None;
            for _ in 0..=*steps {
                let made = layout("c", &pools, None, &zones, &pinned).expect("no spec is refused");
                let mut now = pins(&made, &pools);
                for old in &pinned {
                    let new = now.iter().find(|pin| pin.identity == old.identity);
                    let kept = new.map_or(old.replicas == 0, |new| new.replicas >= old.replicas);
                    prop_assert!(kept, "{:?}", old);
                }
                let sets = made.pools.iter().flatten().chain(&made.controllers);
                let ids: Vec<i32> = sets.clone().flat_map(|set| set.ids()).collect();
                let names: BTreeSet<_> = sets.clone().map(|set| &set.name).collect();
                prop_assert_eq!(names.len(), sets.clone().count());
                prop_assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), ids.len());
                for (pool, sets) in pools.iter().zip(&made.pools) {
                    prop_assert_eq!(sets.iter().map(|set| set.wanted).sum::<i32>(), pool.replicas);
                    let counts = counts(sets, &zones);
                    let spread = counts.iter().max().unwrap_or(&0) - counts.iter().min().unwrap_or(&0);
                    prop_assert!(spread <= 1, "{:?}", counts);
                }
                let leaving = leaving(sets.clone());
                if let Some(before) = &before {
                    prop_assert_eq!(&leaving, before);
                }
                // Kept volumes hold the ids of sets that are gone.
                let gone = pinned.into_iter().filter(|old| !now.iter().any(|new| new.identity == old.identity));
                now.extend(gone.collect::<Vec<_>>());
                now.sort_by_key(|pin| pin.identity.first_id);
                pinned = now;
                // What goes next has gone.
                let Some(next) = next_leaving(made.pools.iter().flatten()) else { break };
                prop_assert!(leaving.contains(&next));
                let pin = pinned.iter_mut().find(|pin| pin.identity.first_id + pin.replicas - 1 == next);
                pin.expect("it is the highest of its set").replicas -= 1;
                before = Some(leaving.into_iter().filter(|id| *id != next).collect());
            }
        }
    }
}

/// Pools that are no longer in the spec and have nodes.
fn removed(pinned: &[Pin], there: usize) -> Vec<NodePool> {
    let names: BTreeSet<&str> = pinned.iter().map(|pin| pin.identity.pool.as_str()).collect();
    let gone = names
        .into_iter()
        .filter(|name| name.strip_prefix('p').and_then(|n| n.parse().ok()).is_some_and(|n: usize| n >= there));
    gone.map(|name| NodePool::brokers(name, 0)).collect()
}
