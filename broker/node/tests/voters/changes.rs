//! Voters that somebody adds and takes out.

use bytes::BytesMut;
use odradek_core::metadata::rpc::Response;
use odradek_wire::messages::describe_cluster_response::DescribeClusterBroker;
use odradek_wire::messages::{DescribeClusterRequest, DescribeClusterResponse};
use odradek_wire::protocol::{Decodable, Encodable, StrBytes};
use uuid::Uuid;

use crate::quorum_world::{fetch, forward};
use crate::{
    DUPLICATE_VOTER, INCONSISTENT_CLUSTER_ID, INVALID_REQUEST, REQUEST_TIMED_OUT, VOTER_NOT_FOUND, add, add_with,
    addition, directory, remove, topic, with, world,
};

#[test]
fn one_becomes_three_becomes_five_and_goes_back_while_topics_are_made() {
    for seed in 0..10 {
        let mut world = world(1, seed);
        for id in 1..5 {
            world.newcomer(id, false);
            world.run(3_000);
            assert_eq!(topic(&mut world, &format!("with-observer-{id}")), 0);
            let own = directory(&world, id);
            assert_eq!(add(&mut world, id, own), (0, String::new()), "seed {seed}");
            assert_eq!(topic(&mut world, &format!("with-voter-{id}")), 0);
        }
        world.wait_for_voters(&[0, 1, 2, 3, 4]);
        // Two may be away now.
        let away = [world.active().unwrap(), (world.active().unwrap() + 1) % 5];
        away.iter().for_each(|id| world.kill(*id));
        assert_eq!(topic(&mut world, "without-two"), 0);
        world.settle();
        // Back to one, the active ones first.
        for left in (1..5).rev() {
            let active = world.wait_for_active();
            let own = directory(&world, active);
            assert_eq!(remove(&mut world, active, own), (0, String::new()), "seed {seed}");
            let next = world.wait_for_active();
            assert!(next != active, "it stepped down");
            assert_eq!(topic(&mut world, &format!("{left}-left")), 0);
            assert_eq!(world.node(next).status().quorum.voters.len(), left);
            world.kill(active);
        }
        let last = world.active().unwrap();
        let own = directory(&world, last);
        let (code, why) = remove(&mut world, last, own);
        assert!(code == VOTER_NOT_FOUND && why.contains("the only voter"), "{code} {why}");
        assert_eq!(world.node(last).image().topic_count(), 13);
    }
}

/// Two changes in a row, the second of which takes out the leader of the two that are left.
#[test]
fn the_last_but_one_voter_leads_takes_itself_out_and_the_last_one_takes_over() {
    for seed in 0..200 {
        let mut world = world(3, seed);
        with(&mut world, |config| (config.auto_join, config.auto_join_newcomers) = (true, false));
        let active = world.active().unwrap();
        let other = (active + 1) % 3;
        let own = directory(&world, other);
        assert_eq!(remove(&mut world, other, own), (0, String::new()), "seed {seed}");
        if seed % 2 == 0 {
            world.kill(other);
        }
        world.run(seed * 7);
        let own = directory(&world, active);
        assert_eq!(remove(&mut world, active, own), (0, String::new()), "seed {seed}");
        let last = 3 - active - other;
        world.run(10_000);
        assert_eq!(world.active(), Some(last), "seed {seed}");
    }
}

#[test]
fn changes_that_make_no_sense_are_refused_with_kafkas_errors() {
    let mut world = world(3, 1);
    world.settle();
    let own = directory(&world, 1);
    let (code, why) = add(&mut world, 1, own);
    assert!(code == DUPLICATE_VOTER && why.contains("already part of the set of voters"), "{why}");
    let (code, why) = add(&mut world, 1, Uuid::from_u128(7));
    assert!(code == DUPLICATE_VOTER && why.contains("another directory"), "{why}");
    let (code, why) = add(&mut world, 9, Uuid::from_u128(7));
    assert!(code == REQUEST_TIMED_OUT && why.contains("does not follow the metadata log"), "{why}");
    let (code, why) = remove(&mut world, 1, Uuid::from_u128(7));
    assert!(code == VOTER_NOT_FOUND && why.contains("voter 1"), "{why}");
    let other = addition(9, own).with_cluster_id(Some(StrBytes::from_static_str("cluster-b")));
    let (code, why) = add_with(&mut world, other);
    assert!(code == INCONSISTENT_CLUSTER_ID && why.contains("cluster-a") && why.contains("cluster-b"), "{why}");
    assert_eq!(add_with(&mut world, addition(9, own).with_listeners(Vec::new())).0, INVALID_REQUEST);
    assert_eq!(add_with(&mut world, addition(9, own).with_voter_id(-1)).0, INVALID_REQUEST);
    // One whose log is not there yet is waited for, and then refused.
    world.newcomer(3, false);
    world.run(3_000);
    let newcomer = directory(&world, 3);
    world.cut = [3].into();
    for number in 0..150 {
        assert_eq!(topic(&mut world, &format!("topic-{number}")), 0);
    }
    let (code, why) = add(&mut world, 3, newcomer);
    assert!(code == REQUEST_TIMED_OUT && why.contains("has the log up to"), "{why}");
    world.cut.clear();
    world.run(5_000);
    assert_eq!(add(&mut world, 3, newcomer), (0, String::new()));
}

#[test]
fn brokers_and_controllers_learn_addresses_that_they_were_not_configured_with() {
    let mut world = world(1, 4);
    world.newcomer(1, true);
    world.newcomer(2, true);
    world.wait_for_voters(&[0, 1, 2]);
    world.settle();
    let own = directory(&world, 0);
    assert_eq!(remove(&mut world, 0, own), (0, String::new()));
    world.wait_for_voters(&[1, 2]);
    world.kill(0);
    let active = world.wait_for_active();
    let response = world.ask(active, 1, fetch(100, 1, 0), 100).unwrap();
    let Some(Response::FetchMetadata(response)) = response.response else { panic!() };
    let told: Vec<_> = response.controllers.iter().map(|at| (at.node_id, at.host.as_str(), at.port)).collect();
    assert_eq!(told, [(1, "c1", 9093), (2, "c2", 9093)]);
    let other = 3 - active;
    assert_eq!(world.machines[&active].addresses[&other], format!("c{other}"));
    // A controller that moves says so.
    world.kill(other);
    world.machines.get_mut(&other).unwrap().config.endpoints[0].host = "elsewhere".to_owned();
    world.start(other);
    world.run(5_000);
    assert_eq!(world.machines[&active].addresses[&other], "elsewhere");
    // DescribeCluster of controllers, as a tool with --bootstrap-controller asks any of them.
    let mut body = BytesMut::new();
    DescribeClusterRequest::default().with_endpoint_type(2).encode(&mut body, 1).unwrap();
    let response = world.ask(other, 9, forward(60, 1, body.to_vec()), 100).unwrap();
    let Some(Response::Forward(response)) = response.response else { panic!() };
    let answer = DescribeClusterResponse::decode(&mut bytes::Bytes::from(response.body), 1).unwrap();
    assert_eq!((answer.controller_id.0 as u64, answer.cluster_id.as_str()), (active, "cluster-a"));
    let mut hosts: Vec<_> =
        answer.brokers.iter().map(|it: &DescribeClusterBroker| (it.broker_id.0, it.host.to_string())).collect();
    hosts.sort();
    assert_eq!(hosts.len(), 2);
}
