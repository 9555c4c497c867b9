//! What a node knows of its quorum.

use std::collections::BTreeMap;

use raft::StateRole;

use super::Quorum;
use crate::member::Member;
use crate::status::{QuorumStatus, Role, VoterStatus};

impl Quorum {
    /// The newest term, and the member that this one voted for in it, by the library's id.
    pub fn vote(&self) -> (u64, Option<u64>) {
        let raft = &self.node.raft;
        (raft.term, (raft.vote != 0).then_some(raft.vote))
    }

    /// What the quorum looks like from here.
    pub fn status(&self) -> QuorumStatus {
        let raft = &self.node.raft;
        let store = self.node.store();
        let leads = raft.state == StateRole::Leader;
        let view = |member: &Member| {
            let progress = raft.prs().get(member.raft());
            let directory_id = member.directory_id[..].try_into().unwrap_or_default();
            match progress {
                _ if member.raft() == raft.id => {
                    VoterStatus { directory_id, match_index: Some(store.last()), recently_active: true }
                }
                Some(progress) if leads => VoterStatus {
                    directory_id,
                    match_index: Some(progress.matched),
                    recently_active: progress.recent_active,
                },
                _ => VoterStatus { directory_id, ..VoterStatus::default() },
            }
        };
        let all = |observers: bool| {
            let some = store.members().iter().filter(move |member| member.observer == observers);
            some.map(|member| (member.id, view(member))).collect::<BTreeMap<_, _>>()
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
            voters: all(false),
            observers: all(true),
        }
    }
}
