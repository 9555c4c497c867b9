//! Leaders leave before the process does (M22).

use super::Cluster;
use crate::metadata::controller::ControllerConfig;

#[test]
fn leaders_leave_first() {
    let mut cluster = Cluster::of(3);
    cluster.create_on("t", &[&[1, 2, 3], &[2, 1, 3]]);
    let response = cluster.heartbeat_with(1, false, true);
    assert!(!response.should_shutdown && !response.is_fenced);
    assert_eq!(cluster.state("t", 0), (2, vec![2, 3]));
    assert_eq!(cluster.state("t", 1), (2, vec![2, 3]));
    assert!(!cluster.heartbeat_with(1, false, true).should_shutdown, "2 and 3 do not know yet");
    cluster.heartbeat(2);
    assert!(!cluster.heartbeat_with(1, false, true).should_shutdown, "3 does not know yet");
    let applied = cluster.committed.offset();
    cluster.controller.broker_has_applied(3, applied);
    let response = cluster.heartbeat_with(1, false, true);
    assert!(response.should_shutdown && response.is_fenced);
    // The next process may begin at once, and loses nothing.
    let epoch = cluster.brokers[&1].epoch;
    let again = cluster.register(1, true);
    assert_eq!(again.error_code, 0);
    assert!(again.broker_epoch > epoch);
}

#[test]
fn the_only_one_serves_to_the_end() {
    let mut cluster = Cluster::of(1);
    cluster.create_on("t", &[&[1]]);
    let response = cluster.heartbeat_with(1, false, true);
    assert!(response.should_shutdown);
    assert_eq!(cluster.state("t", 0), (-1, vec![]));
    assert_eq!(cluster.partition("t", 0).elr, [1]);
    assert_eq!(cluster.register(1, true).error_code, 0);
    assert!(!cluster.heartbeat(1).is_fenced);
    assert_eq!(cluster.state("t", 0), (1, vec![1]));
}

#[test]
fn a_follower_that_caught_up_takes_over() {
    let mut cluster = Cluster::of(2);
    cluster.create_on("t", &[&[1, 2]]);
    assert_eq!(cluster.alter("t", 0, &[1]), 0);
    cluster.heartbeat_with(1, false, true);
    assert_eq!(cluster.state("t", 0), (1, vec![1]), "nobody could take over");
    assert_eq!(cluster.alter("t", 0, &[1, 2]), 108, "a new leader was elected");
    assert_eq!(cluster.state("t", 0), (2, vec![2]));
}

#[test]
fn a_broker_that_stops_gets_nothing() {
    let mut cluster = Cluster::of(3);
    cluster.create_on("t", &[&[1, 2, 3]]);
    cluster.heartbeat_with(1, false, true);
    cluster.kill(&[2]);
    assert_eq!(cluster.state("t", 0), (3, vec![3]));
    assert_eq!(cluster.alter("t", 0, &[1, 3]), 107, "it may not join");
}

#[test]
fn a_fenced_broker_may_go_at_once() {
    let mut cluster = Cluster::new();
    cluster.register(1, false);
    assert!(cluster.heartbeat_with(1, false, true).should_shutdown);
}

#[test]
fn a_clean_stop_keeps_the_last_replica_in_sync_after_a_fail_over() {
    let mut cluster = Cluster::of(2);
    cluster.create_on("t", &[&[1, 2]]);
    cluster.heartbeat_with(1, false, true);
    cluster.fail_over();
    cluster.heartbeat(2);
    assert!(cluster.heartbeat_with(1, false, true).should_shutdown);
    assert_eq!(cluster.state("t", 0), (2, vec![2]));
}

#[test]
fn many_leaders_leave_step_by_step() {
    let config = ControllerConfig { shutdown_step: 4, ..ControllerConfig::default() };
    let mut cluster = Cluster::with(config);
    for id in 1..=3 {
        cluster.start(id);
    }
    cluster.create_on("t", &[&[1, 2, 3][..]; 10]);
    let mut led = Vec::new();
    for _ in 0..3 {
        assert!(!cluster.heartbeat_with(1, false, true).should_shutdown);
        led.push((0..10).filter(|partition| cluster.state("t", *partition).0 == 1).count());
    }
    assert_eq!(led, [6, 2, 0]);
    let before = cluster.controller.examined_partitions();
    cluster.heartbeat(2);
    cluster.heartbeat(3);
    assert!(cluster.heartbeat_with(1, false, true).should_shutdown);
    assert_eq!(cluster.controller.examined_partitions(), before, "nothing is looked at twice");
}

/// With what is configured by default: a broker that stops says so every 50 ms.
#[test]
fn ten_thousand_leaders_leave_in_a_few_steps() {
    let mut cluster = Cluster::of(3);
    for part in 0..5 {
        cluster.create_on(&format!("t-{part}"), &[&[1, 2, 3][..]; 2_000]);
    }
    let examined = cluster.controller.examined_partitions();
    let mut heartbeats = 1;
    while !cluster.heartbeat_with(1, false, true).should_shutdown {
        cluster.heartbeat(2);
        cluster.heartbeat(3);
        heartbeats += 1;
        assert!(heartbeats <= 5, "it still leads after {heartbeats} heartbeats");
    }
    let led = (0..5).flat_map(|part| (0..2_000).map(move |partition| (part, partition)));
    let led = led.filter(|(part, partition)| cluster.state(&format!("t-{part}"), *partition).0 == 1);
    assert_eq!(led.count(), 0);
    assert_eq!(cluster.controller.examined_partitions() - examined, 10_000, "each is looked at once");
}
