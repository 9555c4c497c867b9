//! Replicas that move between the log directories of this broker (KIP-113).
//!
//! A copy of the log grows in a `-future` folder of the other directory, step by step, with reads and syncs on other
//! threads. Once it has everything, what is left is synced and it takes the log's place within one turn. A crash leaves
//! the log, or the copy, or both with the same records; a copy that was not whole is made again after a start.

use std::collections::BTreeMap;

use odradek_core::time::Now;
use odradek_log::dirs::{self, FolderKind};
use odradek_log::{Log, LogError, OpenState};
use odradek_wire::batch::RecordBatches;

use super::{BrokerNode, codes};
use crate::event::{BlockingJob, Command, LoadJob, Loaded, LogKey};

/// Bytes of one step.
const STEP_BYTES: usize = 1 << 20;
/// Copies that grow at once; the others wait.
const MAX_ACTIVE: usize = 4;
/// Replicas that a directory is remembered for before they are here.
const MAX_WANTED: usize = 10_000;

/// A copy that grows.
struct Move {
    /// Index of its log directory.
    to: usize,
    log: Log,
    /// The step under way, if any.
    step: Option<u64>,
    /// Everything up to some recent end was synced: the rest is done at once.
    synced: bool,
}

/// All of them.
#[derive(Default)]
pub(super) struct Moves {
    by_key: BTreeMap<LogKey, Move>,
    /// Directories that were asked for, by topic and partition, for replicas that are not here yet; and those of copies
    /// that a stop of this broker interrupted.
    wanted: BTreeMap<(String, i32), usize>,
    steps: u64,
    /// Something is to be looked at in this turn.
    due: bool,
    wake_ms: Option<u64>,
}

impl Moves {
    pub fn next_deadline(&self) -> Option<u64> {
        if self.due { Some(0) } else { self.wake_ms }
    }

    /// A look is wanted in this turn.
    pub fn wake(&mut self) {
        self.due |= !self.by_key.is_empty();
    }

    /// The copies in a directory: which log, its bytes, and where it ends.
    pub fn copies_in(&self, dir: usize) -> impl Iterator<Item = (LogKey, u64, i64)> + '_ {
        let here = self.by_key.iter().filter(move |(_, copy)| copy.to == dir);
        here.map(|(key, copy)| (*key, copy.log.size_bytes(), copy.log.log_end_offset()))
    }
}

impl BrokerNode {
    /// Copies that were not whole when the process stopped are made again.
    pub fn resume_moves(&mut self, moves: impl IntoIterator<Item = (String, i32, usize)>) {
        for (topic, partition, dir) in moves {
            self.moves.wanted.insert((topic, partition), dir);
        }
    }

    /// The directory that a replica was wanted in before it was here.
    pub(super) fn wanted_dir(&mut self, topic: &str, partition: i32) -> Option<usize> {
        self.moves.wanted.remove(&(topic.to_owned(), partition))
    }

    /// AlterReplicaLogDirs of one partition.
    pub(super) fn move_replica(
        &mut self,
        now: Now,
        topic: &str,
        partition: i32,
        path: &str,
        out: &mut Vec<Command>,
    ) -> i16 {
        let path = path.trim_end_matches('/');
        let is_dir = |dir: &super::config::LogDir| dir.path == std::path::Path::new(path);
        let Some(to) = self.config.log_dirs.iter().position(is_dir) else { return codes::LOG_DIR_NOT_FOUND };
        let known = self.image.topic(topic).filter(|known| known.partitions.contains_key(&partition));
        let Some(topic_id) = known.map(|known| known.id) else { return codes::UNKNOWN_TOPIC_OR_PARTITION };
        let key = LogKey { topic_id, partition };
        if !self.partitions.contains_key(&key) {
            // A reassignment may bring it here: then it is made where it is wanted.
            if self.moves.wanted.len() < MAX_WANTED {
                self.moves.wanted.insert((topic.to_owned(), partition), to);
            }
            return codes::REPLICA_NOT_AVAILABLE;
        }
        match self.start_move(now, key, to, out) {
            Ok(()) => codes::NONE,
            Err(error) => {
                tracing::error!(topic, partition, dir = path, %error, "cannot move the replica");
                codes::KAFKA_STORAGE_ERROR
            }
        }
    }

    /// Begins to move a hosted replica to a directory; what was begun before ends, unless it is the same.
    pub(super) fn start_move(
        &mut self,
        now: Now,
        key: LogKey,
        to: usize,
        out: &mut Vec<Command>,
    ) -> Result<(), LogError> {
        if self.moves.by_key.get(&key).is_some_and(|copy| copy.to == to) {
            return Ok(());
        }
        self.end_move(key, out);
        let Some(partition) = self.partitions.get(&key).filter(|partition| partition.dir != to) else {
            return Ok(());
        };
        let topic = partition.topic.clone();
        let live = dirs::partition_folder(&self.config.log_dirs[to].path, &topic, key.partition);
        let folder = dirs::aside(&live, &key.topic_id.simple().to_string(), FolderKind::Future);
        // What an interrupted copy left there is of no use.
        self.disk.remove_dir_all(&folder).or_else(|error| match error.kind() {
            std::io::ErrorKind::NotFound => Ok(()),
            _ => Err(LogError::Io { action: "remove", path: folder.clone(), source: error }),
        })?;
        let state = OpenState { clean_shutdown: true, recovery_point: 0, log_start: 0 };
        let config = partition.log.config().clone();
        let start = partition.log.log_start_offset();
        let (mut log, _) = Log::open(self.disk.clone(), folder.clone(), config, state, now.wall_ms)?;
        log.set_topic_id(key.topic_id)?;
        if start > 0 {
            log.truncate_fully(start)?;
        }
        // So that the move is remembered.
        let parent = &self.config.log_dirs[to].path;
        self.disk.sync_dir(parent).map_err(|source| LogError::Io { action: "sync", path: parent.clone(), source })?;
        tracing::info!(%topic, partition = key.partition, to = %self.config.log_dirs[to].path.display(), "moving");
        self.moves.by_key.insert(key, Move { to, log, step: None, synced: false });
        self.moves.due = true;
        Ok(())
    }

    /// The copy is not wanted any more.
    pub(super) fn end_move(&mut self, key: LogKey, out: &mut Vec<Command>) {
        let Some(copy) = self.moves.by_key.remove(&key) else { return };
        let what = format!("removal of the copy {}", copy.log.dir().display());
        match copy.log.delete(&key.topic_id.simple().to_string()) {
            Ok(job) => out.push(Command::Run(BlockingJob { what, run: Box::new(move || job.run()) })),
            Err(error) => tracing::error!(%error, "{what}"),
        }
        self.moves.due = true;
    }

    /// The log was cut at `offset`: so is its copy.
    pub(super) fn cut_copy(&mut self, key: LogKey, offset: i64) {
        let Some(copy) = self.moves.by_key.get_mut(&key) else { return };
        copy.step = None;
        copy.synced = false;
        if offset < copy.log.log_end_offset() {
            let outcome = match offset < copy.log.log_start_offset() {
                true => copy.log.truncate_fully(offset),
                false => copy.log.truncate_to(offset),
            };
            if let Err(error) = outcome {
                copy.log.fail(error.to_string());
            }
        }
        self.moves.due = true;
    }

    /// Lets the first copies take their next steps.
    pub(super) fn advance_moves(&mut self, now: Now, out: &mut Vec<Command>) {
        let woken = self.moves.wake_ms.is_some_and(|wake| wake <= now.mono_ms);
        if !std::mem::take(&mut self.moves.due) && !woken {
            return;
        }
        self.moves.wake_ms = None;
        let active: Vec<LogKey> = self.moves.by_key.keys().take(MAX_ACTIVE).copied().collect();
        for key in active {
            if self.moves.by_key.get(&key).is_some_and(|copy| copy.step.is_some()) {
                continue;
            }
            if let Err(error) = self.advance_move(now, key, out) {
                tracing::error!(?key, %error, "the replica stays where it is: its copy failed");
                self.end_move(key, out);
            }
        }
    }

    fn advance_move(&mut self, now: Now, key: LogKey, out: &mut Vec<Command>) -> Result<(), LogError> {
        let (Some(partition), Some(copy)) = (self.partitions.get(&key), self.moves.by_key.get_mut(&key)) else {
            return Ok(());
        };
        let from = &partition.log;
        if copy.log.log_end_offset() < from.log_start_offset() {
            copy.log.truncate_fully(from.log_start_offset())?;
        }
        let at = copy.log.log_end_offset();
        let job = if at < from.log_end_offset() {
            if self.move_quota.is_exceeded(now.mono_ms) {
                let free_at = self.move_quota.free_at(now.mono_ms);
                self.moves.wake_ms = Some(self.moves.wake_ms.map_or(free_at, |wake| wake.min(free_at)));
                return Ok(());
            }
            let read = from.read(at, STEP_BYTES, from.log_end_offset(), true);
            let range = read.map_err(|error| failed(from, error.to_string()))?.ranges.into_iter().next();
            LoadJob::Read(range.ok_or_else(|| failed(from, format!("nothing can be read at offset {at}")))?)
        } else if !copy.synced {
            match copy.log.flush_job() {
                Some(job) => LoadJob::Sync(job),
                None => return self.finish_move(now, key, out),
            }
        } else {
            return self.finish_move(now, key, out);
        };
        self.moves.steps += 1;
        copy.step = Some(self.moves.steps);
        out.push(Command::Load { log: key, step: self.moves.steps, job });
        Ok(())
    }

    /// A step is done.
    pub(super) fn loaded(
        &mut self,
        now: Now,
        key: LogKey,
        step: u64,
        result: std::io::Result<Loaded>,
        out: &mut Vec<Command>,
    ) {
        let Some(copy) = self.moves.by_key.get_mut(&key).filter(|copy| copy.step == Some(step)) else { return };
        copy.step = None;
        self.moves.due = true;
        let outcome = match result {
            Ok(Loaded::Bytes(bytes)) => {
                self.move_quota.record(now.mono_ms, bytes.len());
                RecordBatches::parse_trailing(bytes)
                    .map_err(|error| error.to_string())
                    .and_then(|batches| {
                        copy.log.append_follower(&batches, now.wall_ms).map_err(|error| error.to_string())
                    })
                    .map(drop)
            }
            Ok(Loaded::Synced(done)) => {
                copy.log.flushed(done);
                copy.synced = true;
                Ok(())
            }
            Err(error) => Err(error.to_string()),
        };
        if let Err(reason) = outcome {
            tracing::error!(?key, reason, "the replica stays where it is: its copy failed");
            self.end_move(key, out);
        }
    }

    /// The copy has everything: it takes the log's place.
    fn finish_move(&mut self, now: Now, key: LogKey, out: &mut Vec<Command>) -> Result<(), LogError> {
        let Some(partition) = self.partitions.get_mut(&key) else { return Ok(()) };
        // The answer of a sync of the old log must not be taken for one of the new: its end wakes this again.
        if partition.flushing {
            return Ok(());
        }
        let Some(mut copy) = self.moves.by_key.remove(&key) else { return Ok(()) };
        self.moves.due = true;
        copy.log.set_config(partition.log.config().clone());
        // Epochs without a record yet.
        for (epoch, start) in partition.log.epochs().entries() {
            if copy.log.latest_epoch().is_none_or(|latest| latest < *epoch) {
                copy.log.assign_epoch(*epoch, *start)?;
            }
        }
        copy.log.advance_log_start(partition.log.log_start_offset())?;
        // Most of it was synced by another thread; from here on a power loss must not cost what the log had.
        if let Some(job) = copy.log.flush_job() {
            let done =
                job.run().map_err(|source| LogError::Io { action: "sync", path: copy.log.dir().to_owned(), source })?;
            copy.log.flushed(done);
        }
        let live = dirs::partition_folder(&self.config.log_dirs[copy.to].path, &partition.topic, key.partition);
        if let Err(error) = copy.log.rename(live) {
            // Whatever name it has now, it must not be found as a replica.
            copy.log.delete(&key.topic_id.simple().to_string())?;
            return Err(error);
        }
        let old = std::mem::replace(&mut partition.log, copy.log);
        let old_dir = std::mem::replace(&mut partition.dir, copy.to);
        partition.flushing = false;
        partition.unflushed = 0;
        let what = format!("{}-{}", partition.topic, key.partition);
        self.partitions_in_dir[old_dir] -= 1;
        self.partitions_in_dir[copy.to] += 1;
        // First the lines of the new place, then the old folder goes: a crash in between leaves two logs with the same
        // records, and a start takes one of them.
        self.write_all_checkpoints();
        self.delete_log(old, key, format!("{what} in its old directory"), out);
        self.refetch(key);
        tracing::info!(partition = %what, to = %self.config.log_dirs[copy.to].path.display(), at = now.mono_ms, "moved");
        Ok(())
    }
}

fn failed(log: &Log, reason: String) -> LogError {
    LogError::Failed { dir: log.dir().to_owned(), reason }
}
