//! What goes: old segments, expired producers, and the whole log.

use std::io;

use super::Log;
use crate::error::LogError;
use crate::jobs::DeleteJob;
use crate::names::{self, DELETED, Kind};
use crate::segment::{Place, Segment};

impl Log {
    /// Drops segments that are too old, too many, or below the log start, all of them below the high watermark; never
    /// the active one (when all its records are too old, a new segment begins first, as in Kafka). Expired producers go
    /// too, and indexes that led nowhere are made again. Run the job to give the space back.
    ///
    /// # Errors
    /// The disk's.
    pub fn apply_retention(&mut self, wall_ms: i64, high_watermark: i64) -> Result<Option<DeleteJob>, LogError> {
        self.usable()?;
        self.producers.expire(wall_ms, self.config.producer_id_expiration_ms);
        self.repair_indexes();
        let mut doomed = self.doomed(wall_ms, high_watermark);
        if doomed == self.segments.len() {
            if self.active().len == 0 {
                doomed -= 1;
            } else {
                self.roll(self.log_end, wall_ms)?;
            }
        }
        if doomed == 0 {
            return Ok(None);
        }
        let mut paths = Vec::with_capacity(doomed * 3);
        let mut outcome = Ok(());
        let mut gone = 0;
        'segments: for segment in &self.segments[..doomed] {
            for kind in [Kind::Log, Kind::Index, Kind::TimeIndex, Kind::TxnIndex] {
                let path = segment.path(&self.dir, kind);
                let deleted = names::with_suffix(&path, DELETED);
                match self.disk.rename(&path, &deleted) {
                    Ok(()) => paths.push(deleted),
                    Err(e) if e.kind() == io::ErrorKind::NotFound => {}
                    Err(e) => {
                        outcome = Err(LogError::io("rename", path)(e));
                        break 'segments;
                    }
                }
            }
            gone += 1;
        }
        self.segments.drain(..gone);
        self.names += 1;
        self.changed = true;
        *self.cold_file.borrow_mut() = None;
        let first = self.segments[0].base;
        self.advance_log_start(first)?;
        let old: Vec<i64> =
            self.snapshots.range(..first).copied().filter(|at| Some(at) != self.snapshots.last()).collect();
        for at in old {
            self.remove_snapshot(at);
        }
        outcome?;
        tracing::info!(dir = %self.dir.display(), segments = gone, log_start = self.log_start, "retention");
        Ok(Some(DeleteJob { disk: self.disk.clone(), paths, folder: false }))
    }

    /// How many of the first segments may go.
    fn doomed(&self, wall_ms: i64, high_watermark: i64) -> usize {
        let below = |at: usize| self.segment_end(at) <= high_watermark;
        let passed = |at: usize| at + 1 < self.segments.len() && self.segment_end(at) <= self.log_start;
        let mut over = if self.config.delete && self.config.retention_bytes >= 0 {
            self.size_bytes().saturating_sub(self.config.retention_bytes.unsigned_abs())
        } else {
            0
        };
        let too_old = |segment: &Segment| {
            self.config.delete
                && self.config.retention_ms >= 0
                && segment.len > 0
                && wall_ms.saturating_sub(segment.age_timestamp()) > self.config.retention_ms
        };
        let mut doomed = 0;
        for (at, segment) in self.segments.iter().enumerate() {
            let too_many = over > 0 && segment.len <= over && segment.len > 0;
            if !below(at) || !(passed(at) || too_old(segment) || too_many) {
                break;
            }
            over = over.saturating_sub(segment.len);
            doomed = at + 1;
        }
        doomed
    }

    /// Makes indexes again that were found to lead nowhere.
    fn repair_indexes(&mut self) {
        for at in 0..self.segments.len() {
            if !self.segments[at].suspect.get() {
                continue;
            }
            if let Err(e) = self.repair_index(at) {
                tracing::warn!(dir = %self.dir.display(), error = %e, "index could not be made again");
            }
        }
    }

    fn repair_index(&mut self, at: usize) -> Result<(), LogError> {
        let file = self.file(at)?;
        let active = at + 1 == self.segments.len();
        let place = Place { disk: &self.disk, dir: &self.dir, index_interval: self.config.index_interval_bytes };
        let segment = &mut self.segments[at];
        if !segment.is_whole(place, file.as_ref())? {
            // Where the index still leads is all that can be had.
            segment.damaged = true;
            segment.suspect.set(false);
            return Ok(());
        }
        segment.reset_indexes(place)?;
        segment.rescan_tail(place, file.as_ref(), &mut crate::segment::Tally::default())?;
        if !active {
            segment.note_time();
        }
        segment.write_indexes(place)?;
        segment.suspect.set(false);
        Ok(())
    }

    /// Gives the log another folder: `to` is in the same log directory. The new name is on the device when this returns;
    /// what was written before is for the caller to sync. Crashes leave the one name or the other.
    ///
    /// # Errors
    /// The disk's; the log keeps its old name then, unless only the sync failed.
    pub fn rename(&mut self, to: std::path::PathBuf) -> Result<(), LogError> {
        self.usable()?;
        self.disk.rename(&self.dir, &to).map_err(LogError::io("rename", &self.dir))?;
        // Files that are opened later are looked for under the new name.
        self.dir = to;
        if let Some(parent) = self.dir.parent() {
            self.disk.sync_dir(parent).map_err(LogError::io("sync", parent))?;
        }
        Ok(())
    }

    /// Gives the partition up: its folder is renamed `topic-partition.<unique>-delete`, and the job removes it.
    /// `unique` is 32 hexadecimal digits in Kafka.
    ///
    /// # Errors
    /// The disk's.
    pub fn delete(self, unique: &str) -> Result<DeleteJob, LogError> {
        let to = crate::dirs::aside(&self.dir, unique, crate::dirs::FolderKind::Delete);
        self.disk.rename(&self.dir, &to).map_err(LogError::io("rename", &self.dir))?;
        Ok(DeleteJob { disk: self.disk, paths: vec![to], folder: true })
    }
}
