//! Who leads (M3, M6).

use super::Cluster;
use crate::metadata::controller::ControllerConfig;

const CHECK: u64 = 300_000;

fn codes(response: &odradek_wire::messages::ElectLeadersResponse) -> Vec<i16> {
    response
        .replica_election_results
        .iter()
        .flat_map(|topic| topic.partition_result.iter().map(|result| result.error_code))
        .collect()
}

#[test]
fn preferred_leaders_come_back_on_request() {
    let mut cluster = Cluster::of(3);
    cluster.create_on("t", &[&[1, 2, 3], &[2, 3, 1]]);
    cluster.kill(&[1]);
    assert_eq!(codes(&cluster.elect(false, Some(("t", 0)))), [80], "1 is gone");
    cluster.start(1);
    assert_eq!(codes(&cluster.elect(false, Some(("t", 0)))), [80], "1 is not in sync");
    cluster.alter("t", 0, &[1, 2, 3]);
    let epoch = cluster.partition("t", 0).leader_epoch;
    assert_eq!(codes(&cluster.elect(false, None)), [0], "only what was needed is told");
    assert_eq!(cluster.state("t", 0), (1, vec![1, 2, 3]));
    assert_eq!(cluster.partition("t", 0).leader_epoch, epoch + 1);
    assert_eq!(codes(&cluster.elect(false, Some(("t", 0)))), [84]);
    assert_eq!(codes(&cluster.elect(false, Some(("t", 7)))), [3]);
    assert_eq!(codes(&cluster.elect(false, Some(("u", 0)))), [3]);
    assert_eq!(codes(&cluster.elect(false, None)), []);
}

#[test]
fn preferred_leaders_come_back_by_themselves_step_by_step() {
    let config =
        ControllerConfig { rebalance_step: 3, rebalance_step_ms: 100, leader_return_ms: 0, ..Default::default() };
    let mut cluster = Cluster::with(config);
    cluster.start(1);
    cluster.start(2);
    cluster.create_on("t", &[&[1, 2][..]; 8]);
    cluster.kill(&[1]);
    cluster.start(1);
    for partition in 0..8 {
        cluster.alter("t", partition, &[1, 2]);
    }
    let led = |cluster: &Cluster| (0..8).filter(|at| cluster.state("t", *at).0 == 1).count();
    let begun = cluster.now.mono_ms;
    cluster.pass_with(CHECK - 1_000 - (begun - 1_000), &[1, 2]);
    assert_eq!(led(&cluster), 0);
    cluster.pass(1_000);
    assert_eq!(led(&cluster), 3);
    cluster.pass(100);
    assert_eq!(led(&cluster), 6);
    cluster.pass(100);
    assert_eq!(led(&cluster), 8);
}

#[test]
fn leaders_return_once_it_is_quiet() {
    let config = ControllerConfig { rebalance_step: 3, rebalance_step_ms: 100, ..Default::default() };
    let mut cluster = Cluster::with(config);
    cluster.start(1);
    cluster.start(2);
    cluster.create_on("t", &[&[1, 2][..]; 8]);
    cluster.kill(&[1]);
    cluster.start(1);
    let led = |cluster: &Cluster| (0..8).filter(|at| cluster.state("t", *at).0 == 1).count();
    for partition in 0..7 {
        cluster.alter("t", partition, &[1, 2]);
        cluster.pass_with(1_000, &[1, 2]);
        assert_eq!(led(&cluster), 0, "something came in sync a moment ago");
    }
    cluster.pass_with(3_000, &[1, 2]);
    assert_eq!(led(&cluster), 0);
    cluster.pass(1_000);
    assert_eq!(led(&cluster), 3);
    cluster.pass(100);
    assert_eq!(led(&cluster), 6);
    cluster.pass(100);
    assert_eq!(led(&cluster), 7, "the eighth is not in sync");
    // A new controller looks at what the one before left.
    cluster.fail_over();
    cluster.alter("t", 7, &[1, 2]);
    cluster.pass_with(5_000, &[1, 2]);
    assert_eq!(led(&cluster), 8);
}

#[test]
fn a_small_imbalance_is_left_alone() {
    let mut cluster = Cluster::with(ControllerConfig { leader_return_ms: 0, ..Default::default() });
    cluster.start(1);
    cluster.start(2);
    cluster.create_on("t", &[&[1, 2][..]; 10]);
    cluster.create_on("u", &[&[1, 2]]);
    cluster.alter("u", 0, &[1]);
    cluster.kill(&[1]);
    assert_eq!(cluster.state("u", 0), (-1, vec![]));
    cluster.start(1);
    for partition in 0..10 {
        cluster.alter("t", partition, &[1, 2]);
    }
    for partition in 1..10 {
        cluster.elect(false, Some(("t", partition)));
    }
    // One of eleven is below ten percent.
    cluster.pass_with(CHECK, &[1, 2]);
    assert_eq!(cluster.state("t", 0).0, 2);
}

#[test]
fn rebalancing_can_be_off() {
    let mut cluster = Cluster::with(ControllerConfig { auto_leader_rebalance: false, ..Default::default() });
    cluster.start(1);
    cluster.start(2);
    cluster.create_on("t", &[&[1, 2]]);
    cluster.kill(&[1]);
    cluster.start(1);
    cluster.alter("t", 0, &[1, 2]);
    cluster.pass_with(CHECK * 2, &[1, 2]);
    assert_eq!(cluster.state("t", 0).0, 2);
}

#[test]
fn unclean_elections_happen_on_request_only() {
    let mut cluster = Cluster::of(2);
    cluster.create_on("t", &[&[1, 2]]);
    cluster.alter("t", 0, &[1]);
    cluster.kill(&[1]);
    assert_eq!(cluster.state("t", 0), (-1, vec![]));
    cluster.invariants.unclean = true;
    assert_eq!(codes(&cluster.elect(true, Some(("t", 0)))), [0]);
    assert_eq!(cluster.state("t", 0), (2, vec![2]));
    assert_eq!(codes(&cluster.elect(true, Some(("t", 0)))), [84]);
    cluster.kill(&[1, 2]);
    assert_eq!(codes(&cluster.elect(true, Some(("t", 0)))), [83]);
}

#[test]
fn unclean_elections_happen_where_allowed() {
    let mut cluster = Cluster::of(2);
    cluster.invariants.unclean = true;
    cluster.create_on("t", &[&[1, 2]]);
    cluster.create("u", 1, 2, &[("unclean.leader.election.enable", "true")]);
    let leader = cluster.state("u", 0).0;
    cluster.alter("t", 0, &[1]);
    cluster.alter("u", 0, &[leader]);
    cluster.kill(&[leader]);
    assert_eq!(cluster.state("u", 0), (3 - leader, vec![3 - leader]));
    if leader == 2 {
        cluster.start(2);
        cluster.kill(&[1]);
    }
    assert_eq!(cluster.state("t", 0), (-1, vec![]));
    // Allowed afterwards, it happens at once.
    cluster.set_config("t", "unclean.leader.election.enable", "true");
    assert_eq!(cluster.state("t", 0), (2, vec![2]));
}

#[test]
fn unclean_elections_follow_server_properties() {
    let mut config = ControllerConfig::default();
    config.server_properties.insert("unclean.leader.election.enable".to_owned(), "true".to_owned());
    let mut cluster = Cluster::with(config);
    cluster.invariants.unclean = true;
    cluster.start(1);
    cluster.start(2);
    cluster.create_on("t", &[&[1, 2]]);
    cluster.alter("t", 0, &[1]);
    cluster.kill(&[1]);
    assert_eq!(cluster.state("t", 0), (2, vec![2]));
}

/// Three brokers, and a topic of one partition on them that needs two in sync.
fn with_two_in_sync() -> Cluster {
    let mut cluster = Cluster::of(3);
    cluster.create_on("t", &[&[1, 2, 3]]);
    cluster.set_config("t", "min.insync.replicas", "2");
    cluster
}

#[test]
fn who_leaves_a_set_that_is_too_small_may_lead() {
    let mut cluster = with_two_in_sync();
    cluster.alter("t", 0, &[1, 2]);
    assert!(cluster.partition("t", 0).elr.is_empty(), "3 may lack what 1 and 2 acknowledge");
    cluster.alter("t", 0, &[1]);
    assert_eq!(cluster.partition("t", 0).elr, [2], "nothing is acknowledged any more");
    cluster.kill(&[1]);
    assert_eq!(cluster.state("t", 0), (2, vec![2]));
    assert_eq!(cluster.partition("t", 0).elr, [1]);
    cluster.alter("t", 0, &[2, 3]);
    assert!(cluster.partition("t", 0).elr.is_empty(), "enough are in sync again");
    assert_eq!(cluster.controller.unclean_elections(), 0);
}

#[test]
fn an_unclean_stop_ends_eligibility() {
    let mut cluster = with_two_in_sync();
    cluster.kill(&[2]);
    cluster.kill(&[2, 3]);
    assert_eq!((cluster.state("t", 0), cluster.partition("t", 0).elr.clone()), ((1, vec![1]), vec![3]));
    cluster.start(3);
    assert!(cluster.partition("t", 0).elr.is_empty());
    cluster.kill(&[1, 2]);
    assert_eq!(cluster.state("t", 0), (-1, vec![]));
    cluster.start(2);
    assert_eq!(cluster.state("t", 0).0, -1, "neither 2 nor 3 is known to have everything");
    assert_eq!(cluster.partition("t", 0).elr, [1]);
    // 1 was not eligible any more either, but it led last.
    cluster.start(1);
    assert_eq!(cluster.state("t", 0), (1, vec![1]));
    assert_eq!(cluster.controller.unclean_elections(), 1, "which is counted: its page cache may have been lost");
}

#[test]
fn a_smaller_min_insync_ends_eligibility_and_a_larger_one_does_not() {
    let mut cluster = with_two_in_sync();
    cluster.alter("t", 0, &[1, 3]);
    cluster.alter("t", 0, &[1]);
    cluster.set_config("t", "min.insync.replicas", "3");
    assert_eq!(cluster.partition("t", 0).elr, [3]);
    cluster.set_config("t", "min.insync.replicas", "1");
    assert!(cluster.partition("t", 0).elr.is_empty(), "1 acknowledges alone from here on");
    cluster.set_config("t", "min.insync.replicas", "2");
    assert!(cluster.partition("t", 0).elr.is_empty());
}

#[test]
fn a_new_default_of_the_controllers_counts_for_all() {
    let mut config = ControllerConfig::default();
    config.server_properties.insert("min.insync.replicas".to_owned(), "2".to_owned());
    let mut cluster = Cluster::with(config);
    for id in 1..=2 {
        cluster.start(id);
    }
    cluster.create_on("t", &[&[1, 2]]);
    cluster.alter("t", 0, &[1]);
    assert_eq!(cluster.committed.min_insync_replicas(), Some(2));
    assert_eq!(cluster.partition("t", 0).elr, [2]);
    cluster.config.server_properties.insert("min.insync.replicas".to_owned(), "1".to_owned());
    cluster.fail_over();
    assert_eq!(cluster.committed.min_insync_replicas(), Some(1));
    assert!(cluster.partition("t", 0).elr.is_empty());
}
