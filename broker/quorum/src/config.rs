//! What a quorum is opened with.

use std::collections::BTreeMap;

/// One voter of the quorum as the configuration names it.
///
/// A voter is the pair (node id, directory id): the same id on another disk is another voter, since that disk knows
/// nothing of the votes that the first one gave (KIP-853).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Voter {
    /// The id of its metadata folder, from `meta.properties`; `None` until it is known.
    pub directory_id: Option<[u8; 16]>,
}

/// What a [`crate::Quorum`] is opened with.
#[derive(Debug, Clone)]
pub struct QuorumConfig {
    /// This controller's `node.id`, from 0 up to `i32::MAX`.
    pub node_id: u64,
    /// The voters that `controller.quorum.voters` names, this node among them. They count until the first entry is
    /// committed; after that the voters are those that the log or the snapshot names.
    pub voters: BTreeMap<u64, Voter>,
    /// Ticks without a leader before an election; each election draws from this up to twice this. At least 3, and
    /// more than `heartbeat_ticks`.
    pub election_ticks: u32,
    /// Ticks between two heartbeats of the leader; at least 1.
    pub heartbeat_ticks: u32,
    /// Where the election time-outs come from; mixed with the node id, so that every node may get the same one.
    pub seed: u64,
    /// The largest append message in bytes of entries (one entry is sent whatever its size).
    pub max_message_bytes: u64,
    /// Append messages that one follower may have on their way.
    pub max_inflight_messages: usize,
    /// Bytes of applied entries that stay in memory for followers that lag a little; older ones are read from disk.
    pub cache_bytes: usize,
    /// Bytes of entries that may wait for being committed before proposals are refused.
    pub max_uncommitted_bytes: u64,
    /// Entries before a snapshot that stay in the log for followers that lag a little and need no snapshot then.
    pub keep_entries: u64,
    /// Bytes of a segment of the log before a new one is begun.
    pub segment_bytes: u32,
}

impl QuorumConfig {
    /// The defaults for `node_id` among `voters`: elections after 10 ticks, a heartbeat every 2.
    pub fn new(node_id: u64, voters: impl IntoIterator<Item = u64>, seed: u64) -> QuorumConfig {
        QuorumConfig {
            node_id,
            voters: voters.into_iter().map(|id| (id, Voter::default())).collect(),
            election_ticks: 10,
            heartbeat_ticks: 2,
            seed,
            max_message_bytes: 1 << 20,
            max_inflight_messages: 64,
            cache_bytes: 8 << 20,
            max_uncommitted_bytes: 64 << 20,
            keep_entries: 1_000,
            segment_bytes: 64 << 20,
        }
    }

    /// Refuses what the quorum could not work with, and says which value it was.
    pub(crate) fn validate(&self) -> Result<(), String> {
        if self.voters.is_empty() {
            return Err("controller.quorum.voters names nobody".to_owned());
        }
        if !self.voters.contains_key(&self.node_id) {
            return Err(format!(
                "node {} is not among controller.quorum.voters ({}): add it there, or start it without the role controller",
                self.node_id,
                ids(self.voters.keys().copied())
            ));
        }
        if let Some(id) = self.voters.keys().find(|id| **id > i32::MAX as u64) {
            return Err(format!("voter id {id} is above {}", i32::MAX));
        }
        if self.heartbeat_ticks == 0 || self.election_ticks < 3 || self.election_ticks <= self.heartbeat_ticks {
            return Err(format!(
                "an election after {} ticks with a heartbeat every {}: it takes at least 3, and more than a heartbeat",
                self.election_ticks, self.heartbeat_ticks
            ));
        }
        if self.max_inflight_messages == 0 {
            return Err("max_inflight_messages is 0".to_owned());
        }
        if self.max_uncommitted_bytes < self.max_message_bytes {
            return Err(format!(
                "max_uncommitted_bytes {} is below max_message_bytes {}",
                self.max_uncommitted_bytes, self.max_message_bytes
            ));
        }
        Ok(())
    }
}

/// Ids as people read them: `1, 2, 3`.
pub(crate) fn ids(ids: impl IntoIterator<Item = u64>) -> String {
    ids.into_iter().map(|id| id.to_string()).collect::<Vec<_>>().join(", ")
}
