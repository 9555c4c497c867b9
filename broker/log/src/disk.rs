//! The only door to files: one trait for folders, one for open files.
//!
//! Two implementations pass the same conformance suite (`tests/disk_conformance.rs`): [`real::RealDisk`] over the
//! operating system, and [`mem::MemDisk`], which can lose power, fill up and fail on request.

pub mod mem;
pub mod real;

use std::fmt::Debug;
use std::io::{self, IoSlice};
use std::os::fd::BorrowedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;

use crate::names::with_suffix;

/// How [`Disk::open`] treats a file that is or is not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OpenMode {
    /// For reading; it must exist.
    Read,
    /// For reading and writing; it must exist.
    ReadWrite,
    /// For reading and writing; it must not exist yet.
    CreateNew,
    /// For reading and writing; made empty when it does not exist, kept as it is when it does.
    Create,
}

/// One name in a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DirEntry {
    /// The last part of the path. Names that are not UTF-8 are shown with replacement characters.
    pub name: String,
    /// A folder, not a file.
    pub is_dir: bool,
    /// Size in bytes; 0 for a folder.
    pub len: u64,
}

/// Held while a process uses a log folder; the lock ends when this is dropped.
pub trait DirLock: Send + Sync + Debug {}

/// Folders and names. Every call may block for as long as the disk takes.
pub trait Disk: Send + Sync + Debug {
    /// Opens a file. `NotFound` and `AlreadyExists` as the mode says.
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn DiskFile>>;
    /// Every name in a folder, sorted by name.
    fn list(&self, dir: &Path) -> io::Result<Vec<DirEntry>>;
    /// Makes a folder and the ones above it; no error when it is there.
    fn create_dir_all(&self, dir: &Path) -> io::Result<()>;
    /// Renames a file or a folder; a file that has the new name is replaced in one step.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Removes a file. Open handles go on working.
    fn remove_file(&self, path: &Path) -> io::Result<()>;
    /// Removes a folder and all that is in it.
    fn remove_dir_all(&self, path: &Path) -> io::Result<()>;
    /// Whether a file or folder of this name is there; false when it cannot be told.
    fn exists(&self, path: &Path) -> bool;
    /// Makes the names in a folder (creations, renames, removals) survive a power loss.
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;
    /// Makes everything below a folder, contents and names, survive a power loss: one call in place of one for each file.
    /// It may sync more than that, the whole file system.
    fn sync_all(&self, dir: &Path) -> io::Result<()>;
    /// Bytes that can still be written below this folder.
    fn free_bytes(&self, dir: &Path) -> io::Result<u64>;
    /// Bytes of the volume that holds this folder, whatever is on it.
    fn total_bytes(&self, dir: &Path) -> io::Result<u64>;
    /// Takes the lock file of a log folder; `WouldBlock` while another holder has it.
    fn lock(&self, path: &Path) -> io::Result<Box<dyn DirLock>>;
}

/// An open file. Positions are explicit, so that one handle serves many readers and one writer.
pub trait DiskFile: Send + Sync + Debug {
    /// Reads up to `buf.len()` bytes; fewer only at the end of the file.
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize>;
    /// Writes all of `bufs`, one after the other. After an error any part of them may have been written.
    fn write_vectored_at(&self, bufs: &[IoSlice<'_>], offset: u64) -> io::Result<()>;
    /// Length in bytes.
    fn len(&self) -> io::Result<u64>;
    /// Whether the file has no byte.
    fn is_empty(&self) -> io::Result<bool> {
        Ok(self.len()? == 0)
    }
    /// Cuts the file, or grows it with zeros, to `len` bytes.
    fn truncate(&self, len: u64) -> io::Result<()>;
    /// Makes the content and the length survive a power loss (the name too only after [`Disk::sync_dir`]).
    fn sync(&self) -> io::Result<()>;
    /// The descriptor behind it, for sendfile; none in memory.
    fn as_fd(&self) -> Option<BorrowedFd<'_>>;
    /// Writes one buffer at `offset`.
    fn write_at(&self, buf: &[u8], offset: u64) -> io::Result<()> {
        self.write_vectored_at(&[IoSlice::new(buf)], offset)
    }
}

/// Bytes of an open file that are to be sent: the records part of a fetch answer.
#[derive(Debug, Clone)]
pub struct FileRange {
    /// The file; it stays readable while this is held, even when the segment is deleted.
    pub file: Arc<dyn DiskFile>,
    /// First byte.
    pub offset: u64,
    /// How many bytes.
    pub len: usize,
}

impl FileRange {
    /// Reads the range into memory.
    ///
    /// # Errors
    /// `UnexpectedEof` when the file has been truncated below the end of the range meanwhile.
    pub fn read(&self) -> io::Result<Bytes> {
        let mut buf = vec![0; self.len];
        read_exact_at(self.file.as_ref(), &mut buf, self.offset)?;
        Ok(Bytes::from(buf))
    }
}

impl odradek_wire::fetch::RecordsPayload for FileRange {
    fn len(&self) -> usize {
        self.len
    }
}

/// Fills `buf` from `offset`.
///
/// # Errors
/// `UnexpectedEof` when the file ends before.
pub fn read_exact_at(file: &dyn DiskFile, buf: &mut [u8], offset: u64) -> io::Result<()> {
    let mut done = 0;
    while done < buf.len() {
        let n = file.read_at(&mut buf[done..], offset + done as u64)?;
        if n == 0 {
            return Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                format!("the file ends at byte {}, {} bytes were wanted at {offset}", offset + done as u64, buf.len()),
            ));
        }
        done += n;
    }
    Ok(())
}

/// Reads a whole file.
///
/// # Errors
/// As [`Disk::open`] and [`DiskFile::read_at`].
pub fn read_file(disk: &dyn Disk, path: &Path) -> io::Result<Vec<u8>> {
    let file = disk.open(path, OpenMode::Read)?;
    let len = file.len()?;
    let mut buf = vec![0; usize::try_from(len).map_err(|_| io::Error::from(io::ErrorKind::FileTooLarge))?];
    read_exact_at(file.as_ref(), &mut buf, 0)?;
    Ok(buf)
}

/// Replaces a file in one step that survives a power loss: a new file beside it, sync, rename, sync of the folder.
///
/// # Errors
/// Any error of the disk; the old content is then still there, or the new one is.
pub fn write_atomic(disk: &dyn Disk, path: &Path, content: &[u8]) -> io::Result<()> {
    replace(disk, path, content)?;
    match path.parent() {
        Some(dir) => disk.sync_dir(dir),
        None => Ok(()),
    }
}

/// As [`write_atomic`], but the new name is safe only once the folder is synced.
pub(crate) fn replace(disk: &dyn Disk, path: &Path, content: &[u8]) -> io::Result<()> {
    let tmp = write_beside(disk, path, content, true)?;
    disk.rename(&tmp, path)
}

/// As [`write_atomic`], but nothing of it is safe until all is synced.
pub(crate) fn replace_unsynced(disk: &dyn Disk, path: &Path, content: &[u8]) -> io::Result<()> {
    let tmp = write_beside(disk, path, content, false)?;
    disk.rename(&tmp, path)
}

fn write_beside(disk: &dyn Disk, path: &Path, content: &[u8], sync: bool) -> io::Result<PathBuf> {
    let tmp = with_suffix(path, ".tmp");
    let file = disk.open(&tmp, OpenMode::Create)?;
    file.truncate(0)?;
    file.write_at(content, 0)?;
    if sync {
        file.sync()?;
    }
    Ok(tmp)
}
