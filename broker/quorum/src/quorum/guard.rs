//! Messages that are looked at before the library sees them.

use bytes::Bytes;
use odradek_probe::{Mutation, mutated};
use prost::Message as _;
use raft::eraftpb::{Message, MessageType};

use super::Quorum;
use crate::error::{QuorumError, StepError};
use crate::member::{Envelope, node_of_initial};

/// Ids of controllers that are no members are remembered up to here, to answer them.
const MOST_MET: usize = 64;

impl Quorum {
    /// Puts a message for another controller into its envelope.
    pub(super) fn seal(&self, to: u64, message: Bytes) -> Bytes {
        let envelope = Envelope {
            from: self.config.node_id,
            from_directory: self.directory_id().clone(),
            to_directory: self.disk_of(to).cloned().unwrap_or_default(),
            generation: if self.is_formed() { self.generation() + 1 } else { 0 },
            crc: crc32c::crc32c(&message),
            message,
        };
        envelope.encode_to_vec().into()
    }

    /// Takes a message out of its envelope, when it is meant for this disk.
    pub(super) fn unseal(&mut self, sealed: &Bytes) -> Result<Envelope, StepError> {
        let envelope = Envelope::decode(sealed.clone()).map_err(|error| StepError::Malformed(error.to_string()))?;
        let found = crc32c::crc32c(&envelope.message);
        if envelope.crc != found {
            let reason = format!("its CRC is {found:08x}, and it says {:08x}", envelope.crc);
            return Err(StepError::Malformed(reason));
        }
        let from = envelope.from;
        let other = !envelope.to_directory.is_empty() && envelope.to_directory != self.directory_id();
        if other && !mutated(Mutation::VoteAfterLostDisk) {
            return Err(StepError::WrongDirectory { from });
        }
        // A disk that has seen no quorum yet joins any.
        if let Some(theirs) = envelope.generation.checked_sub(1)
            && self.is_formed()
            && theirs != self.generation()
        {
            let ours = self.generation();
            if theirs < ours {
                return Err(StepError::Outdated { from });
            }
            self.stopped = true;
            return Err(QuorumError::Superseded { from, theirs, ours }.into());
        }
        Ok(envelope)
    }

    /// Refuses what comes from another disk than the voter's, and what the library would answer with a panic.
    pub(super) fn check(&mut self, sealed: &Envelope, message: &Message) -> Result<(), StepError> {
        let from = sealed.from;
        let raft = &self.node.raft;
        if message.to != raft.id || message.from == raft.id {
            return Err(StepError::Stranger {
                from,
                to: self.node_of(message.to).unwrap_or_default(),
                node: self.config.node_id,
            });
        }
        match self.disk_of(message.from) {
            Some(disk) if *disk != sealed.from_directory && !mutated(Mutation::VoteAfterLostDisk) => {
                return Err(StepError::WrongDirectory { from });
            }
            _ => {}
        }
        if !self.members().iter().any(|member| member.raft() == message.from) {
            if self.met.len() >= MOST_MET {
                self.met.clear();
            }
            self.met.insert(message.from, from);
        }
        let raft = &self.node.raft;
        match message.get_msg_type() {
            MessageType::MsgHeartbeat => {
                let last_index = raft.raft_log.last_index();
                if message.commit > last_index && message.term >= raft.term {
                    let (acknowledged, leader) = (message.commit, from);
                    return Err(QuorumError::LostEntries { last_index, acknowledged, leader }.into());
                }
            }
            MessageType::MsgAppend => {
                let (first, committed) = (raft.raft_log.first_index(), raft.raft_log.committed);
                if message.term >= raft.term {
                    for entry in message.get_entries() {
                        if entry.index < first || entry.index > committed {
                            continue;
                        }
                        let ours = raft.raft_log.term(entry.index).unwrap_or_default();
                        if ours != entry.term {
                            let (index, theirs) = (entry.index, entry.term);
                            return Err(QuorumError::Diverged { index, ours, theirs, leader: from }.into());
                        }
                    }
                }
            }
            MessageType::MsgAppendResponse
            | MessageType::MsgRequestVote
            | MessageType::MsgRequestVoteResponse
            | MessageType::MsgRequestPreVote
            | MessageType::MsgRequestPreVoteResponse
            | MessageType::MsgSnapshot
            | MessageType::MsgHeartbeatResponse
            | MessageType::MsgTimeoutNow => {}
            other => return Err(StepError::Unexpected(format!("{other:?}"))),
        }
        Ok(())
    }

    /// The node id behind one of the library's ids; `None` for nobody, or for somebody who is not known.
    pub(super) fn node_of(&self, raft_id: u64) -> Option<u64> {
        let member = self.members().iter().find(|member| member.raft() == raft_id);
        member.map(|member| member.id).or_else(|| self.met.get(&raft_id).copied()).or_else(|| node_of_initial(raft_id))
    }
}
