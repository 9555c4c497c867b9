//! Messages that are looked at before the library sees them.

use odradek_probe::{Mutation, mutated};
use raft::eraftpb::{Message, MessageType};

use super::Quorum;
use crate::error::{QuorumError, StepError};
use crate::storage::node_id;

impl Quorum {
    /// Looks for what the library would answer with a panic.
    pub(super) fn check(&self, message: &mut Message) -> Result<(), StepError> {
        let raft = &self.node.raft;
        if message.to != raft.id || message.from == raft.id || raft.prs().get(message.from).is_none() {
            return Err(StepError::Stranger {
                from: node_id(message.from).unwrap_or_default(),
                to: node_id(message.to).unwrap_or_default(),
                node: self.config.node_id,
            });
        }
        let leader = node_id(message.from).unwrap_or_default();
        match message.get_msg_type() {
            MessageType::MsgHeartbeat => {
                let last_index = raft.raft_log.last_index();
                if message.commit > last_index && message.term >= raft.term {
                    if !self.blank {
                        return Err(
                            QuorumError::LostEntries { last_index, acknowledged: message.commit, leader }.into()
                        );
                    }
                    // The disk was replaced: the leader finds out with its next append, and sends everything again.
                    message.commit = last_index;
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
                            return Err(QuorumError::Diverged { index, ours, theirs, leader }.into());
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

    /// A node with an empty disk does not help to elect a leader of a quorum that has committed something: if its
    /// disk was replaced, it may have been part of the majority that holds an entry which this candidate lacks.
    pub(super) fn is_vote_against_memory(&self, message: &Message) -> bool {
        let asks = matches!(message.get_msg_type(), MessageType::MsgRequestVote | MessageType::MsgRequestPreVote);
        !mutated(Mutation::VoteAfterLostDisk)
            && asks
            && self.blank
            && self.node.raft.raft_log.last_index() == 0
            && message.commit > 0
    }
}
