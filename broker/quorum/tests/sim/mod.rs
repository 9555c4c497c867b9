//! Quorums in one thread: a network that loses, doubles and reorders, disks that lose power, and one seed for it all.

#![allow(dead_code, unreachable_pub, reason = "each test file uses a part of it")]

mod members;
mod random;
mod steps;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use odradek_log::MemDisk;
use odradek_quorum::{Quorum, QuorumConfig, Role};

pub use random::{Faults, Rng};

/// One node: its disk stays when the process goes.
pub struct Node {
    pub disk: MemDisk,
    pub quorum: Option<Quorum>,
    /// What the applied entries add up to: (index of the last one, hash of them all).
    pub state: (u64, u64),
    pub leads: Option<u64>,
    pub snapshots_from_leader: u64,
    fresh: bool,
    /// How many disks it had.
    pub disks: u8,
    /// It is to be a voter: made one again by whoever leads.
    pub wanted: bool,
}

/// The id of a node's disk.
pub fn directory(id: u64, disks: u8) -> [u8; 16] {
    let mut bytes = [disks; 16];
    bytes[0] = id as u8;
    bytes
}

/// A quorum with its network.
pub struct Cluster {
    pub nodes: BTreeMap<u64, Node>,
    pub rng: Rng,
    seed: u64,
    net: Vec<(u64, u64, Bytes)>,
    cut: BTreeSet<u64>,
    /// The state after each committed entry, as the first node that applied it had it.
    pub history: BTreeMap<u64, (u64, u64)>,
    leaders: BTreeMap<u64, u64>,
    /// Votes that were counted: (voter, term) to whom they were given.
    votes: BTreeMap<(u64, u64), u64>,
    /// Controllers that were made voters, taken out, and lost their disk.
    pub changes: (u64, u64, u64),
    trace: u64,
    pub keep_entries: u64,
    pub proposed: u64,
}

pub fn dir() -> PathBuf {
    PathBuf::from("/data/__cluster_metadata-0")
}

fn fold(hash: u64, bytes: &[u8]) -> u64 {
    bytes.iter().fold(hash, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

impl Cluster {
    pub fn new(size: u64, seed: u64) -> Cluster {
        let mut cluster = Cluster {
            nodes: BTreeMap::new(),
            rng: Rng::new(seed),
            seed,
            net: Vec::new(),
            cut: BTreeSet::new(),
            history: BTreeMap::new(),
            leaders: BTreeMap::new(),
            votes: BTreeMap::new(),
            changes: (0, 0, 0),
            trace: 0xcbf2_9ce4_8422_2325,
            keep_entries: 3,
            proposed: 0,
        };
        for id in 0..size {
            let node = Node {
                disk: MemDisk::new(),
                quorum: None,
                state: (0, 0),
                leads: None,
                snapshots_from_leader: 0,
                fresh: true,
                disks: 1,
                wanted: true,
            };
            cluster.nodes.insert(id, node);
        }
        for id in 0..size {
            cluster.start(id);
        }
        cluster
    }

    pub fn config(&self, id: u64) -> QuorumConfig {
        let mut config = QuorumConfig::new(id, self.nodes.keys().copied(), self.seed);
        config.keep_entries = self.keep_entries;
        config.directory_id = Some(directory(id, self.nodes[&id].disks));
        // Small, so that lagging followers are served from disk, and segments are rolled.
        config.cache_bytes = 2_000;
        config.segment_bytes = 4_096;
        config
    }

    pub fn start(&mut self, id: u64) {
        let config = self.config(id);
        let node = self.nodes.get_mut(&id).unwrap();
        node.state = (0, 0);
        node.leads = None;
        node.fresh = true;
        let quorum = Quorum::open(Arc::new(node.disk.clone()), dir(), config, 1);
        node.quorum = Some(quorum.unwrap_or_else(|error| panic!("node {id}, seed {}: {error}", self.seed)));
        self.turn(id);
    }

    pub fn kill(&mut self, id: u64) {
        self.nodes.get_mut(&id).unwrap().quorum = None;
        self.note(&[b'k', id as u8]);
    }

    pub fn power_loss(&mut self, id: u64) {
        let tear = self.rng.next();
        let node = self.nodes.get_mut(&id).unwrap();
        node.quorum = None;
        node.disk.power_loss(Some(tear));
        self.note(&[b'p', id as u8]);
    }

    /// The machine gets another, empty disk.
    pub fn wipe(&mut self, id: u64) {
        let node = self.nodes.get_mut(&id).unwrap();
        node.quorum = None;
        node.disk = MemDisk::new();
        node.disks += 1;
        self.note(&[b'w', id as u8]);
    }

    fn note(&mut self, bytes: &[u8]) {
        self.trace = fold(self.trace, bytes);
    }

    /// A number that two runs of one seed must have in common.
    pub fn trace(&self) -> u64 {
        self.trace
    }

    /// Everything that a node's turn gives: applied, checked against what others applied, and sent.
    pub fn turn(&mut self, id: u64) {
        let seed = self.seed;
        let node = self.nodes.get_mut(&id).unwrap();
        let Some(quorum) = &mut node.quorum else { return };
        let ready = quorum.ready(1).unwrap_or_else(|error| panic!("node {id}, seed {seed}: {error}"));
        let mut notes = Vec::new();
        let fresh = std::mem::replace(&mut node.fresh, false);
        if let Some(snapshot) = &ready.snapshot {
            let hash = u64::from_be_bytes(snapshot.data[..8].try_into().unwrap());
            assert_eq!(self.history[&snapshot.index], (snapshot.term, hash), "snapshot of node {id}, seed {seed}");
            // The first one after a start is its own.
            node.snapshots_from_leader += u64::from(!fresh);
            node.state = (snapshot.index, hash);
            notes.extend_from_slice(&snapshot.index.to_be_bytes());
        }
        for entry in &ready.committed {
            assert_eq!(entry.index, node.state.0 + 1, "a gap at node {id}, seed {seed}");
            let hash = fold(fold(node.state.1, &entry.term.to_be_bytes()), &entry.data);
            node.state = (entry.index, hash);
            let agreed = self.history.entry(entry.index).or_insert((entry.term, hash));
            assert_eq!(*agreed, (entry.term, hash), "node {id} applied another entry {}, seed {seed}", entry.index);
            notes.extend_from_slice(&hash.to_be_bytes());
        }
        if ready.lost_leadership {
            node.leads = None;
        }
        if let Some(term) = ready.became_leader {
            node.leads = Some(term);
            let leader = *self.leaders.entry(term).or_insert(id);
            assert_eq!(leader, id, "two leaders in term {term}, seed {seed}");
        }
        for (to, message) in ready.messages {
            notes.push(to as u8);
            notes.extend_from_slice(&message);
            self.net.push((id, to, message));
        }
        self.note(&notes);
    }

    pub fn leader(&self) -> Option<u64> {
        let leaders = self.nodes.iter().filter_map(|(id, node)| Some((node.leads?, *id, node.quorum.as_ref()?)));
        leaders.filter(|(_, _, quorum)| quorum.status().role == Role::Leader).max_by_key(|leader| leader.0).map(|l| l.1)
    }

    pub fn propose(&mut self, id: u64) -> Option<u64> {
        self.proposed += 1;
        let size = 8 + (self.proposed * 37 % 300) as usize;
        let mut data = self.proposed.to_be_bytes().to_vec();
        data.resize(size, 7);
        let quorum = self.nodes.get_mut(&id).unwrap().quorum.as_mut()?;
        let index = quorum.propose(data).ok();
        self.turn(id);
        index
    }

    pub fn compact(&mut self, id: u64) {
        let node = self.nodes.get_mut(&id).unwrap();
        let Some(quorum) = &mut node.quorum else { return };
        let (index, hash) = node.state;
        let data = Bytes::copy_from_slice(&hash.to_be_bytes());
        quorum.compact(index, data, 1).unwrap();
        self.turn(id);
    }
}
