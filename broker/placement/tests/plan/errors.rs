//! What cannot be is told with numbers.

use odradek_placement::plan::{Broker, Mode, Options, Partitions, PlanError, TopicGoal, plan};

use super::world::*;

fn error(world: &World, mode: Mode) -> PlanError {
    plan(&world.brokers, &world.partitions(), &Options::new(mode)).unwrap_err()
}

#[test]
fn fewer_brokers_than_replicas() {
    let world = placed(equal_racks(3, 1), 4, 3);
    assert_eq!(
        error(&world, Mode::RemoveBrokers(vec![2])).to_string(),
        "Partition topic-0-0 needs 3 brokers for its replicas, and only 2 are up and stay. Keep more brokers, or lower \
         the replication factor of topic-0."
    );
    let goal = TopicGoal { topic: 0, replication_factor: Some(4) };
    assert_eq!(
        error(&world, Mode::Topics(vec![goal])),
        PlanError::TooFewBrokers { topic: "topic-0".to_owned(), partition: 0, replicas: 4, brokers: 3 }
    );
    let goal = TopicGoal { topic: 0, replication_factor: Some(0) };
    assert_eq!(
        error(&world, Mode::Topics(vec![goal])).to_string(),
        "Invalid replication factor 0 for topic topic-0: the replication factor must be positive."
    );
}

#[test]
fn a_disk_too_small_for_what_must_move() {
    let mut world = placed(equal_racks(1, 3), 12, 1);
    world.give_disks(|at| if at == 2 { 1_000 } else { 15 });
    assert_eq!(
        error(&world, Mode::RemoveBrokers(vec![2])),
        PlanError::NoRoom {
            topic: "topic-0".to_owned(),
            partition: 8,
            bytes: 10,
            broker: 1,
            free: 5,
            needed: 40,
            free_in_all: 30,
        }
    );
    let text = error(&world, Mode::RemoveBrokers(vec![2])).to_string();
    assert!(text.contains("partition topic-0-8 of 10 bytes") && text.contains("broker 1, 5 bytes. 40 bytes must move"));
    world.give_disks(|_| 20);
    assert_eq!(world.plan(Mode::RemoveBrokers(vec![2])).copies.bytes, 40, "it fits to the last byte");
    let kept = Options { keep_free: 1, ..Options::new(Mode::RemoveBrokers(vec![2])) };
    assert!(matches!(plan(&world.brokers, &world.partitions(), &kept), Err(PlanError::NoRoom { .. })));
}

#[test]
fn room_is_found_where_even_load_would_miss_it() {
    // The emptiest broker has little room: what is large goes elsewhere.
    let mut world = placed(equal_racks(1, 3), 6, 1);
    world.held.iter_mut().for_each(|held| held.replicas = vec![0]);
    world.held[3].replicas = vec![1];
    world.held[5].size = 100;
    world.give_disks(|at| [0, 120, 30][at]);
    let full = world.plan(Mode::RemoveBrokers(vec![0]));
    assert_eq!(full.copies.bytes, 140);
    world.carry_out(&full);
}

#[test]
fn input_that_contradicts_itself() {
    let mut world = placed(equal_racks(3, 1), 1, 3);
    assert_eq!(error(&world, Mode::AddBrokers(vec![7])).to_string(), "Broker 7 is not part of the cluster.");
    world.brokers.push(Broker::new(1, None));
    assert_eq!(error(&world, Mode::Full).to_string(), "Broker 1 is listed more than once.");
    world.brokers.pop();
    world.held[0].target = Some(vec![1, 1]);
    assert_eq!(
        error(&world, Mode::Full).to_string(),
        "Partition topic-0-0 has the replicas [1, 1]: there must be at least one, and each broker once."
    );
}

#[test]
fn nothing_is_planned_for_nothing() {
    assert!(plan(&[], &Partitions::default(), &Options::new(Mode::Full)).unwrap().is_done());
}
