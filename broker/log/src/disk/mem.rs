//! A disk in memory that can lose power, fill up and fail: for tests and the simulator.
//!
//! Each file has what was written and what was synced; each folder has the names that are there and the changes of
//! names that no [`Disk::sync_dir`] has made safe yet. [`MemDisk::power_loss`] goes back to the safe state, letting a
//! seeded part of the rest survive: for names a prefix of the changes of each folder (as a journal has it), for
//! content any subset of the 512-byte sectors (as a disk writes back in any order). A kill needs no call: everything
//! written stays.

mod faults;
mod file;
mod tree;

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

use faults::Faults;
pub use faults::{DiskOp, Fault, OpCounts};
use file::{Inode, MemFile};
use tree::Tree;

use super::{DirEntry, DirLock, Disk, DiskFile, OpenMode};

/// A disk in memory. Clones are the same disk.
#[derive(Debug, Clone, Default)]
pub struct MemDisk {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    tree: Tree,
    faults: Faults,
    locks: BTreeSet<PathBuf>,
    /// Goes up with each power loss; handles and locks from before are dead.
    life: u64,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        // A panic of another test thread while it held the lock leaves the state as it was: still usable.
        self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl MemDisk {
    /// An empty disk without limits.
    pub fn new() -> MemDisk {
        MemDisk::default()
    }

    /// Goes back to what is safe from a power loss. `tear` is a seed that lets some of the rest survive; without it
    /// all that was not synced is gone. Handles and locks from before give errors.
    pub fn power_loss(&self, tear: Option<u64>) {
        let mut state = self.shared.state();
        state.life += 1;
        state.locks.clear();
        let mut rng = tear.map(SplitMix);
        state.tree.power_loss(&mut rng);
    }

    /// Most bytes that the files may hold together; `None` for no limit. A write beyond it writes what fits, then
    /// says that the disk is full.
    pub fn set_capacity(&self, bytes: Option<u64>) {
        self.shared.state().faults.capacity = bytes;
    }

    /// Adds a fault.
    pub fn inject(&self, fault: Fault) {
        self.shared.state().faults.rules.push(fault);
    }

    /// Removes every fault, the capacity not included.
    pub fn heal(&self) {
        self.shared.state().faults.rules.clear();
    }

    /// What was done since the disk was made.
    pub fn counts(&self) -> OpCounts {
        self.shared.state().faults.counts
    }

    /// Bytes in all files that have a name.
    pub fn used_bytes(&self) -> u64 {
        self.shared.state().tree.used()
    }

    /// Every file that has a name, with what was written to it: to look at, or to compare two runs.
    pub fn files(&self) -> Vec<(PathBuf, Vec<u8>)> {
        self.shared.state().tree.files()
    }

    /// A disk of its own with the same content, all of it synced: to try several things on one state.
    pub fn fork(&self) -> MemDisk {
        let tree = self.shared.state().tree.deep_copy();
        let disk = MemDisk::new();
        disk.shared.state().tree = tree;
        disk
    }
}

/// Small seeded numbers (Steele, Lea, Flood: SplitMix64); the same everywhere.
#[derive(Debug)]
struct SplitMix(u64);

impl SplitMix {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: u64) -> u64 {
        if bound == 0 { 0 } else { self.next() % bound }
    }
}

#[derive(Debug)]
struct MemLock {
    shared: Arc<Shared>,
    path: PathBuf,
    life: u64,
}

impl DirLock for MemLock {}

impl Drop for MemLock {
    fn drop(&mut self) {
        let mut state = self.shared.state();
        if state.life == self.life {
            state.locks.remove(&self.path);
        }
    }
}

impl Disk for MemDisk {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn DiskFile>> {
        let mut state = self.shared.state();
        state.faults.check(DiskOp::Open, path)?;
        let found = state.tree.file(path)?;
        let inode = match (found, mode) {
            (Some(_), OpenMode::CreateNew) => return Err(io::Error::from(io::ErrorKind::AlreadyExists)),
            (Some(inode), _) => inode,
            (None, OpenMode::Read | OpenMode::ReadWrite) => return Err(io::Error::from(io::ErrorKind::NotFound)),
            (None, OpenMode::CreateNew | OpenMode::Create) => {
                state.faults.check(DiskOp::Create, path)?;
                let inode = Arc::new(Inode::default());
                state.tree.create_file(path, Arc::clone(&inode))?;
                inode
            }
        };
        let life = state.life;
        Ok(Arc::new(MemFile {
            shared: Arc::clone(&self.shared),
            inode,
            path: path.to_owned(),
            life,
            writable: mode != OpenMode::Read,
        }))
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<DirEntry>> {
        let mut state = self.shared.state();
        state.faults.check(DiskOp::List, dir)?;
        state.tree.list(dir)
    }

    fn create_dir_all(&self, dir: &Path) -> io::Result<()> {
        let mut state = self.shared.state();
        state.faults.check(DiskOp::CreateDir, dir)?;
        state.tree.create_dir_all(dir)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.shared.state();
        state.faults.check(DiskOp::Rename, from)?;
        state.tree.rename(from, to)
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        let mut state = self.shared.state();
        state.faults.check(DiskOp::Remove, path)?;
        state.tree.remove_file(path)
    }

    fn remove_dir_all(&self, path: &Path) -> io::Result<()> {
        let mut state = self.shared.state();
        state.faults.check(DiskOp::Remove, path)?;
        state.tree.remove_dir_all(path)
    }

    fn exists(&self, path: &Path) -> bool {
        self.shared.state().tree.exists(path)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        let mut state = self.shared.state();
        state.faults.check(DiskOp::SyncDir, dir)?;
        state.tree.sync_dir(dir)
    }

    fn sync_all(&self, dir: &Path) -> io::Result<()> {
        let mut state = self.shared.state();
        state.faults.check(DiskOp::Sync, dir)?;
        state.tree.sync_all(dir)
    }

    fn free_bytes(&self, _dir: &Path) -> io::Result<u64> {
        let state = self.shared.state();
        Ok(match state.faults.capacity {
            Some(capacity) => capacity.saturating_sub(state.tree.used()),
            None => u64::MAX,
        })
    }

    fn total_bytes(&self, _dir: &Path) -> io::Result<u64> {
        Ok(self.shared.state().faults.capacity.unwrap_or(u64::MAX))
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn DirLock>> {
        let mut state = self.shared.state();
        if !state.locks.insert(path.to_owned()) {
            return Err(io::Error::from(io::ErrorKind::WouldBlock));
        }
        if state.tree.file(path)?.is_none() {
            state.tree.create_file(path, Arc::new(Inode::default()))?;
        }
        Ok(Box::new(MemLock { shared: Arc::clone(&self.shared), path: path.to_owned(), life: state.life }))
    }
}
