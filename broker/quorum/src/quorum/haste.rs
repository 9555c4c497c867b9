//! An election before its time, because the connection to the leader broke.
//!
//! A process that dies takes its connections with it: there is no need to wait until it has been silent for an election
//! time-out. It is no proof either, so nothing is decided by it that an election does not decide: the controller only
//! forgets whom it followed, and stands a little later. Who still hears the leader refuses the pre-vote, and a leader
//! that is there after all is followed again with its next message.

use raft::{INVALID_ID, StateRole};

use super::Quorum;

/// Ticks between the moments at which one voter after the other stands, so that they do not split the votes.
const APART: u32 = 2;

impl Quorum {
    /// The connection to the voter `peer` (the library's id) broke.
    pub(super) fn lost_sight_of(&mut self, peer: u64) {
        let raft = &mut self.node.raft;
        if raft.state != StateRole::Follower || raft.leader_id != peer || !raft.promotable() {
            return;
        }
        let before = raft.prs().conf().voters().ids().iter().filter(|id| *id != peer && *id < raft.id).count();
        raft.become_follower(raft.term, INVALID_ID);
        self.settle_timeout();
        self.stands_in = Some(1 + APART * u32::try_from(before).unwrap_or(u32::MAX / APART - 1));
    }

    /// A tick: whether this node stands now.
    pub(super) fn stands_now(&mut self) -> bool {
        let raft = &self.node.raft;
        let Some(ticks) = self.stands_in.filter(|_| raft.state == StateRole::Follower && raft.leader_id == INVALID_ID)
        else {
            self.stands_in = None;
            return false;
        };
        self.stands_in = ticks.checked_sub(1).filter(|left| *left > 0);
        self.stands_in.is_none()
    }
}
