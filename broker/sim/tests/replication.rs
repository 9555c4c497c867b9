//! Replication in a whole cluster: fetchers side by side, and what a leader knows to be committed after a restart.

mod support;

use odradek_sim::network::Place;
use odradek_sim::process::State;
use support::{BROKER, Small};

/// The sessions that followers have at all leaders: one for each fetcher that is level.
fn sessions(small: &Small) -> usize {
    small
        .world
        .processes
        .values()
        .filter_map(|process| process.broker.as_ref())
        .map(|broker| broker.status().fetch_sessions)
        .sum()
}

fn all_in_sync(small: &Small, topic: &str, partitions: i32) -> bool {
    (0..partitions).all(|partition| small.isr(topic, partition).len() == 3)
}

#[test]
fn each_leader_has_as_many_fetchers_as_are_configured_also_at_run_time() {
    const PARTITIONS: i32 = 90;
    let mut small = Small::start(|plan| plan.replica_fetchers = 1);
    small.create("t", PARTITIONS, 3);
    // Three leaders, each with two followers.
    small.until("one fetcher a leader", 10_000, |small| sessions(small) == 6);
    small.configure(BROKER, "", "num.replica.fetchers", "4");
    small.until("four fetchers a leader", 10_000, |small| sessions(small) == 24);
    for partition in 0..PARTITIONS {
        small.produce("t", partition, 100);
    }
    assert!(all_in_sync(&small, "t", PARTITIONS));
    small.configure(BROKER, "", "num.replica.fetchers", "2");
    small.until("two fetchers a leader", 10_000, |small| sessions(small) == 12);
    for partition in 0..PARTITIONS {
        small.produce("t", partition, 100);
    }
    assert!(all_in_sync(&small, "t", PARTITIONS));
}

/// Ten records are committed, all brokers go, and the leader comes back alone: with fewer in sync than
/// `min.insync.replicas` its high watermark does not move. How far a consumer sees.
fn seen_by_a_leader_alone(end: impl Fn(&mut Small, Place)) -> i64 {
    let mut small = Small::start(|_| {});
    small.create("t", 1, 3);
    small.configure(support::TOPIC, "t", "min.insync.replicas", "2");
    for _ in 0..10 {
        small.produce("t", 0, 100);
    }
    let leader = small.leader("t", 0);
    // Followers learn of it with their next fetch, and everybody writes it down after a while.
    small.pass(5_000);
    for other in (1..=3).filter(|id| *id != leader) {
        small.world.kill(other);
    }
    small.until("it is alone", 30_000, |small| small.isr("t", 0) == [leader]);
    end(&mut small, leader);
    small.pass(12_000);
    small.world.start(leader);
    small.until("it leads again", 30_000, |small| {
        let process = &small.world.processes[&leader];
        process.state == State::Up
            && process.broker.as_ref().is_some_and(|broker| broker.hosted().any(|hosted| hosted.leads))
    });
    small.pass(5_000);
    let broker = small.world.processes[&leader].broker.as_ref().expect("it is up");
    let hosted = broker.hosted().find(|hosted| &*hosted.topic == "t").expect("it has the replica");
    assert_eq!((hosted.log_end, hosted.isr.as_slice()), (10, &[leader][..]));
    hosted.high_watermark
}

#[test]
fn a_leader_that_was_killed_knows_its_high_watermark_from_the_checkpoint() {
    assert_eq!(seen_by_a_leader_alone(|small, leader| small.world.kill(leader)), 10);
}

#[test]
fn a_leader_that_stopped_in_order_knows_its_high_watermark_from_the_checkpoint() {
    let seen = seen_by_a_leader_alone(|small, leader| {
        small.world.stop_in_order(leader);
        small.until("it stopped", 60_000, |small| small.world.processes[&leader].state != State::Up);
    });
    assert_eq!(seen, 10);
}
