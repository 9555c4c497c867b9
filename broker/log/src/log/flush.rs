//! What makes a log safe from a power loss.

use super::Log;
use crate::error::LogError;
use crate::jobs::{FlushDone, FlushJob};
use crate::meta::PARTITION_METADATA;
use crate::names::{self, Kind};

/// The active segment's indexes are synced once for so many entries: a crash then reads that much more.
const INDEX_SYNC: u32 = 256;

impl Log {
    /// What must be synced to bring the recovery point to the log end; none when it is there, or when the log failed.
    /// One at a time for each log: ask for the next when the outcome of the last one was given back.
    pub fn flush_job(&mut self) -> Option<FlushJob> {
        if self.failed.is_some() {
            return None;
        }
        // Without records to protect, a power loss may take the rest: names, epochs and the folder come back.
        let idle = self.recovery_point >= self.log_end;
        if idle { None } else { Some(self.job(false)) }
    }

    /// The job; on `closing` it syncs the active segment's indexes in any case, otherwise now and then.
    fn job(&mut self, closing: bool) -> FlushJob {
        let mut files = Vec::new();
        let mut paths = Vec::new();
        let last = self.segments.len() - 1;
        let mut offset = self.log_end;
        self.jobs += 1;
        for at in 0..=last {
            let active = at == last;
            let segment = &self.segments[at];
            let records_safe = self.segment_end(at) <= self.recovery_point;
            let indexes_safe = if active { !closing } else { segment.indexes_synced };
            if !segment.has_file || (records_safe && indexes_safe) {
                continue;
            }
            match self.active_file.borrow().as_ref() {
                Some(file) if active => files.push(std::sync::Arc::clone(file)),
                _ => paths.push(segment.path(&self.dir, Kind::Log)),
            }
            let unsynced = segment.offsets.len().saturating_sub(segment.offsets.synced);
            if active && !closing && unsynced < INDEX_SYNC {
                continue;
            }
            if !self.write_indexes_of(at) {
                if !active {
                    // What is behind it stays to be recovered until its indexes are there.
                    offset = offset.min(self.segment_end(at));
                }
                continue;
            }
            let segment = &mut self.segments[at];
            segment.offsets.synced = segment.offsets.len();
            segment.indexes_job = (!active).then_some(self.jobs);
            // An index that never had an entry is only a name.
            if segment.offsets.is_touched() {
                paths.push(names::file(&self.dir, segment.base, Kind::Index));
            }
            if segment.times.is_touched() {
                paths.push(names::file(&self.dir, segment.base, Kind::TimeIndex));
            }
        }
        if self.topic_id_unsynced {
            paths.push(self.dir.join(PARTITION_METADATA));
        }
        let epochs = (self.epochs_version != self.epochs_written)
            .then(|| (self.dir.join(names::EPOCHS), self.epochs.to_checkpoint()));
        self.flushing = true;
        FlushJob {
            disk: self.disk.clone(),
            dir: self.dir.clone(),
            files,
            paths,
            epochs,
            sync_dir: self.names != self.names_synced,
            sync_parent: self.parent_unsynced,
            done: FlushDone {
                offset,
                job: self.jobs,
                truncations: self.truncations,
                names: self.names,
                epochs: self.epochs_version,
                parent: self.parent_unsynced,
            },
        }
    }

    /// A [`FlushJob`] is done.
    pub fn flushed(&mut self, done: FlushDone) {
        self.flushing = false;
        for segment in &mut self.segments {
            if segment.indexes_job.is_some_and(|job| job <= done.job) {
                segment.indexes_synced = true;
                segment.indexes_job = None;
            }
        }
        self.maybe_synced = self.maybe_synced.max(self.log_end);
        self.names_synced = self.names_synced.max(done.names);
        self.epochs_written = self.epochs_written.max(done.epochs);
        if done.parent {
            self.parent_unsynced = false;
        }
        if self.names_synced == self.names {
            self.topic_id_unsynced = false;
        }
        // What was cut off meanwhile may have been replaced by what was never synced.
        if done.truncations == self.truncations {
            self.recovery_point = self.recovery_point.max(done.offset.min(self.log_end));
        }
    }

    /// Syncs everything and writes the producers' snapshot, so that the next open reads nothing. The log can still be
    /// read, and appended to, after it.
    ///
    /// # Errors
    /// The disk's; the log is then failed.
    pub fn close(&mut self) -> Result<(), LogError> {
        let Some(job) = self.close_job()? else { return Ok(()) };
        match job.run() {
            Ok(done) => self.closed(done),
            Err(e) => {
                self.fail(format!("it could not be synced: {e}"));
                return Err(LogError::io("sync", &self.dir)(e));
            }
        }
        Ok(())
    }

    /// The first half of [`Log::close`]: everything is written, and the job will sync it; none when nothing happened
    /// since the last close. A broker with many logs closes them all with one [`crate::Disk::sync_all`]: the jobs'
    /// [`FlushJob::run_unsynced`], the sync, then [`Log::closed`] for each.
    ///
    /// # Errors
    /// [`LogError::Failed`] when the log failed before.
    pub fn close_job(&mut self) -> Result<Option<FlushJob>, LogError> {
        self.usable()?;
        if !self.changed && self.recovery_point >= self.log_end {
            self.release_files();
            return Ok(None);
        }
        if self.active().has_file {
            self.active_mut().note_time();
            self.write_active_indexes();
            self.names += 1;
        }
        if self.log_end > self.segments[0].base || !self.snapshots.is_empty() {
            self.write_snapshot();
        }
        let mut job = self.job(true);
        if self.snapshots.contains(&self.log_end) {
            job.paths.push(names::file(&self.dir, self.log_end, Kind::Snapshot));
        }
        Ok(Some(job))
    }

    /// The second half of [`Log::close`]: what the job of [`Log::close_job`] was for is on disk.
    pub fn closed(&mut self, done: FlushDone) {
        let all = done.truncations == self.truncations && done.offset == self.log_end;
        self.flushed(done);
        if all {
            self.changed = false;
            self.release_files();
        }
    }

    fn release_files(&mut self) {
        *self.active_file.borrow_mut() = None;
        *self.cold_file.borrow_mut() = None;
    }
}
