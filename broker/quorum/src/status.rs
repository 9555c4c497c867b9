//! What a quorum looks like from one of its voters.

use std::collections::BTreeMap;

/// A node's part in the quorum.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Follows a leader, or waits for one.
    Follower,
    /// Asks for votes (or asks whether it would get them).
    Candidate,
    /// Leads: what it proposes becomes the log.
    Leader,
}

/// A voter as this node sees it; the other voters are only known to the leader.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct VoterStatus {
    /// The id of its metadata folder; all zero while it is not known.
    pub directory_id: [u8; 16],
    /// The last entry that it is known to have on its disk; `None` when this node does not lead and it is another one.
    pub match_index: Option<u64>,
    /// Whether the leader heard of it lately.
    pub recently_active: bool,
}

/// The quorum from the view of one node. Metrics and DescribeQuorum answers are made of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuorumStatus {
    /// This node.
    pub node_id: u64,
    /// Its part.
    pub role: Role,
    /// Who leads, when it is known.
    pub leader: Option<u64>,
    /// The newest term: the leader's epoch.
    pub term: u64,
    /// The last entry that is known to be committed.
    pub commit_index: u64,
    /// The last entry of this node's log.
    pub last_index: u64,
    /// The first entry of this node's log (older ones are in the snapshot).
    pub first_index: u64,
    /// The last entry of the newest snapshot; 0 when there is none.
    pub snapshot_index: u64,
    /// Bytes of the log on disk.
    pub log_bytes: u64,
    /// Every voter by its node id.
    pub voters: BTreeMap<u64, VoterStatus>,
    /// Controllers that have the log and do not vote, by node id.
    pub observers: BTreeMap<u64, VoterStatus>,
}
