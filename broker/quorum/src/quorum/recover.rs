//! What is on a disk while nothing runs on it, and beginning anew with it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use odradek_log::Disk;

use super::Quorum;
use crate::config::QuorumConfig;
use crate::error::QuorumError;
use crate::ready::{Entry, Snapshot};
use crate::state_file;
use crate::storage::{Recovered, Store};

/// The id that the folder `dir` was made under; `None` when it holds no quorum yet.
///
/// # Errors
///
/// The file does not check, or is of another node.
pub fn stored_directory_id(disk: &dyn Disk, dir: &Path, node_id: u64) -> Result<Option<[u8; 16]>, QuorumError> {
    let state = state_file::read(disk, dir, node_id)?;
    Ok(state.and_then(|state| state.directory_id[..].try_into().ok()))
}

impl Quorum {
    /// For a quorum that has lost the majority of its disks for good: makes this controller its only voter, with what
    /// its own disk holds. Must not be called while a process uses the folder.
    ///
    /// `fold` gets the snapshot and the entries after it, and what is about to be done; it gives the state that they
    /// add up to, or `None` when nothing is to be changed.
    ///
    /// # Errors
    ///
    /// As for [`Quorum::open`]; [`QuorumError::Config`] when this node was no voter, or the disk holds nothing.
    pub fn recover<E: From<QuorumError>>(
        disk: Arc<dyn Disk>,
        dir: PathBuf,
        config: &QuorumConfig,
        wall_ms: i64,
        fold: impl FnOnce(Option<Snapshot>, Vec<Entry>, &Recovered) -> Result<Option<Bytes>, E>,
    ) -> Result<Option<Recovered>, E> {
        if !disk.exists(&dir) {
            let reason = format!("{} is not there: there is no metadata log to begin anew with", dir.display());
            return Err(QuorumError::Config(reason).into());
        }
        let (mut store, snapshot, entries, found) = Store::look(disk, dir, config, wall_ms)?;
        if found.last_index == 0 {
            let reason = "the metadata log is empty: there is nothing to begin anew with".to_owned();
            return Err(QuorumError::Config(reason).into());
        }
        let Some(data) = fold(snapshot, entries, &found)? else { return Ok(None) };
        store.begin_anew(&found, config, data)?;
        Ok(Some(found))
    }
}
