//! Snapshots: `<index>-<term>.checkpoint`, the state after entry `index`, in one file with a CRC.
//!
//! A new one is written beside, synced and renamed before an older one is removed, so one that checks is always there.

use std::path::{Path, PathBuf};

use bytes::Bytes;
use odradek_log::Disk;
use prost::Message;

use crate::error::QuorumError;
use crate::framed;
use crate::member::Member;
use crate::state_file::{read_all, replace};

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
    /// Who takes part at that entry.
    #[prost(message, repeated, tag = "3")]
    pub voters: Vec<Member>,
    /// The state.
    #[prost(bytes = "bytes", tag = "4")]
    pub data: Bytes,
    /// How often the quorum was begun anew after a loss.
    #[prost(uint64, tag = "5")]
    pub generation: u64,
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

/// The newest snapshot of the folder that checks, and why newer ones do not. `None`: there is none that checks.
///
/// An older one is of use only where the log still holds the entries behind it: the caller has to look.
pub(crate) fn read_newest(disk: &dyn Disk, dir: &Path) -> Result<(Option<SnapshotFile>, Option<Damaged>), QuorumError> {
    let mut damaged = None;
    for (index, term, file_name) in names(disk, dir)?.into_iter().rev() {
        match read(disk, dir, index, term, &file_name) {
            Ok(snapshot) => return Ok((Some(snapshot), damaged)),
            Err(error @ QuorumError::Damaged { .. }) => {
                damaged.get_or_insert(Damaged { path: dir.join(file_name), error });
            }
            Err(error) => return Err(error),
        }
    }
    Ok((None, damaged))
}

/// A snapshot that does not check.
#[derive(Debug)]
pub(crate) struct Damaged {
    /// Its file.
    pub path: PathBuf,
    /// What is wrong with it.
    pub error: QuorumError,
}

/// Puts a snapshot that does not check, and that nothing rests upon, out of the way.
pub(crate) fn set_aside(disk: &dyn Disk, path: &Path) -> Result<(), QuorumError> {
    let mut name = path.as_os_str().to_owned();
    name.push(".damaged");
    disk.rename(path, Path::new(&name)).map_err(|source| QuorumError::Io {
        action: "renaming",
        path: path.to_owned(),
        source,
    })
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

/// Writes a snapshot and then removes older ones, but for the one before when `keep_previous`. It is on the device when
/// this returns.
pub(crate) fn write(
    disk: &dyn Disk,
    dir: &Path,
    snapshot: &SnapshotFile,
    keep_previous: bool,
) -> Result<(), QuorumError> {
    let path = dir.join(name(snapshot.index, snapshot.term));
    replace(disk, path, &framed::seal(MAGIC, &snapshot.encode_to_vec()))?;
    let list = disk.list(dir).map_err(|source| QuorumError::Io { action: "listing", path: dir.to_owned(), source })?;
    let mut old: Vec<_> = names(disk, dir)?.into_iter().filter(|(index, _, _)| *index < snapshot.index).collect();
    if keep_previous {
        old.pop();
    }
    // Half a file that a power loss left, of a snapshot that is never asked for again.
    let halves = list.into_iter().map(|entry| entry.name).filter(|name| name.ends_with(HALF));
    for name in old.into_iter().map(|(_, _, name)| name).chain(halves) {
        let path = dir.join(name);
        disk.remove_file(&path).map_err(|source| QuorumError::Io { action: "removing", path, source })?;
    }
    Ok(())
}
