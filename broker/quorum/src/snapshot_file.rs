//! Snapshots: `<index>-<term>.checkpoint`, the state after entry `index`, in one file with a CRC.
//!
//! A new one is written beside, synced and renamed before an older one is removed, so one that checks is always there.

use std::path::Path;

use bytes::Bytes;
use odradek_log::Disk;
use prost::Message;

use crate::error::QuorumError;
use crate::framed;
use crate::state_file::{PersistedVoter, read_all, replace};

const MAGIC: &[u8; 8] = b"odqsnap\0";
const SUFFIX: &str = ".checkpoint";
const HALF: &str = ".checkpoint.tmp";

/// A state and the place in the log that it stands for.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct SnapshotFile {
    /// The last entry that is part of the state.
    #[prost(uint64, tag = "1")]
    pub index: u64,
    /// That entry's term.
    #[prost(uint64, tag = "2")]
    pub term: u64,
    /// Who votes at that entry.
    #[prost(message, repeated, tag = "3")]
    pub voters: Vec<PersistedVoter>,
    /// The state.
    #[prost(bytes = "bytes", tag = "4")]
    pub data: Bytes,
}

fn name(index: u64, term: u64) -> String {
    format!("{index:020}-{term:010}{SUFFIX}")
}

/// (index, term, file name) of every snapshot in the folder, oldest first.
fn names(disk: &dyn Disk, dir: &Path) -> Result<Vec<(u64, u64, String)>, QuorumError> {
    let entries =
        disk.list(dir).map_err(|source| QuorumError::Io { action: "listing", path: dir.to_owned(), source })?;
    let mut names: Vec<_> = entries
        .into_iter()
        .filter_map(|entry| {
            let (index, term) = entry.name.strip_suffix(SUFFIX)?.split_once('-')?;
            Some((index.parse().ok()?, term.parse().ok()?, entry.name))
        })
        .collect();
    names.sort();
    Ok(names)
}

/// The newest snapshot of the folder.
///
/// The newest one must check: entries before it are gone, so an older one would forget what was committed.
pub(crate) fn read_newest(disk: &dyn Disk, dir: &Path) -> Result<Option<SnapshotFile>, QuorumError> {
    match names(disk, dir)?.pop() {
        None => Ok(None),
        Some((index, term, file_name)) => read(disk, dir, index, term, &file_name).map(Some),
    }
}

/// One snapshot of the folder by its place.
pub(crate) fn read_at(disk: &dyn Disk, dir: &Path, index: u64, term: u64) -> Result<SnapshotFile, QuorumError> {
    read(disk, dir, index, term, &name(index, term))
}

fn read(disk: &dyn Disk, dir: &Path, index: u64, term: u64, file_name: &str) -> Result<SnapshotFile, QuorumError> {
    let path = dir.join(file_name);
    let bytes = read_all(disk, &path)?;
    let damaged = |reason: String| QuorumError::Damaged { path: path.clone(), reason };
    let payload = framed::open(MAGIC, &bytes).map_err(damaged)?;
    let snapshot = SnapshotFile::decode(bytes.slice_ref(payload)).map_err(|error| damaged(error.to_string()))?;
    if (snapshot.index, snapshot.term) != (index, term) {
        return Err(damaged(format!("it holds entry {} of term {}", snapshot.index, snapshot.term)));
    }
    Ok(snapshot)
}

/// Writes a snapshot and then removes the older ones. It is on the device when this returns.
pub(crate) fn write(disk: &dyn Disk, dir: &Path, snapshot: &SnapshotFile) -> Result<(), QuorumError> {
    let path = dir.join(name(snapshot.index, snapshot.term));
    replace(disk, path, &framed::seal(MAGIC, &snapshot.encode_to_vec()))?;
    let list = disk.list(dir).map_err(|source| QuorumError::Io { action: "listing", path: dir.to_owned(), source })?;
    let old = names(disk, dir)?.into_iter().filter(|(index, _, _)| *index < snapshot.index).map(|(_, _, name)| name);
    // Half a file that a power loss left, of a snapshot that is never asked for again.
    let halves = list.into_iter().map(|entry| entry.name).filter(|name| name.ends_with(HALF));
    for name in old.chain(halves) {
        let path = dir.join(name);
        disk.remove_file(&path).map_err(|source| QuorumError::Io { action: "removing", path, source })?;
    }
    Ok(())
}
