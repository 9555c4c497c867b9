//! Kafka's `.snapshot` file, version 1: the last batch of each producer, with a checksum.

use super::{Producer, ProducerBatch, Producers};

const VERSION: i16 = 1;
/// Version, checksum; then the number of entries, where the checksum's cover begins.
const CRC_AT: usize = 2;
const COUNT_AT: usize = 6;
const ENTRIES_AT: usize = 10;
const ENTRY: usize = 8 + 2 + 4 + 8 + 4 + 8 + 4 + 8;

impl Producers {
    /// The content of a snapshot file. Of the batches only the last one of each producer is kept, as in Kafka.
    pub fn to_snapshot(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(ENTRIES_AT + self.by_id.len() * ENTRY);
        out.extend(VERSION.to_be_bytes());
        out.extend([0; 4]);
        out.extend((self.by_id.len() as i32).to_be_bytes());
        for (id, producer) in &self.by_id {
            let none = ProducerBatch { last_sequence: -1, last_offset: -1, ..ProducerBatch::default() };
            let last = producer.batches().last().copied().unwrap_or(none);
            out.extend(id.to_be_bytes());
            out.extend(producer.epoch.to_be_bytes());
            out.extend(last.last_sequence.to_be_bytes());
            out.extend(last.last_offset.to_be_bytes());
            out.extend(last.offset_delta.to_be_bytes());
            out.extend(producer.last_timestamp.to_be_bytes());
            out.extend(producer.coordinator_epoch.to_be_bytes());
            out.extend(producer.txn_first_offset.unwrap_or(-1).to_be_bytes());
        }
        let crc = crc32c::crc32c(&out[COUNT_AT..]);
        out[CRC_AT..COUNT_AT].copy_from_slice(&crc.to_be_bytes());
        out
    }

    /// Reads a snapshot file.
    ///
    /// # Errors
    /// What is wrong with it, for a message.
    pub fn from_snapshot(bytes: &[u8]) -> Result<Producers, String> {
        if bytes.len() < ENTRIES_AT {
            return Err(format!("{} bytes are too few for a snapshot", bytes.len()));
        }
        let mut fields = Fields(bytes);
        let version = i16::from_be_bytes(fields.take());
        if version != VERSION {
            return Err(format!("snapshot version {version}, {VERSION} was expected"));
        }
        let stored = u32::from_be_bytes(fields.take());
        let computed = crc32c::crc32c(&bytes[COUNT_AT..]);
        if stored != computed {
            return Err(format!("checksum {stored:#010x}, the content has {computed:#010x}"));
        }
        let count = i32::from_be_bytes(fields.take());
        let entries = (bytes.len() - ENTRIES_AT) / ENTRY;
        if usize::try_from(count) != Ok(entries) || !(bytes.len() - ENTRIES_AT).is_multiple_of(ENTRY) {
            return Err(format!("{count} entries in {} bytes", bytes.len()));
        }
        let mut producers = Producers::default();
        for _ in 0..entries {
            let id = i64::from_be_bytes(fields.take());
            let mut producer = Producer { epoch: i16::from_be_bytes(fields.take()), ..Producer::default() };
            let batch = ProducerBatch {
                last_sequence: i32::from_be_bytes(fields.take()),
                last_offset: i64::from_be_bytes(fields.take()),
                offset_delta: i32::from_be_bytes(fields.take()),
                timestamp: i64::from_be_bytes(fields.take()),
            };
            producer.last_timestamp = batch.timestamp;
            producer.coordinator_epoch = i32::from_be_bytes(fields.take());
            let txn = i64::from_be_bytes(fields.take());
            producer.txn_first_offset = (txn >= 0).then_some(txn);
            if batch.last_offset >= 0 {
                producer.remember(batch);
            }
            producers.by_id.insert(id, producer);
        }
        Ok(producers)
    }
}

/// Takes fixed-size fields off the front; the lengths were checked before.
struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    fn take<const N: usize>(&mut self) -> [u8; N] {
        let mut out = [0; N];
        if let Some((field, rest)) = self.0.split_first_chunk::<N>() {
            out = *field;
            self.0 = rest;
        }
        out
    }
}
