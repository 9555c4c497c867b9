//! Errors on request, and counts of what was done.

use std::io;
use std::path::Path;

/// A kind of call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DiskOp {
    /// Opening a file, new or not.
    Open,
    /// Making a new file.
    Create,
    /// Reading from a file.
    Read,
    /// Writing to a file.
    Write,
    /// Cutting a file.
    Truncate,
    /// Syncing a file.
    Sync,
    /// Listing a folder.
    List,
    /// Making a folder.
    CreateDir,
    /// Syncing a folder.
    SyncDir,
    /// Renaming.
    Rename,
    /// Removing.
    Remove,
}

/// An error to give.
#[derive(Debug, Clone)]
pub struct Fault {
    /// On which call.
    pub op: DiskOp,
    /// On paths that contain this; an empty one means all.
    pub path_contains: String,
    /// How many matching calls still succeed before.
    pub after: u64,
    /// How many calls then fail; `u64::MAX` for all.
    pub times: u64,
    /// What they say. A failing write has written the first half of its bytes.
    pub kind: io::ErrorKind,
}

/// How often, and how many bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct OpCounts {
    /// Files opened.
    pub opens: u64,
    /// Reads.
    pub reads: u64,
    /// Bytes read.
    pub read_bytes: u64,
    /// Writes.
    pub writes: u64,
    /// Bytes written.
    pub written_bytes: u64,
    /// Files synced.
    pub syncs: u64,
    /// Folders synced.
    pub dir_syncs: u64,
    /// Folders listed.
    pub lists: u64,
}

#[derive(Debug, Default)]
pub(super) struct Faults {
    pub(super) capacity: Option<u64>,
    pub(super) rules: Vec<Fault>,
    pub(super) counts: OpCounts,
}

impl Faults {
    pub(super) fn check(&mut self, op: DiskOp, path: &Path) -> io::Result<()> {
        match op {
            DiskOp::Open => self.counts.opens += 1,
            DiskOp::Read => self.counts.reads += 1,
            DiskOp::Write => self.counts.writes += 1,
            DiskOp::Sync => self.counts.syncs += 1,
            DiskOp::SyncDir => self.counts.dir_syncs += 1,
            DiskOp::List => self.counts.lists += 1,
            DiskOp::Create | DiskOp::Truncate | DiskOp::CreateDir | DiskOp::Rename | DiskOp::Remove => {}
        }
        if self.rules.is_empty() {
            return Ok(());
        }
        let path = path.to_string_lossy();
        for rule in &mut self.rules {
            if rule.op != op || !path.contains(&rule.path_contains) || rule.times == 0 {
                continue;
            }
            if rule.after > 0 {
                rule.after -= 1;
                continue;
            }
            rule.times = rule.times.saturating_sub(1);
            return Err(io::Error::new(rule.kind, format!("injected on {op:?} of {path}")));
        }
        Ok(())
    }
}
