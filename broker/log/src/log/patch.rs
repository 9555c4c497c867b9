//! The few bytes of a batch that a leader sets.

use odradek_wire::batch::{
    ATTRIBUTES_OFFSET, BatchHeader, CRC_OFFSET, HEADER_SIZE, MAGIC_OFFSET, MAX_TIMESTAMP_OFFSET,
    PARTITION_LEADER_EPOCH_OFFSET,
};

use crate::config::TimestampType;

const TIMESTAMP_TYPE_BIT: i16 = 0x08;

/// The first bytes of a batch as they will be written in place of the producer's.
pub(super) struct Patch {
    pub(super) bytes: [u8; HEADER_SIZE],
    pub(super) len: usize,
}

/// What is assigned to the batches of a leader's append.
#[derive(Clone, Copy)]
pub(super) struct Stamp {
    pub(super) leader_epoch: i32,
    pub(super) timestamp_type: TimestampType,
    /// Replaces the timestamps when the type is LogAppendTime.
    pub(super) wall_ms: i64,
}

/// The beginning of a batch with base offset and leader epoch set: up to the checksum when that need not change, else
/// the whole header.
pub(super) fn patch(batch: &[u8], header: &BatchHeader, base: i64, stamp: Stamp) -> Patch {
    let mut bytes = [0; HEADER_SIZE];
    bytes.copy_from_slice(&batch[..HEADER_SIZE]);
    bytes[..8].copy_from_slice(&base.to_be_bytes());
    bytes[PARTITION_LEADER_EPOCH_OFFSET..MAGIC_OFFSET].copy_from_slice(&stamp.leader_epoch.to_be_bytes());
    let append_time = stamp.timestamp_type == TimestampType::LogAppendTime;
    if !append_time && header.timestamp_type() == TimestampType::CreateTime {
        return Patch { bytes, len: MAGIC_OFFSET };
    }
    let attributes = if append_time {
        bytes[MAX_TIMESTAMP_OFFSET..MAX_TIMESTAMP_OFFSET + 8].copy_from_slice(&stamp.wall_ms.to_be_bytes());
        header.attributes | TIMESTAMP_TYPE_BIT
    } else {
        header.attributes & !TIMESTAMP_TYPE_BIT
    };
    bytes[ATTRIBUTES_OFFSET..ATTRIBUTES_OFFSET + 2].copy_from_slice(&attributes.to_be_bytes());
    let crc = crc32c::crc32c_append(crc32c::crc32c(&bytes[ATTRIBUTES_OFFSET..]), &batch[HEADER_SIZE..]);
    bytes[CRC_OFFSET..ATTRIBUTES_OFFSET].copy_from_slice(&crc.to_be_bytes());
    Patch { bytes, len: HEADER_SIZE }
}
