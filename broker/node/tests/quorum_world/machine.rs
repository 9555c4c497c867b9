//! A controller's machine, and small seeded numbers.

use std::collections::BTreeMap;
use std::path::PathBuf;

use odradek_core::metadata::rpc::ControllerRequest;
use odradek_log::MemDisk;
use odradek_node::controller::{ControllerNode, ControllerNodeConfig, Endpoint};

/// Small seeded numbers.
pub struct Rng(pub(super) u64);

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
pub(super) enum Parcel {
    Raft { from: u64, to: u64, body: ControllerRequest },
    Request { to: u64, request: u64, connection: u64, body: ControllerRequest },
    Closed { to: u64, connection: u64 },
    Shutdown { to: u64 },
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
