//! When a new segment begins, and how.

use super::Log;
use crate::error::LogError;
use crate::names::Kind;
use crate::segment::{Place, Segment};

impl Log {
    /// Makes the file of a segment that is to be the active one, and keeps it open.
    pub(super) fn create_active_file(&mut self) -> Result<(), LogError> {
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

    /// Begins a new segment when the active one has no room for the batches `first..=last`.
    pub(super) fn make_room(
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
        let place = Place { disk: &self.disk, dir: &self.dir, index_interval: self.config.index_interval_bytes };
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
