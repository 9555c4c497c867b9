//! Appending: what is checked, and how it is written.

use std::io::IoSlice;

use odradek_wire::batch::{BatchInfo, RecordBatches, records};

use super::patch::{Stamp, patch};
use super::{Appended, Log, Origin, RECENT};
use crate::config::TimestampType;
use crate::error::{AppendError, LogError};
use crate::names::Kind;
use crate::producer::{Update, Verdict};
use crate::segment::{Found, Place};

/// Producers that are remembered because the disk refused a batch of theirs; more of them get an answer about their
/// sequence.
const MAX_REFUSED: usize = 1000;

impl Log {
    /// Appends a producer's batches: offsets and leader epoch are assigned, the rest is written as it came (but for
    /// the time of append and the checksum over it, where the topic asks for LogAppendTime).
    ///
    /// # Errors
    /// [`AppendError`]; the log is then as it was before.
    pub fn append_leader(
        &mut self,
        batches: &RecordBatches,
        leader_epoch: i32,
        wall_ms: i64,
    ) -> Result<Appended, AppendError> {
        self.append_leader_as(batches, leader_epoch, wall_ms, Origin::Client)
    }

    /// As [`Log::append_leader`], by someone else than a producer.
    ///
    /// # Errors
    /// [`AppendError`]; the log is then as it was before.
    pub fn append_leader_as(
        &mut self,
        batches: &RecordBatches,
        leader_epoch: i32,
        wall_ms: i64,
        origin: Origin,
    ) -> Result<Appended, AppendError> {
        let result = self.append_assigned(batches, leader_epoch, wall_ms, origin);
        self.after_refusals(batches, result)
    }

    /// Remembers whose batches the disk refused. Those that the producer sent behind one of them fail for the same
    /// reason: an answer about their sequence would make the client believe that records are lost, take a new epoch,
    /// and send again what other partitions have already.
    fn after_refusals(
        &mut self,
        batches: &RecordBatches,
        result: Result<Appended, AppendError>,
    ) -> Result<Appended, AppendError> {
        let headers = batches.batches.iter().map(|info| &info.header);
        let producers = headers.filter(|header| header.has_producer_id()).map(|header| header.producer_id);
        match &result {
            Ok(_) if self.refused.is_empty() => {}
            Ok(_) => {
                for producer in producers {
                    self.refused.remove(&producer);
                }
            }
            Err(AppendError::Storage(_)) => {
                let room = MAX_REFUSED.saturating_sub(self.refused.len());
                self.refused.extend(producers.take(room));
            }
            Err(AppendError::OutOfOrderSequence { producer_id, .. }) if self.refused.contains(producer_id) => {
                let (dir, producer_id) = (self.dir.clone(), *producer_id);
                return Err(LogError::Behind { dir, producer_id }.into());
            }
            Err(_) => {}
        }
        result
    }

    fn append_assigned(
        &mut self,
        batches: &RecordBatches,
        leader_epoch: i32,
        wall_ms: i64,
        origin: Origin,
    ) -> Result<Appended, AppendError> {
        self.usable()?;
        let client = origin == Origin::Client;
        self.check_sizes(batches)?;
        if client {
            self.check_content(batches, wall_ms)?;
        }
        let stamp_time = self.config.timestamp_type == TimestampType::LogAppendTime;
        let log_append_time_ms = if stamp_time { wall_ms } else { -1 };
        let update = match self.producers.judge(batches, Some(self.log_end), stamp_time.then_some(wall_ms), client)? {
            Verdict::New(update) => update,
            Verdict::Duplicate(earlier) => {
                return Ok(Appended {
                    base_offset: earlier.first_offset(),
                    last_offset: earlier.last_offset,
                    log_append_time_ms: if stamp_time { earlier.timestamp } else { -1 },
                    duplicate: true,
                    bytes: 0,
                });
            }
        };
        let base_offset = self.log_end;
        let mut next = Some(base_offset);
        for info in &batches.batches {
            next = next.and_then(|n| n.checked_add(i64::from(info.header.last_offset_delta) + 1));
        }
        let Some(end) = next else {
            return Err(AppendError::InvalidRecord { reason: format!("offsets above {base_offset} are used up") });
        };
        let max_timestamp = if stamp_time {
            wall_ms
        } else {
            batches.batches.iter().map(|info| info.header.max_timestamp).max().unwrap_or(-1)
        };
        self.make_room(batches.bytes.len() as u64, base_offset, end - 1, max_timestamp, wall_ms)?;
        let stamp = Stamp { leader_epoch, timestamp_type: self.config.timestamp_type, wall_ms };
        self.write_patched(batches, base_offset, stamp)?;
        let mut base = base_offset;
        for info in &batches.batches {
            let timestamp = if stamp_time { wall_ms } else { info.header.max_timestamp };
            self.appended(info, base, timestamp, leader_epoch, wall_ms);
            base += i64::from(info.header.last_offset_delta) + 1;
        }
        self.producers.take(update);
        self.write_due_indexes();
        Ok(Appended {
            base_offset,
            last_offset: end - 1,
            log_append_time_ms,
            duplicate: false,
            bytes: batches.bytes.len(),
        })
    }

    /// Appends replicated batches with the offsets and epochs that they have. They may leave gaps (a compacted leader)
    /// but never go back.
    ///
    /// # Errors
    /// [`AppendError::NotContiguous`] when they start below the log end; the disk's errors.
    pub fn append_follower(&mut self, batches: &RecordBatches, wall_ms: i64) -> Result<Appended, AppendError> {
        self.usable()?;
        let (Some(first), Some(last)) = (batches.batches.first(), batches.batches.last()) else {
            return Err(AppendError::Empty);
        };
        let mut expected = self.log_end;
        for info in &batches.batches {
            if info.header.base_offset < expected {
                return Err(AppendError::NotContiguous { expected, got: info.header.base_offset });
            }
            expected = info.header.last_offset().saturating_add(1);
        }
        let (first, last) = (first.header.base_offset, last.header.last_offset());
        let fits = batches.bytes.len() as u64 <= self.config.segment_bytes && i32::try_from(last - first).is_ok();
        if fits {
            self.append_replicated(batches, wall_ms)?;
        } else {
            // More than a segment holds: batch by batch, each where it fits.
            for info in &batches.batches {
                let one = RecordBatches {
                    bytes: batches.batch_bytes(info),
                    batches: vec![BatchInfo { position: 0, ..*info }],
                };
                self.append_replicated(&one, wall_ms)?;
            }
        }
        Ok(Appended {
            base_offset: first,
            last_offset: last,
            log_append_time_ms: -1,
            duplicate: false,
            bytes: batches.bytes.len(),
        })
    }

    fn append_replicated(&mut self, batches: &RecordBatches, wall_ms: i64) -> Result<(), AppendError> {
        let update = match self.producers.judge(batches, None, None, false)? {
            Verdict::New(update) => update,
            // Only looked for in a client's batches.
            Verdict::Duplicate(_) => Update::default(),
        };
        let infos = &batches.batches;
        let first = infos.first().map_or(self.log_end, |info| info.header.base_offset);
        let last = infos.last().map_or(first, |info| info.header.last_offset());
        let max_timestamp = infos.iter().map(|info| info.header.max_timestamp).max().unwrap_or(-1);
        self.make_room(batches.bytes.len() as u64, first, last, max_timestamp, wall_ms)?;
        self.write_at_end(&[IoSlice::new(&batches.bytes)])?;
        for info in infos {
            let header = &info.header;
            self.appended(info, header.base_offset, header.max_timestamp, header.partition_leader_epoch, wall_ms);
        }
        self.producers.take(update);
        self.write_due_indexes();
        Ok(())
    }

    fn check_sizes(&self, batches: &RecordBatches) -> Result<(), AppendError> {
        if batches.batches.is_empty() {
            return Err(AppendError::Empty);
        }
        let max = self.config.max_message_bytes;
        for info in &batches.batches {
            if info.size > max {
                return Err(AppendError::BatchTooLarge { size: info.size, max });
            }
        }
        if batches.bytes.len() as u64 > self.config.segment_bytes {
            return Err(AppendError::SetTooLarge { size: batches.bytes.len(), max: self.config.segment_bytes });
        }
        Ok(())
    }

    /// What is asked of a producer's batches besides their format.
    fn check_content(&self, batches: &RecordBatches, wall_ms: i64) -> Result<(), AppendError> {
        let earliest = wall_ms.saturating_sub(self.config.timestamp_before_max_ms);
        let latest = wall_ms.saturating_add(self.config.timestamp_after_max_ms);
        let create_time = self.config.timestamp_type == TimestampType::CreateTime;
        // The header does not tell the smallest timestamp, nor keys: only then are records looked at.
        let each = self.config.compact || (create_time && self.config.timestamp_before_max_ms != i64::MAX);
        let outside = |timestamp: i64| create_time && timestamp >= 0 && (timestamp < earliest || timestamp > latest);
        let invalid = |timestamp| AppendError::InvalidTimestamp { timestamp, earliest, latest };
        for info in &batches.batches {
            let header = &info.header;
            if header.is_control() {
                return Err(AppendError::InvalidRecord { reason: "a producer may not write control records".into() });
            }
            if header.has_producer_id() && header.base_sequence < 0 {
                return Err(AppendError::InvalidRecord {
                    reason: format!("producer {} without a sequence number", header.producer_id),
                });
            }
            for timestamp in [header.base_timestamp, header.max_timestamp] {
                if outside(timestamp) {
                    return Err(invalid(timestamp));
                }
            }
            if !each {
                continue;
            }
            let broken = |e: odradek_wire::batch::BatchError| AppendError::InvalidRecord { reason: e.to_string() };
            for (at, record) in records(&batches.batch_bytes(info)).map_err(broken)?.enumerate() {
                let record = record.map_err(broken)?;
                if self.config.compact && record.key.is_none() {
                    return Err(AppendError::InvalidRecord {
                        reason: format!("record {at} has no key and the topic is compacted"),
                    });
                }
                if outside(record.timestamp) {
                    return Err(invalid(record.timestamp));
                }
            }
        }
        Ok(())
    }

    /// Writes the batches with their patched beginnings; the bytes of the records are not copied.
    fn write_patched(&mut self, batches: &RecordBatches, base: i64, stamp: Stamp) -> Result<(), LogError> {
        let whole = |info: &BatchInfo| &batches.bytes[info.position..info.position + info.size];
        if let [info] = batches.batches.as_slice() {
            let patch = patch(whole(info), &info.header, base, stamp);
            let rest = &whole(info)[patch.len..];
            return self.write_at_end(&[IoSlice::new(&patch.bytes[..patch.len]), IoSlice::new(rest)]);
        }
        let mut next = base;
        let mut patches = Vec::with_capacity(batches.batches.len());
        for info in &batches.batches {
            patches.push(patch(whole(info), &info.header, next, stamp));
            next += i64::from(info.header.last_offset_delta) + 1;
        }
        let mut slices = Vec::with_capacity(patches.len() * 2);
        for (info, patch) in batches.batches.iter().zip(&patches) {
            slices.push(IoSlice::new(&patch.bytes[..patch.len]));
            slices.push(IoSlice::new(&whole(info)[patch.len..]));
        }
        self.write_at_end(&slices)
    }

    /// Writes at the end of the active segment. When that fails, what was written of it is cut off again.
    fn write_at_end(&mut self, bufs: &[IoSlice<'_>]) -> Result<(), LogError> {
        let last = self.segments.len() - 1;
        if !self.segments[last].has_file {
            self.create_active_file()?;
        }
        let file = self.file(last)?;
        let segment = &self.segments[last];
        let Err(source) = file.write_vectored_at(bufs, segment.len) else { return Ok(()) };
        let path = segment.path(&self.dir, Kind::Log);
        if let Err(e) = file.truncate(segment.len) {
            self.fail(format!("a write to {} failed ({source}) and could not be taken back ({e})", path.display()));
        }
        Err(LogError::Io { action: "write", path, source })
    }

    /// A batch has been written at the end.
    fn appended(&mut self, info: &BatchInfo, base: i64, max_timestamp: i64, epoch: i32, wall_ms: i64) {
        let interval = self.config.index_interval_bytes;
        let segment = self.active_mut();
        let position = segment.len;
        segment.note_batch(position, &info.header, base, max_timestamp, interval);
        segment.written_ms = wall_ms;
        let last = base + i64::from(info.header.last_offset_delta);
        if self.recent.len() == RECENT {
            self.recent.pop_front();
        }
        self.recent.push_back(Found { position, size: info.size as u64, base, last });
        self.log_end = last + 1;
        self.changed = true;
        match self.epochs.latest() {
            Some(latest) if epoch <= latest => {}
            _ => {
                if self.epochs.assign(epoch, base) {
                    self.epochs_version += 1;
                }
            }
        }
    }

    fn write_due_indexes(&mut self) {
        if self.active().offsets.is_due() {
            self.write_active_indexes();
        }
    }

    /// Writes index entries that wait in memory. A failure is no loss: they stay there.
    pub(super) fn write_active_indexes(&mut self) {
        let last = self.segments.len() - 1;
        self.write_indexes_of(last);
    }

    /// As [`Log::write_active_indexes`], of any segment; says whether it went well.
    pub(super) fn write_indexes_of(&mut self, at: usize) -> bool {
        let place = Place { disk: &self.disk, dir: &self.dir, index_interval: self.config.index_interval_bytes };
        if let Err(e) = self.segments[at].write_indexes(place) {
            tracing::warn!(dir = %self.dir.display(), error = %e, "index entries could not be written");
            return false;
        }
        true
    }
}
