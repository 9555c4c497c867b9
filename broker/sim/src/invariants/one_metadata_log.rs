//! The metadata log is one log (Raft, state machine safety): what any controller gave out as committed at an offset is
//! what every other one ever gives out there.

use std::collections::BTreeMap;

use odradek_core::metadata::record::decode_records;
use odradek_core::metadata::rpc::FetchMetadataResponse;

use crate::network::Place;
use crate::trace::Trace;

/// Remembers a hash of each entry.
#[derive(Debug, Clone, Default)]
pub struct OneMetadataLog {
    entries: BTreeMap<u64, (Place, u64)>,
    snapshots: BTreeMap<u64, (Place, u64)>,
}

impl OneMetadataLog {
    /// Looks at an answer to a broker that follows.
    ///
    /// # Errors
    /// When something else was committed at one of its offsets.
    pub fn look(&mut self, place: Place, answer: &FetchMetadataResponse) -> Result<(), String> {
        for batch in &answer.batches {
            if tracing::enabled!(tracing::Level::DEBUG) && !self.entries.contains_key(&batch.offset) {
                for record in decode_records(&batch.records).unwrap_or_default() {
                    tracing::debug!(offset = batch.offset, ?record.change, "committed");
                }
            }
            same(&mut self.entries, place, batch.offset, &batch.records, "entry")?;
        }
        match &answer.snapshot {
            Some(snapshot) => same(&mut self.snapshots, place, snapshot.offset, &snapshot.data, "snapshot"),
            None => Ok(()),
        }
    }
}

fn same(
    seen: &mut BTreeMap<u64, (Place, u64)>,
    place: Place,
    offset: u64,
    bytes: &[u8],
    what: &str,
) -> Result<(), String> {
    let mut hash = Trace::default();
    hash.bytes(bytes);
    let (first, known) = *seen.entry(offset).or_insert((place, hash.hash()));
    if known == hash.hash() {
        return Ok(());
    }
    Err(format!("controllers {first} and {place} gave out different metadata as committed: the {what} at {offset}"))
}
