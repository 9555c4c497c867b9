//! Controllers in one thread with virtual time, a seeded network and disks that lose power.

#![allow(dead_code, unreachable_pub, reason = "each test file uses a part of it")]

mod machine;
mod requests;
mod wait;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use odradek_core::metadata::rpc::{ControllerResponse, Response};
use odradek_core::time::Now;
use odradek_log::MemDisk;
use odradek_node::controller::{ControllerCommand, ControllerEvent, ControllerNode, ControllerNodeConfig};
use prost::Message;

pub use machine::{Machine, Rng, config, endpoint};
#[allow(unused_imports, reason = "each test file uses a part of it")]
pub use requests::{fetch, forward, heartbeat, registration};

use machine::Parcel;

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
    /// Those whose messages get lost, coming and going; everybody's when there is nobody here.
    pub loses: BTreeSet<u64>,
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
            loses: BTreeSet::new(),
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
                    let bad = self.loses.is_empty() || self.loses.contains(&id) || self.loses.contains(&to);
                    if !(bad && self.rng.chance(self.lose)) {
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
}
