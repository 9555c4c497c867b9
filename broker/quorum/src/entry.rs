//! An entry of the quorum as a batch of the log: base offset = index, partition leader epoch = term, one record.
//!
//! Neither of the two is covered by a batch's CRC (brokers rewrite them), so they stand in the record's value again.

use bytes::Bytes;
use odradek_wire::batch::{BatchBuilder, BatchInfo, RecordBatches, records};
use prost::Message;
use raft::eraftpb::{Entry, EntryType};

/// The value of the one record of the batch.
#[derive(Clone, PartialEq, prost::Message)]
struct StoredEntry {
    #[prost(uint64, tag = "1")]
    index: u64,
    #[prost(uint64, tag = "2")]
    term: u64,
    /// 0 normal, 1 and 2 a change of the voters.
    #[prost(uint32, tag = "3")]
    kind: u32,
    #[prost(bytes = "bytes", tag = "4")]
    context: Bytes,
    #[prost(bytes = "bytes", tag = "5")]
    data: Bytes,
}

/// Bytes of a batch besides the entry's own data and context, rounded up.
pub(crate) const OVERHEAD: usize = 160;

/// The entry as one batch. `wall_ms` is its timestamp, for those who read the log with Kafka's tools.
pub(crate) fn encode(entry: &Entry, wall_ms: i64) -> Result<Bytes, String> {
    let offset = i64::try_from(entry.index).map_err(|_| format!("index {} is too large", entry.index))?;
    let epoch = i32::try_from(entry.term).map_err(|_| format!("term {} is too large", entry.term))?;
    let value = StoredEntry {
        index: entry.index,
        term: entry.term,
        kind: match entry.get_entry_type() {
            EntryType::EntryNormal => 0,
            EntryType::EntryConfChange => 1,
            EntryType::EntryConfChangeV2 => 2,
        },
        context: entry.context.clone(),
        data: entry.data.clone(),
    };
    let mut batch = BatchBuilder::new(offset).leader_epoch(epoch);
    batch.append(wall_ms, None, Some(&value.encode_to_vec()), &[]);
    batch.build().map_err(|error| error.to_string())
}

/// The entry of one batch, or what does not fit.
pub(crate) fn decode(set: &RecordBatches, batch: &BatchInfo) -> Result<Entry, String> {
    let mut records = records(&set.batch_bytes(batch)).map_err(|error| error.to_string())?;
    let record = records.next().ok_or("a batch without a record")?.map_err(|error| error.to_string())?;
    let value = record.value.ok_or("a record without a value")?;
    let stored = StoredEntry::decode(value).map_err(|error| error.to_string())?;
    let (offset, epoch) = (batch.header.base_offset, batch.header.partition_leader_epoch);
    if i64::try_from(stored.index) != Ok(offset) || i32::try_from(stored.term) != Ok(epoch) {
        return Err(format!(
            "the batch at offset {offset} of epoch {epoch} holds entry {} of term {}",
            stored.index, stored.term
        ));
    }
    let mut entry = Entry::default();
    entry.set_entry_type(match stored.kind {
        0 => EntryType::EntryNormal,
        1 => EntryType::EntryConfChange,
        2 => EntryType::EntryConfChangeV2,
        kind => return Err(format!("entry {} is of kind {kind}, which a newer release wrote", stored.index)),
    });
    entry.index = stored.index;
    entry.term = stored.term;
    entry.context = stored.context;
    entry.data = stored.data;
    Ok(entry)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry() -> Entry {
        let (data, context) = (Bytes::from_static(b"data"), Bytes::from_static(b"context"));
        Entry { index: 7, term: 3, data, context, ..Entry::default() }
    }

    #[test]
    fn an_entry_comes_back_as_it_was() {
        let set = RecordBatches::validate(encode(&entry(), 1_700_000_000_000).unwrap(), usize::MAX).unwrap();
        assert!(set.size() <= OVERHEAD + 11);
        let header = set.batches[0].header;
        assert_eq!((header.base_offset, header.partition_leader_epoch, header.record_count), (7, 3, 1));
        assert_eq!(decode(&set, &set.batches[0]), Ok(entry()));
    }

    #[test]
    fn a_changed_offset_or_epoch_is_noticed_though_the_crc_does_not_cover_it() {
        for position in [7, 15] {
            let mut bytes = encode(&entry(), 0).unwrap().to_vec();
            bytes[position] ^= 1;
            let set = RecordBatches::validate(bytes.into(), usize::MAX).unwrap();
            assert!(decode(&set, &set.batches[0]).is_err(), "byte {position}");
        }
    }
}
