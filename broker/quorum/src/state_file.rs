//! `quorum-state`: the term, the vote and the voters of this node, in one small file.
//!
//! Raft stands on a voter never forgetting a vote. So the file is replaced as a whole (written beside, synced,
//! renamed, the folder synced) before a vote leaves, and one that does not check stops the controller.

use std::path::{Path, PathBuf};

use bytes::Bytes;
use odradek_log::Disk;
use odradek_log::disk::{read_file, write_atomic};
use prost::Message;

use crate::error::QuorumError;
use crate::framed;
use crate::member::Member;

/// The file's name, as in Kafka's metadata folder.
pub(crate) const NAME: &str = "quorum-state";
const MAGIC: &[u8; 8] = b"odqstate";

/// What the file holds.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct PersistedState {
    /// The controller that this folder belongs to.
    #[prost(uint64, tag = "1")]
    pub node_id: u64,
    /// The newest term that this node knows.
    #[prost(uint64, tag = "2")]
    pub term: u64,
    /// Whom it voted for in that term, as the library's id (node id + 1); 0 for nobody.
    #[prost(uint64, tag = "3")]
    pub vote: u64,
    /// An entry that is known to be committed: a lower bound, since the file is not written for every commit.
    #[prost(uint64, tag = "4")]
    pub commit: u64,
    /// Who takes part, as far as the log up to `voters_index` says.
    #[prost(message, repeated, tag = "5")]
    pub voters: Vec<Member>,
    /// The entry that named the voters; 0 while they come from the configuration.
    #[prost(uint64, tag = "6")]
    pub voters_index: u64,
    /// This controller's id in the library.
    #[prost(uint64, tag = "7")]
    pub raft_id: u64,
    /// This folder's id, 16 bytes.
    #[prost(bytes = "bytes", tag = "8")]
    pub directory_id: Bytes,
    /// How often the quorum was begun anew after a loss.
    #[prost(uint64, tag = "9")]
    pub generation: u64,
}

/// Reads the file. `None` when the folder never held one.
pub(crate) fn read(disk: &dyn Disk, dir: &Path, node_id: u64) -> Result<Option<PersistedState>, QuorumError> {
    let path = dir.join(NAME);
    if !disk.exists(&path) {
        return Ok(None);
    }
    let bytes = read_all(disk, &path)?;
    let damaged = |reason: String| QuorumError::Damaged { path: path.clone(), reason };
    let payload = framed::open(MAGIC, &bytes).map_err(damaged)?;
    let state = PersistedState::decode(payload).map_err(|error| damaged(error.to_string()))?;
    if state.node_id != node_id {
        return Err(QuorumError::OtherNode { path, found: state.node_id, expected: node_id });
    }
    Ok(Some(state))
}

/// Replaces the file; it is on the device when this returns.
pub(crate) fn write(disk: &dyn Disk, dir: &Path, state: &PersistedState) -> Result<(), QuorumError> {
    replace(disk, dir.join(NAME), &framed::seal(MAGIC, &state.encode_to_vec()))
}

/// Replaces a file in one step that survives a power loss.
pub(crate) fn replace(disk: &dyn Disk, path: PathBuf, bytes: &[u8]) -> Result<(), QuorumError> {
    write_atomic(disk, &path, bytes).map_err(|source| QuorumError::Io { action: "writing", path, source })
}

/// All bytes of a file.
pub(crate) fn read_all(disk: &dyn Disk, path: &Path) -> Result<Bytes, QuorumError> {
    read_file(disk, path).map(Bytes::from).map_err(|source| QuorumError::Io {
        action: "reading",
        path: path.to_owned(),
        source,
    })
}
