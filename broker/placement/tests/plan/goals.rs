//! Replication factors, brokers that are down, and goals that change on the way.

use odradek_placement::plan::{Mode, TopicGoal, Why};
use proptest::prelude::*;

use super::world::*;

fn factor(topic: u32, replicas: usize) -> Mode {
    Mode::Topics(vec![TopicGoal { topic, replication_factor: Some(replicas) }])
}

proptest! {
    /// The replication factor of one topic changes as asked, on distinct racks; other topics are left alone.
    #[test]
    fn a_topic_gets_its_replicas(world in any_world(), wanted in 1_usize..4) {
        let mut world = world;
        for broker in &mut world.brokers {
            broker.alive = true;
            broker.leaving = false;
        }
        world.held.iter_mut().for_each(|held| held.replicas.retain(|id| *id != 99));
        world.held.retain(|held| !held.replicas.is_empty());
        world.held.iter_mut().for_each(|held| held.target = None);
        prop_assume!(wanted <= world.brokers.len() && world.held.iter().any(|held| held.topic == 1));
        let plan = world.plan(factor(1, wanted));
        prop_assert!(plan.moves.iter().all(|one| one.topic == 1));
        let before = world.clone();
        world.carry_out(&plan);
        let racks = world.brokers.iter().map(|broker| broker.rack).collect::<std::collections::BTreeSet<_>>().len();
        for (old, new) in before.held.iter().zip(&world.held).filter(|(old, _)| old.topic == 1) {
            prop_assert_eq!(new.replicas.len(), wanted);
            prop_assert_eq!(world.distinct(&new.replicas), wanted.min(racks));
            if before.distinct(&old.replicas) == old.replicas.len() && wanted >= old.replicas.len() {
                prop_assert!(old.replicas.iter().all(|id| new.replicas.contains(id)), "what is well placed stays");
            }
        }
        prop_assert_eq!(&world.plan(factor(1, wanted)).moves, &[]);
    }

    /// Brokers that come and leave again before all has moved: what is not wanted any more is cancelled, nothing is copied
    /// to those that leave, and what was there is there again.
    #[test]
    fn a_growth_is_taken_back(partitions in 3_usize..60, started in 1_usize..40, done in 0_usize..40) {
        let mut world = placed(equal_racks(3, 1), partitions, 2);
        world.brokers = equal_racks(3, 2);
        let grow = world.full();
        for one in grow.moves.iter().take(started) {
            world.start(one);
        }
        let moving: Vec<usize> = (0..world.held.len()).filter(|at| world.held[*at].target.is_some()).collect();
        for at in moving.iter().take(done) {
            world.complete(*at);
        }
        let (held, under_way) = (world.loads(), world.held.iter().filter(|held| held.target.is_some()).count());
        let here: usize = (3..6).map(|id| held[&id]).sum();
        let back = world.plan(Mode::RemoveBrokers(vec![3, 4, 5]));
        prop_assert_eq!(back.copies.replicas, here, "only what arrived is copied back");
        prop_assert!(back.moves.iter().all(|one| one.to.iter().all(|id| *id < 3)));
        prop_assert_eq!(back.in_flight.bytes, 0, "only another order may stay under way");
        let replaced = back.moves.iter().filter(|one| one.bytes == 0).count();
        prop_assert!(back.cancels.len() + replaced + back.in_flight.partitions >= under_way);
        prop_assert!(back.cancels.iter().all(|cancel| matches!(cancel.why, Why::Leaves { .. } | Why::Leader { .. })), "{:?}", back.cancels);
        world.carry_out(&back);
        prop_assert!(world.loads().range(3..).all(|(_, load)| *load == 0));
    }
}

#[test]
fn a_broker_that_is_down_keeps_what_it_has() {
    let mut world = placed(equal_racks(3, 2), 60, 3);
    world.brokers[1].alive = false;
    assert!(world.full().is_done(), "it will come back");
    // While another leaves, it gets nothing, and the other of its rack gets no more for it.
    world.brokers[0].leaving = true;
    let full = world.full();
    assert!(full.moves.iter().all(|one| one.adding().all(|id| id != 1)));
    assert_eq!(full.copies.replicas, 30);
    assert_eq!(full.after.crowded, 0);
}

#[test]
fn what_nobody_can_copy_is_told() {
    let mut world = placed(equal_racks(3, 2), 12, 1);
    let at = world.held.iter().position(|held| held.replicas == [4]).unwrap();
    world.brokers[4].alive = false;
    world.brokers[4].leaving = true;
    let full = world.full();
    assert_eq!(full.stuck.len(), 2);
    assert_eq!((full.stuck[0].partition, &full.stuck[0].replicas), (at as i32, &vec![4]));
    assert_eq!(full.after.misplaced, 2);
    assert!(full.moves.iter().all(|one| one.from != [4]));
}

#[test]
fn replicas_of_an_unknown_broker_are_made_anew() {
    let mut world = placed(equal_racks(3, 2), 12, 2);
    let gone = world.brokers.pop().unwrap().id;
    let held = world.loads()[&gone];
    let full = world.plan(Mode::RemoveBrokers(Vec::new()));
    assert_eq!(full.copies.replicas, held);
    assert_eq!(full.moves[0].why, Why::Gone { broker: gone });
    assert_eq!(full.moves[0].why.to_string(), "broker 5 is not part of the cluster");
    assert_eq!(full.after.misplaced, 0);
}

#[test]
fn fewer_replicas_leave_the_fullest_rack() {
    let mut world = placed(equal_racks(2, 2), 8, 3);
    let plan = world.plan(factor(0, 2));
    assert_eq!(plan.copies.replicas, 0);
    assert_eq!(plan.moves[0].why.to_string(), "it has 3 replicas and shall have 2");
    world.carry_out(&plan);
    assert!(world.held.iter().all(|held| world.distinct(&held.replicas) == 2));
}
