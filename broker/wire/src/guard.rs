//! Decodes a message of the `kafka-protocol` crate from bytes of a stranger.
//!
//! The crate allocates an array as long as the sender says before it reads the first element: a
//! request of 20 bytes that claims 2^31 elements would abort the process. Its decoders are generic
//! over the buffer, and this buffer checks lengths. It cannot see which number is a length, but
//! it need not:
//!
//! - An unsigned varint is always a length, a count, a tag or a tag's size; none of them can
//!   exceed the bytes that are left. The only other single bytes read the same way are booleans,
//!   and those are 0 or 1.
//! - An `i32` may be a plain value. So the first pass answers -2 for every one that exceeds what
//!   is left: an array refuses to have a negative length, and a plain field takes the wrong value
//!   without harm, since no decoder branches on one. When nothing was bent the first result is
//!   the result; else a second pass reads the true values, after the first has shown that all
//!   array lengths fit.

use bytes::{Buf, Bytes, TryGetError};
use kafka_protocol::protocol::Decodable;
use kafka_protocol::protocol::buf::ByteBuf;

use crate::primitive::peek_uvarint;

/// Elements that an array in a request may have, and bytes that one of its byte strings may have:
/// far above what any client sends, and small enough that room for it may be reserved.
pub const DEFAULT_LIMIT: usize = 1 << 20;

/// Stands for a number that cannot be a length.
const NO_LENGTH: i32 = -2;

/// Decodes one message from the start of `bytes`; bytes fields are slices, not copies. No array
/// and no bytes field may exceed `limit` elements or what is left of `bytes`. Returns the message
/// and what comes after it.
pub fn decode<T: Decodable>(bytes: Bytes, version: i16, limit: usize) -> Result<(T, Bytes), anyhow::Error> {
    let mut first = Guarded { bytes: bytes.clone(), limit, bends: true, bent: false };
    let value = T::decode(&mut first, version)?;
    if !first.bent {
        return Ok((value, first.bytes));
    }
    drop(value);
    let mut second = Guarded { bytes, limit, bends: false, bent: false };
    let value = T::decode(&mut second, version)?;
    Ok((value, second.bytes))
}

struct Guarded {
    bytes: Bytes,
    limit: usize,
    /// Whether an `i32` that cannot be a length is answered with [`NO_LENGTH`].
    bends: bool,
    /// Whether that has happened.
    bent: bool,
}

impl Guarded {
    fn max_length(&self) -> usize {
        self.bytes.len().min(self.limit)
    }
}

impl Buf for Guarded {
    fn remaining(&self) -> usize {
        self.bytes.len()
    }

    fn chunk(&self) -> &[u8] {
        &self.bytes
    }

    fn advance(&mut self, count: usize) {
        self.bytes.advance(count);
    }

    fn try_get_u8(&mut self) -> Result<u8, TryGetError> {
        // Compact lengths are one larger than what they stand for. A byte inside a varint reads
        // as a smaller one that ends at the same place, so only first bytes can fail here.
        match peek_uvarint(&self.bytes) {
            Some((value, used)) if value as usize <= (self.bytes.len() - used).min(self.limit) + 1 => {
                self.bytes.try_get_u8()
            }
            Some((value, used)) => Err(TryGetError { requested: value as usize, available: self.bytes.len() - used }),
            None => Err(TryGetError { requested: self.bytes.len() + 1, available: self.bytes.len() }),
        }
    }

    fn try_get_i32(&mut self) -> Result<i32, TryGetError> {
        let value = self.bytes.try_get_i32()?;
        if self.bends && usize::try_from(value).is_ok_and(|value| value > self.max_length()) {
            self.bent = true;
            return Ok(NO_LENGTH);
        }
        Ok(value)
    }
}

impl ByteBuf for Guarded {
    fn peek_bytes(&mut self, range: std::ops::Range<usize>) -> Bytes {
        self.bytes.slice(range)
    }

    fn get_bytes(&mut self, size: usize) -> Bytes {
        self.bytes.split_to(size)
    }
}
