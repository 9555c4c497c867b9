//! Voters that come, go, and lose their disks, while the quorum decides.

mod quorum_world;

use std::sync::Arc;

use bytes::BytesMut;
use odradek_core::metadata::rpc::Response;
use odradek_node::controller::ControllerNode;
use odradek_wire::messages::add_raft_voter_request::Listener;
use odradek_wire::messages::describe_cluster_response::DescribeClusterBroker;
use odradek_wire::messages::{
    AddRaftVoterRequest, AddRaftVoterResponse, DescribeClusterRequest, DescribeClusterResponse, RemoveRaftVoterRequest,
    RemoveRaftVoterResponse,
};
use odradek_wire::protocol::{Decodable, Encodable, StrBytes};
use quorum_world::{World, endpoint, fetch, forward, registration};
use uuid::Uuid;

const REQUEST_TIMED_OUT: i16 = 7;
const INVALID_REQUEST: i16 = 42;
const INCONSISTENT_CLUSTER_ID: i16 = 104;
const DUPLICATE_VOTER: i16 = 126;
const VOTER_NOT_FOUND: i16 = 127;

/// Controllers with addresses, a cluster's name, and three brokers.
fn world(size: u64, seed: u64) -> World {
    let mut world = World::with(size, seed, |config| {
        config.cluster_id = Some("cluster-a".to_owned());
        config.snapshot_every_records = 15;
        for (id, endpoints) in &mut config.voters {
            endpoints.push(endpoint(*id));
        }
    });
    world.wait_for_active();
    world
}

/// Makes a topic, with brokers that are alive.
fn topic(world: &mut World, name: &str) -> i16 {
    for broker in 100..103 {
        world.join(broker);
    }
    world.create_topic(name)
}

fn directory(world: &World, id: u64) -> Uuid {
    Uuid::from_slice(world.node(id).directory_id()).unwrap()
}

fn add_with(world: &mut World, request: AddRaftVoterRequest) -> (i16, String) {
    let mut body = BytesMut::new();
    request.encode(&mut body, 0).unwrap();
    let response = world.ask_active(9, forward(80, 0, body.to_vec()));
    let Some(Response::Forward(response)) = response.response else { panic!("{response:?}") };
    let answer = AddRaftVoterResponse::decode(&mut bytes::Bytes::from(response.body), 0).unwrap();
    (answer.error_code, answer.error_message.map(|text| text.to_string()).unwrap_or_default())
}

fn addition(id: u64, directory: Uuid) -> AddRaftVoterRequest {
    let at = endpoint(id);
    let listener = Listener::default()
        .with_name(StrBytes::from_string(at.name))
        .with_host(StrBytes::from_string(at.host))
        .with_port(9093);
    AddRaftVoterRequest::default()
        .with_voter_id(id as i32)
        .with_voter_directory_id(directory)
        .with_timeout_ms(400)
        .with_listeners(vec![listener])
}

fn add(world: &mut World, id: u64, directory: Uuid) -> (i16, String) {
    add_with(world, addition(id, directory))
}

fn remove(world: &mut World, id: u64, directory: Uuid) -> (i16, String) {
    let request = RemoveRaftVoterRequest::default().with_voter_id(id as i32).with_voter_directory_id(directory);
    let mut body = BytesMut::new();
    request.encode(&mut body, 0).unwrap();
    let response = world.ask_active(9, forward(81, 0, body.to_vec()));
    let Some(Response::Forward(response)) = response.response else { panic!("{response:?}") };
    let answer = RemoveRaftVoterResponse::decode(&mut bytes::Bytes::from(response.body), 0).unwrap();
    (answer.error_code, answer.error_message.map(|text| text.to_string()).unwrap_or_default())
}

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
        for machine in world.machines.values_mut() {
            (machine.config.auto_join, machine.config.auto_join_newcomers) = (true, false);
        }
        for id in 0..3 {
            world.kill(id);
        }
        world.settle();
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
fn a_voter_that_lost_its_disk_observes_until_it_is_added_again() {
    for seed in 0..10 {
        let mut world = world(3, seed);
        world.settle();
        let lost = (world.active().unwrap() + 1) % 3;
        let before = directory(&world, lost);
        world.wipe(lost);
        world.start(lost);
        assert_eq!(topic(&mut world, "meanwhile"), 0);
        world.run(5_000);
        let active = world.active().unwrap();
        let quorum = world.node(active).status().quorum;
        assert_eq!(quorum.voters.len(), 3);
        assert_eq!(quorum.observers.keys().copied().collect::<Vec<_>>(), [lost], "seed {seed}");
        assert_eq!(world.node(lost).image().offset(), world.node(active).image().offset(), "it has the log");
        let now = directory(&world, lost);
        assert_ne!(before, now);
        assert_eq!(add(&mut world, lost, now).0, DUPLICATE_VOTER);
        assert_eq!(remove(&mut world, lost, before), (0, String::new()));
        assert_eq!(add(&mut world, lost, now), (0, String::new()));
        world.wait_for_voters(&[0, 1, 2]);
        world.settle();
    }
}

/// KIP-1186.
#[test]
fn with_auto_join_a_voter_that_lost_its_disk_takes_its_own_place_and_newcomers_join() {
    for seed in 0..10 {
        let mut world = world(3, seed);
        for id in 0..3 {
            world.machines.get_mut(&id).unwrap().config.auto_join = true;
        }
        for round in 0..3 {
            world.settle();
            let lost = (world.active().unwrap() + round) % 3;
            world.wipe(lost);
            world.start(lost);
            world.wait_for_voters(&[0, 1, 2]);
            assert_eq!(topic(&mut world, &format!("round-{round}")), 0, "seed {seed}");
        }
        world.newcomer(3, true);
        world.newcomer(4, true);
        world.wait_for_voters(&[0, 1, 2, 3, 4]);
        world.settle();
    }
}

/// As the operator has it: lost disks are replaced by themselves, and somebody else decides how many voters there are.
/// Controllers go and come back with the disks that they had.
#[test]
fn without_newcomers_auto_join_replaces_disks_and_leaves_the_number_of_voters_alone() {
    for seed in 0..10 {
        let mut world = world(1, seed);
        let alone = world.machines.get_mut(&0).unwrap();
        (alone.config.auto_join, alone.config.auto_join_newcomers) = (true, false);
        for id in 1..3 {
            world.newcomer(id, true);
            world.machines.get_mut(&id).unwrap().config.auto_join_newcomers = false;
            world.kill(id);
        }
        for round in 0..3 {
            for id in 1..3 {
                if world.machines[&id].node.is_none() {
                    world.start(id);
                }
                world.run(10_000);
                let before: Vec<u64> = (0..id).collect();
                world.wait_for_voters(&before);
                let own = directory(&world, id);
                assert_eq!(add(&mut world, id, own), (0, String::new()), "seed {seed}, round {round}");
            }
            world.wait_for_voters(&[0, 1, 2]);
            let lost = (world.active().unwrap() + round) % 3;
            world.wipe(lost);
            // The file names everybody by then: with itself alone in it an empty disk would begin a quorum of its own.
            world.machines.get_mut(&lost).unwrap().config.voters = (0..3).map(|id| (id, vec![endpoint(id)])).collect();
            world.start(lost);
            world.wait_for_voters(&[0, 1, 2]);
            for id in [2, 1] {
                let own = directory(&world, id);
                assert_eq!(remove(&mut world, id, own), (0, String::new()), "seed {seed}, round {round}");
                assert_eq!(topic(&mut world, &format!("{round}-without-{id}")), 0, "seed {seed}");
                // In one round they keep running, in the others they do not see what becomes of them.
                if round == 1 {
                    world.run(10_000);
                }
                let left: Vec<u64> = (0..id).collect();
                world.wait_for_voters(&left);
                if round != 1 {
                    world.kill(id);
                }
            }
        }
        world.settle();
    }
}

/// An administrator was quicker than the controller that lost its disk, and takes it out later: it stays out.
#[test]
fn a_replaced_controller_that_was_added_and_taken_out_by_hand_stays_out() {
    for seed in 0..10 {
        let mut world = world(3, seed);
        for machine in world.machines.values_mut() {
            (machine.config.auto_join, machine.config.auto_join_newcomers) = (true, false);
        }
        for id in 0..3 {
            world.kill(id);
        }
        world.settle();
        let active = world.active().unwrap();
        let lost = (active + 1) % 3;
        world.wipe(lost);
        world.start(lost);
        while world.node(active).status().quorum.voters.len() == 3 {
            world.run(10);
        }
        let own = directory(&world, lost);
        assert_eq!(add(&mut world, lost, own), (0, String::new()), "seed {seed}");
        world.run(3_000);
        assert_eq!(remove(&mut world, lost, own), (0, String::new()), "seed {seed}");
        world.run(10_000);
        assert_eq!(world.active(), Some(active), "seed {seed}");
        assert!(!world.node(active).status().quorum.voters.contains_key(&lost), "seed {seed}");
    }
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

#[test]
fn a_lost_quorum_begins_anew_on_the_controller_that_is_left() {
    for seed in 0..10 {
        let mut world = world(3, seed);
        assert_eq!(topic(&mut world, "kept"), 0);
        world.settle();
        let behind = (world.active().unwrap() + 1) % 3;
        world.kill(behind);
        assert_eq!(topic(&mut world, "lost"), 0);
        let before = world.node(world.active().unwrap()).image().offset();
        for id in 0..3 {
            world.kill(id);
            if id != behind {
                world.wipe(id);
            }
        }
        let machine = &world.machines[&behind];
        let (config, disk) = (machine.config.clone(), Arc::new(machine.disk.clone()));
        let refused = ControllerNode::recover(&config, disk.clone(), world.now, |_| false).unwrap();
        assert_eq!(refused, None);
        let loss = ControllerNode::recover(&config, disk, world.now, |_| true).unwrap().unwrap();
        assert!(loss.log.last_index < before);
        assert_eq!((loss.brokers, loss.topics, loss.cluster_id.as_deref()), (3, 1, Some("cluster-a")));
        world.start(behind);
        assert!(world.node(behind).is_active(), "it is alone");
        assert!(world.node(behind).image().topic("kept").is_some());
        assert!(world.node(behind).image().topic("lost").is_none());
        // Whoever followed the former log gets the state as a whole.
        let response = world.ask(behind, 1, fetch(100, before + 1, 0), 100).unwrap();
        let Some(Response::FetchMetadata(response)) = response.response else { panic!() };
        assert!(response.snapshot.is_some_and(|snapshot| snapshot.offset > before));
        assert_eq!(topic(&mut world, "after"), 0);
        for id in (0..3).filter(|id| *id != behind) {
            world.machines.get_mut(&id).unwrap().config.auto_join = true;
            world.start(id);
        }
        world.wait_for_voters(&[0, 1, 2]);
        world.settle();
        let image = world.node(0).image();
        assert!(image.topic("after").is_some() && image.topic("lost").is_none(), "seed {seed}");
    }
}

#[test]
fn a_controller_of_the_quorum_before_it_was_begun_anew_stops() {
    let mut world = world(3, 2);
    world.settle();
    for id in 0..3 {
        world.kill(id);
    }
    let machine = &world.machines[&0];
    let (config, disk) = (machine.config.clone(), Arc::new(machine.disk.clone()));
    ControllerNode::recover(&config, disk, world.now, |_| true).unwrap().unwrap();
    world.start(0);
    // Its disk was there all the time.
    world.start(1);
    world.run(10_000);
    let (reason, exit_code) = world.machines[&1].fatal.clone().expect("it stops");
    assert!(reason.contains("begun anew") && exit_code == 2, "{reason}");
    assert!(world.node(0).is_active());
}

/// What is on the brokers is not taken for strays when all controllers' disks were replaced.
#[test]
fn a_broker_with_partitions_is_refused_by_controllers_that_know_nothing() {
    let mut world = world(3, 3);
    let mut request = registration(100, "cluster-a");
    request.held_partitions = 12;
    let response = world.ask_active(9, request.clone());
    let Some(Response::RegisterBroker(refused)) = response.response else { panic!("{response:?}") };
    assert_eq!(refused.error_code, 119);
    assert!(refused.error_message.contains("lost their disks"), "{}", refused.error_message);
    // With empty folders it is welcome, and from then on known.
    request.held_partitions = 0;
    let response = world.ask_active(9, request);
    let Some(Response::RegisterBroker(taken)) = response.response else { panic!("{response:?}") };
    assert_eq!(taken.error_code, 0);
}
