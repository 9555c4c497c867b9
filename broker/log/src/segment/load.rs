//! Brings a segment up from its files: trusting them, or reading every batch.

use odradek_wire::batch::BatchHeader;

use super::{Place, Segment};
use crate::disk::DiskFile;
use crate::error::LogError;
use crate::index::{Entries, Entry, OffsetEntry, TimeEntry};
use crate::names::Kind;
use crate::scan::{LARGE, SMALL, Scanner, Step};

/// Lengths of a segment's files, as the folder lists them.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Files {
    pub(crate) log: u64,
    pub(crate) index: Option<u64>,
    pub(crate) time_index: Option<u64>,
}

/// What loading took.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) bytes_read: u64,
    pub(crate) batches: u64,
}

/// How a check of a segment ended.
#[derive(Debug)]
pub(crate) struct Checked {
    /// Offset behind the last batch; the base when there is none.
    pub(crate) end: i64,
    /// Where the first bad byte is, and what is wrong there.
    pub(crate) broken: Option<(u64, String)>,
}

/// Looks at the batches of a segment while it is checked.
pub(crate) trait Visitor {
    /// Whether checksums are verified.
    fn wants_checksums(&self) -> bool;
    /// Sees a batch; an error says why the log must end before it.
    fn visit(&mut self, header: &BatchHeader) -> Result<(), String>;
}

/// Takes every batch for good.
pub(crate) struct Trust;

impl Visitor for Trust {
    fn wants_checksums(&self) -> bool {
        false
    }

    fn visit(&mut self, _: &BatchHeader) -> Result<(), String> {
        Ok(())
    }
}

impl Segment {
    /// Takes the files as they are. The indexes are empty, and `false` comes back, when they cannot be right; `next` is
    /// where the next segment begins.
    pub(crate) fn load(
        at: Place<'_>,
        base: i64,
        files: Files,
        next: Option<i64>,
        wall_ms: i64,
        tally: &mut Tally,
    ) -> Result<(Segment, bool), LogError> {
        let mut segment = Segment::empty(base, wall_ms);
        segment.has_file = true;
        segment.len = files.log;
        segment.indexes_synced = true;
        let sane = segment.load_indexes(at, files, next)?;
        tally.bytes_read += (OffsetEntry::SIZE + TimeEntry::SIZE) as u64;
        if !sane {
            segment.reset_indexes(at)?;
        }
        Ok((segment, sane))
    }

    fn load_indexes(&mut self, at: Place<'_>, files: Files, next: Option<i64>) -> Result<bool, LogError> {
        let (Some(index), Some(time_index)) = (files.index, files.time_index) else {
            // A log without a batch, or with one, has none to miss.
            return Ok(self.len == 0 && files.index.is_none() && files.time_index.is_none());
        };
        let path = self.path(at.dir, Kind::Index);
        let Some(offsets) =
            Entries::<OffsetEntry>::load(at.disk.as_ref(), &path, index).map_err(LogError::io("read", path))?
        else {
            return Ok(false);
        };
        let path = self.path(at.dir, Kind::TimeIndex);
        let Some(times) =
            Entries::<TimeEntry>::load(at.disk.as_ref(), &path, time_index).map_err(LogError::io("read", path))?
        else {
            return Ok(false);
        };
        let inside = |relative: i32| relative >= 0 && next.is_none_or(|next| self.base + i64::from(relative) < next);
        let offsets_fit =
            offsets.last().is_none_or(|e| inside(e.relative) && e.position > 0 && (e.position as u64) < self.len);
        // A closed segment's largest timestamp stands in its time index; without it retention would be blind.
        if next.is_some() && self.len > 0 && times.last().is_none() {
            return Ok(false);
        }
        let times_fit = times.last().is_none_or(|e| inside(e.relative) && e.timestamp >= 0 && self.len > 0);
        if !offsets_fit || !times_fit {
            return Ok(false);
        }
        if let Some(last) = times.last() {
            self.max_timestamp = last.timestamp;
            self.offset_of_max = self.base + i64::from(last.relative);
        }
        self.offsets = offsets;
        self.times = times;
        Ok(true)
    }

    pub(crate) fn reset_indexes(&mut self, at: Place<'_>) -> Result<(), LogError> {
        let path = self.path(at.dir, Kind::Index);
        self.offsets.reset(at.disk.as_ref(), &path).map_err(LogError::io("empty", path))?;
        let path = self.path(at.dir, Kind::TimeIndex);
        self.times.reset(at.disk.as_ref(), &path).map_err(LogError::io("empty", path))?;
        self.indexes_changed();
        self.suspect.set(false);
        self.bytes_since_entry = 0;
        self.max_timestamp = -1;
        self.offset_of_max = -1;
        Ok(())
    }

    /// Reads on from the last index entry, by headers only: what is behind it enters the indexes, and the end of the
    /// segment becomes known. Without entries this reads the whole segment.
    pub(crate) fn rescan_tail(
        &mut self,
        at: Place<'_>,
        file: &dyn DiskFile,
        tally: &mut Tally,
    ) -> Result<Checked, LogError> {
        let start = self.resume_at(self.offsets.last());
        let chunk = if self.len - start > 1 << 20 { LARGE } else { SMALL };
        self.check(at, file, start, chunk, tally, &mut Trust)
    }

    /// Reads every batch of the segment from `from` on (from the last index entry before it), verifies it and makes the
    /// indexes again. The `visitor` sees each batch whose header holds, and may refuse it.
    pub(crate) fn verify(
        &mut self,
        at: Place<'_>,
        file: &dyn DiskFile,
        from: i64,
        tally: &mut Tally,
        visitor: &mut dyn Visitor,
    ) -> Result<Checked, LogError> {
        let start = self.trusted_start(at, file, from)?;
        self.check(at, file, start, LARGE, tally, visitor)
    }

    /// The position of the last index entry at or below `from` that can be trusted after a crash; later entries are
    /// dropped, and all of them when one cannot be.
    fn trusted_start(&mut self, at: Place<'_>, file: &dyn DiskFile, from: i64) -> Result<u64, LogError> {
        if let Some(entry) = self.trusted_entry(at, file, from)? {
            let start = self.forget_behind(at, Some(entry))?;
            if self.times.last().is_none_or(|last| self.agrees(at, file, last)) {
                return Ok(start);
            }
        }
        self.reset_indexes(at)?;
        Ok(0)
    }

    /// The offset index may have been written and the time index not, or a part of either: an entry counts when all
    /// entries before it go upward, it leads to its batch, and the time index is as good up to there.
    fn trusted_entry(&self, at: Place<'_>, file: &dyn DiskFile, from: i64) -> Result<Option<OffsetEntry>, LogError> {
        let (disk, base) = (at.disk.as_ref(), self.base);
        let path = self.path(at.dir, Kind::Index);
        let times_path = self.path(at.dir, Kind::TimeIndex);
        let read = |result: std::io::Result<_>| result.map_err(LogError::io("read", &path));
        let (n, entry) = read(self.offsets.floor(disk, &path, |e| base + i64::from(e.relative) < from))?;
        let Some(entry) = entry else { return Ok(None) };
        let (times, time) = self
            .times
            .floor(disk, &times_path, |e| e.relative <= entry.relative)
            .map_err(LogError::io("read", &times_path))?;
        let Some(time) = time else { return Ok(None) };
        let grow = self.offsets.grows(disk, &path, n).map_err(LogError::io("read", &path))?
            && self.times.grows(disk, &times_path, times).map_err(LogError::io("read", &times_path))?;
        if !grow || !self.leads_to_batch(at, file, entry)? || !self.agrees(at, file, time) {
            return Ok(None);
        }
        // Behind the last time entry nothing is known of the timestamps.
        let (_, start) = read(self.offsets.floor(disk, &path, |e| e.relative <= time.relative))?;
        match start {
            Some(start) if self.leads_to_batch(at, file, start)? => Ok(Some(start)),
            _ => Ok(None),
        }
    }

    fn leads_to_batch(&self, at: Place<'_>, file: &dyn DiskFile, entry: OffsetEntry) -> Result<bool, LogError> {
        let position = u64::try_from(entry.position).unwrap_or(u64::MAX);
        if position >= self.len {
            return Ok(false);
        }
        let step = Scanner::new(file, position, self.len, 0).next().map_err(self.read_error(at))?;
        let Step::Batch { header, .. } = step else { return Ok(false) };
        Ok(self.base <= header.base_offset && header.last_offset() == self.base + i64::from(entry.relative))
    }

    /// Whether a time entry is what its batch says.
    fn agrees(&self, at: Place<'_>, file: &dyn DiskFile, entry: TimeEntry) -> bool {
        let offset = self.base + i64::from(entry.relative);
        let mut agrees = false;
        let walked = self.walk(at, file, offset, |_, header| {
            agrees = header.last_offset() == offset && header.max_timestamp == entry.timestamp;
            Ok(false)
        });
        walked.is_ok() && agrees && !self.suspect.get()
    }

    /// Whether the headers lead from the first batch to the end, offsets upward.
    pub(crate) fn is_whole(&self, at: Place<'_>, file: &dyn DiskFile) -> Result<bool, LogError> {
        let mut scanner = Scanner::new(file, 0, self.len, LARGE);
        let mut least = self.base;
        loop {
            match scanner.next().map_err(self.read_error(at))? {
                Step::Batch { header, .. } if header.base_offset < least => return Ok(false),
                Step::Batch { header, .. } => least = header.last_offset() + 1,
                Step::End => return Ok(true),
                Step::Broken { .. } => return Ok(false),
            }
        }
    }

    /// Sets the segment to the state it had just after the entry for its last batch was made, before the batch itself
    /// was counted; gives the position of that batch. The indexes stay as they are.
    fn resume_at(&mut self, entry: Option<OffsetEntry>) -> u64 {
        self.bytes_since_entry = 0;
        self.take_last_time();
        entry.map_or(0, |entry| entry.position.max(0) as u64)
    }

    fn take_last_time(&mut self) {
        (self.max_timestamp, self.offset_of_max) = match self.times.last() {
            Some(last) => (last.timestamp, self.base + i64::from(last.relative)),
            None => (-1, -1),
        };
    }

    /// Sets the segment to the state it had just before the batch of `entry` was noted, with the entry gone; gives the
    /// position of that batch.
    fn forget_behind(&mut self, at: Place<'_>, entry: Option<OffsetEntry>) -> Result<u64, LogError> {
        let Some(entry) = entry else {
            self.reset_indexes(at)?;
            return Ok(0);
        };
        let end = self.base + i64::from(entry.relative);
        let position = entry.position.max(0) as u64;
        self.cut_indexes(at, position, end)?;
        // The entry comes back when its batch is noted again.
        self.bytes_since_entry = at.index_interval + 1;
        self.take_last_time();
        Ok(position)
    }

    fn check(
        &mut self,
        at: Place<'_>,
        file: &dyn DiskFile,
        start: u64,
        chunk: usize,
        tally: &mut Tally,
        visitor: &mut dyn Visitor,
    ) -> Result<Checked, LogError> {
        let mut scanner = Scanner::new(file, start, self.len, chunk);
        let mut checked = Checked { end: self.base, broken: None };
        let mut previous: Option<(u64, BatchHeader, i64)> = None;
        loop {
            let step = scanner.next().map_err(self.read_error(at))?;
            let (position, header) = match step {
                Step::Batch { position, header } => (position, header),
                Step::End => break,
                Step::Broken { position, reason } => {
                    checked.broken = Some((position, reason));
                    break;
                }
            };
            let last = header.last_offset();
            let least = previous.as_ref().map_or(self.base, |_| checked.end);
            if header.base_offset < least || self.relative(last).is_none() {
                // Offsets are outside the checksum: a batch whose own offset was damaged upward, and left a gap in
                // front of it, shows only by the one behind it, which has the offset that follows without the gap.
                if let Some((at_gap, wrong, before)) = previous
                    && wrong.base_offset > before
                    && header.base_offset == before + i64::from(wrong.last_offset_delta) + 1
                {
                    checked.end = before;
                    checked.broken =
                        Some((at_gap, format!("offset {} does not fit its neighbours", wrong.base_offset)));
                } else {
                    checked.broken = Some((position, format!("offset {} after {least}", header.base_offset)));
                }
                break;
            }
            if visitor.wants_checksums() {
                if !scanner.checksum_holds(position, &header).map_err(self.read_error(at))? {
                    checked.broken =
                        Some((position, format!("the checksum of offset {} is wrong", header.base_offset)));
                    break;
                }
                tally.batches += 1;
            }
            if let Err(reason) = visitor.visit(&header) {
                checked.broken = Some((position, reason));
                break;
            }
            // The first one, in the middle of a segment, has nothing before it to be held against.
            let before = if previous.is_none() && start > 0 { header.base_offset } else { least };
            previous = Some((position, header, before));
            checked.end = last + 1;
            self.note_batch(position, &header, header.base_offset, header.max_timestamp, at.index_interval);
            if self.offsets.is_due() {
                self.write_indexes(at)?;
            }
        }
        tally.bytes_read += scanner.bytes_read;
        Ok(checked)
    }
}
