//! What a quorum is opened with.

use std::collections::BTreeMap;

use crate::member::Endpoint;

/// What a [`crate::Quorum`] is opened with.
#[derive(Debug, Clone)]
pub struct QuorumConfig {
    /// This controller's `node.id`, from 0 up to `i32::MAX`.
    pub node_id: u64,
    /// The id of this controller's metadata folder, from its `meta.properties`. `None`: the one that is stored with
    /// the vote, or a new one, drawn from the seed.
    pub directory_id: Option<[u8; 16]>,
    /// The voters that `controller.quorum.voters` names, and where they listen. They count until the quorum has formed,
    /// for which all of them must be there once; after that the voters are those that the log or the snapshot names.
    /// A node that is not among them observes, until it is made a voter.
    pub voters: BTreeMap<u64, Vec<Endpoint>>,
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
            directory_id: None,
            voters: voters.into_iter().map(|id| (id, Vec::new())).collect(),
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
        if self.node_id > i32::MAX as u64 {
            return Err(format!("node.id {} is above {}", self.node_id, i32::MAX));
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
