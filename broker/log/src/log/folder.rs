//! What is in a log's folder, leftovers of crashes cleared away.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::Path;

use crate::disk::{Disk, OpenMode};
use crate::error::LogError;
use crate::meta::PARTITION_METADATA;
use crate::names::{self, CLEANED, DELETED, Kind, SWAP};
use crate::scan::{LARGE, Scanner, Step};
use crate::segment::Files;

/// The files that a log is opened from.
#[derive(Debug, Default)]
pub(super) struct Folder {
    pub(super) segments: BTreeMap<i64, Files>,
    pub(super) snapshots: BTreeSet<i64>,
    pub(super) has_epochs: bool,
    pub(super) has_metadata: bool,
}

/// Lists the folder; removes what an interrupted deletion left, and finishes or takes back an interrupted compaction of
/// Apache Kafka.
pub(super) fn tidy(disk: &dyn Disk, dir: &Path, notes: &mut Vec<String>) -> Result<Folder, LogError> {
    let names = list(disk, dir)?;
    let any_swap = names.keys().any(|name| name.ends_with(SWAP) || name.ends_with(CLEANED));
    let names = if any_swap {
        finish_swaps(disk, dir, &names, notes)?;
        list(disk, dir)?
    } else {
        names
    };
    let mut folder = Folder::default();
    let mut others = Vec::new();
    for (name, &len) in &names {
        if name.ends_with(DELETED) || name.ends_with(".tmp") {
            remove(disk, &dir.join(name))?;
            notes.push(format!("{name} was left over: removed"));
            continue;
        }
        match names::parse_file(name) {
            Some((base, Kind::Log)) => folder.segments.entry(base).or_default().log = len,
            Some((base, Kind::Snapshot)) => {
                folder.snapshots.insert(base);
            }
            Some((base, kind)) => others.push((base, kind, len)),
            None if name == names::EPOCHS => folder.has_epochs = true,
            None if name == PARTITION_METADATA => folder.has_metadata = true,
            None if belongs_to_the_quorum(name) => {}
            None => notes.push(format!("{name} is none of ours: left alone")),
        }
    }
    for (base, kind, len) in others {
        match folder.segments.get_mut(&base) {
            Some(files) => match kind {
                Kind::Index => files.index = Some(len),
                Kind::TimeIndex => files.time_index = Some(len),
                Kind::Log | Kind::TxnIndex | Kind::Snapshot => {}
            },
            None => {
                let path = names::file(dir, base, kind);
                remove(disk, &path)?;
                notes.push(format!("{} belongs to no segment: removed", path.display()));
            }
        }
    }
    Ok(folder)
}

/// The folder of the metadata log holds the quorum's own files too, as in Kafka.
fn belongs_to_the_quorum(name: &str) -> bool {
    name == "quorum-state" || name.ends_with(".checkpoint")
}

/// Names and lengths of the files; folders inside are none of ours.
fn list(disk: &dyn Disk, dir: &Path) -> Result<BTreeMap<String, u64>, LogError> {
    let entries = disk.list(dir).map_err(LogError::io("list", dir))?;
    Ok(entries.into_iter().filter(|e| !e.is_dir).map(|e| (e.name, e.len)).collect())
}

fn remove(disk: &dyn Disk, path: &Path) -> Result<(), LogError> {
    match disk.remove_file(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(LogError::io("remove", path)(e)),
        _ => Ok(()),
    }
}

/// Kafka's cleaner writes `.cleaned` files, renames them to `.swap` once they are whole, removes the segments that they
/// replace, and renames them to their final names. Swaps at or above a `.cleaned` file are of a replacement that was
/// not whole.
fn finish_swaps(
    disk: &dyn Disk,
    dir: &Path,
    names: &BTreeMap<String, u64>,
    notes: &mut Vec<String>,
) -> Result<(), LogError> {
    let base_of = |name: &str, suffix| names::parse_file(name.strip_suffix(suffix)?);
    let first_cleaned = names.keys().filter_map(|name| base_of(name, CLEANED)).map(|(base, _)| base).min();
    let mut swapped = Vec::new();
    for (name, &len) in names {
        let path = dir.join(name);
        if name.ends_with(CLEANED) {
            remove(disk, &path)?;
            notes.push(format!("{name} was left over: removed"));
            continue;
        }
        if !name.ends_with(SWAP) {
            continue;
        }
        match base_of(name, SWAP) {
            Some((base, Kind::Log)) if first_cleaned.is_none_or(|first| base < first) => {
                swapped.push((base, len, path))
            }
            // Indexes are made again from the batches.
            _ => {
                remove(disk, &path)?;
                notes.push(format!("{name} was left over: removed"));
            }
        }
    }
    for (base, len, path) in swapped {
        let last = last_offset(disk, base, &path, len)?;
        for name in names.keys() {
            if let Some((old, Kind::Log)) = names::parse_file(name)
                && (base..=last.max(base)).contains(&old)
            {
                super::recovery::remove_segment(disk, dir, old)?;
            }
        }
        let target = names::file(dir, base, Kind::Log);
        disk.rename(&path, &target).map_err(LogError::io("rename", &path))?;
        notes.push(format!("{} was put in place", path.display()));
    }
    disk.sync_dir(dir).map_err(LogError::io("sync", dir))
}

fn last_offset(disk: &dyn Disk, base: i64, path: &Path, len: u64) -> Result<i64, LogError> {
    let file = disk.open(path, OpenMode::Read).map_err(LogError::io("open", path))?;
    let mut scanner = Scanner::new(file.as_ref(), 0, len, LARGE);
    let mut last = base - 1;
    while let Step::Batch { header, .. } = scanner.next().map_err(LogError::io("read", path))? {
        last = header.last_offset();
    }
    Ok(last)
}
