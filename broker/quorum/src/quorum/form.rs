//! How a quorum forms: with the votes of every voter that the configuration names, and with the disks that gave them.
//!
//! A controller with an empty disk cannot tell whether it is new, or whether its disk was replaced and had a part in a
//! quorum before. A majority of such disks could form a second quorum beside the first. So the first leaders need every
//! voter's vote; the first proposal then names the voters with their disks, and once that entry is committed a vote or
//! an acknowledgement counts only when it comes from that disk.

use std::collections::BTreeMap;

use bytes::Bytes;
use odradek_probe::{Mutation, mutated};
use prost::Message as _;
use raft::StateRole;
use raft::eraftpb::{Message, MessageType};

use super::Quorum;
use crate::member::{Control, Envelope, Member};

/// What a node that has not seen the quorum form knows of the other voters, in one term.
#[derive(Debug, Default)]
pub(super) struct Forming {
    term: u64,
    /// The disks that gave their votes, by the library's id.
    disks: BTreeMap<u64, Bytes>,
    /// The votes themselves, until all are there.
    grants: BTreeMap<u64, Message>,
    /// The term in which this node proposed who the voters are.
    pub proposed: Option<u64>,
}

impl Quorum {
    /// Whether it is committed who the voters are, each with its disk.
    pub fn is_formed(&self) -> bool {
        self.node.store().members_index() > 0
    }

    /// Voters that the quorum waits for before it can form, as far as this candidate has heard.
    pub fn waits_for(&self) -> Vec<u64> {
        if self.is_formed() || self.node.raft.state == StateRole::Leader {
            return Vec::new();
        }
        let own = self.node.raft.id;
        let heard = |member: &&Member| member.raft() != own && !self.forming.disks.contains_key(&member.raft());
        self.members().iter().filter(heard).map(|member| member.id).collect()
    }

    /// The disk that a voter is known to have in this term.
    pub(super) fn disk_of(&self, raft_id: u64) -> Option<&Bytes> {
        let member = self.members().iter().find(|member| member.raft() == raft_id)?;
        if !member.directory_id.is_empty() {
            return Some(&member.directory_id);
        }
        let leads = self.node.raft.state == StateRole::Leader && self.forming.term == self.node.raft.term;
        if leads { self.forming.disks.get(&raft_id) } else { None }
    }

    /// Messages to give to the library in the place of this one: before the quorum has formed, a vote is held back
    /// until all voters gave theirs.
    pub(super) fn forming_grants(&mut self, sealed: &Envelope, message: &mut Message) -> Vec<Message> {
        let grants = message.get_msg_type() == MessageType::MsgRequestVoteResponse && !message.reject;
        let raft = &self.node.raft;
        if self.is_formed() || !grants || raft.state != StateRole::Candidate || message.term != raft.term {
            return vec![std::mem::take(message)];
        }
        if mutated(Mutation::VoteAfterLostDisk) {
            self.forming.disks.insert(message.from, sealed.from_directory.clone());
            return vec![std::mem::take(message)];
        }
        if self.forming.term != raft.term {
            self.forming = Forming { term: raft.term, proposed: self.forming.proposed, ..Forming::default() };
        }
        self.forming.disks.insert(message.from, sealed.from_directory.clone());
        self.forming.grants.insert(message.from, std::mem::take(message));
        let own = self.node.raft.id;
        let all = self
            .members()
            .iter()
            .filter(|member| !member.observer && member.raft() != own)
            .all(|member| self.forming.grants.contains_key(&member.raft()));
        if all { std::mem::take(&mut self.forming.grants).into_values().collect() } else { Vec::new() }
    }

    /// What the first proposal of a leader says besides its own: who the voters are. Empty once that is committed.
    pub(super) fn formation(&self) -> Vec<u8> {
        let term = self.node.raft.term;
        if self.is_formed() || self.forming.proposed == Some(term) {
            return Vec::new();
        }
        let own = self.node.raft.id;
        let mut formed: Vec<Member> = self.members().to_vec();
        for member in &mut formed {
            let disk = if member.raft() == own { Some(self.directory_id()) } else { self.disk_of(member.raft()) };
            member.directory_id = disk.cloned().unwrap_or_default();
        }
        Control { formed, moved: None }.encode_to_vec()
    }
}
