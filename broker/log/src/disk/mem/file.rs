//! One file: what was written, and what was synced.

use std::collections::BTreeSet;
use std::io::{self, IoSlice};
use std::os::fd::BorrowedFd;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard};

use super::faults::DiskOp;
use super::{Shared, SplitMix};
use crate::disk::DiskFile;

/// What a disk writes at once.
const SECTOR: usize = 512;

/// The content of a file; it lives as long as a name or a handle.
#[derive(Debug, Default)]
pub(super) struct Inode {
    content: Mutex<Content>,
}

#[derive(Debug, Default, Clone)]
struct Content {
    written: Vec<u8>,
    synced: Vec<u8>,
    /// Sectors of `written` that differ, or may differ, from `synced`.
    dirty: BTreeSet<usize>,
}

impl Inode {
    fn content(&self) -> MutexGuard<'_, Content> {
        self.content.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    pub(super) fn len(&self) -> u64 {
        self.content().written.len() as u64
    }

    pub(super) fn bytes(&self) -> Vec<u8> {
        self.content().written.clone()
    }

    pub(super) fn sync(&self) {
        self.content().sync();
    }

    pub(super) fn copy_synced(&self) -> Inode {
        let written = self.bytes();
        Inode { content: Mutex::new(Content { synced: written.clone(), written, dirty: BTreeSet::new() }) }
    }

    /// Back to what was synced, with some of the rest when there is a seed.
    pub(super) fn power_loss(&self, rng: &mut Option<SplitMix>) {
        let mut content = self.content();
        let content = &mut *content;
        if let Some(rng) = rng
            && (!content.dirty.is_empty() || content.written.len() != content.synced.len())
        {
            let low = content.synced.len().min(content.written.len());
            let high = content.synced.len().max(content.written.len());
            let len = match rng.below(3) {
                0 => content.synced.len(),
                1 => content.written.len(),
                _ => low + rng.below((high - low + 1) as u64) as usize,
            };
            // Where the new length survived and the data did not, there are zeros.
            content.synced.resize(len, 0);
            for sector in &content.dirty {
                let start = sector * SECTOR;
                let end = (start + SECTOR).min(content.written.len()).min(len);
                if start < end && rng.below(2) == 0 {
                    content.synced[start..end].copy_from_slice(&content.written[start..end]);
                }
            }
        }
        content.written = content.synced.clone();
        content.dirty.clear();
    }
}

impl Content {
    fn mark(&mut self, start: usize, end: usize) {
        if start < end {
            self.dirty.extend(start / SECTOR..=(end - 1) / SECTOR);
        }
    }

    fn write(&mut self, buf: &[u8], offset: usize) {
        let end = offset + buf.len();
        let from = offset.min(self.written.len());
        if self.written.len() < end {
            self.written.resize(end, 0);
        }
        self.written[offset..end].copy_from_slice(buf);
        self.mark(from, end);
    }

    fn truncate(&mut self, len: usize) {
        let old = self.written.len();
        self.written.resize(len, 0);
        if old < len {
            self.mark(old, len);
        }
    }

    fn sync(&mut self) {
        self.synced.resize(self.written.len(), 0);
        for sector in std::mem::take(&mut self.dirty) {
            let start = sector * SECTOR;
            let end = (start + SECTOR).min(self.written.len());
            if start < end {
                self.synced[start..end].copy_from_slice(&self.written[start..end]);
            }
        }
    }
}

/// A handle.
#[derive(Debug)]
pub(super) struct MemFile {
    pub(super) shared: Arc<Shared>,
    pub(super) inode: Arc<Inode>,
    pub(super) path: PathBuf,
    pub(super) life: u64,
    pub(super) writable: bool,
}

impl MemFile {
    fn check(&self, op: DiskOp) -> io::Result<()> {
        let mut state = self.shared.state();
        if state.life != self.life {
            return Err(io::Error::other(format!("{} was opened before the power loss", self.path.display())));
        }
        if !self.writable && matches!(op, DiskOp::Write | DiskOp::Truncate) {
            return Err(io::Error::from(io::ErrorKind::PermissionDenied));
        }
        state.faults.check(op, &self.path)
    }

    fn put(&self, bufs: &[IoSlice<'_>], offset: u64, limit: usize) -> io::Result<()> {
        let mut content = self.inode.content();
        let mut at = to_usize(offset)?;
        let mut left = limit;
        for buf in bufs {
            let part = &buf[..buf.len().min(left)];
            content.write(part, at);
            at += part.len();
            left -= part.len();
        }
        Ok(())
    }
}

fn to_usize(offset: u64) -> io::Result<usize> {
    usize::try_from(offset).map_err(|_| io::Error::from(io::ErrorKind::FileTooLarge))
}

impl DiskFile for MemFile {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        self.check(DiskOp::Read)?;
        let n = {
            let content = self.inode.content();
            let start = to_usize(offset)?.min(content.written.len());
            let n = buf.len().min(content.written.len() - start);
            buf[..n].copy_from_slice(&content.written[start..start + n]);
            n
        };
        self.shared.state().faults.counts.read_bytes += n as u64;
        Ok(n)
    }

    fn write_vectored_at(&self, bufs: &[IoSlice<'_>], offset: u64) -> io::Result<()> {
        let total: usize = bufs.iter().map(|b| b.len()).sum();
        if let Err(e) = self.check(DiskOp::Write) {
            if self.writable && e.kind() != io::ErrorKind::Other {
                self.put(bufs, offset, total / 2)?;
            }
            return Err(e);
        }
        let growth = (offset + total as u64).saturating_sub(self.inode.len());
        let free = {
            let mut state = self.shared.state();
            let free = state.faults.capacity.map(|capacity| capacity.saturating_sub(state.tree.used()));
            state.faults.counts.written_bytes += total as u64;
            free
        };
        if let Some(free) = free
            && growth > free
        {
            let fits = total.saturating_sub(to_usize(growth - free)?);
            self.put(bufs, offset, fits)?;
            return Err(io::Error::from(io::ErrorKind::StorageFull));
        }
        self.put(bufs, offset, total)
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.inode.len())
    }

    fn truncate(&self, len: u64) -> io::Result<()> {
        self.check(DiskOp::Truncate)?;
        self.inode.content().truncate(to_usize(len)?);
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        self.check(DiskOp::Sync)?;
        self.inode.content().sync();
        Ok(())
    }

    fn as_fd(&self) -> Option<BorrowedFd<'_>> {
        None
    }
}
