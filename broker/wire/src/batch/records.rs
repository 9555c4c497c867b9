//! The records inside a batch.

use bytes::Bytes;

use super::{BatchError, BatchHeader, DEFAULT_UNCOMPRESSED_LIMIT, HEADER_SIZE, TimestampType};
use crate::primitive::{take_varint, take_varlong};

/// A header of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// Its name, UTF-8 by convention, not checked here.
    pub key: Bytes,
    /// Its value.
    pub value: Option<Bytes>,
}

/// One record, its bytes sliced out of the batch (or of the decompressed batch).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Its offset in the partition.
    pub offset: i64,
    /// Its time, ms since 1970 (of the append, where the topic says so), -1 when it has none.
    pub timestamp: i64,
    /// Its key.
    pub key: Option<Bytes>,
    /// Its value; `None` is a tombstone in a compacted topic.
    pub value: Option<Bytes>,
    /// Its headers, in the producer's order.
    pub headers: Vec<Header>,
}

/// Iterator over the records of one batch; made by [`records`]. Ends after the first error.
#[derive(Debug, Clone)]
pub struct Records {
    header: BatchHeader,
    rest: Bytes,
    next: usize,
    count: usize,
}

/// The records of one whole batch, decompressed when needed (at most
/// [`DEFAULT_UNCOMPRESSED_LIMIT`] bytes). The checksum is not looked at again.
pub fn records(batch: &Bytes) -> Result<Records, BatchError> {
    records_within(batch, DEFAULT_UNCOMPRESSED_LIMIT)
}

/// [`records`] with the caller's own bound on the decompressed size, in bytes.
pub fn records_within(batch: &Bytes, limit: usize) -> Result<Records, BatchError> {
    let header = BatchHeader::parse(batch)?;
    let size = header.size();
    if batch.len() < size {
        return Err(BatchError::Truncated { position: 0, needed: size, have: batch.len() });
    }
    let rest = header.compression()?.decompress(&batch.slice(HEADER_SIZE..size), limit)?;
    Ok(Records { header, rest, next: 0, count: header.record_count.max(0) as usize })
}

impl Records {
    /// The header of the batch that they are from.
    pub fn batch_header(&self) -> &BatchHeader {
        &self.header
    }

    fn read(&mut self) -> Result<Record, &'static str> {
        let length = take_varint(&mut self.rest).ok_or("its length is broken")?;
        let length = usize::try_from(length).map_err(|_| "its length is negative")?;
        if length > self.rest.len() {
            return Err("it is longer than its batch");
        }
        let mut body = self.rest.split_to(length);
        // Attributes: no bit of them has a meaning yet.
        if body.is_empty() {
            return Err("it is empty");
        }
        let _ = body.split_to(1);
        let timestamp_delta = take_varlong(&mut body).ok_or("its timestamp is broken")?;
        let offset_delta = take_varint(&mut body).ok_or("its offset is broken")?;
        let key = take_field(&mut body).ok_or("its key is broken")?;
        let value = take_field(&mut body).ok_or("its value is broken")?;
        let count = take_varint(&mut body).ok_or("its header count is broken")?;
        let count = usize::try_from(count).map_err(|_| "its header count is negative")?;
        // A header takes two bytes at least.
        if count > body.len() / 2 {
            return Err("it claims more headers than it can hold");
        }
        let mut headers = Vec::with_capacity(count);
        for _ in 0..count {
            headers.push(Header {
                key: take_field(&mut body).flatten_key().ok_or("a header's name is broken")?,
                value: take_field(&mut body).ok_or("a header's value is broken")?,
            });
        }
        if !body.is_empty() {
            return Err("bytes are left over in it");
        }
        let timestamp = match self.header.timestamp_type() {
            TimestampType::LogAppendTime => self.header.max_timestamp,
            TimestampType::CreateTime => self.header.base_timestamp.wrapping_add(timestamp_delta),
        };
        Ok(Record {
            offset: self.header.base_offset.wrapping_add(i64::from(offset_delta)),
            timestamp,
            key,
            value,
            headers,
        })
    }
}

impl Iterator for Records {
    type Item = Result<Record, BatchError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.next >= self.count {
            return None;
        }
        let index = self.next;
        self.next += 1;
        match self.read() {
            Ok(record) => Some(Ok(record)),
            Err(reason) => {
                self.count = 0;
                Some(Err(BatchError::BadRecord { base_offset: self.header.base_offset, index, reason }))
            }
        }
    }
}

/// `Some(None)` is a null, `None` a broken field.
type Field = Option<Option<Bytes>>;

/// Bytes with a varint length, -1 for null.
fn take_field(from: &mut Bytes) -> Field {
    let length = take_varint(from)?;
    if length == -1 {
        return Some(None);
    }
    let length = usize::try_from(length).ok()?;
    if length > from.len() {
        return None;
    }
    Some(Some(from.split_to(length)))
}

trait FlattenKey {
    fn flatten_key(self) -> Option<Bytes>;
}

impl FlattenKey for Field {
    /// A header's name cannot be null.
    fn flatten_key(self) -> Option<Bytes> {
        self.flatten()
    }
}
