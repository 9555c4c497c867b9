//! The operating system's files, by position (`pread`, `pwritev`), never mapped into memory.

use std::fs::{self, File, OpenOptions};
use std::io::{self, IoSlice};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use rustix::fs::FlockOperation;

use super::{DirEntry, DirLock, Disk, DiskFile, OpenMode};

/// Buffers that one `pwritev` takes (IOV_MAX on Linux and macOS).
const MAX_BUFFERS: usize = 1024;

/// The file system that the process sees.
#[derive(Debug, Clone, Copy, Default)]
pub struct RealDisk;

impl RealDisk {
    /// The one there is.
    pub fn new() -> RealDisk {
        RealDisk
    }
}

#[derive(Debug)]
struct RealFile(File);

#[derive(Debug)]
struct RealLock {
    // Closing it ends both locks.
    _file: File,
}

impl DirLock for RealLock {}

impl Disk for RealDisk {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn DiskFile>> {
        let mut options = OpenOptions::new();
        options.read(true);
        match mode {
            OpenMode::Read => {}
            OpenMode::ReadWrite => {
                options.write(true);
            }
            OpenMode::CreateNew => {
                options.write(true).create_new(true);
            }
            OpenMode::Create => {
                options.write(true).create(true).truncate(false);
            }
        }
        let file = options.open(path)?;
        Ok(Arc::new(RealFile(file)))
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<DirEntry>> {
        let mut entries = Vec::new();
        for entry in fs::read_dir(dir)? {
            let entry = entry?;
            let meta = match entry.metadata() {
                Ok(meta) => meta,
                // Removed between the two calls.
                Err(e) if e.kind() == io::ErrorKind::NotFound => continue,
                Err(e) => return Err(e),
            };
            let is_dir = meta.is_dir();
            entries.push(DirEntry {
                name: entry.file_name().to_string_lossy().into_owned(),
                is_dir,
                len: if is_dir { 0 } else { meta.len() },
            });
        }
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(entries)
    }

    fn create_dir_all(&self, dir: &Path) -> io::Result<()> {
        fs::create_dir_all(dir)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn remove_dir_all(&self, path: &Path) -> io::Result<()> {
        fs::remove_dir_all(path)
    }

    fn exists(&self, path: &Path) -> bool {
        path.exists()
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        // A relative path of one part has the empty path as its parent.
        let dir = if dir.as_os_str().is_empty() { Path::new(".") } else { dir };
        File::open(dir)?.sync_all()
    }

    fn sync_all(&self, dir: &Path) -> io::Result<()> {
        Ok(rustix::fs::syncfs(File::open(dir)?)?)
    }

    fn free_bytes(&self, dir: &Path) -> io::Result<u64> {
        let stat = rustix::fs::statvfs(dir)?;
        Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
    }

    fn total_bytes(&self, dir: &Path) -> io::Result<u64> {
        let stat = rustix::fs::statvfs(dir)?;
        Ok(stat.f_blocks.saturating_mul(stat.f_frsize))
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn DirLock>> {
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
        // flock keeps out a second user in this process, the POSIX lock keeps out Apache Kafka, which takes that one.
        rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive).map_err(would_block)?;
        rustix::fs::fcntl_lock(&file, FlockOperation::NonBlockingLockExclusive).map_err(would_block)?;
        Ok(Box::new(RealLock { _file: file }))
    }
}

/// POSIX lets a taken lock be EACCES as well as EAGAIN.
fn would_block(e: rustix::io::Errno) -> io::Error {
    if e == rustix::io::Errno::AGAIN || e == rustix::io::Errno::ACCESS {
        io::Error::from(io::ErrorKind::WouldBlock)
    } else {
        e.into()
    }
}

impl DiskFile for RealFile {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut done = 0;
        while done < buf.len() {
            match self.0.read_at(&mut buf[done..], offset + done as u64) {
                Ok(0) => break,
                Ok(n) => done += n,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
        Ok(done)
    }

    fn write_vectored_at(&self, bufs: &[IoSlice<'_>], offset: u64) -> io::Result<()> {
        let mut offset = offset;
        for chunk in bufs.chunks(MAX_BUFFERS) {
            let total: usize = chunk.iter().map(|b| b.len()).sum();
            let written = loop {
                match rustix::io::pwritev(&self.0, chunk, offset) {
                    Ok(n) => break n,
                    Err(rustix::io::Errno::INTR) => {}
                    Err(e) => return Err(e.into()),
                }
            };
            if written < total {
                // Rare (a signal, a disk about to be full): the rest one buffer at a time.
                let mut skip = written;
                let mut at = offset + written as u64;
                for buf in chunk {
                    if skip >= buf.len() {
                        skip -= buf.len();
                        continue;
                    }
                    self.0.write_all_at(&buf[skip..], at)?;
                    at += (buf.len() - skip) as u64;
                    skip = 0;
                }
            }
            offset += total as u64;
        }
        Ok(())
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }

    fn truncate(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }

    fn sync(&self) -> io::Result<()> {
        // Content and length; times do not matter.
        self.0.sync_data()
    }

    fn as_fd(&self) -> Option<BorrowedFd<'_>> {
        Some(self.0.as_fd())
    }
}
