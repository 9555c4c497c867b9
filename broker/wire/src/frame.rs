//! Framing: four bytes of big-endian length, then as many bytes of request or response.

use bytes::{Buf, Bytes, BytesMut};

/// Bytes of the length in front of each frame.
pub const PREFIX: usize = 4;

/// Default of `socket.request.max.bytes`, in bytes.
pub const DEFAULT_MAX_REQUEST: usize = 104_857_600;

/// Why a stream of frames cannot go on: after either, the connection must be closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// The length is negative.
    #[error("frame length {0} is negative: the peer does not speak Kafka's protocol")]
    Negative(i32),
    /// The length is above the bound.
    #[error("frame of {size} bytes is larger than {max}; raise socket.request.max.bytes if it is meant to be")]
    TooLarge {
        /// What the peer announced.
        size: usize,
        /// The bound, in bytes.
        max: usize,
    },
}

/// Reads the length of a frame, at most `max` bytes. 0 passes (and no request is that short).
pub fn parse_size(prefix: [u8; PREFIX], max: usize) -> Result<usize, FrameError> {
    let size = i32::from_be_bytes(prefix);
    let Ok(size) = usize::try_from(size) else {
        return Err(FrameError::Negative(size));
    };
    if size > max {
        return Err(FrameError::TooLarge { size, max });
    }
    Ok(size)
}

/// Cuts a stream of bytes into frames.
#[derive(Debug, Clone, Copy)]
pub struct FrameDecoder {
    max: usize,
}

impl FrameDecoder {
    /// A decoder that refuses frames above `max` bytes (`socket.request.max.bytes`).
    pub fn new(max: usize) -> FrameDecoder {
        FrameDecoder { max }
    }

    /// Takes the next whole frame off `buffer`, without its length; `None` while bytes are
    /// missing. A bad length is an error as soon as its four bytes are there. Never reserves
    /// memory: [`FrameDecoder::missing`] tells how much the caller may want to.
    pub fn next(&self, buffer: &mut BytesMut) -> Result<Option<Bytes>, FrameError> {
        let Some(prefix) = buffer.first_chunk::<PREFIX>() else {
            return Ok(None);
        };
        let size = parse_size(*prefix, self.max)?;
        if buffer.len() - PREFIX < size {
            return Ok(None);
        }
        buffer.advance(PREFIX);
        Ok(Some(buffer.split_to(size).freeze()))
    }

    /// Bytes that are missing until the frame at the start of `buffer` is whole (until its length
    /// is known, when that is cut too).
    pub fn missing(&self, buffer: &BytesMut) -> Result<usize, FrameError> {
        let Some(prefix) = buffer.first_chunk::<PREFIX>() else {
            return Ok(PREFIX - buffer.len());
        };
        let size = parse_size(*prefix, self.max)?;
        Ok((PREFIX + size).saturating_sub(buffer.len()))
    }
}
