//! One partition's log.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use odradek_wire::batch::RecordBatches;

use crate::config::LogConfig;
use crate::disk::{Disk, FileRange};
use crate::error::{AppendError, LogError, ReadError};
use crate::jobs::{DeleteJob, FlushDone, FlushJob};

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
}

fn absent(dir: &Path) -> LogError {
    LogError::Failed { dir: dir.to_owned(), reason: "only the signatures are there".to_owned() }
}

impl Log {
    /// Opens the log in `dir`, or starts an empty one there when the folder does not exist.
    ///
    /// # Errors
    /// Only errors of the disk: damage is repaired and told in [`Recovered`].
    pub fn open(
        disk: Arc<dyn Disk>,
        dir: PathBuf,
        config: LogConfig,
        opened: OpenState,
        wall_ms: i64,
    ) -> Result<(Log, Recovered), LogError> {
        let _ = (opened, wall_ms);
        Ok((Log { disk, dir, config }, Recovered::default()))
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

    /// Appends a producer's batches: offsets and leader epoch are assigned, the rest is written as it came.
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
        let _ = (batches, leader_epoch, wall_ms, origin);
        Err(absent(&self.dir).into())
    }

    /// Appends replicated batches with the offsets and epochs that they have. They may leave gaps (a compacted
    /// leader) but never go back.
    ///
    /// # Errors
    /// [`AppendError::NotContiguous`] when they start below the log end; the disk's errors.
    pub fn append_follower(&mut self, batches: &RecordBatches, wall_ms: i64) -> Result<Appended, AppendError> {
        let _ = (batches, wall_ms);
        Err(absent(&self.dir).into())
    }

    /// Finds the bytes from the batch that holds `from` on, up to about `max_bytes`, of batches wholly below `upper`.
    /// The range may end inside a batch. With `at_least_one` the first batch is whole however large it is; without, a
    /// first batch larger than `max_bytes` gives nothing.
    ///
    /// # Errors
    /// [`ReadError::OffsetOutOfRange`] below the log start or above the log end.
    pub fn read(&self, from: i64, max_bytes: usize, upper: i64, at_least_one: bool) -> Result<ReadResult, ReadError> {
        let _ = (from, max_bytes, upper, at_least_one);
        Err(absent(&self.dir).into())
    }

    /// First offset that can be read.
    pub fn log_start_offset(&self) -> i64 {
        0
    }

    /// Offset that the next record will have.
    pub fn log_end_offset(&self) -> i64 {
        0
    }

    /// Bytes of all segments, indexes not counted.
    pub fn size_bytes(&self) -> u64 {
        0
    }

    /// Number of segments.
    pub fn segments(&self) -> usize {
        0
    }

    /// Latest leader epoch that this log knows.
    pub fn latest_epoch(&self) -> Option<i32> {
        None
    }

    /// Everything below is on disk.
    pub fn recovery_point(&self) -> i64 {
        0
    }

    /// The largest known epoch at or below `epoch`, and the offset where it ends (KIP-101, KIP-320). None when the
    /// log knows no epoch that old.
    pub fn end_offset_for_epoch(&self, epoch: i32) -> Option<(i32, i64)> {
        let _ = epoch;
        None
    }

    /// A new leader epoch starts at `start` (normally the log end): called on becoming leader. On disk with the next
    /// flush.
    ///
    /// # Errors
    /// [`LogError::Failed`] when the log failed before.
    pub fn assign_epoch(&mut self, epoch: i32, start: i64) -> Result<(), LogError> {
        let _ = (epoch, start);
        Ok(())
    }

    /// Cuts the log so that it ends at `offset`; nothing happens when it ends below already. A batch that holds
    /// `offset` in its middle goes whole. When this lowered [`Log::recovery_point`], write the recovery point checkpoint
    /// before appending anything.
    ///
    /// # Errors
    /// The disk's; the log is then failed.
    pub fn truncate_to(&mut self, offset: i64) -> Result<(), LogError> {
        let _ = offset;
        Ok(())
    }

    /// Empties the log and starts again at `start_at` (a follower below its leader's log start).
    ///
    /// # Errors
    /// The disk's; the log is then failed.
    pub fn truncate_fully(&mut self, start_at: i64) -> Result<(), LogError> {
        let _ = start_at;
        Ok(())
    }

    /// First record at or after `timestamp`, below `upper`.
    ///
    /// # Errors
    /// The disk's.
    pub fn offset_for_timestamp(&self, timestamp: i64, upper: i64) -> Result<Option<TimestampOffset>, LogError> {
        let _ = (timestamp, upper);
        Ok(None)
    }

    /// The record with the largest timestamp below `upper` (the first of them), KIP-734.
    ///
    /// # Errors
    /// The disk's.
    pub fn max_timestamp(&self, upper: i64) -> Result<Option<TimestampOffset>, LogError> {
        let _ = upper;
        Ok(None)
    }

    /// Forgets what is below `to`: delete-records, or a follower after its leader. Lower values than the present one
    /// do nothing. Files go at the next [`Log::apply_retention`].
    ///
    /// # Errors
    /// [`LogError::OffsetOutOfRange`] above the log end.
    pub fn advance_log_start(&mut self, to: i64) -> Result<(), LogError> {
        let _ = to;
        Ok(())
    }

    /// Drops segments that are too old, too many, or below the log start, all of them below the high watermark; never
    /// the active one. Expired producers go too. Run the job to give the space back.
    ///
    /// # Errors
    /// The disk's.
    pub fn apply_retention(&mut self, wall_ms: i64, high_watermark: i64) -> Result<Option<DeleteJob>, LogError> {
        let _ = (wall_ms, high_watermark);
        Ok(None)
    }

    /// What must be synced to bring the recovery point to the log end; none when it is there.
    pub fn flush_job(&self) -> Option<FlushJob> {
        None
    }

    /// A [`FlushJob`] is done.
    pub fn flushed(&mut self, done: FlushDone) {
        let _ = done;
    }

    /// A [`FlushJob`] failed, or something else that this log cannot go on from.
    pub fn fail(&mut self, reason: String) {
        let _ = reason;
    }

    /// Why the log takes no writes, if so.
    pub fn failure(&self) -> Option<&str> {
        None
    }

    /// Syncs everything and writes the producers' snapshot, so that the next open reads nothing. The log can still be
    /// read, and appended to, after it.
    ///
    /// # Errors
    /// The disk's.
    pub fn close(&mut self) -> Result<(), LogError> {
        let _ = &self.disk;
        Ok(())
    }

    /// Gives the partition up: its folder is renamed `topic-partition.<unique>-delete`, and the job removes it.
    /// `unique` is 32 hexadecimal digits in Kafka.
    ///
    /// # Errors
    /// The disk's.
    pub fn delete(self, unique: &str) -> Result<DeleteJob, LogError> {
        let _ = unique;
        Err(absent(&self.dir))
    }
}
