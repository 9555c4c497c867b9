//! Opens every log of every log directory before the broker serves.
//!
//! `num.recovery.threads.per.data.dir` threads share the logs of one directory; directories do not wait for each
//! other. What had to be read is told at the end, and every few seconds on the way.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use odradek_log::Disk;
use odradek_node::broker::{FoundLog, LogDir, LogToOpen, scan_dir};

use crate::health::Health;

/// What was found.
pub struct Recovery {
    /// Every log, open.
    pub logs: Vec<FoundLog>,
    /// Replicas that were on their way into another directory: topic, partition, index of the directory.
    pub moves: Vec<(String, i32, usize)>,
    /// The broker epoch of the last stop when it was a clean one in every directory; else -1.
    pub previous_broker_epoch: i64,
}

/// How often progress is told.
const PROGRESS: Duration = Duration::from_secs(2);

/// Scans and opens. Blocks until all is done.
///
/// # Errors
///
/// A line for each log or directory that cannot be opened.
pub fn run(
    disk: &Arc<dyn Disk>,
    dirs: &[LogDir],
    threads_per_dir: usize,
    wall_ms: i64,
    health: &Health,
) -> Result<Recovery, Vec<String>> {
    let start = Instant::now();
    let mut errors = Vec::new();
    let mut queues = Vec::new();
    let mut epochs = Vec::new();
    let mut moves = Vec::new();
    for (index, dir) in dirs.iter().enumerate() {
        match scan_dir(disk, index, dir) {
            Ok(scanned) => {
                epochs.push(scanned.clean_epoch);
                moves.extend(scanned.moves);
                queues.push(Mutex::new(scanned.logs));
            }
            Err(error) => errors.push(format!("{}: {error}", dir.path.display())),
        }
    }
    if !errors.is_empty() {
        return Err(errors);
    }
    let clean = epochs.iter().all(Option::is_some);
    let total = queues.iter().map(|queue| lock(queue).len()).sum();
    let progress = Progress { health, total, done: AtomicUsize::new(0), told: Mutex::new(start) };
    health.recovering(0, total);
    if total > 0 {
        tracing::info!(logs = total, clean_stop = clean, "opening logs");
    }
    let results = Mutex::new(Vec::with_capacity(total));
    std::thread::scope(|scope| {
        for queue in &queues {
            let threads = threads_per_dir.clamp(1, 64).min(lock(queue).len());
            for _ in 0..threads {
                scope.spawn(|| open_all(queue, wall_ms, &progress, &results));
            }
        }
    });
    let mut logs = Vec::with_capacity(total);
    for result in results.into_inner().unwrap_or_else(PoisonError::into_inner) {
        match result {
            Ok(log) => logs.push(log),
            Err(error) => errors.push(error),
        }
    }
    if !errors.is_empty() {
        errors.sort();
        return Err(errors);
    }
    // Threads end in any order; what the node gets must not depend on it.
    logs.sort_by_key(|log| log.key);
    tell(&logs, start);
    // Every directory had the same stop, or it was none.
    let previous = epochs.first().copied().flatten().filter(|epoch| epochs.iter().all(|other| *other == Some(*epoch)));
    Ok(Recovery { logs, moves, previous_broker_epoch: previous.unwrap_or(-1) })
}

fn open_all(
    queue: &Mutex<Vec<LogToOpen>>,
    wall_ms: i64,
    progress: &Progress<'_>,
    results: &Mutex<Vec<Result<FoundLog, String>>>,
) {
    loop {
        let Some(log) = lock(queue).pop() else { return };
        let name = log.name();
        let opened = log.open(wall_ms).map_err(|error| format!("{name}: {error}"));
        lock(results).push(opened);
        progress.one_more();
    }
}

struct Progress<'a> {
    health: &'a Health,
    total: usize,
    done: AtomicUsize,
    told: Mutex<Instant>,
}

impl Progress<'_> {
    fn one_more(&self) {
        let done = self.done.fetch_add(1, Ordering::Relaxed) + 1;
        self.health.recovering(done, self.total);
        let mut told = lock(&self.told);
        if told.elapsed() >= PROGRESS {
            *told = Instant::now();
            tracing::info!("recovering: {done} of {} logs are open", self.total);
        }
    }
}

fn tell(logs: &[FoundLog], start: Instant) {
    if logs.is_empty() {
        return;
    }
    for log in logs {
        for note in &log.recovered.notes {
            tracing::warn!("{}-{}: {note}", log.topic, log.key.partition);
        }
    }
    let read: u64 = logs.iter().map(|log| log.recovered.bytes_read).sum();
    let truncated: u64 = logs.iter().map(|log| log.recovered.truncated_bytes).sum();
    let ms = start.elapsed().as_millis();
    tracing::info!(logs = logs.len(), read_bytes = read, truncated_bytes = truncated, ms, "logs are open");
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
