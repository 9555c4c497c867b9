//! Least movement, racks, and even load.

use std::collections::BTreeSet;

use odradek_placement::plan::{Broker, Mode, Options, Why, plan};
use proptest::prelude::*;

use super::world::*;

proptest! {
    /// A plan that was carried out leaves nothing to do, whatever there was before.
    #[test]
    fn a_plan_is_a_fixed_point(world in any_world(), which in 0_usize..3) {
        let mode = || match which {
            0 => Mode::Full,
            1 => Mode::AddBrokers(vec![0]),
            _ => Mode::RemoveBrokers(vec![0]),
        };
        let mut world = world;
        world.drop_lost();
        let partitions = world.partitions();
        let Ok(first) = plan(&world.brokers, &partitions, &Options::new(mode())) else { return Ok(()) };
        prop_assert_eq!(&first, &world.plan(mode()), "the same input gives the same plan");
        let mut after = world.clone();
        after.carry_out(&first);
        // What was under way was left alone: it may take part now.
        if first.in_flight.partitions > 0 {
            let next = after.plan(mode());
            after.carry_out(&next);
        }
        let second = after.plan(mode());
        prop_assert_eq!(&second.moves, &[]);
        prop_assert_eq!(second.cancels.len() + second.in_flight.partitions, 0);
        prop_assert_eq!(&second.before.brokers.iter().map(|broker| broker.replicas).sum::<usize>(),
            &first.after.brokers.iter().map(|broker| broker.replicas).sum::<usize>());
    }

    /// Each partition ends on distinct brokers that stay, on as many racks as there can be, and never on fewer.
    #[test]
    fn partitions_end_well(world in any_world()) {
        let partitions = world.partitions();
        let Ok(full) = plan(&world.brokers, &partitions, &Options::new(Mode::Full)) else { return Ok(()) };
        let mut after = world.clone();
        after.carry_out(&full);
        let stuck: BTreeSet<(u32, i32)> = full.stuck.iter().map(|stuck| (stuck.topic, stuck.partition)).collect();
        for (old, new) in world.held.iter().zip(&after.held) {
            let start = old.target.as_ref().unwrap_or(&old.replicas);
            prop_assert_eq!(new.replicas.iter().collect::<BTreeSet<_>>().len(), start.len());
            if stuck.contains(&(old.topic, old.partition)) {
                prop_assert!(old.replicas.iter().all(|id| world.broker(*id).is_none_or(|broker| !broker.alive)));
                continue;
            }
            for id in &new.replicas {
                let broker = world.broker(*id).unwrap();
                prop_assert!(!broker.leaving);
                prop_assert!(broker.alive || start.contains(id), "one that is down gets nothing");
            }
            let up = old.replicas.iter().any(|id| world.broker(*id).is_some_and(|broker| broker.alive));
            let stay: Vec<i32> = start.iter().copied().filter(|id| new.replicas.contains(id)).collect();
            // The racks that this partition can be on: where brokers get replicas, or keep one of it.
            let can: BTreeSet<_> = world.brokers.iter()
                .filter(|broker| !broker.leaving && (broker.alive || stay.contains(&broker.id)))
                .map(|broker| broker.rack).collect();
            // Several that are down in one rack stay there.
            let down: Vec<i32> = stay.iter().copied().filter(|id| !world.broker(*id).unwrap().alive).collect();
            let doubled = down.len() - world.distinct(&down);
            if up {
                prop_assert_eq!(world.distinct(&new.replicas), (start.len() - doubled).min(can.len()), "{:?} to {:?}", old, new);
            }
        }
        prop_assert_eq!(full.after.misplaced == 0, full.stuck.is_empty() || full.after.misplaced == 0);
    }

    /// With racks of one size everything gets even, from wherever it starts.
    #[test]
    fn equal_racks_get_even(
        racks in 1_usize..=4,
        per_rack in 1_usize..=3,
        factor in 1_usize..=4,
        lists in prop::collection::vec(any::<prop::sample::Index>(), 1..60),
        shift in 1_usize..7,
    ) {
        let brokers = equal_racks(racks, per_rack);
        let factor = factor.min(brokers.len());
        // Anyhow: replicas that follow each other from a broker drawn.
        let held = lists.iter().enumerate().map(|(at, first)| {
            let first = first.index(brokers.len());
            let mut replicas: Vec<i32> = Vec::new();
            let mut next = first;
            while replicas.len() < factor {
                if !replicas.contains(&(next as i32)) {
                    replicas.push(next as i32);
                    next += shift;
                } else {
                    next += 1;
                }
                next %= brokers.len();
            }
            Held { topic: at as u32 % 3, partition: at as i32, replicas, target: None, size: 10 }
        });
        let world = World { held: held.collect(), brokers };
        let full = world.full();
        prop_assert!(full.after.replicas.width() <= 1, "{:?}", full.after);
        prop_assert_eq!(full.after.crowded, 0);
        prop_assert!(full.after.leaders.width() <= 2, "{:?}", full.after);
        prop_assert!(full.copies.replicas >= full.least.replicas);
    }

    /// What is even stays as it is.
    #[test]
    fn even_stays(racks in 1_usize..=5, per_rack in 1_usize..=4, factor in 1_usize..=4, partitions in 1_usize..80) {
        let brokers = equal_racks(racks, per_rack);
        prop_assume!(factor <= brokers.len());
        let full = placed(brokers, partitions, factor).full();
        prop_assert_eq!(&full.moves, &[]);
        prop_assert!(full.is_done());
        prop_assert_eq!(full.least.replicas, 0);
    }

    /// New brokers get their share and no more, and nothing moves between the others.
    #[test]
    fn new_brokers_get_their_share(
        racks in 1_usize..=4,
        per_rack in 1_usize..=3,
        factor in 1_usize..=3,
        partitions in 1_usize..100,
        more in 1_usize..=2,
        only_new in any::<bool>(),
    ) {
        let brokers = equal_racks(racks, per_rack);
        prop_assume!(factor <= brokers.len());
        let mut world = placed(brokers, partitions, factor);
        let old = world.brokers.len();
        world.brokers = equal_racks(racks, per_rack + more);
        let new: Vec<i32> = (old as i32..world.brokers.len() as i32).collect();
        let full = world.plan(if only_new { Mode::AddBrokers(new.clone()) } else { Mode::Full });
        let share = partitions * factor / world.brokers.len();
        for one in &full.moves {
            prop_assert!(one.adding().all(|id| new.contains(&id)), "{one:?}");
            prop_assert_eq!(one.adding().count(), one.removing().count());
            prop_assert_eq!(one.bytes, 10 * one.adding().count() as u64);
        }
        world.carry_out(&full);
        let loads = world.loads();
        for id in &new {
            prop_assert!(loads[id] == share || loads[id] == share + 1, "{loads:?}");
        }
        prop_assert_eq!(full.copies.replicas, new.iter().map(|id| loads[id]).sum::<usize>());
        prop_assert_eq!(full.copies, full.least, "no copy more than the share of the new ones");
        prop_assert!(full.after.replicas.width() <= 1);
        prop_assert!(full.after.leaders.width() <= 1, "{:?}", full.after.leaders);
    }

    /// What leaves is moved, and nothing else; what stays is even wherever racks allow it.
    #[test]
    fn only_what_leaves_moves(
        racks in 1_usize..=4,
        per_rack in 2_usize..=4,
        factor in 1_usize..=4,
        partitions in 1_usize..100,
        leaving in 0_usize..8,
        marked in any::<bool>(),
    ) {
        let brokers = equal_racks(racks, per_rack);
        let factor = factor.min(racks);
        let mut world = placed(brokers, partitions, factor);
        let leaving = (leaving % world.brokers.len()) as i32;
        world.brokers[leaving as usize].leaving = marked;
        let named = if marked { Vec::new() } else { vec![leaving] };
        let removed = world.plan(Mode::RemoveBrokers(named));
        let held = world.loads()[&leaving];
        prop_assert_eq!(removed.copies.replicas, held);
        prop_assert_eq!(removed.copies, removed.least);
        for one in &removed.moves {
            prop_assert!(one.removing().all(|id| id == leaving));
            let leaves = one.from.contains(&leaving);
            prop_assert_eq!(leaves, one.adding().next().is_some());
            prop_assert_eq!(leaves, one.why == Why::Leaves { broker: leaving });
            prop_assert_eq!(world.distinct(&one.from), world.distinct(&one.to));
        }
        world.carry_out(&removed);
        prop_assert_eq!(world.loads()[&leaving], 0);
        if factor == racks {
            // The others of its rack share what it had; the other racks stay as they are.
            let of_rack: Vec<usize> = world.brokers.iter()
                .filter(|broker| broker.rack == world.rack(leaving) && broker.id != leaving)
                .map(|broker| world.loads()[&broker.id]).collect();
            prop_assert!(of_rack.iter().max().unwrap() - of_rack.iter().min().unwrap() <= 1);
        }
    }
}

#[test]
fn three_brokers_become_five() {
    let mut world = placed(equal_racks(3, 1), 30, 3);
    world.brokers.extend([Broker::new(3, Some(RACKS[0])), Broker::new(4, Some(RACKS[1]))]);
    let full = world.full();
    assert_eq!(full.copies, full.least);
    assert_eq!((full.copies.replicas, full.copies.bytes), (30, 300), "each rack has one replica of each");
    assert_eq!((full.after.crowded, full.after.leaders.width()), (0, 0), "{:?}", full.after);
    let share = full.moves.iter().find(|one| one.why.to_string().starts_with("broker 3 ")).unwrap();
    assert_eq!(share.why.to_string(), "broker 3 has 0 replicas and its share is 15; broker 0 has 30");
    let order = full.moves.iter().find(|one| one.bytes == 0);
    assert!(order.is_none_or(|one| one.why.to_string().ends_with("nothing is copied")), "{order:?}");
}

#[test]
fn one_zone_becomes_three() {
    let mut world = placed(equal_racks(1, 3), 60, 3);
    let (b, c) = (Some(RACKS[1]), Some(RACKS[2]));
    world.brokers.extend((3..9).map(|id| Broker::new(id, if id % 2 == 0 { b } else { c })));
    let full = world.full();
    assert_eq!(full.before.crowded, 60);
    assert_eq!(
        (full.after.crowded, full.after.replicas.width(), full.after.leaders.width()),
        (0, 0, 1),
        "{:?}",
        full.after
    );
    assert_eq!(full.copies, full.least);
    assert_eq!(full.moves[0].why.to_string(), "3 replicas are in rack zone-a");
}

#[test]
fn racks_come_before_evenness() {
    // One rack has one broker only: it holds a replica of everything.
    let brokers = [(0, 0), (1, 0), (2, 1), (3, 1), (4, 2)].map(|(id, rack)| Broker::new(id, Some(RACKS[rack])));
    let mut world = placed(brokers.to_vec(), 20, 3);
    for held in &mut world.held {
        held.replicas = vec![0, 2, 1];
    }
    let full = world.full();
    world.carry_out(&full);
    assert_eq!(world.loads().into_values().collect::<Vec<_>>(), [10, 10, 10, 10, 20]);
    assert_eq!((full.after.crowded, full.after.leaders.width()), (0, 0), "{:?}", full.after);
}

#[test]
fn sizes_are_spread_too() {
    // One broker more beside two that hold a few large and many small partitions.
    let mut world = placed(equal_racks(1, 2), 200, 1);
    for (at, held) in world.held.iter_mut().enumerate() {
        held.size = if at % 20 < 2 { 1_000 } else { 1 };
    }
    world.brokers.push(Broker::new(2, Some(RACKS[0])));
    let full = world.full();
    assert_eq!(full.copies.replicas, 66);
    assert!(full.after.bytes.width() <= 1_100, "{:?}", full.after);
}

#[test]
fn leaders_are_evened_without_a_copy() {
    let mut world = placed(equal_racks(3, 1), 30, 3);
    for held in &mut world.held {
        held.replicas.sort_unstable();
    }
    let full = world.full();
    assert_eq!((full.copies.replicas, full.moves.len()), (0, 20));
    assert_eq!(full.after.leaders.width(), 0);
    assert_eq!(
        full.moves[0].why.to_string(),
        "broker 0 is the preferred leader of 30 partitions and broker 1 of 0; nothing is copied"
    );
}
