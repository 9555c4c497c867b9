//! Makes batches: for the broker's own topics, for transaction markers, for tests.

use bytes::{BufMut, Bytes, BytesMut};

use super::header::{CONTROL_BIT, TIMESTAMP_TYPE_BIT, TRANSACTIONAL_BIT};
use super::{
    ATTRIBUTES_OFFSET, BatchError, CRC_OFFSET, Compression, HEADER_SIZE, LOG_OVERHEAD, NO_PARTITION_LEADER_EPOCH,
    NO_PRODUCER_ID, NO_SEQUENCE, NO_TIMESTAMP, TimestampType,
};
use crate::primitive::{put_varint, put_varlong, varint_len, varlong_len};

/// A header of a record to append: name and value.
pub type NewHeader<'a> = (&'a [u8], Option<&'a [u8]>);

/// Builds one batch, record by record.
#[derive(Debug, Clone)]
pub struct BatchBuilder {
    base_offset: i64,
    leader_epoch: i32,
    compression: Compression,
    attributes: i16,
    producer_id: i64,
    producer_epoch: i16,
    base_sequence: i32,
    base_timestamp: Option<i64>,
    max_timestamp: i64,
    last_offset: i64,
    count: i32,
    records: BytesMut,
}

impl BatchBuilder {
    /// An empty, uncompressed batch that begins at `base_offset` (0 in a produce request).
    pub fn new(base_offset: i64) -> BatchBuilder {
        BatchBuilder {
            base_offset,
            leader_epoch: NO_PARTITION_LEADER_EPOCH,
            compression: Compression::None,
            attributes: 0,
            producer_id: NO_PRODUCER_ID,
            producer_epoch: -1,
            base_sequence: NO_SEQUENCE,
            base_timestamp: None,
            max_timestamp: NO_TIMESTAMP,
            last_offset: base_offset - 1,
            count: 0,
            records: BytesMut::new(),
        }
    }

    /// Sets id, epoch and first sequence number of an idempotent producer.
    pub fn producer(mut self, id: i64, epoch: i16, base_sequence: i32) -> BatchBuilder {
        self.producer_id = id;
        self.producer_epoch = epoch;
        self.base_sequence = base_sequence;
        self
    }

    /// Sets the epoch of the leader that appends it.
    pub fn leader_epoch(mut self, epoch: i32) -> BatchBuilder {
        self.leader_epoch = epoch;
        self
    }

    /// Compresses the records when the batch is built.
    pub fn compression(mut self, compression: Compression) -> BatchBuilder {
        self.compression = compression;
        self
    }

    /// Marks the batch as part of a transaction.
    pub fn transactional(mut self, yes: bool) -> BatchBuilder {
        self.set(TRANSACTIONAL_BIT, yes);
        self
    }

    /// Marks the records as control records.
    pub fn control(mut self, yes: bool) -> BatchBuilder {
        self.set(CONTROL_BIT, yes);
        self
    }

    /// Says whose clock the timestamps are.
    pub fn timestamp_type(mut self, of: TimestampType) -> BatchBuilder {
        self.set(TIMESTAMP_TYPE_BIT, of == TimestampType::LogAppendTime);
        self
    }

    fn set(&mut self, bit: i16, yes: bool) {
        if yes {
            self.attributes |= bit;
        } else {
            self.attributes &= !bit;
        }
    }

    /// Appends a record at the next offset. `timestamp` in ms since 1970.
    pub fn append(
        &mut self,
        timestamp: i64,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: &[NewHeader<'_>],
    ) -> &mut BatchBuilder {
        self.append_at(self.last_offset + 1, timestamp, key, value, headers)
    }

    /// Appends a record at `offset`, which must lie above the last one's: compaction leaves gaps.
    pub fn append_at(
        &mut self,
        offset: i64,
        timestamp: i64,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: &[NewHeader<'_>],
    ) -> &mut BatchBuilder {
        debug_assert!(offset > self.last_offset, "offsets go upward");
        let base_timestamp = *self.base_timestamp.get_or_insert(timestamp);
        let timestamp_delta = timestamp.wrapping_sub(base_timestamp);
        let offset_delta = offset.wrapping_sub(self.base_offset) as i32;
        let mut length = 1 + varlong_len(timestamp_delta) + varint_len(offset_delta);
        length += field_len(key) + field_len(value) + varint_len(headers.len() as i32);
        for (name, value) in headers {
            length += field_len(Some(name)) + field_len(*value);
        }
        let out = &mut self.records;
        out.reserve(length + 5);
        put_varint(out, length as i32);
        out.put_u8(0);
        put_varlong(out, timestamp_delta);
        put_varint(out, offset_delta);
        put_field(out, key);
        put_field(out, value);
        put_varint(out, headers.len() as i32);
        for (name, value) in headers {
            put_field(out, Some(name));
            put_field(out, *value);
        }
        self.max_timestamp = self.max_timestamp.max(timestamp);
        self.last_offset = offset;
        self.count += 1;
        self
    }

    /// Whether nothing was appended yet.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Bytes that the batch would have now, uncompressed.
    pub fn size(&self) -> usize {
        HEADER_SIZE + self.records.len()
    }

    /// The finished batch, with its checksum. Error: compression that fails. An empty builder
    /// gives a batch without records, as compaction leaves it.
    pub fn build(&self) -> Result<Bytes, BatchError> {
        let compressed;
        let records: &[u8] = match self.compression {
            Compression::None => &self.records,
            other => {
                compressed = other.compress(&self.records)?;
                &compressed
            }
        };
        let size = HEADER_SIZE + records.len();
        let Ok(length) = i32::try_from(size - LOG_OVERHEAD) else {
            return Err(BatchError::TooLarge { size, limit: i32::MAX as usize });
        };
        let mut out = BytesMut::with_capacity(size);
        out.put_i64(self.base_offset);
        out.put_i32(length);
        out.put_i32(self.leader_epoch);
        out.put_i8(2);
        out.put_u32(0);
        out.put_i16(self.attributes | i16::from(self.compression.id()));
        out.put_i32((self.last_offset - self.base_offset).max(0) as i32);
        out.put_i64(self.base_timestamp.unwrap_or(NO_TIMESTAMP));
        out.put_i64(self.max_timestamp);
        out.put_i64(self.producer_id);
        out.put_i16(self.producer_epoch);
        out.put_i32(self.base_sequence);
        out.put_i32(self.count);
        out.put_slice(records);
        let crc = crc32c::crc32c(&out[ATTRIBUTES_OFFSET..]);
        out[CRC_OFFSET..CRC_OFFSET + 4].copy_from_slice(&crc.to_be_bytes());
        Ok(out.freeze())
    }
}

fn field_len(field: Option<&[u8]>) -> usize {
    match field {
        None => 1,
        Some(bytes) => varint_len(bytes.len() as i32) + bytes.len(),
    }
}

fn put_field(out: &mut BytesMut, field: Option<&[u8]>) {
    match field {
        None => put_varint(out, -1),
        Some(bytes) => {
            put_varint(out, bytes.len() as i32);
            out.put_slice(bytes);
        }
    }
}
