//! The broker's log directories: what was found in them, checkpoints, syncs and retention.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use odradek_core::time::Now;
use odradek_log::dirs::{self, FolderKind};
use odradek_log::meta::{CleanShutdown, PartitionMetadata};
use odradek_log::{Disk, FlushDone, Log, LogConfig, LogError, OpenState, Recovered, checkpoint};
use odradek_probe::reached;

use super::BrokerNode;
use super::config::LogDir;
use crate::event::{BlockingJob, Command, LogKey};

/// More logs than this are closed with one sync of the file system, which may have more to do than to sync these.
const SYNC_ONE_BY_ONE: usize = 16;

/// The topic of the controllers' own log.
const METADATA_TOPIC: &str = "__cluster_metadata";

/// A log that was in a directory when the broker started, opened and recovered.
pub struct FoundLog {
    /// Which partition, by its `partition.metadata`.
    pub key: LogKey,
    /// The topic's name in the folder's name.
    pub topic: String,
    /// Index of the log directory.
    pub dir: usize,
    /// The log.
    pub log: Log,
    /// As checkpointed.
    pub high_watermark: i64,
    /// What the recovery did.
    pub recovered: Recovered,
}

/// A log that is to be opened; independent of all others, so that several threads may share the work.
pub struct LogToOpen {
    disk: Arc<dyn Disk>,
    found: dirs::PartitionFolder,
    dir: usize,
    state: OpenState,
    high_watermark: i64,
}

impl LogToOpen {
    /// `topic-partition`.
    #[must_use]
    pub fn name(&self) -> String {
        format!("{}-{}", self.found.topic, self.found.partition)
    }

    /// Opens and recovers the log; its settings come later, with the metadata.
    ///
    /// # Errors
    /// A line for the log: the disk failed, or the folder has no readable `partition.metadata`.
    pub fn open(self, wall_ms: i64) -> Result<FoundLog, String> {
        let metadata = PartitionMetadata::read(self.disk.as_ref(), &self.found.path)
            .map_err(|error| error.to_string())?
            .ok_or_else(|| format!("{} has no partition.metadata", self.found.path.display()))?;
        let (log, recovered) =
            Log::open(self.disk.clone(), self.found.path.clone(), LogConfig::default(), self.state, wall_ms)
                .map_err(|error| error.to_string())?;
        Ok(FoundLog {
            key: LogKey { topic_id: metadata.topic_id, partition: self.found.partition },
            topic: self.found.topic,
            dir: self.dir,
            log,
            high_watermark: self.high_watermark,
            recovered,
        })
    }
}

/// What a log directory says about the last stop.
pub struct ScannedDir {
    /// The logs in it.
    pub logs: Vec<LogToOpen>,
    /// Replicas that were on their way into it, for [`BrokerNode::resume_moves`].
    pub moves: Vec<(String, i32, usize)>,
    /// The broker epoch of a clean stop; `None` after any other.
    pub clean_epoch: Option<i64>,
}

/// Looks through one log directory: half-deleted folders go, the clean-stop marker is read and removed, and what has to
/// be opened is listed.
///
/// # Errors
/// A line for the log when the disk failed.
pub fn scan_dir(disk: &Arc<dyn Disk>, index: usize, dir: &LogDir) -> Result<ScannedDir, String> {
    let text = |error: odradek_log::LogError| error.to_string();
    let clean = CleanShutdown::read(disk.as_ref(), &dir.path).map_err(text)?;
    CleanShutdown::remove(disk.as_ref(), &dir.path).map_err(text)?;
    // A damaged checkpoint costs time, not records: recovery then starts from the beginning.
    let offsets = |name: &str| {
        let (offsets, damage) = checkpoint::read_or_empty(disk.as_ref(), &dir.path.join(name)).map_err(text)?;
        if let Some(damage) = damage {
            tracing::warn!(%damage, "checkpoint");
        }
        Ok::<_, String>(offsets)
    };
    let recovery = offsets(checkpoint::RECOVERY_POINTS)?;
    let starts = offsets(checkpoint::LOG_STARTS)?;
    let marks = offsets(checkpoint::HIGH_WATERMARKS)?;
    let mut logs = Vec::new();
    let mut moves = Vec::new();
    for found in dirs::LogDir::scan(disk.as_ref(), &dir.path).map_err(text)?.partitions {
        match found.kind {
            // A controller in the same process has its log here too.
            FolderKind::Live if found.topic == METADATA_TOPIC => continue,
            FolderKind::Live => {}
            FolderKind::Delete => {
                disk.remove_dir_all(&found.path).map_err(|error| format!("{}: {error}", found.path.display()))?;
                continue;
            }
            // A copy that was not whole: it is made again.
            FolderKind::Future => {
                disk.remove_dir_all(&found.path).map_err(|error| format!("{}: {error}", found.path.display()))?;
                moves.push((found.topic, found.partition, index));
                continue;
            }
            FolderKind::Stray => {
                tracing::warn!(folder = %found.path.display(), "left alone: it is no replica of this broker");
                continue;
            }
        }
        let at = |map: &checkpoint::Offsets| map.get(&(found.topic.clone(), found.partition)).copied().unwrap_or(0);
        let state =
            OpenState { clean_shutdown: clean.is_some(), recovery_point: at(&recovery), log_start: at(&starts) };
        let high_watermark = at(&marks);
        let never_synced = state.recovery_point == 0 && (clean.is_none() || is_empty(disk.as_ref(), &found.path));
        if never_synced && !has_identity(disk.as_ref(), &found.path) {
            // The first sync of a log makes this file safe too. So nothing of it was ever synced: a power loss took
            // the file while the replica was being made, and what is left of the records is copied again. Or a full
            // disk did not take the file, and there are no records.
            reached("half-made replica removed");
            tracing::warn!(folder = %found.path.display(), "removed: it has no partition.metadata, and was never synced");
            disk.remove_dir_all(&found.path).map_err(|error| format!("{}: {error}", found.path.display()))?;
            continue;
        }
        logs.push(LogToOpen { disk: disk.clone(), found, dir: index, state, high_watermark });
    }
    Ok(ScannedDir { logs, moves, clean_epoch: clean.map(|marker| marker.broker_epoch) })
}

/// The logs by their names. When a move between two directories was interrupted at its very end, a log is in both, with
/// the same records: the one that has more stays, and the other goes.
pub(super) fn each_once(found: Vec<FoundLog>) -> BTreeMap<LogKey, FoundLog> {
    let mut logs: BTreeMap<LogKey, FoundLog> = BTreeMap::new();
    for log in found {
        let key = log.key;
        let Some(other) = logs.remove(&key) else {
            logs.insert(key, log);
            continue;
        };
        let (mut stays, goes) =
            if log.log.log_end_offset() > other.log.log_end_offset() { (log, other) } else { (other, log) };
        stays.high_watermark = stays.high_watermark.max(goes.high_watermark);
        let folder = goes.log.dir().to_owned();
        tracing::warn!(folder = %folder.display(), "the replica is in two directories: this one goes");
        let removed = goes.log.delete(&key.topic_id.simple().to_string()).map_err(|error| error.to_string());
        if let Err(error) = removed.and_then(|job| job.run().map_err(|error| error.to_string())) {
            tracing::error!(folder = %folder.display(), error, "it cannot be removed");
        }
        logs.insert(key, stays);
    }
    logs
}

/// Whether a partition's folder has no records.
fn is_empty(disk: &dyn Disk, path: &Path) -> bool {
    let no_record = |entry: &odradek_log::DirEntry| entry.len == 0 || !entry.name.ends_with(".log");
    disk.list(path).is_ok_and(|entries| entries.iter().all(no_record))
}

/// Whether a partition's folder says whose it is. A disk that fails is asked again when the log is opened.
fn has_identity(disk: &dyn Disk, path: &Path) -> bool {
    !matches!(PartitionMetadata::read(disk, path), Ok(None) | Err(LogError::Damaged { .. }))
}

impl BrokerNode {
    /// Everything that was committed has been seen: logs that belong to no topic any more go.
    pub(super) fn discard_strays(&mut self, _now: Now, out: &mut Vec<Command>) {
        for (key, found) in std::mem::take(&mut self.found) {
            let what = format!("{}-{}", found.topic, key.partition);
            tracing::warn!(partition = %what, topic_id = %key.topic_id, "no topic has this replica; removing it");
            self.delete_log(found.log, key, what, out);
        }
    }

    /// `flush.messages` reached, or a segment was closed.
    pub(super) fn flush_if_due(&mut self, key: LogKey, out: &mut Vec<Command>) {
        let Some(partition) = self.partitions.get_mut(&key) else { return };
        if partition.flushing || partition.unflushed < partition.flush_messages {
            return;
        }
        self.flush(key, out);
    }

    fn flush(&mut self, key: LogKey, out: &mut Vec<Command>) {
        let Some(partition) = self.partitions.get_mut(&key) else { return };
        if partition.flushing {
            return;
        }
        if let Some(job) = partition.log.flush_job() {
            partition.flushing = true;
            partition.unflushed = 0;
            out.push(Command::Flush { log: key, job });
        }
    }

    pub(super) fn flushed(&mut self, now: Now, key: LogKey, result: std::io::Result<FlushDone>) {
        let Some(partition) = self.partitions.get_mut(&key) else { return };
        partition.flushing = false;
        self.moves.wake();
        match result {
            Ok(done) => {
                partition.log.flushed(done);
                self.checkpoints_due = true;
            }
            Err(error) => {
                tracing::error!(topic = %partition.topic, partition = key.partition, %error, "sync failed");
                partition.log.fail(format!("sync failed: {error}"));
                self.log_failed(now, key);
            }
        }
    }

    /// Segments that are too old or too many.
    pub(super) fn apply_retention(&mut self, now: Now, out: &mut Vec<Command>) {
        let mut moved = Vec::new();
        for (key, partition) in &mut self.partitions {
            let high_watermark = partition.high_watermark();
            match partition.log.apply_retention(now.wall_ms, high_watermark) {
                Ok(Some(job)) => {
                    self.checkpoints_due = true;
                    moved.push(*key);
                    out.push(Command::Run(BlockingJob {
                        what: format!("retention of {}-{}", partition.topic, key.partition),
                        run: Box::new(move || job.run()),
                    }));
                }
                Ok(None) => {}
                Err(error) => {
                    tracing::error!(topic = %partition.topic, partition = key.partition, %error, "retention");
                }
            }
        }
        for key in moved {
            self.fetch_later(key);
            self.refetch(key);
        }
    }

    fn offsets_of(&self, dir: usize, of: impl Fn(&super::partition::Partition) -> i64) -> checkpoint::Offsets {
        self.partitions
            .iter()
            .filter(|(_, partition)| partition.dir == dir)
            .map(|(key, partition)| ((partition.topic.to_string(), key.partition), of(partition)))
            .collect()
    }

    fn write_checkpoint(&self, dir: usize, name: &str, offsets: &checkpoint::Offsets) {
        let path = self.config.log_dirs[dir].path.join(name);
        let entries = offsets.iter().map(|((topic, partition), offset)| (topic.as_str(), *partition, *offset));
        if let Err(error) = checkpoint::write(self.disk.as_ref(), &path, entries) {
            tracing::error!(%error, "checkpoint");
        }
    }

    /// Up to where each log is on the device.
    pub(super) fn write_recovery_points(&self, dir: usize) {
        let mut offsets = self.offsets_of(dir, |partition| partition.log.recovery_point());
        for (key, found) in self.found.iter().filter(|(_, found)| found.dir == dir) {
            offsets.insert((found.topic.clone(), key.partition), found.log.recovery_point());
        }
        self.write_checkpoint(dir, checkpoint::RECOVERY_POINTS, &offsets);
    }

    pub(super) fn write_all_checkpoints(&mut self) {
        self.checkpoints_due = false;
        for dir in 0..self.config.log_dirs.len() {
            self.write_recovery_points(dir);
            let starts: BTreeMap<_, _> = self.offsets_of(dir, |partition| partition.log.log_start_offset());
            self.write_checkpoint(dir, checkpoint::LOG_STARTS, &starts);
        }
        self.write_high_watermarks();
    }

    pub(super) fn write_high_watermarks(&mut self) {
        self.high_watermarks_due = false;
        for dir in 0..self.config.log_dirs.len() {
            let marks = self.offsets_of(dir, super::partition::Partition::high_watermark);
            self.write_checkpoint(dir, checkpoint::HIGH_WATERMARKS, &marks);
        }
    }

    /// Closes all logs of one directory; when they are many, with one sync for all of them.
    fn close_logs(&mut self, dir: usize, errors: &mut Vec<String>) {
        let hosted = self.partitions.iter_mut().filter(|(_, partition)| partition.dir == dir);
        let hosted = hosted.map(|(key, partition)| (partition.topic.to_string(), key.partition, &mut partition.log));
        let found = self.found.values_mut().filter(|found| found.dir == dir);
        let found = found.map(|found| (found.topic.clone(), found.key.partition, &mut found.log));
        let mut jobs = Vec::new();
        for (topic, partition, log) in hosted.chain(found) {
            match log.close_job() {
                Ok(Some(job)) => jobs.push((topic, partition, log, job)),
                Ok(None) => {}
                Err(error) => errors.push(format!("{topic}-{partition}: {error}")),
            }
        }
        let at_once = jobs.len() > SYNC_ONE_BY_ONE;
        let mut done = Vec::new();
        for (topic, partition, log, job) in jobs {
            match if at_once { job.run_unsynced() } else { job.run() } {
                Ok(result) => done.push((log, result)),
                Err(error) => {
                    log.fail(format!("it could not be synced: {error}"));
                    errors.push(format!("{topic}-{partition}: {error}"));
                }
            }
        }
        let path = &self.config.log_dirs[dir].path;
        if at_once && let Err(error) = self.disk.sync_all(path) {
            errors.push(format!("{}: {error}", path.display()));
            return;
        }
        for (log, result) in done {
            log.closed(result);
        }
    }

    /// The last thing that a broker does: syncs all logs, writes the checkpoints and the marker of a clean stop, so
    /// that the next start recovers nothing.
    ///
    /// # Errors
    /// A line for each log that could not be synced; the marker is left out then.
    pub fn close(&mut self) -> Result<(), Vec<String>> {
        let mut errors = Vec::new();
        for dir in 0..self.config.log_dirs.len() {
            self.close_logs(dir, &mut errors);
        }
        self.write_all_checkpoints();
        if !errors.is_empty() {
            return Err(errors);
        }
        let broker_epoch = self.lifecycle.broker_epoch().unwrap_or(-1);
        for dir in &self.config.log_dirs {
            if let Err(error) = (CleanShutdown { broker_epoch }).write(self.disk.as_ref(), &dir.path) {
                errors.push(error.to_string());
            }
        }
        if errors.is_empty() { Ok(()) } else { Err(errors) }
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use odradek_log::MemDisk;
    use uuid::Uuid;

    use super::*;

    fn scan(disk: &MemDisk) -> Result<usize, String> {
        let disk: Arc<dyn Disk> = Arc::new(disk.clone());
        let dir = LogDir { path: PathBuf::from("/data"), id: Uuid::from_u128(1) };
        scan_dir(&disk, 0, &dir).map(|scanned| scanned.logs.len())
    }

    #[test]
    fn a_replica_that_a_power_loss_left_without_its_id_is_made_anew() {
        let disk = MemDisk::new();
        let folder = PathBuf::from("/data/made-0");
        disk.create_dir_all(&folder).unwrap();
        PartitionMetadata { topic_id: Uuid::from_u128(7) }.write(&disk, &folder).unwrap();
        assert_eq!(scan(&disk), Ok(1));
        disk.remove_file(&folder.join("partition.metadata")).unwrap();
        // Something of it was synced once, so the file was too: this is damage, and a person has to look.
        let points = PathBuf::from("/data").join(checkpoint::RECOVERY_POINTS);
        checkpoint::write(&disk, &points, [("made", 0, 5)]).unwrap();
        assert_eq!(scan(&disk), Ok(1));
        checkpoint::write(&disk, &points, [("made", 0, 0)]).unwrap();
        assert_eq!(scan(&disk), Ok(0));
        assert!(!disk.exists(&folder));
    }
}
