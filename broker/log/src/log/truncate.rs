//! Cutting the log from either end.

use std::path::PathBuf;

use super::recovery::remove_segment;
use super::{Log, Recovered};
use crate::error::LogError;
use crate::names::Kind;
use crate::segment::{Place, Segment};

impl Log {
    /// Cuts the log so that it ends at `offset`. When it ends there or below already, only an epoch goes that was
    /// assigned and never written under: nobody else knows it. A batch that holds
    /// `offset` in its middle goes whole. When this lowered [`Log::recovery_point`], write the recovery point checkpoint
    /// before appending anything.
    ///
    /// # Errors
    /// The disk's; the log is then failed.
    pub fn truncate_to(&mut self, offset: i64) -> Result<(), LogError> {
        self.usable()?;
        if offset >= self.log_end {
            if self.epochs.truncate_end(offset) {
                self.epochs_version += 1;
            }
            return Ok(());
        }
        if offset < self.segments[0].base {
            return self.truncate_fully(offset);
        }
        let outcome = self.cut_to(offset);
        self.failed_if(outcome)
    }

    fn failed_if(&mut self, outcome: Result<(), LogError>) -> Result<(), LogError> {
        if let Err(e) = &outcome {
            self.fail(format!("it could not be truncated: {e}"));
        }
        outcome
    }

    fn cut_to(&mut self, offset: i64) -> Result<(), LogError> {
        // What was synced would come back with a power loss, and join batches that were appended since.
        let durable = self.flushing || offset < self.maybe_synced;
        self.changed = true;
        self.truncations += 1;
        self.forget_files();
        let mut removed = false;
        while self.segments.len() > 1 && self.active().base > offset {
            let base = self.active().base;
            remove_segment(self.disk.as_ref(), &self.dir, base)?;
            self.segments.pop();
            self.names += 1;
            removed = true;
        }
        if removed && durable {
            self.disk.sync_dir(&self.dir).map_err(LogError::io("sync", &self.dir))?;
        }
        let mut end = offset;
        let last = self.segments.len() - 1;
        if self.segments[last].len > 0 {
            let file = self.file(last)?;
            if let Some(found) = self.segments[last].find(self.place(), file.as_ref(), offset)? {
                let place =
                    Place { disk: &self.disk, dir: &self.dir, index_interval: self.config.index_interval_bytes };
                end = offset.min(found.base);
                let left = self.segments[last].cut(place, file.as_ref(), found.position, found.base)?;
                // Less is left only where damage was met; a gap before the cut stays one.
                if self.segments[last].len < found.position {
                    end = left;
                }
            }
            if durable {
                let path = self.segments[last].path(&self.dir, Kind::Log);
                file.sync().map_err(LogError::io("sync", path))?;
            }
        }
        self.ends_at(end)
    }

    /// The segments are cut; the rest of the log follows.
    fn ends_at(&mut self, end: i64) -> Result<(), LogError> {
        self.log_end = end;
        self.log_start = self.log_start.min(end);
        self.recovery_point = self.recovery_point.min(end);
        self.maybe_synced = self.maybe_synced.min(end);
        if self.epochs.truncate_end(end) {
            self.epochs_version += 1;
        }
        if self.producers.is_empty() {
            // None is known, none can have been known at the new end: no need to read.
            while let Some(&beyond) = self.snapshots.last()
                && beyond > end
            {
                self.remove_snapshot(beyond);
            }
            return Ok(());
        }
        // No clock here: none expires that has not before.
        self.load_producers(i64::MIN, &mut Recovered::default())
    }

    /// Empties the log and starts again at `start_at` (a follower below its leader's log start).
    ///
    /// # Errors
    /// The disk's; the log is then failed.
    pub fn truncate_fully(&mut self, start_at: i64) -> Result<(), LogError> {
        self.usable()?;
        let outcome = self.start_again(start_at);
        self.failed_if(outcome)
    }

    fn start_again(&mut self, start_at: i64) -> Result<(), LogError> {
        self.changed = true;
        self.truncations += 1;
        self.names += 1;
        self.forget_files();
        for segment in self.segments.iter().rev() {
            remove_segment(self.disk.as_ref(), &self.dir, segment.base)?;
        }
        // Snapshots of the old content must not be taken for the new one's.
        while let Some(&at) = self.snapshots.last() {
            self.remove_snapshot(at);
        }
        let since_ms = self.active().since_ms;
        let mut segment = Segment::empty(start_at, since_ms);
        if start_at > 0 {
            segment.open_file(self.place(), true)?;
            segment.has_file = true;
        }
        self.segments = vec![segment];
        self.disk.sync_dir(&self.dir).map_err(LogError::io("sync", &self.dir))?;
        if self.parent_unsynced
            && let Some(parent) = self.dir.parent()
        {
            self.disk.sync_dir(parent).map_err(LogError::io("sync", parent))?;
            self.parent_unsynced = false;
        }
        if self.epochs.clear() {
            self.epochs_version += 1;
        }
        self.log_start = start_at;
        self.recovery_point = self.recovery_point.min(start_at);
        self.ends_at(start_at)
    }

    /// Forgets what is below `to`: delete-records, or a follower after its leader. Lower values than the present one
    /// do nothing. Files go at the next [`Log::apply_retention`]. The caller keeps the value in
    /// `log-start-offset-checkpoint`.
    ///
    /// # Errors
    /// [`LogError::OffsetOutOfRange`] above the log end.
    pub fn advance_log_start(&mut self, to: i64) -> Result<(), LogError> {
        if to <= self.log_start {
            return Ok(());
        }
        if to > self.log_end {
            return Err(LogError::OffsetOutOfRange {
                dir: PathBuf::from(&self.dir),
                offset: to,
                start: self.log_start,
                end: self.log_end,
            });
        }
        self.log_start = to;
        self.changed = true;
        if self.epochs.truncate_start(to) {
            self.epochs_version += 1;
        }
        Ok(())
    }
}
