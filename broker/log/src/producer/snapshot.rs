//! Kafka's `.snapshot` file, version 1: the last batch of each producer, with a checksum.
//!
//! Behind Kafka's entries, and covered by the checksum as Kafka computes it (over all that follows), stand the other
//! batches that are remembered: for each producer in the order of the entries their number, one byte, and then the
//! batches, oldest first. Kafka reads its entries and nothing behind them. Without them a producer that had several
//! batches on their way would be refused after a clean restart of its leader, when it sends one again that is in the log.

use super::{Producer, ProducerBatch, Producers, REMEMBERED};

const VERSION: i16 = 1;
/// Version, checksum; then the number of entries, where the checksum's cover begins.
const CRC_AT: usize = 2;
const COUNT_AT: usize = 6;
const ENTRIES_AT: usize = 10;
const ENTRY: usize = 8 + 2 + 4 + 8 + 4 + 8 + 4 + 8;
const BATCH: usize = 4 + 8 + 4 + 8;

impl Producers {
    /// The content of a snapshot file.
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
        if self.by_id.values().any(|producer| producer.remembered > 1) {
            for producer in self.by_id.values() {
                let older = producer.batches().split_last().map_or(&[][..], |(_, older)| older);
                out.push(older.len() as u8);
                for batch in older {
                    out.extend(batch.last_sequence.to_be_bytes());
                    out.extend(batch.last_offset.to_be_bytes());
                    out.extend(batch.offset_delta.to_be_bytes());
                    out.extend(batch.timestamp.to_be_bytes());
                }
            }
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
        let entries = usize::try_from(count).unwrap_or(usize::MAX);
        let older_at = entries.checked_mul(ENTRY).and_then(|len| len.checked_add(ENTRIES_AT));
        let Some(older) = older_at.and_then(|at| bytes.get(at..)) else {
            return Err(format!("{count} entries in {} bytes", bytes.len()));
        };
        let mut older = Older(older);
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
            for batch in older.next()? {
                producer.remember(batch);
            }
            if batch.last_offset >= 0 {
                producer.remember(batch);
            }
            producers.by_id.insert(id, producer);
        }
        if !older.0.is_empty() {
            return Err(format!("{} bytes too many", older.0.len()));
        }
        Ok(producers)
    }
}

/// What stands behind Kafka's entries; nothing in a file of Kafka's.
struct Older<'a>(&'a [u8]);

impl Older<'_> {
    /// The batches of the next producer.
    fn next(&mut self) -> Result<Vec<ProducerBatch>, String> {
        let Some((many, rest)) = self.0.split_first() else { return Ok(Vec::new()) };
        let many = usize::from(*many);
        if many >= REMEMBERED || rest.len() < many * BATCH {
            return Err(format!("{many} older batches in {} bytes", rest.len()));
        }
        let (batches, rest) = rest.split_at(many * BATCH);
        self.0 = rest;
        let mut fields = Fields(batches);
        let batch = |_| ProducerBatch {
            last_sequence: i32::from_be_bytes(fields.take()),
            last_offset: i64::from_be_bytes(fields.take()),
            offset_delta: i32::from_be_bytes(fields.take()),
            timestamp: i64::from_be_bytes(fields.take()),
        };
        Ok((0..many).map(batch).collect())
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
