//! Voters that come, go, and lose their disks, while the quorum decides.

mod changes;
mod disks;
mod lost_quorum;
#[path = "../quorum_world/mod.rs"]
mod quorum_world;

use bytes::BytesMut;
use odradek_core::metadata::rpc::Response;
use odradek_node::controller::ControllerNodeConfig;
use odradek_wire::messages::add_raft_voter_request::Listener;
use odradek_wire::messages::{
    AddRaftVoterRequest, AddRaftVoterResponse, RemoveRaftVoterRequest, RemoveRaftVoterResponse,
};
use odradek_wire::protocol::{Decodable, Encodable, StrBytes};
use quorum_world::{World, endpoint, forward};
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

/// Starts all controllers anew, with another configuration.
fn with(world: &mut World, adjust: impl Fn(&mut ControllerNodeConfig)) {
    let ids: Vec<u64> = world.machines.keys().copied().collect();
    for id in ids {
        adjust(&mut world.machines.get_mut(&id).unwrap().config);
        world.kill(id);
    }
    world.settle();
}
