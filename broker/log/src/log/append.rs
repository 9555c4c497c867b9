//! Appending: what is checked, what is patched, and when a new segment begins.

use std::io::IoSlice;

use odradek_wire::batch::{
    ATTRIBUTES_OFFSET, BatchHeader, BatchInfo, CRC_OFFSET, HEADER_SIZE, MAGIC_OFFSET, MAX_TIMESTAMP_OFFSET,
    PARTITION_LEADER_EPOCH_OFFSET, RecordBatches, records,
};

use super::{Appended, Log, Origin, RECENT};
use crate::config::TimestampType;
use crate::error::{AppendError, LogError};
use crate::names::Kind;
use crate::producer::{Update, Verdict};
use crate::segment::{Found, Segment};

const TIMESTAMP_TYPE_BIT: i16 = 0x08;

/// The first bytes of a batch as they will be written in place of the producer's.
struct Patch {
    bytes: [u8; HEADER_SIZE],
    len: usize,
}

/// What is assigned to the batches of a leader's append.
#[derive(Clone, Copy)]
struct Stamp {
    leader_epoch: i32,
    timestamp_type: TimestampType,
    /// Replaces the timestamps when the type is LogAppendTime.
    wall_ms: i64,
}

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

    /// Makes the file of a segment that is to be the active one, and keeps it open.
    fn create_active_file(&mut self) -> Result<(), LogError> {
        let segment = self.active();
        let file = segment.open_file(self.place(), true)?;
        let path = segment.path(&self.dir, Kind::Log);
        // A leftover of a segment that could not be removed.
        file.truncate(0).map_err(LogError::io("empty", path))?;
        *self.active_file.borrow_mut() = Some(file);
        self.active_mut().has_file = true;
        self.names += 1;
        Ok(())
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
        let place = crate::segment::Place {
            disk: &self.disk,
            dir: &self.dir,
            index_interval: self.config.index_interval_bytes,
        };
        if let Err(e) = self.segments[at].write_indexes(place) {
            tracing::warn!(dir = %self.dir.display(), error = %e, "index entries could not be written");
            return false;
        }
        true
    }

    /// Begins a new segment when the active one has no room for the batches `first..=last`.
    fn make_room(
        &mut self,
        bytes: u64,
        first: i64,
        last: i64,
        max_timestamp: i64,
        wall_ms: i64,
    ) -> Result<(), LogError> {
        let segment = self.active();
        let mut full = segment.relative(last).is_none();
        if segment.len > 0 {
            let limit = self.config.segment_index_bytes;
            full = full
                || segment.len + bytes > self.config.segment_bytes
                || segment.offsets.file_bytes() + 8 > limit
                || segment.times.file_bytes() + 12 > limit
                || self.is_old(max_timestamp, wall_ms)?;
        }
        if full {
            let base = if i32::try_from(last - self.log_end).is_ok() { self.log_end } else { first };
            self.roll(base, wall_ms)?;
        }
        Ok(())
    }

    /// Whether the active segment has reached its age: by the records' own clock where they have one.
    fn is_old(&mut self, max_timestamp: i64, wall_ms: i64) -> Result<bool, LogError> {
        let last = self.segments.len() - 1;
        let file = self.file(last)?;
        let place = crate::segment::Place {
            disk: &self.disk,
            dir: &self.dir,
            index_interval: self.config.index_interval_bytes,
        };
        let segment = &mut self.segments[last];
        let age = match segment.first_timestamp(place, file.as_ref())? {
            Some(first) if first >= 0 => max_timestamp.saturating_sub(first),
            _ => wall_ms.saturating_sub(segment.since_ms),
        };
        Ok(age > self.config.segment_ms.saturating_sub(self.jitter(segment_number(self.segments[last].base))))
    }

    /// Milliseconds off the age of a segment; the same for a segment whenever it is asked.
    fn jitter(&self, number: u64) -> i64 {
        let most = self.config.segment_jitter_ms.min(self.config.segment_ms).max(0);
        if most == 0 {
            return 0;
        }
        let mut z = self.config.seed.wrapping_add(number.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) % (most.unsigned_abs() + 1)).cast_signed()
    }

    /// Closes the active segment and begins one at `base`.
    pub(super) fn roll(&mut self, base: i64, wall_ms: i64) -> Result<(), LogError> {
        let old = self.segments.len() - 1;
        let old_file = self.active_file.borrow_mut().take();
        self.segments.push(Segment::empty(base, wall_ms));
        if let Err(e) = self.create_active_file() {
            self.segments.pop();
            *self.active_file.borrow_mut() = old_file;
            return Err(e);
        }
        self.recent.clear();
        self.segments[old].note_time();
        self.write_indexes_of(old);
        self.segments[old].offsets.release();
        self.segments[old].times.release();
        self.write_snapshot();
        Ok(())
    }
}

fn segment_number(base: i64) -> u64 {
    base.unsigned_abs().wrapping_add(1)
}

/// The beginning of a batch with base offset and leader epoch set: up to the checksum when that need not change, else
/// the whole header.
fn patch(batch: &[u8], header: &BatchHeader, base: i64, stamp: Stamp) -> Patch {
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
