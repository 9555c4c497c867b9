//! Who is alive (M1, M2).

use super::Cluster;

#[test]
fn silence_ends_a_session() {
    let mut cluster = Cluster::of(3);
    cluster.create_on("t", &[&[1, 2, 3]]);
    cluster.pass_with(8_000, &[2, 3]);
    assert_eq!(cluster.state("t", 0).0, 1);
    cluster.pass_with(1_000, &[2, 3]);
    assert_eq!(cluster.state("t", 0), (2, vec![2, 3]));
    assert!(cluster.committed.broker(1).unwrap().fenced);
    assert_eq!(cluster.committed.alive_brokers().count(), 2);
    // The same process comes back by itself, with its epoch.
    assert!(!cluster.heartbeat(1).is_fenced);
}

#[test]
fn a_broken_connection_ends_it_sooner() {
    let mut cluster = Cluster::of(3);
    cluster.create_on("t", &[&[1, 2, 3]]);
    cluster.controller.broker_disconnected(cluster.now, 1);
    cluster.pass(299);
    assert_eq!(cluster.state("t", 0).0, 1);
    cluster.pass(1);
    assert_eq!(cluster.state("t", 0), (2, vec![2, 3]));
}

#[test]
fn a_heartbeat_on_a_new_connection_keeps_it() {
    let mut cluster = Cluster::of(2);
    cluster.controller.broker_disconnected(cluster.now, 1);
    cluster.pass(200);
    cluster.heartbeat(1);
    cluster.pass(1_000);
    assert!(!cluster.committed.broker(1).unwrap().fenced);
}

#[test]
fn of_those_presumed_alive_who_does_not_come_is_fenced() {
    let mut cluster = Cluster::of(3);
    cluster.create_on("t", &[&[1, 2, 3]]);
    cluster.fail_over();
    for _ in 0..6 {
        assert_eq!(cluster.state("t", 0).0, 1);
        cluster.pass(250);
        cluster.heartbeat(2);
        cluster.heartbeat(3);
    }
    cluster.pass(250);
    assert_eq!(cluster.state("t", 0), (2, vec![2, 3]));
}

#[test]
fn one_silent_broker_loses_its_leaders_soon() {
    let mut cluster = Cluster::of(3);
    cluster.create_on("t", &[&[1, 2, 3]]);
    for _ in 0..7 {
        cluster.pass(250);
        cluster.heartbeat(2);
        cluster.heartbeat(3);
        assert_eq!(cluster.state("t", 0).0, 1);
    }
    cluster.pass(250);
    assert_eq!(cluster.state("t", 0), (2, vec![2, 3]));
}

#[test]
fn a_new_controller_gives_full_sessions_while_nobody_comes() {
    let mut cluster = Cluster::of(3);
    cluster.pass(8_999);
    cluster.fail_over();
    cluster.pass(8_999);
    assert_eq!(cluster.committed.alive_brokers().count(), 3);
    cluster.pass(1);
    assert_eq!(cluster.committed.alive_brokers().count(), 0);
}

#[test]
fn brokers_lost_at_once_are_all_eligible() {
    let mut cluster = Cluster::of(3);
    cluster.create_on("t", &[&[1, 2, 3]]);
    cluster.pass(9_000);
    assert_eq!(cluster.state("t", 0), (-1, vec![]));
    assert_eq!(cluster.partition("t", 0).elr, [1, 2, 3]);
    // Whoever comes back first leads: each has all that is acknowledged.
    assert!(!cluster.heartbeat(3).is_fenced);
    assert_eq!(cluster.state("t", 0), (3, vec![3]));
}

#[test]
fn a_broker_can_ask_to_be_fenced() {
    let mut cluster = Cluster::of(2);
    cluster.create_on("t", &[&[1, 2]]);
    assert!(cluster.heartbeat_with(1, true, false).is_fenced);
    assert_eq!(cluster.state("t", 0), (2, vec![2]));
    assert!(cluster.heartbeat_with(1, true, false).is_fenced);
    assert!(!cluster.heartbeat(1).is_fenced);
}

#[test]
fn strangers_are_told_to_register() {
    let mut cluster = Cluster::of(1);
    assert_eq!(cluster.heartbeat(9).error_code, 102);
    cluster.brokers.get_mut(&1).unwrap().epoch -= 1;
    assert_eq!(cluster.heartbeat(1).error_code, 77);
}

#[test]
fn a_controller_that_stood_still_does_not_blame_the_brokers() {
    let mut cluster = Cluster::of(2);
    cluster.now.mono_ms += 60_000;
    assert!(cluster.tick().is_empty(), "what the brokers said meanwhile is not read yet");
    cluster.heartbeat(1);
    cluster.now.mono_ms += 60_000;
    cluster.tick();
    assert!(!cluster.committed.broker(1).unwrap().fenced);
    assert!(cluster.committed.broker(2).unwrap().fenced, "that was its second chance");
}
