//! Controllers in one thread with virtual time, a seeded network and disks that lose power.

#![allow(dead_code, unreachable_pub, reason = "each test file uses a part of it")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use bytes::BytesMut;
use odradek_core::metadata::rpc::{
    ControllerRequest, ControllerResponse, FetchMetadataRequest, ForwardRequest, HeartbeatRequest,
    RegisterBrokerRequest, Response,
};
use odradek_core::time::Now;
use odradek_log::MemDisk;
use odradek_node::controller::{ControllerCommand, ControllerEvent, ControllerNode, ControllerNodeConfig, Endpoint};
use odradek_wire::messages::create_topics_request::CreatableTopic;
use odradek_wire::messages::{CreateTopicsRequest, TopicName};
use odradek_wire::protocol::{Encodable, StrBytes};
use prost::Message;

/// Small seeded numbers.
pub struct Rng(u64);

impl Rng {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    pub fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }
}

/// A controller's machine.
pub struct Machine {
    pub disk: MemDisk,
    pub node: Option<ControllerNode>,
    pub starts: u64,
    pub config: ControllerNodeConfig,
    pub fatal: Option<(String, i32)>,
    pub stopped: bool,
    /// What it told its shell of others.
    pub addresses: BTreeMap<u64, String>,
}

impl Machine {
    pub fn new(config: ControllerNodeConfig) -> Machine {
        Machine {
            disk: MemDisk::new(),
            node: None,
            starts: 0,
            config,
            fatal: None,
            stopped: false,
            addresses: BTreeMap::new(),
        }
    }
}

/// On its way.
enum Parcel {
    Raft { from: u64, to: u64, body: ControllerRequest },
    Request { to: u64, request: u64, connection: u64, body: ControllerRequest },
    Closed { to: u64, connection: u64 },
    Shutdown { to: u64 },
}

/// Controllers, their network, and a clock.
pub struct World {
    pub machines: BTreeMap<u64, Machine>,
    pub now: Now,
    pub rng: Rng,
    seed: u64,
    /// By arrival, then in the order of sending.
    parcels: BTreeMap<(u64, u64), Parcel>,
    sent: u64,
    requests: u64,
    pub replies: BTreeMap<u64, ControllerResponse>,
    /// Per cent of messages between controllers that get lost.
    pub lose: u64,
    /// Controllers that reach nobody, and whom nobody reaches.
    pub cut: BTreeSet<u64>,
    trace: u64,
    leaders: BTreeMap<u64, u64>,
    /// The longest that one event took, on the real clock: nothing depends on it.
    pub slowest: std::time::Duration,
}

pub fn fold(hash: u64, bytes: &[u8]) -> u64 {
    bytes.iter().fold(hash, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

pub fn endpoint(id: u64) -> Endpoint {
    Endpoint { name: "CONTROLLER".to_owned(), host: format!("c{id}"), port: 9093 }
}

pub fn config(id: u64, size: u64) -> ControllerNodeConfig {
    let mut config = ControllerNodeConfig::new(id, 0..size, PathBuf::from("/meta/__cluster_metadata-0"));
    config.controller.default_replication_factor = 3;
    config.controller.num_partitions = 2;
    config
}

impl World {
    pub fn new(size: u64, seed: u64) -> World {
        World::with(size, seed, |_| {})
    }

    pub fn with(size: u64, seed: u64, adjust: impl Fn(&mut ControllerNodeConfig)) -> World {
        let mut world = World {
            machines: BTreeMap::new(),
            now: Now::new(1_000, 1_800_000_000_000),
            rng: Rng(seed),
            seed,
            parcels: BTreeMap::new(),
            sent: 0,
            requests: 0,
            replies: BTreeMap::new(),
            lose: 0,
            cut: BTreeSet::new(),
            trace: 0xcbf2_9ce4_8422_2325,
            leaders: BTreeMap::new(),
            slowest: std::time::Duration::ZERO,
        };
        for id in 0..size {
            let mut config = config(id, size);
            adjust(&mut config);
            world.machines.insert(id, Machine::new(config));
            world.start(id);
        }
        world
    }

    /// A number that two runs of one seed must have in common.
    pub fn trace(&self) -> u64 {
        self.trace
    }

    pub fn node(&self, id: u64) -> &ControllerNode {
        self.machines[&id].node.as_ref().expect("the controller runs")
    }

    pub fn start(&mut self, id: u64) {
        let machine = self.machines.get_mut(&id).unwrap();
        machine.starts += 1;
        machine.fatal = None;
        let seed = self.seed.wrapping_mul(1_000).wrapping_add(id * 100 + machine.starts);
        match ControllerNode::open(machine.config.clone(), Arc::new(machine.disk.clone()), self.now, seed) {
            Ok(node) => machine.node = Some(node),
            Err(error) => machine.fatal = Some((error.to_string(), error.exit_code())),
        }
        self.handle(id, ControllerEvent::Timer);
    }

    pub fn kill(&mut self, id: u64) {
        self.machines.get_mut(&id).unwrap().node = None;
    }

    pub fn power_loss(&mut self, id: u64) {
        let tear = self.rng.next();
        let machine = self.machines.get_mut(&id).unwrap();
        machine.node = None;
        machine.disk.power_loss(Some(tear));
    }

    /// The machine gets another, empty disk.
    pub fn wipe(&mut self, id: u64) {
        let machine = self.machines.get_mut(&id).unwrap();
        machine.node = None;
        machine.disk = MemDisk::new();
    }

    /// A controller that no configuration names, which finds the others by controller 0.
    pub fn newcomer(&mut self, id: u64, auto_join: bool) {
        let mut config = config(id, 0);
        config.bootstrap_servers = 1;
        config.auto_join = auto_join;
        config.endpoints = vec![endpoint(id)];
        self.machines.insert(id, Machine::new(config));
        self.start(id);
    }

    /// Lets time pass until the active controller has these voters, each with the disk that it has now.
    pub fn wait_for_voters(&mut self, ids: &[u64]) {
        for _ in 0..3_000 {
            self.run(10);
            let Some(active) = self.active() else { continue };
            let voters = self.node(active).status().quorum.voters;
            let current = voters.iter().all(|(id, voter)| {
                let node = self.machines[id].node.as_ref();
                node.is_some_and(|node| node.directory_id()[..] == voter.directory_id[..])
            });
            if current && voters.keys().eq(ids) {
                return;
            }
        }
        let status = self.active().map(|active| self.node(active).status());
        panic!("the voters are not {ids:?}, seed {}: {status:#?}", self.seed);
    }

    fn later(&mut self, parcel: Parcel) {
        let at = self.now.mono_ms + 1 + self.rng.below(5);
        self.sent += 1;
        self.parcels.insert((at, self.sent), parcel);
    }

    /// Gives one event to a controller, and carries out what it wants done.
    pub fn handle(&mut self, id: u64, event: ControllerEvent) {
        let mut out = Vec::new();
        let machine = self.machines.get_mut(&id).unwrap();
        let Some(node) = &mut machine.node else { return };
        let before = std::time::Instant::now();
        node.handle(self.now, event, &mut out);
        self.slowest = self.slowest.max(before.elapsed());
        let status = node.status();
        if status.active {
            let leader = *self.leaders.entry(status.quorum.term).or_insert(id);
            assert_eq!(leader, id, "two active controllers in term {}, seed {}", status.quorum.term, self.seed);
        }
        self.trace = fold(self.trace, &self.now.mono_ms.to_be_bytes());
        for command in out {
            match command {
                ControllerCommand::Reply { request, response } => {
                    self.trace = fold(self.trace, &request.to_be_bytes());
                    self.trace = fold(self.trace, &response.encode_to_vec());
                    self.check_committed(id, &response);
                    self.replies.insert(request, response);
                }
                ControllerCommand::Send { to, message } => {
                    self.trace = fold(self.trace, &message.encode_to_vec());
                    if !self.rng.chance(self.lose) {
                        self.later(Parcel::Raft { from: id, to, body: message });
                    }
                }
                ControllerCommand::Probe { server, message } => {
                    self.trace = fold(self.trace, &message.encode_to_vec());
                    // The bootstrap servers are controllers 0, 1, and so on.
                    self.later(Parcel::Raft { from: id, to: server as u64, body: message });
                }
                ControllerCommand::Controllers(addresses) => {
                    let known = addresses.into_iter().filter_map(|(id, at)| Some((id, at.first()?.host.clone())));
                    self.machines.get_mut(&id).unwrap().addresses = known.collect();
                }
                ControllerCommand::Fatal { reason, exit_code } => {
                    let machine = self.machines.get_mut(&id).unwrap();
                    machine.node = None;
                    machine.fatal = Some((reason, exit_code));
                }
                ControllerCommand::Stopped => self.machines.get_mut(&id).unwrap().stopped = true,
            }
        }
    }

    /// What was answered is committed: the image of the controller that answers holds it.
    fn check_committed(&self, id: u64, response: &ControllerResponse) {
        if let Some(Response::RegisterBroker(response)) = &response.response
            && response.error_code == 0
        {
            let node = self.node(id);
            assert!(node.status().quorum.commit_index >= response.broker_epoch as u64, "seed {}", self.seed);
            assert!(node.image().brokers().any(|broker| broker.epoch == response.broker_epoch), "seed {}", self.seed);
        }
    }

    /// Lets `ms` pass.
    pub fn run(&mut self, ms: u64) {
        let until = self.now.mono_ms + ms;
        while self.step(until) {}
        self.move_to(until);
    }

    fn move_to(&mut self, mono_ms: u64) {
        self.now.wall_ms += (mono_ms - self.now.mono_ms) as i64;
        self.now.mono_ms = mono_ms;
    }

    /// The next thing that happens up to `until`.
    fn step(&mut self, until: u64) -> bool {
        let deadlines =
            self.machines.iter().filter_map(|(id, machine)| Some((machine.node.as_ref()?.next_deadline()?, *id)));
        let timer = deadlines.min();
        let parcel = self.parcels.first_key_value().map(|(key, _)| key.0);
        let at = match (timer, parcel) {
            (Some((timer, _)), Some(parcel)) => timer.min(parcel),
            (Some((timer, _)), None) => timer,
            (None, Some(parcel)) => parcel,
            (None, None) => return false,
        };
        if at > until {
            return false;
        }
        self.move_to(at.max(self.now.mono_ms));
        if parcel == Some(at) {
            let Some((_, parcel)) = self.parcels.pop_first() else { return false };
            self.arrive(parcel);
        } else if let Some((_, id)) = timer {
            self.handle(id, ControllerEvent::Timer);
        }
        true
    }

    fn arrive(&mut self, parcel: Parcel) {
        match parcel {
            Parcel::Raft { from, to, body } => {
                if !self.cut.contains(&from) && !self.cut.contains(&to) {
                    self.requests += 1;
                    let request = self.requests;
                    self.handle(to, ControllerEvent::Request { request, connection: 1_000_000 + from, body });
                }
            }
            Parcel::Request { to, request, connection, body } => {
                self.handle(to, ControllerEvent::Request { request, connection, body });
            }
            Parcel::Closed { to, connection } => self.handle(to, ControllerEvent::ConnectionClosed { connection }),
            Parcel::Shutdown { to } => self.handle(to, ControllerEvent::Shutdown),
        }
    }

    /// Sends a request, and returns its id.
    pub fn send(&mut self, to: u64, connection: u64, body: impl Into<ControllerRequest>) -> u64 {
        self.requests += 1;
        let request = self.requests;
        self.later(Parcel::Request { to, request, connection, body: body.into() });
        request
    }

    pub fn close(&mut self, to: u64, connection: u64) {
        self.later(Parcel::Closed { to, connection });
    }

    pub fn shut_down(&mut self, to: u64) {
        self.later(Parcel::Shutdown { to });
    }

    /// Sends a request, and lets time pass until it is answered, for `ms` at most.
    pub fn ask(
        &mut self,
        to: u64,
        connection: u64,
        body: impl Into<ControllerRequest>,
        ms: u64,
    ) -> Option<ControllerResponse> {
        let request = self.send(to, connection, body);
        let until = self.now.mono_ms + ms;
        while !self.replies.contains_key(&request) && self.step(until) {}
        self.replies.remove(&request)
    }

    /// Asks whoever is active, as a broker does: it follows hints, and tries again.
    pub fn ask_active(&mut self, connection: u64, body: impl Into<ControllerRequest>) -> ControllerResponse {
        let body = body.into();
        let mut to = self.rng.below(self.machines.len() as u64);
        for _ in 0..600 {
            match self.ask(to, connection, body.clone(), 500) {
                Some(response) if response.error_code == 0 => return response,
                Some(response) if response.leader_id >= 0 && response.leader_id as u64 != to => {
                    to = response.leader_id as u64;
                }
                _ => to = (to + 1) % self.machines.len() as u64,
            }
            self.run(20);
        }
        let states = self.machines.iter().map(|(id, machine)| (id, machine.node.as_ref().map(ControllerNode::status)));
        let states = states.collect::<Vec<_>>();
        panic!("nobody answers {body:?}, seed {}, cut {:?}: {states:#?}", self.seed, self.cut);
    }

    pub fn active(&self) -> Option<u64> {
        let active =
            self.machines.iter().filter(|(_, machine)| machine.node.as_ref().is_some_and(ControllerNode::is_active));
        active.map(|(id, _)| (self.node(*id).status().quorum.term, *id)).max().map(|active| active.1)
    }

    /// Lets time pass until one of them is active.
    pub fn wait_for_active(&mut self) -> u64 {
        for _ in 0..1_000 {
            if let Some(active) = self.active() {
                return active;
            }
            self.run(10);
        }
        panic!("no controller becomes active, seed {}", self.seed);
    }

    /// Lets time pass until all have applied the same; they must then have the same image.
    pub fn settle(&mut self) {
        self.lose = 0;
        self.cut.clear();
        for id in 0..self.machines.len() as u64 {
            if self.machines[&id].node.is_none() {
                self.start(id);
                assert_eq!(self.machines[&id].fatal, None, "seed {}", self.seed);
            }
        }
        for _ in 0..1_000 {
            self.run(10);
            let Some(active) = self.active() else { continue };
            let last = self.node(active).status().quorum.last_index;
            if self.machines.values().all(|machine| machine.node.as_ref().unwrap().image().offset() == last) {
                let first = self.node(0).image();
                for id in 1..self.machines.len() as u64 {
                    assert!(first == self.node(id).image(), "controllers 0 and {id} differ, seed {}", self.seed);
                }
                return;
            }
        }
        for (id, machine) in &self.machines {
            let Some(node) = &machine.node else { continue };
            let quorum = node.status().quorum;
            let (leader, term, voters) = (quorum.leader, quorum.term, quorum.voters.keys().collect::<Vec<_>>());
            println!(
                "{id}: leader {leader:?} term {term} applied {} of {}, voters {voters:?}",
                node.image().offset(),
                quorum.last_index
            );
        }
        panic!("the controllers do not settle, seed {}", self.seed);
    }

    /// Registers a broker, and brings it out of its fence. Returns its epoch.
    pub fn join(&mut self, broker: i32) -> i64 {
        let connection = 100 + broker as u64;
        let response = self.ask_active(connection, registration(broker, ""));
        let Some(Response::RegisterBroker(registered)) = response.response else { panic!("{response:?}") };
        assert_eq!(registered.error_code, 0, "{registered:?}");
        let epoch = registered.broker_epoch;
        for _ in 0..10 {
            let response = self.ask_active(connection, heartbeat(broker, epoch, epoch as u64));
            let Some(Response::Heartbeat(response)) = response.response else { panic!("{response:?}") };
            assert_eq!(response.error_code, 0);
            if !response.is_fenced {
                return epoch;
            }
        }
        panic!("broker {broker} stays fenced, seed {}", self.seed);
    }

    /// Creates a topic; Kafka's code of the answer.
    pub fn create_topic(&mut self, name: &str) -> i16 {
        self.create_topic_of(name, 2)
    }

    pub fn create_topic_of(&mut self, name: &str, partitions: i32) -> i16 {
        use odradek_wire::messages::CreateTopicsResponse;
        use odradek_wire::protocol::Decodable;
        let topic = CreatableTopic::default()
            .with_name(TopicName(StrBytes::from_string(name.to_owned())))
            .with_num_partitions(partitions)
            .with_replication_factor(3);
        let request = CreateTopicsRequest::default().with_topics(vec![topic]).with_timeout_ms(5_000);
        let mut body = BytesMut::new();
        request.encode(&mut body, 7).unwrap();
        let response = self.ask_active(9, forward(19, 7, body.to_vec()));
        let Some(Response::Forward(response)) = response.response else { panic!("{response:?}") };
        assert_eq!(response.error_code, 0);
        let mut body = bytes::Bytes::from(response.body);
        CreateTopicsResponse::decode(&mut body, 7).unwrap().topics[0].error_code
    }
}

pub fn registration(broker: i32, cluster_id: &str) -> RegisterBrokerRequest {
    RegisterBrokerRequest {
        broker_id: broker,
        cluster_id: cluster_id.to_owned(),
        incarnation: vec![broker as u8; 16],
        listeners: vec![odradek_core::metadata::record::Listener {
            name: "PLAINTEXT".to_owned(),
            host: format!("broker-{broker}"),
            port: 9092,
            security_protocol: "PLAINTEXT".to_owned(),
        }],
        rack: None,
        log_dirs: vec![vec![0x40 + broker as u8; 16]],
        previous_broker_epoch: -1,
        held_partitions: 0,
        features: odradek_core::metadata::controller::supported_features(),
    }
}

pub fn heartbeat(broker_id: i32, broker_epoch: i64, metadata_offset: u64) -> HeartbeatRequest {
    HeartbeatRequest { broker_id, broker_epoch, metadata_offset, want_fence: false, want_shutdown: false }
}

pub fn forward(api_key: i32, api_version: i32, body: Vec<u8>) -> ForwardRequest {
    ForwardRequest { api_key, api_version, body, client_id: "test".to_owned(), client_host: "/127.0.0.1".to_owned() }
}

pub fn fetch(node_id: i32, from_offset: u64, max_wait_ms: u32) -> FetchMetadataRequest {
    FetchMetadataRequest { node_id, from_offset, max_wait_ms, leader_epoch: None }
}
