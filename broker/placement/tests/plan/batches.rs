//! Carrying plans out bit by bit, planning anew on the way.

use std::collections::BTreeSet;

use odradek_placement::plan::{BatchLimits, Broker, Mode, Options, plan};
use proptest::prelude::*;

use super::world::*;

/// What is left to do is planned anew for each batch, as an operator does that remembers nothing; `ends` draws which of
/// what is under way ends before the next. Gives the copies made and the batches.
fn carry_out(
    world: &mut World,
    limits: &BatchLimits,
    ends: &[prop::sample::Index],
) -> Result<(usize, usize), TestCaseError> {
    let (mut copies, mut batches, mut drawn) = (0, 0, 0);
    loop {
        let full = world.full();
        prop_assert_eq!(&full.cancels, &[], "what is under way still fits");
        if full.is_done() {
            return Ok((copies, batches));
        }
        batches += 1;
        prop_assert!(batches < 2_000, "it does not end");
        let batch: Vec<_> = full.next_batch(limits, &full.in_flight).into_iter().cloned().collect();
        let bytes = full.in_flight.bytes + batch.iter().map(|one| one.bytes).sum::<u64>();
        let copying = batch.iter().filter(|one| one.bytes > 0).count();
        prop_assert!(full.in_flight.partitions + batch.len() <= limits.max_partitions);
        prop_assert!(bytes <= limits.max_bytes || copying == 0 || (copying == 1 && full.in_flight.bytes == 0));
        for one in &batch {
            prop_assert!(world.held.iter().all(|held| held.partition != one.partition || held.target.is_none()));
            // On the way it has all replicas of both; in the end no fewer, and each rack that both have.
            prop_assert!(one.to.len() >= one.from.len());
            world.start(one);
            copies += one.adding().count();
        }
        let moving: Vec<usize> = (0..world.held.len()).filter(|at| world.held[*at].target.is_some()).collect();
        prop_assert!(!moving.is_empty());
        for id in world.brokers.iter().map(|broker| broker.id) {
            let gets = |at: &&usize| {
                let held = &world.held[**at];
                !held.replicas.contains(&id) && held.target.as_ref().unwrap().contains(&id)
            };
            prop_assert!(moving.iter().filter(gets).count() <= limits.max_per_broker);
        }
        let some = 1 + ends.get(drawn % ends.len().max(1)).map_or(0, |end| end.index(moving.len()));
        drawn += 1;
        moving.iter().take(some).for_each(|at| world.complete(*at));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// However a growth is cut into batches and planned anew, it ends where the whole plan ends, with no copy more.
    #[test]
    fn batches_end_where_the_plan_ends(
        racks in 1_usize..=3,
        factor in 1_usize..=3,
        partitions in 1_usize..60,
        max_partitions in 1_usize..8,
        max_per_broker in 1_usize..4,
        max_bytes in 1_u64..60,
        leaves in any::<bool>(),
        ends in prop::collection::vec(any::<prop::sample::Index>(), 1..20),
    ) {
        let mut world = placed(equal_racks(racks, 3), partitions, factor.min(racks * 2));
        world.brokers.extend(equal_racks(racks, 4).into_iter().skip(racks * 3));
        world.brokers[0].leaving = leaves;
        let whole = world.full();
        let limits = BatchLimits { max_partitions, max_bytes, max_per_broker };
        let (copies, _) = carry_out(&mut world, &limits, &ends)?;
        let end = world.full().before;
        prop_assert_eq!(end.replicas.width(), whole.after.replicas.width());
        prop_assert_eq!((end.crowded, end.misplaced), (whole.after.crowded, 0));
        prop_assert!(end.leaders.width() <= whole.after.leaders.width().max(1), "{:?} {:?}", end, whole.after);
        prop_assert!(copies >= whole.least.replicas && copies <= whole.copies.replicas * 11 / 10 + 1, "{copies} and not {:?}, least {:?}", whole.copies, whole.least);
    }

    /// From any mess: it ends, and each partition keeps the racks that it is on before and after.
    #[test]
    fn any_cluster_is_put_in_order(
        world in any_world(),
        max_partitions in 1_usize..8,
        ends in prop::collection::vec(any::<prop::sample::Index>(), 1..20),
    ) {
        let mut world = world;
        let Ok(first) = plan(&world.brokers, &world.partitions(), &Options::new(Mode::Full)) else { return Ok(()) };
        prop_assume!(first.stuck.is_empty());
        // What was under way for other reasons is decided once.
        world.carry_out(&plan(&world.brokers, &world.partitions(), &Options::new(Mode::Topics(Vec::new()))).unwrap());
        let Ok(whole) = plan(&world.brokers, &world.partitions(), &Options::new(Mode::Full)) else { return Ok(()) };
        prop_assume!(whole.stuck.is_empty());
        let limits = BatchLimits { max_partitions, max_bytes: 1_000_000, max_per_broker: 2 };
        carry_out(&mut world, &limits, &ends)?;
        let end = world.full().before;
        prop_assert_eq!((end.crowded, end.misplaced), (whole.after.crowded, 0));
    }

    /// Whatever the disks, nothing is planned that does not fit beside what is there.
    #[test]
    fn disks_never_overflow(
        world in any_world(),
        free in prop::collection::vec(0_u64..2_000_000, 12),
    ) {
        let mut world = world;
        world.held.iter_mut().for_each(|held| held.target = None);
        world.give_disks(|at| free[at]);
        let Ok(full) = plan(&world.brokers, &world.partitions(), &Options::new(Mode::Full)) else { return Ok(()) };
        // The disks count copies only when they are complete: all of them at once must fit.
        let ids: BTreeSet<i32> = world.brokers.iter().map(|broker| broker.id).collect();
        for (at, id) in ids.into_iter().enumerate() {
            let gets: u64 = full.moves.iter().filter(|one| one.adding().any(|to| to == id))
                .map(|one| one.bytes / one.adding().count() as u64).sum();
            prop_assert!(gets <= free[at], "broker {} gets {} and has room for {}", id, gets, free[at]);
        }
        world.carry_out(&full);
    }
}

#[test]
fn a_full_disk_gets_less_and_the_others_share() {
    let mut world = placed(equal_racks(1, 2), 80, 1);
    world.brokers.extend([Broker::new(2, Some(RACKS[0])), Broker::new(3, Some(RACKS[0]))]);
    world.give_disks(|at| if at == 2 { 50 } else { 10_000 });
    let full = world.full();
    world.carry_out(&full);
    assert_eq!(world.loads().into_values().collect::<Vec<_>>(), [25, 25, 5, 25]);
    assert!(world.full().is_done());
}
