//! What a node knows of its quorum.

use std::collections::BTreeMap;

use raft::StateRole;

use super::Quorum;
use crate::status::{QuorumStatus, Role, VoterStatus};
use crate::storage::raft_id;

impl Quorum {
    /// What the quorum looks like from here.
    pub fn status(&self) -> QuorumStatus {
        let raft = &self.node.raft;
        let store = self.node.store();
        let leads = raft.state == StateRole::Leader;
        let voter = |id: u64| {
            let progress = raft.prs().get(raft_id(id));
            match progress {
                _ if id == self.config.node_id => {
                    VoterStatus { match_index: Some(store.last()), recently_active: true }
                }
                Some(progress) if leads => {
                    VoterStatus { match_index: Some(progress.matched), recently_active: progress.recent_active }
                }
                _ => VoterStatus::default(),
            }
        };
        QuorumStatus {
            node_id: self.config.node_id,
            role: match raft.state {
                StateRole::Leader => Role::Leader,
                StateRole::Follower => Role::Follower,
                StateRole::Candidate | StateRole::PreCandidate => Role::Candidate,
            },
            leader: self.leader(),
            term: raft.term,
            commit_index: raft.raft_log.committed,
            last_index: raft.raft_log.last_index(),
            first_index: store.first(),
            snapshot_index: store.snapshot_index(),
            log_bytes: store.log_bytes(),
            voters: store.voters().map(|id| (id, voter(id))).collect::<BTreeMap<_, _>>(),
        }
    }
}
