//! The 61 bytes in front of every batch.

use super::{BatchError, Compression};

/// Bytes of the header, from the base offset to the record count.
pub const HEADER_SIZE: usize = 61;
/// Bytes in front of what the length field counts: base offset and length field.
pub const LOG_OVERHEAD: usize = 12;
/// Position of the base offset (i64).
pub const BASE_OFFSET_OFFSET: usize = 0;
/// Position of the length field (i32): bytes that follow it.
pub const LENGTH_OFFSET: usize = 8;
/// Position of the partition leader epoch (i32), which the checksum does not cover.
pub const PARTITION_LEADER_EPOCH_OFFSET: usize = 12;
/// Position of the format number (i8).
pub const MAGIC_OFFSET: usize = 16;
/// Position of the checksum (u32); it covers all that comes after it.
pub const CRC_OFFSET: usize = 17;
/// Position of the attributes (i16), where the checksum's cover begins.
pub const ATTRIBUTES_OFFSET: usize = 21;
/// Position of the largest timestamp (i64).
pub const MAX_TIMESTAMP_OFFSET: usize = 35;
/// Producer id of a batch whose producer is not idempotent.
pub const NO_PRODUCER_ID: i64 = -1;
/// Base sequence of a batch whose producer is not idempotent.
pub const NO_SEQUENCE: i32 = -1;
/// Timestamp of a record that has none.
pub const NO_TIMESTAMP: i64 = -1;
/// Leader epoch that a producer writes: none.
pub const NO_PARTITION_LEADER_EPOCH: i32 = -1;

const COMPRESSION_MASK: i16 = 0x07;
pub(super) const TIMESTAMP_TYPE_BIT: i16 = 0x08;
pub(super) const TRANSACTIONAL_BIT: i16 = 0x10;
pub(super) const CONTROL_BIT: i16 = 0x20;
const DELETE_HORIZON_BIT: i16 = 0x40;

/// Whose clock the timestamps are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimestampType {
    /// The producer's (`CreateTime`).
    CreateTime,
    /// The broker's at the time of the append (`LogAppendTime`): then every record has the
    /// batch's largest timestamp.
    LogAppendTime,
}

/// A batch's header, in the order of the wire. Offsets and times (ms since 1970) as they stand
/// there, unchecked except for what [`BatchHeader::parse`] says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchHeader {
    /// Offset of the first record (of the first one there ever was, in a compacted batch).
    pub base_offset: i64,
    /// Bytes after this field: the whole batch is 12 bytes longer.
    pub batch_length: i32,
    /// Epoch of the leader that appended it; -1 from a producer.
    pub partition_leader_epoch: i32,
    /// Format number; always 2 here.
    pub magic: i8,
    /// CRC32C of everything from the attributes on.
    pub crc: u32,
    /// Compression, timestamp type, transactional, control, delete horizon.
    pub attributes: i16,
    /// Last offset minus base offset.
    pub last_offset_delta: i32,
    /// Timestamp of the first record, to which the others' are relative.
    pub base_timestamp: i64,
    /// Largest timestamp in the batch.
    pub max_timestamp: i64,
    /// Producer id, -1 when the producer is not idempotent.
    pub producer_id: i64,
    /// Epoch of the producer id.
    pub producer_epoch: i16,
    /// Sequence number of the first record, -1 when not idempotent.
    pub base_sequence: i32,
    /// Records in the batch (0 is possible after compaction only).
    pub record_count: i32,
}

impl BatchHeader {
    /// Reads the header at the start of `bytes`. Looks at no more than the header: the batch
    /// itself may be cut. Errors: fewer bytes than a header, another format than v2, a length
    /// below a header's.
    pub fn parse(bytes: &[u8]) -> Result<BatchHeader, BatchError> {
        Self::parse_at(bytes, 0)
    }

    pub(super) fn parse_at(bytes: &[u8], position: usize) -> Result<BatchHeader, BatchError> {
        // The format comes first: an old message may be shorter than a header of today.
        if let Some(&magic) = bytes.get(MAGIC_OFFSET)
            && magic != 2
        {
            let magic = magic as i8;
            return Err(BatchError::UnsupportedMagic { position, magic });
        }
        let Some(header) = bytes.first_chunk::<HEADER_SIZE>() else {
            return Err(BatchError::Truncated { position, needed: HEADER_SIZE, have: bytes.len() });
        };
        let header = BatchHeader {
            base_offset: i64::from_be_bytes(field(header, BASE_OFFSET_OFFSET)),
            batch_length: i32::from_be_bytes(field(header, LENGTH_OFFSET)),
            partition_leader_epoch: i32::from_be_bytes(field(header, PARTITION_LEADER_EPOCH_OFFSET)),
            magic: header[MAGIC_OFFSET] as i8,
            crc: u32::from_be_bytes(field(header, CRC_OFFSET)),
            attributes: i16::from_be_bytes(field(header, ATTRIBUTES_OFFSET)),
            last_offset_delta: i32::from_be_bytes(field(header, 23)),
            base_timestamp: i64::from_be_bytes(field(header, 27)),
            max_timestamp: i64::from_be_bytes(field(header, MAX_TIMESTAMP_OFFSET)),
            producer_id: i64::from_be_bytes(field(header, 43)),
            producer_epoch: i16::from_be_bytes(field(header, 51)),
            base_sequence: i32::from_be_bytes(field(header, 53)),
            record_count: i32::from_be_bytes(field(header, 57)),
        };
        if header.batch_length < (HEADER_SIZE - LOG_OVERHEAD) as i32 {
            return Err(BatchError::BadLength { position, length: header.batch_length });
        }
        Ok(header)
    }

    /// Bytes of the whole batch, header included.
    pub fn size(&self) -> usize {
        // Not negative: `parse` refuses it.
        LOG_OVERHEAD + self.batch_length.max(0) as usize
    }

    /// Offset of the last record.
    pub fn last_offset(&self) -> i64 {
        self.base_offset.saturating_add(i64::from(self.last_offset_delta))
    }

    /// Sequence number of the last record, -1 when not idempotent. Sequence numbers go from
    /// `i32::MAX` on to 0.
    pub fn last_sequence(&self) -> i32 {
        if self.base_sequence == NO_SEQUENCE {
            return NO_SEQUENCE;
        }
        let sum = i64::from(self.base_sequence) + i64::from(self.last_offset_delta);
        (sum & i64::from(i32::MAX)) as i32
    }

    /// The compression of the records. Error: a number that has no meaning.
    pub fn compression(&self) -> Result<Compression, BatchError> {
        Compression::from_id((self.attributes & COMPRESSION_MASK) as u8)
    }

    /// Whose clock the timestamps are.
    pub fn timestamp_type(&self) -> TimestampType {
        if self.attributes & TIMESTAMP_TYPE_BIT == 0 { TimestampType::CreateTime } else { TimestampType::LogAppendTime }
    }

    /// Whether the batch belongs to a transaction.
    pub fn is_transactional(&self) -> bool {
        self.attributes & TRANSACTIONAL_BIT != 0
    }

    /// Whether the batch holds control records (commit or abort markers), which only brokers
    /// write.
    pub fn is_control(&self) -> bool {
        self.attributes & CONTROL_BIT != 0
    }

    /// Whether the base timestamp is the time from which tombstones may go (KIP-534).
    pub fn has_delete_horizon(&self) -> bool {
        self.attributes & DELETE_HORIZON_BIT != 0
    }

    /// Whether an idempotent producer wrote it.
    pub fn has_producer_id(&self) -> bool {
        self.producer_id > NO_PRODUCER_ID
    }
}

fn field<const N: usize>(header: &[u8; HEADER_SIZE], at: usize) -> [u8; N] {
    let mut out = [0; N];
    out.copy_from_slice(&header[at..at + N]);
    out
}

/// CRC32C over the part of a whole batch that the checksum covers.
pub(super) fn checksum(batch: &[u8]) -> u32 {
    crc32c::crc32c(&batch[ATTRIBUTES_OFFSET..])
}
