//! Quorums in one thread: a network that loses, doubles and reorders, disks that lose power, and one seed for it all.

#![allow(dead_code, unreachable_pub, reason = "each test file uses a part of it")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use odradek_log::MemDisk;
use odradek_quorum::{Quorum, QuorumConfig, Role, StepError};

/// Small seeded numbers.
pub struct Rng(u64);

impl Rng {
    pub fn new(seed: u64) -> Rng {
        Rng(seed)
    }

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

    /// True in `percent` of all cases.
    pub fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }
}

/// What happens, in per cent of the occasions.
#[derive(Clone, Copy, Debug)]
pub struct Faults {
    pub lose: u64,
    pub double: u64,
    pub delay: u64,
    pub kill: u64,
    pub power_loss: u64,
    pub cut: u64,
    pub compact: u64,
    /// A voter is taken out, or one that is none is made one.
    pub change: u64,
}

impl Faults {
    pub const NONE: Faults =
        Faults { lose: 0, double: 0, delay: 0, kill: 0, power_loss: 0, cut: 0, compact: 0, change: 0 };
    pub const ROUGH: Faults =
        Faults { lose: 5, double: 5, delay: 30, kill: 1, power_loss: 1, cut: 1, compact: 6, change: 0 };
    pub const MEMBERS: Faults = Faults { change: 3, ..Faults::ROUGH };
}

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

/// Parts of a sealed message, to see who votes for whom.
#[derive(Clone, PartialEq, prost::Message)]
struct Sealed {
    #[prost(bytes = "bytes", tag = "6")]
    message: Bytes,
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

    /// What controllers say to each other besides the library's messages: one that is no member says so to the leader,
    /// which lets it have the log, and makes it a voter in the place of its former disk when it is to be one.
    pub fn hello(&mut self, id: u64) {
        let Some(leader) = self.leader() else { return };
        if leader == id {
            let own = directory(id, self.nodes[&id].disks);
            if !self.nodes[&id].wanted {
                let leads = self.nodes.get_mut(&id).unwrap().quorum.as_mut().unwrap();
                self.changes.1 += u64::from(leads.remove(id, &own).is_ok());
                self.turn(id);
            }
            return;
        }
        if self.cut.contains(&id) != self.cut.contains(&leader) {
            return;
        }
        let node = &self.nodes[&id];
        let (own, wanted) = (directory(id, node.disks), node.wanted);
        let Some(asks) = &node.quorum else { return };
        let joins_as = asks.joins_as();
        let leads = self.nodes[&leader].quorum.as_ref().unwrap();
        if !leads.is_formed() {
            return;
        }
        let members = leads.members().to_vec();
        let member = members.iter().find(|member| member.is(id, &own)).cloned();
        let Some(raft_id) = joins_as else {
            // The disk bears an initial voter's id and has seen nothing of the quorum: perhaps it replaces that voter's.
            if member.is_none() {
                self.nodes.get_mut(&id).unwrap().quorum.as_mut().unwrap().become_observer(1).unwrap();
                self.turn(id);
            }
            return;
        };
        let stale = members.iter().find(|it| it.id == id && !it.is(id, &own)).cloned();
        let leads = self.nodes.get_mut(&leader).unwrap().quorum.as_mut().unwrap();
        match member {
            _ if stale.as_ref().is_some_and(|stale| stale.observer) => {
                drop(leads.remove(id, &stale.as_ref().unwrap().directory_id));
            }
            None => drop(leads.add_observer(id, Bytes::copy_from_slice(&own), raft_id, Vec::new())),
            // It took another id in the library since.
            Some(member) if member.observer && member.raft_id != raft_id => drop(leads.remove(id, &own)),
            Some(member) if member.observer && wanted => match stale {
                Some(stale) => drop(leads.remove(id, &stale.directory_id)),
                None => self.changes.0 += u64::from(leads.add_voter(id, &own).is_ok()),
            },
            Some(member) if !member.observer && !wanted => {
                self.changes.1 += u64::from(leads.remove(id, &own).is_ok());
            }
            Some(_) => {}
        }
        self.turn(leader);
    }

    /// A controller of a settled quorum loses its disk, when the quorum can bear that.
    pub fn wipe_one(&mut self) {
        let id = self.rng.below(self.nodes.len() as u64);
        let voters = self.nodes.values().filter(|node| node.wanted).count();
        if !self.nodes[&id].wanted || voters >= 3 {
            self.changes.2 += 1;
            self.wipe(id);
        }
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

    fn deliver(&mut self, from: u64, to: u64, message: &Bytes) {
        if self.cut.contains(&from) != self.cut.contains(&to) {
            return;
        }
        self.note(&[b'd', from as u8, to as u8]);
        let seed = self.seed;
        let Some(quorum) = self.nodes.get_mut(&to).and_then(|node| node.quorum.as_mut()) else { return };
        match quorum.step(message) {
            Ok(()) => {
                if quorum.is_formed() {
                    self.count_vote(message);
                }
            }
            // Of a disk that is gone, or for one.
            Err(StepError::WrongDirectory { .. } | StepError::Stranger { .. } | StepError::Unexpected(_)) => {}
            Err(error) => panic!("{from} to {to}, seed {seed}: {error}"),
        }
        self.turn(to);
    }

    /// A voter votes once a term.
    fn count_vote(&mut self, sealed: &Bytes) {
        let sealed = <Sealed as prost::Message>::decode(sealed.clone()).unwrap();
        let message =
            <raft::eraftpb::Message as protobuf::Message>::parse_from_carllerche_bytes(&sealed.message).unwrap();
        if message.get_msg_type() == raft::eraftpb::MessageType::MsgRequestVoteResponse && !message.reject {
            let given = *self.votes.entry((message.from, message.term)).or_insert(message.to);
            assert_eq!(given, message.to, "{} voted twice in term {}, seed {}", message.from, message.term, self.seed);
        }
    }

    /// One step of time: messages arrive (or do not), every clock ticks, and things break.
    pub fn step(&mut self, faults: Faults) {
        let mut batch = std::mem::take(&mut self.net);
        if faults.delay > 0 {
            for at in (1..batch.len()).rev() {
                let with = self.rng.below(at as u64 + 1) as usize;
                batch.swap(at, with);
            }
        }
        for (from, to, message) in batch {
            if self.rng.chance(faults.lose) {
                continue;
            }
            if self.rng.chance(faults.delay) {
                self.net.push((from, to, message));
                continue;
            }
            self.deliver(from, to, &message);
            if self.rng.chance(faults.double) {
                self.net.push((from, to, message));
            }
        }
        let ids: Vec<u64> = self.nodes.keys().copied().collect();
        for id in ids {
            if self.nodes[&id].quorum.is_none() {
                if self.rng.chance(20) || faults.kill == 0 {
                    self.start(id);
                }
                continue;
            }
            if let Some(quorum) = self.nodes.get_mut(&id).unwrap().quorum.as_mut() {
                quorum.tick();
            }
            self.turn(id);
            if self.rng.chance(20) {
                self.hello(id);
            }
            if self.rng.chance(faults.kill) {
                self.kill(id);
            } else if self.rng.chance(faults.power_loss) {
                self.power_loss(id);
            } else if self.rng.chance(faults.compact) {
                self.compact(id);
            }
        }
        if self.rng.chance(faults.change) {
            let id = self.rng.below(self.nodes.len() as u64);
            let others = self.nodes.iter().filter(|(other, node)| **other != id && node.wanted).count();
            if let Some(node) = self.nodes.get_mut(&id).filter(|node| !node.wanted || others >= 1) {
                node.wanted = !node.wanted;
            }
        }
        if self.rng.chance(faults.cut) {
            self.cut = self.nodes.keys().copied().filter(|_| self.rng.chance(40)).collect();
        } else if faults.cut == 0 || self.rng.chance(5) {
            self.cut.clear();
        }
    }

    /// A step without faults in which one node stays away.
    pub fn step_without(&mut self, away: u64) {
        let disk = std::mem::take(&mut self.nodes.get_mut(&away).unwrap().quorum);
        assert!(disk.is_none(), "node {away} is not away");
        let node = self.nodes.remove(&away).unwrap();
        self.net.retain(|(_, to, _)| *to != away);
        self.step(Faults::NONE);
        self.nodes.insert(away, node);
    }

    /// Steps without faults until all nodes have applied everything, and one leads those who are to be voters.
    pub fn settle(&mut self) -> u64 {
        for _ in 0..800 {
            self.step(Faults::NONE);
            let Some(leader) = self.leader() else { continue };
            let last = self.nodes[&leader].quorum.as_ref().map_or(0, Quorum::next_index) - 1;
            let members = self.nodes[&leader].quorum.as_ref().unwrap();
            let count = members.members().len();
            let placed = !members.is_formed()
                || count == self.nodes.len()
                    && self.nodes.iter().all(|(id, node)| {
                        let own = directory(*id, node.disks);
                        let known = members.members().iter().find(|member| member.is(*id, &own));
                        known.is_some_and(|member| member.observer != node.wanted)
                    });
            if placed && self.nodes.values().all(|node| node.quorum.is_some() && node.state.0 == last) {
                assert!(self.history.last_key_value().is_none_or(|(index, _)| *index == last), "seed {}", self.seed);
                return leader;
            }
        }
        for (id, node) in &self.nodes {
            let Some(quorum) = &node.quorum else { continue };
            let status = quorum.status();
            let members: Vec<_> =
                quorum.members().iter().map(|it| (it.id, it.directory_id.get(1), it.observer)).collect();
            println!(
                "{id}: disk {}, wanted {}, {:?} in term {}, applied {} of {}, members {members:?}",
                node.disks, node.wanted, status.role, status.term, node.state.0, status.last_index
            );
        }
        panic!("seed {} does not settle", self.seed);
    }
}
