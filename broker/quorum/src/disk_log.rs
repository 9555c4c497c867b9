//! The entries on disk: an odradek-log [`Log`] with one batch for each entry.

use std::path::PathBuf;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use odradek_log::{Disk, Log, LogConfig, LogError, OpenState, ReadError};
use odradek_wire::batch::RecordBatches;
use raft::eraftpb::Entry;

use crate::entry::{self, OVERHEAD};
use crate::error::QuorumError;

/// Bytes that one read of the log takes at most (one entry is read whatever its size).
const READ_BYTES: usize = 1 << 20;

/// The log of entries. Their indexes are its offsets; the first entry is 1.
#[derive(Debug)]
pub(crate) struct DiskLog {
    log: Log,
    dir: PathBuf,
    segment_bytes: usize,
}

impl DiskLog {
    /// Opens the log in `dir`, and checks every batch of it: a tail that a power loss tore is cut off.
    pub(crate) fn open(
        disk: Arc<dyn Disk>,
        dir: PathBuf,
        segment_bytes: u32,
        wall_ms: i64,
    ) -> Result<DiskLog, QuorumError> {
        let config = LogConfig {
            segment_bytes: u64::from(segment_bytes),
            // Entries leave with a snapshot, and for no other reason; nor is a segment closed for its age.
            segment_ms: i64::MAX,
            retention_ms: -1,
            retention_bytes: -1,
            max_message_bytes: i32::MAX as usize,
            timestamp_after_max_ms: i64::MAX,
            ..LogConfig::default()
        };
        let opened = OpenState { clean_shutdown: false, recovery_point: 0, log_start: 0 };
        let fail = |source| QuorumError::Log { dir: dir.clone(), source };
        let (log, recovered) = Log::open(disk, dir.clone(), config, opened, wall_ms).map_err(fail)?;
        tracing::debug!(?dir, ?recovered, "metadata log opened");
        let mut log = DiskLog { log, dir, segment_bytes: segment_bytes as usize };
        if log.end() == 0 {
            log.reset(1)?;
        }
        Ok(log)
    }

    /// The first index of the log.
    pub(crate) fn start(&self) -> u64 {
        self.log.log_start_offset().unsigned_abs()
    }

    /// The index that the next entry will have.
    pub(crate) fn end(&self) -> u64 {
        self.log.log_end_offset().unsigned_abs()
    }

    /// Bytes on disk.
    pub(crate) fn size_bytes(&self) -> u64 {
        self.log.size_bytes()
    }

    /// Appends entries that follow the log's end. Not synced yet.
    pub(crate) fn append(&mut self, entries: &[Entry], wall_ms: i64) -> Result<(), QuorumError> {
        // One append goes into one segment, so it is cut where it would not fit.
        let mut group = BytesMut::new();
        let mut first = 0;
        for entry in entries {
            let refused = |reason| QuorumError::Append { dir: self.dir.clone(), index: entry.index, reason };
            let batch = entry::encode(entry, wall_ms).map_err(refused)?;
            if !group.is_empty() && group.len() + batch.len() > self.segment_bytes {
                self.append_group(group.split().freeze(), first, wall_ms)?;
            }
            if group.is_empty() {
                first = entry.index;
            }
            group.extend_from_slice(&batch);
        }
        if group.is_empty() { Ok(()) } else { self.append_group(group.freeze(), first, wall_ms) }
    }

    fn append_group(&mut self, bytes: Bytes, index: u64, wall_ms: i64) -> Result<(), QuorumError> {
        let dir = self.dir.clone();
        let refused = move |reason: String| QuorumError::Append { dir, index, reason };
        let set = match RecordBatches::validate(bytes, usize::MAX) {
            Ok(set) => set,
            Err(error) => return Err(refused(error.to_string())),
        };
        match self.log.append_follower(&set, wall_ms) {
            Ok(_) => Ok(()),
            Err(error) => Err(refused(error.to_string())),
        }
    }

    /// Puts all that was written onto the device.
    pub(crate) fn sync(&mut self) -> Result<(), QuorumError> {
        let Some(job) = self.log.flush_job() else { return Ok(()) };
        let done = job.run().map_err(|source| QuorumError::Io {
            action: "syncing the metadata log in",
            path: self.dir.clone(),
            source,
        })?;
        self.log.flushed(done);
        Ok(())
    }

    /// Entries from `from` up to, but without, `upper`: as many as fit into about `max_bytes`, and at least one.
    pub(crate) fn read(&self, from: u64, upper: u64, max_bytes: usize) -> Result<Vec<Entry>, QuorumError> {
        let mut entries = Vec::new();
        let (mut next, mut bytes) = (from, 0);
        while next < upper && bytes < max_bytes {
            let budget = READ_BYTES.min(max_bytes - bytes);
            let read = self.read_some(next, upper, budget)?;
            let Some(last) = read.last() else { break };
            next = last.index + 1;
            bytes += read.iter().map(|entry| entry.data.len() + OVERHEAD).sum::<usize>();
            entries.extend(read);
        }
        Ok(entries)
    }

    fn read_some(&self, from: u64, upper: u64, max_bytes: usize) -> Result<Vec<Entry>, QuorumError> {
        let damaged = |reason: String| QuorumError::Damaged { path: self.dir.clone(), reason };
        let (from_offset, upper_offset) = (from as i64, upper as i64);
        let read = self.log.read(from_offset, max_bytes, upper_offset, true).map_err(|error| match error {
            ReadError::OffsetOutOfRange { start, end, .. } => {
                damaged(format!("entry {from} is wanted, and the log holds {start} up to {end}"))
            }
            other => damaged(other.to_string()),
        })?;
        let mut entries = Vec::new();
        for range in read.ranges {
            let bytes = range.read().map_err(|source| QuorumError::Io {
                action: "reading the metadata log in",
                path: self.dir.clone(),
                source,
            })?;
            let set = RecordBatches::parse_trailing(bytes).map_err(|error| damaged(error.to_string()))?;
            for batch in &set.batches {
                let entry = entry::decode(&set, batch).map_err(damaged)?;
                if entry.index >= from && entry.index < upper {
                    entries.push(entry);
                }
            }
        }
        Ok(entries)
    }

    /// Takes entry `index` and all after it out of the log. They were never committed.
    pub(crate) fn truncate(&mut self, index: u64) -> Result<(), QuorumError> {
        self.log.truncate_to(index as i64).map_err(self.failed())
    }

    /// Empties the log; the next entry is `index`.
    pub(crate) fn reset(&mut self, index: u64) -> Result<(), QuorumError> {
        self.log.truncate_fully(index as i64).map_err(self.failed())
    }

    /// Forgets entries before `index`, and removes the segments that hold no other.
    pub(crate) fn drop_before(&mut self, index: u64, wall_ms: i64) -> Result<(), QuorumError> {
        self.log.advance_log_start(index as i64).map_err(self.failed())?;
        if let Some(job) = self.log.apply_retention(wall_ms, index as i64).map_err(self.failed())? {
            job.run().map_err(|source| QuorumError::Io {
                action: "removing old segments of the metadata log in",
                path: self.dir.clone(),
                source,
            })?;
        }
        Ok(())
    }

    /// Completes what is on disk besides the entries.
    pub(crate) fn close(&mut self) -> Result<(), QuorumError> {
        self.log.close().map_err(self.failed())
    }

    fn failed(&self) -> impl FnOnce(LogError) -> QuorumError + use<> {
        let dir = self.dir.clone();
        move |source| QuorumError::Log { dir, source }
    }
}
