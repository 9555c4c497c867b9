//! From a time to an offset.

use bytes::Bytes;
use odradek_wire::batch::{Record, records};

use super::{Log, TimestampOffset};
use crate::disk::{DiskFile, read_exact_at};
use crate::error::LogError;
use crate::names::Kind;
use crate::segment::Found;

impl Log {
    /// First record at or after `timestamp`, below `upper`.
    ///
    /// # Errors
    /// The disk's, damage included.
    pub fn offset_for_timestamp(&self, timestamp: i64, upper: i64) -> Result<Option<TimestampOffset>, LogError> {
        for at in self.segment_of(self.log_start)..self.segments.len() {
            let segment = &self.segments[at];
            if segment.len == 0 || segment.max_timestamp < timestamp {
                continue;
            }
            if segment.base >= upper {
                break;
            }
            let file = self.file(at)?;
            let from = self.time_start(at, file.as_ref(), timestamp)?.max(self.log_start);
            let mut answer = None;
            segment.walk(self.place(), file.as_ref(), from, |position, header| {
                if header.base_offset >= upper {
                    return Ok(false);
                }
                if header.max_timestamp < timestamp {
                    return Ok(true);
                }
                let place = Found { position, size: header.size() as u64, base: header.base_offset, last: 0 };
                answer = self.first_record(at, file.as_ref(), place, |record| {
                    record.timestamp >= timestamp && record.offset >= self.log_start
                })?;
                Ok(answer.is_none())
            })?;
            if let Some(found) = answer {
                return Ok((found.offset < upper).then_some(found));
            }
        }
        Ok(None)
    }

    /// An offset of the segment before which no record is as late as `timestamp`.
    fn time_start(&self, at: usize, file: &dyn DiskFile, timestamp: i64) -> Result<i64, LogError> {
        let segment = &self.segments[at];
        if segment.suspect.get() {
            return Ok(segment.base);
        }
        let path = segment.path(&self.dir, Kind::TimeIndex);
        let entry = match segment.times.floor(self.disk.as_ref(), &path, |e| e.timestamp <= timestamp) {
            Ok((_, entry)) => entry,
            Err(e) => {
                tracing::warn!(path = %path.display(), error = %e, "time index cannot be read");
                None
            }
        };
        let Some(entry) = entry else { return Ok(segment.base) };
        // The index is only believed where the batch agrees.
        let offset = segment.base + i64::from(entry.relative);
        let mut agrees = false;
        segment.walk(self.place(), file, offset, |_, header| {
            agrees = header.last_offset() == offset && header.max_timestamp == entry.timestamp;
            Ok(false)
        })?;
        if !agrees {
            tracing::warn!(path = %path.display(), "time index does not agree with the batches");
            segment.suspect.set(true);
            return Ok(segment.base);
        }
        Ok(offset)
    }

    /// The record with the largest timestamp below `upper` (the first of them), KIP-734.
    ///
    /// # Errors
    /// The disk's, damage included.
    pub fn max_timestamp(&self, upper: i64) -> Result<Option<TimestampOffset>, LogError> {
        // Segment, an offset of the batch that has it, and the timestamp.
        let mut best: Option<(usize, i64, i64)> = None;
        for at in self.segment_of(self.log_start)..self.segments.len() {
            let segment = &self.segments[at];
            if segment.base >= upper {
                break;
            }
            let most = best.map_or(-1, |(_, _, timestamp)| timestamp);
            if segment.len == 0 || segment.max_timestamp <= most {
                continue;
            }
            if segment.base >= self.log_start && self.segment_end(at) <= upper {
                best = Some((at, segment.offset_of_max, segment.max_timestamp));
                continue;
            }
            let file = self.file(at)?;
            segment.walk(self.place(), file.as_ref(), self.log_start.max(segment.base), |position, header| {
                let (base, last) = (header.base_offset, header.last_offset());
                if last >= upper {
                    return Ok(false);
                }
                let mut timestamp = header.max_timestamp;
                if base < self.log_start {
                    // The record with the batch's largest timestamp may be one of those that are gone.
                    let place = Found { position, size: header.size() as u64, base, last };
                    timestamp = -1;
                    self.first_record(at, file.as_ref(), place, |record| {
                        if record.offset >= self.log_start {
                            timestamp = timestamp.max(record.timestamp);
                        }
                        false
                    })?;
                }
                if timestamp > best.map_or(-1, |(_, _, timestamp)| timestamp) {
                    best = Some((at, last, timestamp));
                }
                Ok(true)
            })?;
        }
        let Some((at, offset, timestamp)) = best else { return Ok(None) };
        let file = self.file(at)?;
        let Some(found) = self.find(at, file.as_ref(), offset)? else { return Ok(None) };
        let first = self.first_record(at, file.as_ref(), found, |record| {
            record.timestamp >= timestamp && record.offset >= self.log_start
        })?;
        // A header may claim a time that no record has.
        Ok(Some(first.unwrap_or(TimestampOffset { offset: found.last, timestamp })))
    }

    fn first_record(
        &self,
        at: usize,
        file: &dyn DiskFile,
        batch: Found,
        mut wanted: impl FnMut(&Record) -> bool,
    ) -> Result<Option<TimestampOffset>, LogError> {
        let path = || self.segments[at].path(&self.dir, Kind::Log);
        let mut bytes = vec![0; usize::try_from(batch.size).unwrap_or(0)];
        read_exact_at(file, &mut bytes, batch.position).map_err(LogError::io("read", path()))?;
        let damaged = |e: odradek_wire::batch::BatchError| LogError::Damaged {
            path: path(),
            reason: format!("the batch of offset {}: {e}", batch.base),
        };
        for record in records(&Bytes::from(bytes)).map_err(damaged)? {
            let record = record.map_err(damaged)?;
            if wanted(&record) {
                return Ok(Some(TimestampOffset { offset: record.offset, timestamp: record.timestamp }));
            }
        }
        Ok(None)
    }
}
