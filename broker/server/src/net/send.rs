//! Parts of answers into a socket: gathered writes for memory, sendfile for large ranges of files.

use std::collections::VecDeque;
use std::io::{self, IoSlice, IoSliceMut};
use std::os::fd::BorrowedFd;

use bytes::{Buf, Bytes};
use odradek_log::FileRange;
use rustix::net::{SendAncillaryBuffer, SendFlags};
use tokio::io::Interest;
use tokio::net::TcpStream;

use super::activity::Activity;
use super::service::Part;
use crate::metrics::Traffic;

/// Ranges from here on leave by sendfile; below it a read into memory that goes out with what is around it is
/// cheaper.
const SENDFILE: usize = 32 * 1024;

/// Sent at once of one file: between two of these other connections have their turn.
const WINDOW: usize = 256 * 1024;

/// Gathered in memory before it is sent, at most.
const GATHER: usize = 256 * 1024;

/// Slices in one call.
const SLICES: usize = 64;

/// The way out of one connection.
pub(super) struct Sender<'a> {
    pub(super) stream: &'a TcpStream,
    pub(super) activity: &'a Activity,
    pub(super) traffic: &'a Traffic,
    /// What waits to be sent together.
    pub(super) gathered: VecDeque<Bytes>,
    pub(super) size: usize,
}

impl Sender<'_> {
    /// Takes a part; it may stay in memory until [`Sender::flush`].
    pub(super) async fn push(&mut self, part: Part) -> io::Result<()> {
        match part {
            Part::Bytes(bytes) => self.gather(bytes),
            Part::File(range) if range.len < SENDFILE || range.file.as_fd().is_none() => {
                let bytes = read(range).await?;
                self.gather(bytes);
            }
            Part::File(range) => {
                self.write(true).await?;
                return self.send_file(range).await;
            }
        }
        if self.size >= GATHER { self.write(false).await } else { Ok(()) }
    }

    /// Sends what was gathered.
    pub(super) async fn flush(&mut self) -> io::Result<()> {
        self.write(false).await
    }

    fn gather(&mut self, bytes: Bytes) {
        if !bytes.is_empty() {
            self.size += bytes.len();
            self.gathered.push_back(bytes);
        }
    }

    /// `more` keeps the kernel from sending a packet that is not full: a file follows.
    async fn write(&mut self, more: bool) -> io::Result<()> {
        let mut flags = SendFlags::NOSIGNAL;
        if more {
            flags |= SendFlags::MORE;
        }
        while !self.gathered.is_empty() {
            let slices: Vec<_> = self.gathered.iter().take(SLICES).map(|bytes| IoSlice::new(bytes)).collect();
            let mut sent = self
                .stream
                .async_io(Interest::WRITABLE, || {
                    let mut nothing = SendAncillaryBuffer::default();
                    Ok(rustix::net::sendmsg(self.stream, &slices, &mut nothing, flags)?)
                })
                .await?;
            self.moved(sent);
            self.size -= sent;
            while let Some(first) = self.gathered.front_mut() {
                if sent < first.len() {
                    first.advance(sent);
                    break;
                }
                sent -= first.len();
                self.gathered.pop_front();
            }
        }
        Ok(())
    }

    async fn send_file(&mut self, range: FileRange) -> io::Result<()> {
        let end = range.offset + range.len as u64;
        let mut offset = range.offset;
        while offset < end {
            let len = usize::try_from(end - offset).map_or(WINDOW, |left| left.min(WINDOW));
            let cached = range.file.as_fd().is_some_and(|fd| is_cached(fd, offset, len));
            if cached {
                offset += self.send_window(&range, offset, len).await? as u64;
            } else {
                // What has to come from the disk would hold up every connection of this thread.
                let cold = FileRange { file: range.file.clone(), offset, len };
                let bytes = read_elsewhere(cold).await?;
                self.gather(bytes);
                self.write(offset + (len as u64) < end).await?;
                offset += len as u64;
            }
        }
        Ok(())
    }

    async fn send_window(&mut self, range: &FileRange, offset: u64, len: usize) -> io::Result<usize> {
        let sent = self
            .stream
            .async_io(Interest::WRITABLE, || {
                // It was there a moment ago, and a file does not change what it is.
                let Some(fd) = range.file.as_fd() else { return Err(truncated(range)) };
                let mut offset = offset;
                Ok(rustix::fs::sendfile(self.stream, fd, Some(&mut offset), len)?)
            })
            .await?;
        if sent == 0 {
            return Err(truncated(range));
        }
        self.moved(sent);
        Ok(sent)
    }

    fn moved(&self, bytes: usize) {
        self.activity.moved();
        self.traffic.sent(bytes as u64);
    }
}

fn truncated(range: &FileRange) -> io::Error {
    let what = format!("the file ends before byte {}, which was to be sent", range.offset + range.len as u64);
    io::Error::new(io::ErrorKind::UnexpectedEof, what)
}

/// A small range; from the page cache on this thread, else on one that may wait for a disk.
async fn read(range: FileRange) -> io::Result<Bytes> {
    match range.file.as_fd() {
        Some(fd) if !is_cached(fd, range.offset, range.len) => read_elsewhere(range).await,
        _ => range.read(),
    }
}

async fn read_elsewhere(range: FileRange) -> io::Result<Bytes> {
    tokio::task::spawn_blocking(move || range.read()).await.map_err(io::Error::other)?
}

/// Whether the first and the last byte can be read without waiting for a disk, which tells nearly always what is
/// between them. File systems that cannot say count as cached.
fn is_cached(fd: BorrowedFd<'_>, offset: u64, len: usize) -> bool {
    let last = offset + (len as u64).saturating_sub(1);
    [offset, last].into_iter().all(|at| {
        let mut byte = [0];
        let result = rustix::io::preadv2(fd, &mut [IoSliceMut::new(&mut byte)], at, rustix::io::ReadWriteFlags::NOWAIT);
        result != Err(rustix::io::Errno::AGAIN)
    })
}
