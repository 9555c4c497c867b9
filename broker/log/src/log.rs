//! One partition's log.

mod append;
mod flush;
mod folder;
mod open;
mod patch;
mod producers;
mod read;
mod recovery;
mod retention;
mod roll;
mod time;
mod truncate;

use std::cell::RefCell;
use std::collections::{BTreeSet, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use odradek_probe::{Mutation, mutated};
use odradek_wire::batch::BatchHeader;
use uuid::Uuid;

use crate::config::LogConfig;
use crate::disk::{Disk, DiskFile, FileRange};
use crate::epoch::EpochCache;
use crate::error::LogError;
use crate::meta::PartitionMetadata;
use crate::producer::Producers;
use crate::segment::{Found, Place, Segment};

/// Batches at the end whose places are remembered, for readers that keep up.
const RECENT: usize = 16;

/// What is known about a log before it is opened: from the checkpoint files of its log folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct OpenState {
    /// The process before this one closed every log ([`crate::meta::CleanShutdown`] was there).
    pub clean_shutdown: bool,
    /// From `recovery-point-offset-checkpoint`; 0 when it has no line for this log.
    pub recovery_point: i64,
    /// From `log-start-offset-checkpoint`; 0 when it has no line for this log.
    pub log_start: i64,
}

/// What opening a log read and repaired.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Recovered {
    /// Bytes of log and indexes that were read.
    pub bytes_read: u64,
    /// Batches whose checksum was verified.
    pub batches: u64,
    /// Bytes cut off the end, whole segments behind the damage included.
    pub truncated_bytes: u64,
    /// What was repaired or thrown away, a sentence each, for the broker's own log.
    pub notes: Vec<String>,
}

/// Who appends, which decides what is checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// A producer: sequence numbers, timestamps, keys; no control batches.
    Client,
    /// The broker's own coordinators and the quorum: control batches allowed, producers not checked.
    Internal,
}

/// Where batches went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Appended {
    /// Offset of the first record; for a duplicate, of the first time.
    pub base_offset: i64,
    /// Offset of the last record.
    pub last_offset: i64,
    /// Time of append when the log uses LogAppendTime, else -1 (as the produce response wants it).
    pub log_append_time_ms: i64,
    /// These batches were there already (same producer, epoch and sequences); nothing was written.
    pub duplicate: bool,
    /// Bytes written.
    pub bytes: usize,
}

/// What a read found.
#[derive(Debug, Clone, Default)]
pub struct ReadResult {
    /// At most one range, inside one segment, starting at the batch that holds the offset; empty when there is nothing
    /// below the upper bound.
    pub ranges: Vec<FileRange>,
    /// Base offset of the first batch of the range, at or below the offset that was asked for; the asked one when
    /// there is no range.
    pub first_offset: i64,
}

impl ReadResult {
    /// Bytes in the ranges.
    pub fn len(&self) -> usize {
        self.ranges.iter().map(|range| range.len).sum()
    }

    /// Nothing was found.
    pub fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }
}

/// The answer of a look-up by time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimestampOffset {
    /// The record.
    pub offset: i64,
    /// Its timestamp in milliseconds.
    pub timestamp: i64,
}

/// One partition's log: owned by one thread, sent between threads but not shared.
#[derive(Debug)]
pub struct Log {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    config: LogConfig,
    /// Oldest first; never empty, the last one is the active one.
    segments: Vec<Segment>,
    active_file: RefCell<Option<Arc<dyn DiskFile>>>,
    /// The last older segment that was read.
    cold_file: RefCell<Option<(i64, Arc<dyn DiskFile>)>>,
    log_start: i64,
    log_end: i64,
    recovery_point: i64,
    /// Below this a sync has been asked for, or may have happened before the log was opened: what is cut off here must
    /// be synced away, or it comes back with a power loss.
    maybe_synced: i64,
    /// A flush job was handed out and not answered: it syncs what it finds, not only what was there when it was made.
    flushing: bool,
    /// Flush jobs made so far.
    jobs: u64,
    truncations: u64,
    /// Changes of names in the folder, and how many of them are synced.
    names: u64,
    names_synced: u64,
    parent_unsynced: bool,
    epochs: EpochCache,
    epochs_version: u64,
    epochs_written: u64,
    producers: Producers,
    snapshots: BTreeSet<i64>,
    recent: VecDeque<Found>,
    topic_id: Option<Uuid>,
    topic_id_unsynced: bool,
    failed: Option<String>,
    /// Producers whose latest batch the disk refused.
    refused: BTreeSet<i64>,
    /// Something happened since the last clean close.
    changed: bool,
}

impl Log {
    fn assemble(
        disk: Arc<dyn Disk>,
        dir: PathBuf,
        config: LogConfig,
        segments: Vec<Segment>,
        log_start: i64,
        log_end: i64,
    ) -> Log {
        Log {
            disk,
            dir,
            config,
            segments,
            active_file: RefCell::new(None),
            cold_file: RefCell::new(None),
            log_start,
            log_end,
            recovery_point: 0,
            maybe_synced: log_end,
            flushing: false,
            jobs: 0,
            truncations: 0,
            names: 0,
            names_synced: 0,
            parent_unsynced: false,
            epochs: EpochCache::default(),
            epochs_version: 0,
            epochs_written: 0,
            producers: Producers::default(),
            snapshots: BTreeSet::new(),
            recent: VecDeque::new(),
            topic_id: None,
            topic_id_unsynced: false,
            failed: None,
            refused: BTreeSet::new(),
            changed: false,
        }
    }

    fn place(&self) -> Place<'_> {
        Place { disk: &self.disk, dir: &self.dir, index_interval: self.config.index_interval_bytes }
    }

    /// The partition's folder.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The settings in use.
    pub fn config(&self) -> &LogConfig {
        &self.config
    }

    /// New settings, from the next append or retention on.
    pub fn set_config(&mut self, config: LogConfig) {
        self.config = config;
    }

    /// First offset that can be read.
    pub fn log_start_offset(&self) -> i64 {
        self.log_start
    }

    /// Offset that the next record will have.
    pub fn log_end_offset(&self) -> i64 {
        self.log_end
    }

    /// Bytes of all segments, indexes not counted.
    pub fn size_bytes(&self) -> u64 {
        self.segments.iter().map(|segment| segment.len).sum()
    }

    /// Number of segments.
    pub fn segments(&self) -> usize {
        self.segments.len()
    }

    /// Base offset of the active segment.
    pub fn active_segment_base(&self) -> i64 {
        self.active().base
    }

    /// Latest leader epoch that this log knows.
    pub fn latest_epoch(&self) -> Option<i32> {
        self.epochs.latest()
    }

    /// All leader epochs that this log knows.
    pub fn epochs(&self) -> &EpochCache {
        &self.epochs
    }

    /// Everything below is on disk.
    pub fn recovery_point(&self) -> i64 {
        self.recovery_point
    }

    /// What is known of idempotent and transactional producers.
    pub fn producers(&self) -> &Producers {
        &self.producers
    }

    /// The topic's id as `partition.metadata` has it.
    pub fn topic_id(&self) -> Option<Uuid> {
        self.topic_id
    }

    /// Writes `partition.metadata`; on disk for good with the next flush.
    ///
    /// # Errors
    /// The disk's.
    pub fn set_topic_id(&mut self, topic_id: Uuid) -> Result<(), LogError> {
        PartitionMetadata { topic_id }.write(self.disk.as_ref(), &self.dir)?;
        self.topic_id = Some(topic_id);
        self.topic_id_unsynced = true;
        self.names += 1;
        self.changed = true;
        Ok(())
    }

    /// The largest known epoch at or below `epoch`, and the offset where it ends (KIP-101, KIP-320). An epoch older
    /// than every known one ends where the first known one starts, as in Kafka. None when no epoch is known.
    pub fn end_offset_for_epoch(&self, epoch: i32) -> Option<(i32, i64)> {
        self.epochs.end_offset_for(epoch, self.log_end)
    }

    /// A new leader epoch starts at `start` (normally the log end): called on becoming leader. On disk with the next
    /// flush.
    ///
    /// # Errors
    /// [`LogError::Failed`] when the log failed before.
    pub fn assign_epoch(&mut self, epoch: i32, start: i64) -> Result<(), LogError> {
        self.usable()?;
        if mutated(Mutation::ForgetProducers) {
            self.producers = Producers::default();
        }
        if self.epochs.assign(epoch, start) {
            self.epochs_version += 1;
            self.changed = true;
        }
        Ok(())
    }

    /// A [`crate::FlushJob`] failed, or something else that this log cannot go on from: it takes no more writes.
    pub fn fail(&mut self, reason: String) {
        tracing::error!(dir = %self.dir.display(), reason, "the log takes no more writes");
        self.failed.get_or_insert(reason);
    }

    /// Why the log takes no writes, if so.
    pub fn failure(&self) -> Option<&str> {
        self.failed.as_deref()
    }

    fn usable(&self) -> Result<(), LogError> {
        match &self.failed {
            Some(reason) => Err(LogError::Failed { dir: self.dir.clone(), reason: reason.clone() }),
            None => Ok(()),
        }
    }

    // `segments` is never empty: `open` makes one, truncation and retention keep one.
    fn active(&self) -> &Segment {
        &self.segments[self.segments.len() - 1]
    }

    fn active_mut(&mut self) -> &mut Segment {
        let last = self.segments.len() - 1;
        &mut self.segments[last]
    }

    /// Index of the segment that would hold `offset`; the first one when it lies before all.
    fn segment_of(&self, offset: i64) -> usize {
        self.segments.partition_point(|segment| segment.base <= offset).saturating_sub(1)
    }

    /// Where the segment ends: the next one's base, or the log end.
    fn segment_end(&self, at: usize) -> i64 {
        self.segments.get(at + 1).map_or(self.log_end, |next| next.base)
    }

    /// An open file of a segment that has one.
    fn file(&self, at: usize) -> Result<Arc<dyn DiskFile>, LogError> {
        let segment = &self.segments[at];
        if at + 1 == self.segments.len() {
            let mut slot = self.active_file.borrow_mut();
            if let Some(file) = slot.as_ref() {
                return Ok(Arc::clone(file));
            }
            let file = segment.open_file(self.place(), true)?;
            *slot = Some(Arc::clone(&file));
            return Ok(file);
        }
        let mut slot = self.cold_file.borrow_mut();
        if let Some((base, file)) = slot.as_ref()
            && *base == segment.base
        {
            return Ok(Arc::clone(file));
        }
        let file = segment.open_file(self.place(), false)?;
        *slot = Some((segment.base, Arc::clone(&file)));
        Ok(file)
    }

    fn forget_files(&mut self) {
        *self.active_file.borrow_mut() = None;
        *self.cold_file.borrow_mut() = None;
        self.recent.clear();
    }

    /// The headers of all batches from `from` on; what cannot be read of a segment is passed over, and told.
    fn walk_all(
        &self,
        from: i64,
        notes: &mut Vec<String>,
        mut visit: impl FnMut(&dyn DiskFile, u64, &BatchHeader),
    ) -> Result<(), LogError> {
        for at in self.segment_of(from)..self.segments.len() {
            let segment = &self.segments[at];
            if segment.len == 0 || from >= self.segment_end(at) {
                continue;
            }
            let file = self.file(at)?;
            let walked = segment.walk(self.place(), file.as_ref(), from.max(segment.base), |position, header| {
                visit(file.as_ref(), position, header);
                Ok(true)
            });
            match walked {
                Err(damage @ LogError::Damaged { .. }) => notes.push(damage.to_string()),
                other => other?,
            }
        }
        Ok(())
    }
}
