//! A record set: batches one after another, checked once and then passed on as they are.

use bytes::Bytes;

use super::header::checksum;
use super::{BatchError, BatchHeader, HEADER_SIZE, LOG_OVERHEAD};

/// Where one batch lies in a [`RecordBatches`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchInfo {
    /// First byte, from the start of the set.
    pub position: usize,
    /// Bytes, header included.
    pub size: usize,
    /// The header as it was parsed.
    pub header: BatchHeader,
}

/// Whole batches with good checksums and headers that do not contradict themselves, together with
/// their bytes. `batches` covers `bytes` without gaps, in order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RecordBatches {
    /// All batches, as they came.
    pub bytes: Bytes,
    /// One entry for each batch.
    pub batches: Vec<BatchInfo>,
}

impl RecordBatches {
    /// Checks a record set in which every batch must be whole: format, lengths, CRC32C, record
    /// count against the last offset delta, size of each at most `max_batch` bytes. An empty set
    /// passes.
    pub fn validate(bytes: Bytes, max_batch: usize) -> Result<RecordBatches, BatchError> {
        let mut batches = Vec::new();
        let mut position = 0;
        while position < bytes.len() {
            let rest = &bytes[position..];
            let header = BatchHeader::parse_at(rest, position)?;
            let size = header.size();
            // Before the rest of it is looked at, since only this tells an oversized batch from a
            // cut one.
            if size > max_batch {
                return Err(BatchError::TooLarge { size, limit: max_batch });
            }
            if size > rest.len() {
                return Err(BatchError::Truncated { position, needed: size, have: rest.len() });
            }
            check(&header, &rest[..size], position)?;
            check_count(&header, position)?;
            batches.push(BatchInfo { position, size, header });
            position += size;
        }
        Ok(RecordBatches { bytes, batches })
    }

    /// [`RecordBatches::validate`], and what Kafka asks of a client's batch: exactly one for each
    /// partition, no control batch, base offset 0, a sequence number when there is a producer id,
    /// and zstd only from version 7 of the request on (KIP-110).
    pub fn validate_produced(
        bytes: Bytes,
        request_version: i16,
        max_batch: usize,
    ) -> Result<RecordBatches, BatchError> {
        let set = RecordBatches::validate(bytes, max_batch)?;
        let [batch] = set.batches.as_slice() else {
            return Err(match set.batches.len() {
                0 => BatchError::Empty,
                batches => BatchError::MoreThanOne { batches },
            });
        };
        let header = &batch.header;
        let invalid = |reason: String| BatchError::Invalid { position: 0, reason };
        if header.is_control() {
            return Err(invalid("clients are not allowed to write control records".to_owned()));
        }
        if header.base_offset != 0 {
            return Err(invalid(format!("base offset is {} and must be 0 in a produce request", header.base_offset)));
        }
        if header.has_producer_id() && header.base_sequence < 0 {
            return Err(invalid(format!(
                "sequence number {} with producer id {}",
                header.base_sequence, header.producer_id
            )));
        }
        if header.compression()? == super::Compression::Zstd && request_version < 7 {
            return Err(BatchError::UnsupportedCompression {
                codec: super::Compression::Zstd.id(),
                reason: "zstd needs produce requests of version 7 or newer",
            });
        }
        Ok(set)
    }

    /// Reads what a fetch brought: the last batch may be cut and is dropped then. CRC32C and
    /// format are checked; the record count is not held against the offsets, since compaction
    /// leaves gaps.
    pub fn parse_trailing(bytes: Bytes) -> Result<RecordBatches, BatchError> {
        let mut batches = Vec::new();
        let mut position = 0;
        while bytes.len() - position >= HEADER_SIZE {
            let rest = &bytes[position..];
            let header = BatchHeader::parse_at(rest, position)?;
            let size = header.size();
            if size > rest.len() {
                break;
            }
            check(&header, &rest[..size], position)?;
            batches.push(BatchInfo { position, size, header });
            position += size;
        }
        let bytes = bytes.slice(..position);
        Ok(RecordBatches { bytes, batches })
    }

    /// Whether there is no batch.
    pub fn is_empty(&self) -> bool {
        self.batches.is_empty()
    }

    /// Bytes of all batches.
    pub fn size(&self) -> usize {
        self.bytes.len()
    }

    /// The bytes of one batch (a slice, no copy). `batch` must be one of this set's.
    pub fn batch_bytes(&self, batch: &BatchInfo) -> Bytes {
        self.bytes.slice(batch.position..batch.position + batch.size)
    }

    /// Records in all batches, as their headers say.
    pub fn record_count(&self) -> i64 {
        self.batches.iter().map(|batch| i64::from(batch.header.record_count)).sum()
    }

    /// Offset of the last record of the last batch; `None` when empty.
    pub fn last_offset(&self) -> Option<i64> {
        self.batches.last().map(|batch| batch.header.last_offset())
    }
}

/// Checksum, and signs of the fields.
fn check(header: &BatchHeader, batch: &[u8], position: usize) -> Result<(), BatchError> {
    debug_assert!(batch.len() >= LOG_OVERHEAD);
    let computed = checksum(batch);
    if computed != header.crc {
        return Err(BatchError::BadCrc { position, stored: header.crc, computed });
    }
    header.compression()?;
    if header.last_offset_delta < 0 || header.record_count < 0 || header.base_offset < 0 {
        return Err(BatchError::Invalid {
            position,
            reason: format!(
                "base offset {}, last offset delta {}, record count {}: none may be negative",
                header.base_offset, header.last_offset_delta, header.record_count
            ),
        });
    }
    Ok(())
}

/// A batch that nobody compacted has one record for each offset.
fn check_count(header: &BatchHeader, position: usize) -> Result<(), BatchError> {
    if header.record_count < 1 || i64::from(header.record_count) != i64::from(header.last_offset_delta) + 1 {
        return Err(BatchError::Invalid {
            position,
            reason: format!(
                "record count {} does not fit last offset delta {}",
                header.record_count, header.last_offset_delta
            ),
        });
    }
    Ok(())
}
