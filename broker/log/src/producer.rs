//! What a log knows of idempotent and transactional producers (KIP-98): enough to refuse duplicates, gaps in the
//! sequence and fenced epochs, and to go on doing so after a restart.

mod snapshot;

use std::collections::BTreeMap;

use odradek_wire::batch::{BatchHeader, RecordBatches, records};

use crate::error::AppendError;

/// Batches of each producer that a duplicate is looked for in: what a producer may have in flight.
const REMEMBERED: usize = 5;
const NO_EPOCH: i16 = -1;
const NO_SEQUENCE: i32 = -1;

/// One appended batch of a producer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ProducerBatch {
    /// Sequence of its last record.
    pub last_sequence: i32,
    /// Offset of its last record.
    pub last_offset: i64,
    /// Records before the last one.
    pub offset_delta: i32,
    /// Its largest timestamp.
    pub timestamp: i64,
}

impl ProducerBatch {
    fn first_sequence(&self) -> i32 {
        if self.last_sequence == NO_SEQUENCE {
            return NO_SEQUENCE;
        }
        // Sequences go from i32::MAX on to 0.
        let first = i64::from(self.last_sequence) - i64::from(self.offset_delta);
        (first & i64::from(i32::MAX)) as i32
    }

    /// Offset of its first record.
    pub fn first_offset(&self) -> i64 {
        self.last_offset - i64::from(self.offset_delta)
    }
}

/// What is known of one producer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Producer {
    /// Its latest epoch; -1 when none is known.
    pub epoch: i16,
    /// Latest epoch of the coordinator that wrote a marker for it; -1 when none did.
    pub coordinator_epoch: i32,
    /// Time of its last batch or marker, in milliseconds.
    pub last_timestamp: i64,
    /// First offset of its open transaction.
    pub txn_first_offset: Option<i64>,
    batches: [ProducerBatch; REMEMBERED],
    remembered: u8,
}

impl Default for Producer {
    fn default() -> Producer {
        Producer {
            epoch: NO_EPOCH,
            coordinator_epoch: -1,
            last_timestamp: -1,
            txn_first_offset: None,
            batches: [ProducerBatch::default(); REMEMBERED],
            remembered: 0,
        }
    }
}

impl Producer {
    /// Its latest batches, oldest first, five at most.
    pub fn batches(&self) -> &[ProducerBatch] {
        &self.batches[..usize::from(self.remembered)]
    }

    /// Sequence of its last record, -1 when none is known.
    pub fn last_sequence(&self) -> i32 {
        self.batches().last().map_or(NO_SEQUENCE, |batch| batch.last_sequence)
    }

    fn enter_epoch(&mut self, epoch: i16) {
        if self.epoch != epoch {
            self.epoch = epoch;
            self.remembered = 0;
        }
    }

    fn remember(&mut self, batch: ProducerBatch) {
        let n = usize::from(self.remembered);
        if n == REMEMBERED {
            self.batches.copy_within(1.., 0);
            self.batches[REMEMBERED - 1] = batch;
        } else {
            self.batches[n] = batch;
            self.remembered += 1;
        }
    }

    fn duplicate_of(&self, header: &BatchHeader) -> Option<&ProducerBatch> {
        if header.producer_epoch != self.epoch || header.base_sequence < 0 {
            return None;
        }
        self.batches()
            .iter()
            .find(|b| b.first_sequence() == header.base_sequence && b.last_sequence == header.last_sequence())
    }

    /// Kafka's rules for a batch of a client.
    fn check(&self, header: &BatchHeader) -> Result<(), AppendError> {
        if header.producer_epoch < self.epoch {
            return Err(AppendError::InvalidProducerEpoch {
                producer_id: header.producer_id,
                epoch: header.producer_epoch,
                current: self.epoch,
            });
        }
        // A producer of which nothing is known (new, expired, or its records deleted) starts anywhere; a new epoch
        // starts at 0; within an epoch there are no gaps.
        let expected = if self.epoch == NO_EPOCH {
            header.base_sequence
        } else if header.producer_epoch != self.epoch {
            0
        } else {
            match self.last_sequence() {
                i32::MAX => 0,
                last => last + 1,
            }
        };
        if header.base_sequence != expected {
            return Err(AppendError::OutOfOrderSequence {
                producer_id: header.producer_id,
                epoch: header.producer_epoch,
                sequence: header.base_sequence,
                expected,
            });
        }
        Ok(())
    }

    /// Takes a batch of records in, whose first offset is `base`.
    fn take_data(&mut self, header: &BatchHeader, base: i64, timestamp: i64) {
        self.enter_epoch(header.producer_epoch);
        self.remember(ProducerBatch {
            last_sequence: header.last_sequence(),
            last_offset: base + i64::from(header.last_offset_delta),
            offset_delta: header.last_offset_delta,
            timestamp,
        });
        self.last_timestamp = timestamp;
        if header.is_transactional() && self.txn_first_offset.is_none() {
            self.txn_first_offset = Some(base);
        }
    }

    /// Takes the marker in that ends its transaction.
    fn take_marker(&mut self, header: &BatchHeader, coordinator_epoch: Option<i32>) {
        self.enter_epoch(header.producer_epoch);
        self.txn_first_offset = None;
        self.last_timestamp = header.max_timestamp;
        if let Some(epoch) = coordinator_epoch {
            self.coordinator_epoch = epoch;
        }
    }
}

/// What the producers will look like once an append has been written.
#[derive(Debug, Default)]
pub(crate) struct Update {
    producers: Vec<(i64, Producer)>,
}

/// What the producers say to an append.
#[derive(Debug)]
pub(crate) enum Verdict {
    /// Write it, then take the update in.
    New(Update),
    /// The first batch of it was written before.
    Duplicate(ProducerBatch),
}

/// All producers of a log.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Producers {
    by_id: BTreeMap<i64, Producer>,
}

impl Producers {
    /// What is known of a producer.
    pub fn get(&self, producer_id: i64) -> Option<&Producer> {
        self.by_id.get(&producer_id)
    }

    /// All of them, by id.
    pub fn iter(&self) -> impl Iterator<Item = (i64, &Producer)> {
        self.by_id.iter().map(|(&id, producer)| (id, producer))
    }

    /// How many are known.
    pub fn len(&self) -> usize {
        self.by_id.len()
    }

    /// None is known.
    pub fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }

    /// First offset of the oldest open transaction.
    pub fn first_open_transaction(&self) -> Option<i64> {
        self.by_id.values().filter_map(|p| p.txn_first_offset).min()
    }

    /// Judges an append whose batches will get offsets from `base` on (`None`: those that they have), with
    /// `timestamp` in place of their own if given. Sequences are checked only for a `client`.
    pub(crate) fn judge(
        &self,
        set: &RecordBatches,
        base: Option<i64>,
        timestamp: Option<i64>,
        client: bool,
    ) -> Result<Verdict, AppendError> {
        let mut update = Update::default();
        let mut next = base;
        for info in &set.batches {
            let header = &info.header;
            let first = next.unwrap_or(header.base_offset);
            next = next.map(|n| n + i64::from(header.last_offset_delta) + 1);
            if !header.has_producer_id() {
                continue;
            }
            let id = header.producer_id;
            let staged = update.producers.iter().position(|(known, _)| *known == id);
            let mut producer = match staged {
                Some(at) => update.producers[at].1,
                None => self.by_id.get(&id).copied().unwrap_or_default(),
            };
            if client && let Some(earlier) = producer.duplicate_of(header) {
                return Ok(Verdict::Duplicate(*earlier));
            }
            if header.is_control() {
                let epoch = coordinator_epoch(set, info);
                if base.is_some()
                    && let Some(epoch) = epoch
                    && epoch < producer.coordinator_epoch
                {
                    return Err(AppendError::CoordinatorFenced {
                        producer_id: id,
                        epoch,
                        current: producer.coordinator_epoch,
                    });
                }
                producer.take_marker(header, epoch);
            } else {
                if client {
                    producer.check(header)?;
                }
                producer.take_data(header, first, timestamp.unwrap_or(header.max_timestamp));
            }
            match staged {
                Some(at) => update.producers[at].1 = producer,
                None => update.producers.push((id, producer)),
            }
        }
        Ok(Verdict::New(update))
    }

    /// The append was written.
    pub(crate) fn take(&mut self, update: Update) {
        for (id, producer) in update.producers {
            self.by_id.insert(id, producer);
        }
    }

    /// Takes in a batch that is in the log already. A control batch comes with its coordinator's epoch.
    pub(crate) fn replay(&mut self, header: &BatchHeader, coordinator_epoch: Option<i32>) {
        if !header.has_producer_id() {
            return;
        }
        let producer = self.by_id.entry(header.producer_id).or_default();
        if header.is_control() {
            producer.take_marker(header, coordinator_epoch);
        } else {
            producer.take_data(header, header.base_offset, header.max_timestamp);
        }
    }

    /// Forgets producers without an open transaction that were silent for `expiration_ms`; says whether there were any.
    pub(crate) fn expire(&mut self, wall_ms: i64, expiration_ms: i64) -> bool {
        let before = self.by_id.len();
        self.by_id
            .retain(|_, p| p.txn_first_offset.is_some() || wall_ms.saturating_sub(p.last_timestamp) < expiration_ms);
        self.by_id.len() != before
    }

    pub(crate) fn clear(&mut self) {
        self.by_id.clear();
    }
}

/// Coordinator epoch in the marker of a control batch.
fn coordinator_epoch(set: &RecordBatches, info: &odradek_wire::batch::BatchInfo) -> Option<i32> {
    marker_epoch(&set.batch_bytes(info))
}

/// Coordinator epoch in a whole control batch: the value of its record is a version and the epoch (KIP-98).
pub(crate) fn marker_epoch(batch: &bytes::Bytes) -> Option<i32> {
    let record = records(batch).ok()?.next()?.ok()?;
    let value = record.value?;
    let epoch = value.get(2..6)?;
    Some(i32::from_be_bytes([epoch[0], epoch[1], epoch[2], epoch[3]]))
}

#[cfg(test)]
mod tests;
