//! One segment: a file of batches and its two indexes.

mod load;

use std::cell::Cell;
use std::path::Path;
use std::sync::Arc;

use odradek_wire::batch::BatchHeader;

use crate::disk::{Disk, DiskFile, OpenMode};
use crate::error::LogError;
use crate::index::{Entries, OffsetEntry, TimeEntry};
use crate::names::{self, Kind};
use crate::scan::{SMALL, Scanner, Step};

pub(crate) use load::{Checked, Files, Tally, Visitor};

/// Where a batch lies in its segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) position: u64,
    pub(crate) size: u64,
    pub(crate) base: i64,
    pub(crate) last: i64,
}

/// What a segment's methods need besides the segment.
#[derive(Clone, Copy)]
pub(crate) struct Place<'a> {
    pub(crate) disk: &'a Arc<dyn Disk>,
    pub(crate) dir: &'a Path,
    pub(crate) index_interval: u64,
}

/// A segment. It holds no open file: the log keeps those it needs.
#[derive(Debug)]
pub(crate) struct Segment {
    pub(crate) base: i64,
    /// Bytes of batches.
    pub(crate) len: u64,
    pub(crate) offsets: Entries<OffsetEntry>,
    pub(crate) times: Entries<TimeEntry>,
    pub(crate) bytes_since_entry: u64,
    /// Largest timestamp and the last offset of the batch that has it; -1 when there is none.
    pub(crate) max_timestamp: i64,
    pub(crate) offset_of_max: i64,
    /// Largest timestamp of the first batch, once it was needed: the segment's age counts from it.
    pub(crate) first_timestamp: Option<i64>,
    /// When this process made or first saw the segment.
    pub(crate) since_ms: i64,
    /// When it last wrote to it, or first saw it: the segment's age when its records have no time.
    pub(crate) written_ms: i64,
    /// Whether the file of batches exists; the first segment of a log gets it with the first append.
    pub(crate) has_file: bool,
    /// Nothing was written to the indexes since they were handed to a sync.
    pub(crate) indexes_synced: bool,
    /// The flush job that syncs them as they are now, once it is done.
    pub(crate) indexes_job: Option<u64>,
    /// An index entry led nowhere: batches are found by reading on, until the indexes are made again.
    pub(crate) suspect: Cell<bool>,
    /// The batches themselves are damaged somewhere: making indexes again does not help.
    pub(crate) damaged: bool,
}

impl Segment {
    pub(crate) fn empty(base: i64, wall_ms: i64) -> Segment {
        Segment {
            base,
            len: 0,
            offsets: Entries::empty(),
            times: Entries::empty(),
            bytes_since_entry: 0,
            max_timestamp: -1,
            offset_of_max: -1,
            first_timestamp: None,
            since_ms: wall_ms,
            written_ms: wall_ms,
            has_file: false,
            indexes_synced: false,
            indexes_job: None,
            suspect: Cell::new(false),
            damaged: false,
        }
    }

    pub(crate) fn path(&self, dir: &Path, kind: Kind) -> std::path::PathBuf {
        names::file(dir, self.base, kind)
    }

    /// The offset from the base; none when it does not fit the indexes.
    pub(crate) fn relative(&self, offset: i64) -> Option<i32> {
        i32::try_from(offset.checked_sub(self.base)?).ok().filter(|relative| *relative >= 0)
    }

    /// The largest timestamp for retention; when the records have none, the time when it was last written.
    pub(crate) fn age_timestamp(&self) -> i64 {
        if self.max_timestamp >= 0 { self.max_timestamp } else { self.written_ms }
    }

    /// Takes a batch at `position` into the indexes. The file must have it, or get it.
    pub(crate) fn note_batch(
        &mut self,
        position: u64,
        header: &BatchHeader,
        base: i64,
        max_timestamp: i64,
        interval: u64,
    ) {
        let last = base + i64::from(header.last_offset_delta);
        if max_timestamp > self.max_timestamp {
            self.max_timestamp = max_timestamp;
            self.offset_of_max = last;
        }
        if self.first_timestamp.is_none() && position == 0 {
            self.first_timestamp = Some(max_timestamp);
        }
        if self.bytes_since_entry > interval
            && let Some(relative) = self.relative(last)
            && let Ok(position) = i32::try_from(position)
        {
            self.offsets.push(OffsetEntry { relative, position });
            self.note_time();
            self.bytes_since_entry = 0;
        }
        self.bytes_since_entry += header.size() as u64;
        self.len = self.len.max(position + header.size() as u64);
    }

    /// Adds the largest timestamp to the time index, when it says more than the last entry.
    pub(crate) fn note_time(&mut self) {
        let news = self.times.last().is_none_or(|last| self.max_timestamp > last.timestamp);
        if news
            && self.max_timestamp >= 0
            && let Some(relative) = self.relative(self.offset_of_max)
        {
            self.times.push(TimeEntry { timestamp: self.max_timestamp, relative });
        }
    }

    pub(crate) fn indexes_changed(&mut self) {
        self.indexes_synced = false;
        self.indexes_job = None;
    }

    /// Writes what the indexes have in memory.
    pub(crate) fn write_indexes(&mut self, at: Place<'_>) -> Result<(), LogError> {
        self.indexes_changed();
        let path = self.path(at.dir, Kind::Index);
        self.offsets.write(at.disk.as_ref(), &path).map_err(LogError::io("write", path))?;
        let path = self.path(at.dir, Kind::TimeIndex);
        self.times.write(at.disk.as_ref(), &path).map_err(LogError::io("write", path))
    }

    /// Opens the file of batches; makes it when the segment has none yet.
    pub(crate) fn open_file(&self, at: Place<'_>, write: bool) -> Result<Arc<dyn DiskFile>, LogError> {
        let path = self.path(at.dir, Kind::Log);
        let mode = match (self.has_file, write) {
            (false, _) => OpenMode::Create,
            (true, true) => OpenMode::ReadWrite,
            (true, false) => OpenMode::Read,
        };
        at.disk.open(&path, mode).map_err(LogError::io("open", path))
    }

    fn damaged(&self, at: Place<'_>, position: u64, reason: &str) -> LogError {
        LogError::Damaged { path: self.path(at.dir, Kind::Log), reason: format!("at byte {position}: {reason}") }
    }

    fn read_error(&self, at: Place<'_>) -> impl FnOnce(std::io::Error) -> LogError {
        LogError::io("read", self.path(at.dir, Kind::Log))
    }

    /// The first batch whose last offset is at or above `offset`; none when the segment ends before.
    pub(crate) fn find(&self, at: Place<'_>, file: &dyn DiskFile, offset: i64) -> Result<Option<Found>, LogError> {
        let hint = match self.relative(offset) {
            Some(target) if !self.suspect.get() => {
                let path = self.path(at.dir, Kind::Index);
                self.offsets.floor(at.disk.as_ref(), &path, |e| e.relative <= target)
            }
            _ => Ok((0, None)),
        };
        match hint {
            Ok((_, Some(entry))) => {
                let position = u64::try_from(entry.position).unwrap_or(u64::MAX);
                let claimed = self.base + i64::from(entry.relative);
                if let Some(found) = self.find_from(at, file, offset, position, Some(claimed))? {
                    return Ok(found);
                }
                self.distrust(at);
            }
            Ok((_, None)) => {}
            Err(e) => {
                tracing::warn!(dir = %at.dir.display(), base = self.base, error = %e, "index cannot be read");
                self.distrust(at);
            }
        }
        // Without an entry to check this always gives an answer.
        Ok(self.find_from(at, file, offset, 0, None)?.flatten())
    }

    fn distrust(&self, at: Place<'_>) {
        if !self.damaged && !self.suspect.replace(true) {
            tracing::warn!(dir = %at.dir.display(), base = self.base, "index leads nowhere, it will be made again");
        }
    }

    /// Walks from `position`. With `claimed`, the offset that the index has for the batch there, the answer is `None`
    /// when there is no such batch.
    fn find_from(
        &self,
        at: Place<'_>,
        file: &dyn DiskFile,
        offset: i64,
        position: u64,
        claimed: Option<i64>,
    ) -> Result<Option<Option<Found>>, LogError> {
        let mut check = claimed;
        if claimed.is_some() && position >= self.len {
            return Ok(None);
        }
        let mut scanner = Scanner::new(file, position, self.len, SMALL);
        loop {
            match scanner.next().map_err(self.read_error(at))? {
                Step::Batch { position, header } => {
                    let (base, last) = (header.base_offset, header.last_offset());
                    if let Some(claimed) = check.take()
                        && !(self.base <= base && base <= claimed)
                    {
                        return Ok(None);
                    }
                    if last >= offset {
                        return Ok(Some(Some(Found { position, size: header.size() as u64, base, last })));
                    }
                }
                Step::End => return Ok(Some(None)),
                Step::Broken { .. } if check.is_some() => return Ok(None),
                Step::Broken { position, reason } => return Err(self.damaged(at, position, &reason)),
            }
        }
    }

    /// Largest timestamp of the first batch, read if need be.
    pub(crate) fn first_timestamp(&mut self, at: Place<'_>, file: &dyn DiskFile) -> Result<Option<i64>, LogError> {
        if self.first_timestamp.is_none()
            && self.len > 0
            && let Step::Batch { header, .. } =
                Scanner::new(file, 0, self.len, 0).next().map_err(self.read_error(at))?
        {
            self.first_timestamp = Some(header.max_timestamp);
        }
        Ok(self.first_timestamp)
    }

    /// Walks all batches from the one that holds `offset` on, until `visit` says stop (false).
    pub(crate) fn walk(
        &self,
        at: Place<'_>,
        file: &dyn DiskFile,
        offset: i64,
        mut visit: impl FnMut(u64, &BatchHeader) -> Result<bool, LogError>,
    ) -> Result<(), LogError> {
        let Some(found) = self.find(at, file, offset)? else { return Ok(()) };
        let mut scanner = Scanner::new(file, found.position, self.len, SMALL);
        loop {
            match scanner.next().map_err(self.read_error(at))? {
                Step::Batch { position, header } => {
                    if !visit(position, &header)? {
                        return Ok(());
                    }
                }
                Step::End => return Ok(()),
                Step::Broken { position, reason } => return Err(self.damaged(at, position, &reason)),
            }
        }
    }

    /// Cuts the segment to the batches before `position`, whose offsets are all below `end`. Gives the offset behind
    /// the last batch that is left.
    pub(crate) fn cut(&mut self, at: Place<'_>, file: &dyn DiskFile, position: u64, end: i64) -> Result<i64, LogError> {
        let path = self.path(at.dir, Kind::Log);
        file.truncate(position).map_err(LogError::io("cut", &path))?;
        self.len = position;
        self.indexes_changed();
        self.cut_indexes(at, position, end)?;
        let checked = self.rescan_tail(at, file, &mut Tally::default())?;
        if let Some((position, _)) = checked.broken {
            // Damage that nobody had read yet; what is before it was just walked.
            file.truncate(position).map_err(LogError::io("cut", &path))?;
            self.len = position;
            self.cut_indexes(at, position, checked.end)?;
        }
        Ok(checked.end)
    }

    fn cut_indexes(&mut self, at: Place<'_>, position: u64, end: i64) -> Result<(), LogError> {
        let base = self.base;
        let path = self.path(at.dir, Kind::Index);
        self.offsets
            .truncate(at.disk.as_ref(), &path, |e| {
                base + i64::from(e.relative) < end && u64::try_from(e.position).is_ok_and(|p| p < position)
            })
            .map_err(LogError::io("cut", path))?;
        let path = self.path(at.dir, Kind::TimeIndex);
        self.times
            .truncate(at.disk.as_ref(), &path, |e| base + i64::from(e.relative) < end)
            .map_err(LogError::io("cut", path))
    }
}
