//! M10: what followers' fetches cost in a cluster where nothing happens, and where a little does.

mod support;

use odradek_sim::client::{Acks, Client, Common, Ledger, Producer, Setup};
use odradek_sim::network::FIRST_CLIENT;
use odradek_sim::plan::{Plan, TopicPlan};
use odradek_sim::rng::Rng;
use odradek_sim::world::World;
use support::run;

const PARTITIONS: i32 = 600;

fn looks(world: &World) -> u64 {
    world
        .processes
        .values()
        .filter_map(|process| process.broker.as_ref())
        .map(|broker| broker.status().fetch_looks)
        .sum()
}

#[test]
fn an_idle_cluster_looks_at_nothing_and_a_record_costs_what_it_touches() {
    let mut plan = Plan::of(1);
    plan.brokers = 3;
    plan.controllers = 1;
    plan.combined = false;
    plan.topics = vec![TopicPlan { name: "ledger", partitions: PARTITIONS, replication_factor: 3, min_insync: 2 }];
    plan.late_per_thousand = 0;
    plan.break_per_thousand = 0;
    plan.raft_loss_per_thousand = 0;
    plan.fetch_session_slots = 1_000;
    let mut rng = Rng::new(7);
    let mut clients: Vec<Box<dyn Client>> = vec![
        Box::new(Setup::new(Common::new(FIRST_CLIENT, rng.fork()))),
        Box::new(Producer::new(Common::new(FIRST_CLIENT + 1, rng.fork()), Acks::Idempotent, vec![0], 20, 1_000_000)),
    ];
    let mut ledger = Ledger::default();
    let mut world = World::new(plan);
    world.lossy = false;
    world.start_all();
    world.schedule_client(world.now_us + 5_000_000, FIRST_CLIENT);
    run(&mut world, &mut clients, &mut ledger, 40);
    assert!(clients[0].is_done(), "the topic is there");
    let mut led = 0;
    let mut sessions = 0;
    for process in world.processes.values() {
        let Some(broker) = &process.broker else { continue };
        for hosted in broker.hosted().filter(|hosted| hosted.leads) {
            assert_eq!(hosted.isr.len(), 3, "{hosted:?}");
            led += 1;
        }
        sessions += broker.status().fetch_session_partitions;
    }
    assert_eq!(led, PARTITIONS);
    assert_eq!(sessions, 2 * PARTITIONS as usize, "every follower has every partition in one session");

    let before = looks(&world);
    run(&mut world, &mut clients, &mut ledger, 30);
    assert_eq!(looks(&world), before, "nothing happened, so nothing is looked at");

    world.schedule_client(world.now_us, FIRST_CLIENT + 1);
    run(&mut world, &mut clients, &mut ledger, 30);
    assert!(clients[1].is_done());
    let records = ledger.acknowledged.len() as u64;
    assert_eq!(records, 20);
    let cost = looks(&world) - before;
    // Two followers: each is given the record, says that it has it, and hears of the high watermark.
    assert!(cost <= records * 2 * 6, "{cost} looks for {records} records");
}
