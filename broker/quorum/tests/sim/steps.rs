//! Time that goes by: messages arrive, clocks tick, things break, until all agree.

use bytes::Bytes;
use odradek_quorum::{Quorum, StepError};

use super::{Cluster, Faults, directory};

/// Parts of a sealed message, to see who votes for whom.
#[derive(Clone, PartialEq, prost::Message)]
struct Sealed {
    #[prost(bytes = "bytes", tag = "6")]
    message: Bytes,
}

impl Cluster {
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
