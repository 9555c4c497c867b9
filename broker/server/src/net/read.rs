//! Frames out of a socket.

use std::io;
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use odradek_wire::frame::{FrameDecoder, FrameError, PREFIX, parse_size};
use tokio::net::TcpStream;

use super::activity::Activity;
use super::budget::Budget;
use crate::metrics::Traffic;

/// Read at once where no large frame is expected. Several small frames may come with one read.
const CHUNK: usize = 16 * 1024;

/// Frames from here on take room from the budget, and are read straight into memory of their size.
const LARGE: usize = CHUNK;

/// A peer that stops in the middle of a frame is given up after this time: its client's own time-out (30 s by
/// default) has passed, and a large frame holds room in the budget.
const STALLED: Duration = Duration::from_secs(60);

/// Why no further frame comes.
#[derive(Debug, thiserror::Error)]
pub(super) enum ReadError {
    /// The length makes no sense.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// The connection broke.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// Nothing came for too long in the middle of a frame.
    #[error("the peer stopped in the middle of a frame for {STALLED:?}")]
    Stalled,
}

/// Reads frames from one socket. Holds no memory while the peer is silent.
pub(super) struct FrameReader<'a> {
    pub(super) stream: &'a TcpStream,
    pub(super) max: usize,
    pub(super) budget: &'a Budget,
    pub(super) activity: &'a Activity,
    pub(super) traffic: &'a Traffic,
    pub(super) buffer: BytesMut,
}

impl FrameReader<'_> {
    /// The next frame without its length; `None` when the peer closed the connection.
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>, ReadError> {
        let decoder = FrameDecoder::new(self.max);
        loop {
            if let Some(prefix) = self.buffer.first_chunk::<PREFIX>() {
                let size = parse_size(*prefix, self.max)?;
                if size >= LARGE {
                    return self.large(size).await;
                }
            }
            if let Some(frame) = decoder.next(&mut self.buffer)? {
                return Ok(Some(frame));
            }
            let count = if self.buffer.is_empty() { self.first().await? } else { self.fill_buffer().await? };
            if count == 0 {
                return Ok(None);
            }
        }
    }

    /// A frame that takes room from the budget.
    async fn large(&mut self, size: usize) -> Result<Option<Bytes>, ReadError> {
        let room = self.budget.take(size).await;
        let mut frame = BytesMut::with_capacity(size);
        let here = self.buffer.len().min(PREFIX + size);
        frame.extend_from_slice(&self.buffer[PREFIX..here]);
        self.buffer = self.buffer.split_off(here);
        while frame.len() < size {
            let missing = size - frame.len();
            if fill(self.stream, self.activity, self.traffic, &mut frame, missing).await? == 0 {
                return Ok(None);
            }
        }
        Ok(Some(room.hold(frame)))
    }

    /// The first bytes of a frame, for as long as it takes: nothing is owed between two frames.
    async fn first(&mut self) -> Result<usize, ReadError> {
        loop {
            // The memory belongs to the frames that were cut from it.
            self.buffer = BytesMut::new();
            // Said of the read before, this may be out of date; then there is nothing to read.
            self.stream.readable().await?;
            self.buffer.reserve(CHUNK);
            if let Some(count) = read(self.stream, self.activity, self.traffic, &mut self.buffer, CHUNK)? {
                return Ok(count);
            }
        }
    }

    async fn fill_buffer(&mut self) -> Result<usize, ReadError> {
        self.buffer.reserve(CHUNK);
        let room = self.buffer.capacity() - self.buffer.len();
        fill(self.stream, self.activity, self.traffic, &mut self.buffer, room).await
    }
}

/// Appends what is there, at least one byte and at most `most`; 0 at the end of the stream.
async fn fill(
    stream: &TcpStream,
    activity: &Activity,
    traffic: &Traffic,
    buffer: &mut BytesMut,
    most: usize,
) -> Result<usize, ReadError> {
    loop {
        if let Some(count) = read(stream, activity, traffic, buffer, most)? {
            return Ok(count);
        }
        match tokio::time::timeout(STALLED, stream.readable()).await {
            Ok(ready) => ready?,
            Err(_) => return Err(ReadError::Stalled),
        }
    }
}

/// What [`fill`] appends, without waiting; `None` when there is nothing yet.
fn read(
    stream: &TcpStream,
    activity: &Activity,
    traffic: &Traffic,
    buffer: &mut BytesMut,
    most: usize,
) -> io::Result<Option<usize>> {
    match stream.try_read_buf(&mut buffer.limit(most)) {
        Ok(count) => {
            activity.moved();
            traffic.received(count as u64);
            Ok(Some(count))
        }
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
        Err(error) => Err(error),
    }
}
