//! Disk work that may block for long and is run by another thread: fsync, and the removal of files.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use crate::disk::{Disk, DiskFile, replace, replace_unsynced};

/// Syncs what a log has written since its recovery point. Made by [`crate::Log::flush_job`]; run it anywhere, then
/// give the outcome back: [`crate::Log::flushed`], or [`crate::Log::fail`] with the error (a file whose fsync failed
/// once cannot be trusted to say so again).
pub struct FlushJob {
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) dir: PathBuf,
    pub(crate) files: Vec<Arc<dyn DiskFile>>,
    pub(crate) paths: Vec<PathBuf>,
    pub(crate) epochs: Option<(PathBuf, Vec<u8>)>,
    pub(crate) sync_dir: bool,
    pub(crate) sync_parent: bool,
    pub(crate) done: FlushDone,
}

/// What a [`FlushJob`] achieved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FlushDone {
    /// Everything below this offset is on disk.
    pub offset: i64,
    pub(crate) job: u64,
    pub(crate) truncations: u64,
    pub(crate) names: u64,
    pub(crate) epochs: u64,
    pub(crate) parent: bool,
}

impl FlushJob {
    /// The offset that will be safe from a power loss.
    pub fn offset(&self) -> i64 {
        self.done.offset
    }

    /// The partition's folder.
    pub fn dir(&self) -> &std::path::Path {
        &self.dir
    }

    /// Does it. Blocks for as long as the disk takes.
    ///
    /// # Errors
    /// Any error of the disk; the log must then be told ([`crate::Log::fail`]).
    pub fn run(self) -> io::Result<FlushDone> {
        for file in &self.files {
            file.sync()?;
        }
        for path in &self.paths {
            match self.disk.open(path, crate::OpenMode::ReadWrite) {
                Ok(file) => file.sync()?,
                // Retention or truncation took it meanwhile.
                Err(e) if e.kind() == io::ErrorKind::NotFound => {}
                Err(e) => return Err(e),
            }
        }
        if let Some((path, content)) = &self.epochs {
            replace(self.disk.as_ref(), path, content)?;
        }
        if self.sync_dir || self.epochs.is_some() {
            self.disk.sync_dir(&self.dir)?;
        }
        if self.sync_parent
            && let Some(parent) = self.dir.parent()
        {
            self.disk.sync_dir(parent)?;
        }
        Ok(self.done)
    }
}

impl FlushJob {
    /// Does all but the syncs. What it achieved holds only after [`Disk::sync_all`] of the log folder: one sync for many
    /// logs that are closed together.
    ///
    /// # Errors
    /// As [`FlushJob::run`].
    pub fn run_unsynced(self) -> io::Result<FlushDone> {
        if let Some((path, content)) = &self.epochs {
            replace_unsynced(self.disk.as_ref(), path, content)?;
        }
        Ok(self.done)
    }
}

impl fmt::Debug for FlushJob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FlushJob").field("dir", &self.dir).field("done", &self.done).finish_non_exhaustive()
    }
}

/// Removes files or folders that were renamed to `.deleted` or `-delete` and that no new reader can reach.
#[derive(Debug)]
pub struct DeleteJob {
    pub(crate) disk: Arc<dyn Disk>,
    /// What will be removed.
    pub paths: Vec<PathBuf>,
    pub(crate) folder: bool,
}

impl DeleteJob {
    /// Does it; what is gone already is no error.
    ///
    /// # Errors
    /// The first error of the disk; the rest was still tried, and what stayed is removed at the next open.
    pub fn run(self) -> io::Result<()> {
        let mut outcome = Ok(());
        for path in &self.paths {
            let removed = if self.folder { self.disk.remove_dir_all(path) } else { self.disk.remove_file(path) };
            if let Err(e) = removed
                && e.kind() != io::ErrorKind::NotFound
                && outcome.is_ok()
            {
                outcome = Err(e);
            }
        }
        outcome
    }
}
