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
    let config = ControllerConfig { rebalance_step: 3, rebalance_step_ms: 100, ..Default::default() };
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
fn a_small_imbalance_is_left_alone() {
    let mut cluster = Cluster::of(2);
    cluster.create_on("t", &[&[1, 2][..]; 10]);
    cluster.create_on("u", &[&[1, 2]]);
    cluster.alter("u", 0, &[1]);
    cluster.kill(&[1]);
    assert_eq!(cluster.state("u", 0), (-1, vec![1]));
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
    assert_eq!(cluster.state("t", 0), (-1, vec![1]));
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
    assert_eq!(cluster.state("t", 0), (-1, vec![1]));
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
