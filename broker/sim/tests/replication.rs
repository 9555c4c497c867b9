//! Replication in a whole cluster: fetchers side by side, and what a leader knows to be committed after a restart.

mod support;

use odradek_sim::process::State;
use support::{BROKER, Small, TOPIC};

const PARTITIONS: i32 = 90;

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

#[test]
fn each_leader_has_as_many_fetchers_as_are_configured() {
    for fetchers in [1, 3] {
        let mut small = Small::start(|plan| plan.replica_fetchers = fetchers);
        small.create("t", PARTITIONS, 3);
        small.pass(3_000);
        // Three leaders, each with two followers.
        assert_eq!(sessions(&small), 6 * fetchers as usize);
    }
}

#[test]
fn the_number_of_fetchers_changes_at_run_time() {
    let mut small = Small::start(|plan| plan.replica_fetchers = 1);
    small.create("t", PARTITIONS, 3);
    small.until("one fetcher a leader", 10_000, |small| sessions(small) == 6);
    for (fetchers, new) in [("4", 24), ("2", 12)] {
        let before = sessions(&small);
        small.configure(BROKER, "", "num.replica.fetchers", fetchers);
        // The sessions of before are left to their leader, as in Kafka.
        small.until("all have a new session", 10_000, |small| sessions(small) == before + new);
        for partition in 0..PARTITIONS {
            small.produce("t", partition, 100);
        }
        assert!((0..PARTITIONS).all(|partition| small.isr("t", partition).len() == 3));
    }
}

#[test]
fn a_leader_alone_knows_its_high_watermark_from_the_checkpoint() {
    let mut small = Small::start(|_| {});
    small.create("t", 1, 3);
    small.configure(TOPIC, "t", "min.insync.replicas", "2");
    for _ in 0..10 {
        small.produce("t", 0, 100);
    }
    let leader = small.leader("t", 0);
    // It is written down from time to time, not only at a stop.
    small.pass(5_000);
    let files = small.world.processes[&leader].disk.files();
    let checkpoint = files.iter().find(|(path, _)| path.ends_with("replication-offset-checkpoint"));
    let checkpoint = String::from_utf8_lossy(&checkpoint.expect("a checkpoint").1).into_owned();
    assert!(checkpoint.lines().any(|line| line == "t 0 10"), "{checkpoint}");

    for other in (1..=3).filter(|id| *id != leader) {
        small.world.kill(other);
    }
    small.until("it is alone", 30_000, |small| small.isr("t", 0) == [leader]);
    small.world.stop_in_order(leader);
    small.until("it stopped", 60_000, |small| small.world.processes[&leader].state == State::Down);
    small.world.start(leader);
    small.until("it leads again", 30_000, |small| {
        let broker = small.world.processes[&leader].broker.as_ref();
        broker.is_some_and(|broker| broker.hosted().any(|hosted| hosted.leads))
    });
    small.pass(5_000);
    let broker = small.world.processes[&leader].broker.as_ref().expect("it is up");
    let hosted = broker.hosted().find(|hosted| &*hosted.topic == "t").expect("it has the replica");
    assert_eq!((hosted.log_end, hosted.isr.as_slice()), (10, &[leader][..]));
    // With fewer in sync than min.insync.replicas it does not move: this is what it was.
    assert_eq!(hosted.high_watermark, 10);
}
