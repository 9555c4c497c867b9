//! A kcat that produces at a steady pace, and what it was told of each record.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Write};
use std::process::Child;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::Record;
use crate::wait;

const KEY: &str = "key-";

pub(super) fn key(number: usize) -> String {
    format!("{KEY}{number:07}")
}

pub(super) fn value(number: usize) -> String {
    format!("value {number} {}", "-".repeat(100))
}

/// At a steady pace, in slices of 10 ms; gives how many were sent.
fn feed(
    mut stdin: impl Write,
    first: usize,
    many: usize,
    a_second: usize,
    (stop, seen): (&AtomicBool, &Mutex<Seen>),
) -> std::io::Result<usize> {
    let began = Instant::now();
    let mut sent = 0;
    while sent < many && !stop.load(Ordering::Relaxed) {
        let due = (began.elapsed().as_millis() as usize + 10) * a_second / 1000;
        let due = due.min(many);
        let slice: String = (first + sent..first + due).map(|n| format!("{}:{}\n", key(n), value(n))).collect();
        lock(seen).sent.extend((first + sent..first + due).map(|_| Instant::now()));
        stdin.write_all(slice.as_bytes())?;
        stdin.flush()?;
        sent = due;
        std::thread::park_timeout(Duration::from_millis(10));
    }
    Ok(sent)
}

#[derive(Debug, Default)]
struct Seen {
    /// When each record was handed over, from the first on.
    sent: Vec<Instant>,
    acknowledged: BTreeMap<(i32, i64), Instant>,
    /// When the last acknowledgement of each partition came.
    last: BTreeMap<i32, Instant>,
    gap: Duration,
    errors: Vec<String>,
}

/// "% Message delivered to partition 3 (offset 17) on broker 1000"
fn delivered(line: &str) -> Option<(i32, i64)> {
    let (_, rest) = line.split_once("delivered to partition ")?;
    let (partition, rest) = rest.split_once(" (offset ")?;
    Some((partition.parse().ok()?, rest.split_once(')')?.0.parse().ok()?))
}

fn lock(seen: &Mutex<Seen>) -> std::sync::MutexGuard<'_, Seen> {
    seen.lock().unwrap_or_else(PoisonError::into_inner)
}

const TWICE: &str = "acknowledged a second time";

fn note(stderr: impl std::io::Read, seen: &Mutex<Seen>) {
    for line in BufReader::new(stderr).lines().map_while(Result::ok) {
        let mut seen = lock(seen);
        let Some((partition, offset)) = delivered(&line) else {
            seen.errors.push(line);
            continue;
        };
        let now = Instant::now();
        if seen.acknowledged.insert((partition, offset), now).is_some() {
            seen.errors.push(format!("{TWICE}: {line}"));
        }
        if let Some(before) = seen.last.insert(partition, now) {
            seen.gap = seen.gap.max(now - before);
        }
    }
}

/// A producer at work.
#[derive(Debug)]
pub struct Producer {
    child: Child,
    first: usize,
    seen: Arc<Mutex<Seen>>,
    stop: Arc<AtomicBool>,
    feeder: JoinHandle<std::io::Result<usize>>,
    reader: JoinHandle<()>,
}

/// What a producer was told.
#[derive(Debug)]
pub struct Produced {
    /// Partition and offset of each acknowledged record.
    pub acknowledged: BTreeSet<(i32, i64)>,
    /// The longest time in which a partition acknowledged nothing, as read from the producer's output.
    pub gap: Duration,
    /// How many records were sent.
    pub sent: usize,
    /// What the producer said besides: connections that broke, and the like. None of it cost a record.
    pub said: Vec<String>,
    times: Times,
}

/// When records were sent and acknowledged, as the two ends of kubectl saw it.
#[derive(Debug)]
struct Times {
    first: usize,
    sent: Vec<Instant>,
    acknowledged: BTreeMap<(i32, i64), Instant>,
}

impl Produced {
    /// How long each record took from its hand-over to its acknowledgement, the quickest first; `records` tell which is
    /// where. The way through kubectl and back is part of it.
    #[must_use]
    pub fn latencies(&self, records: &[Record]) -> Vec<Duration> {
        let of = |record: &Record| {
            let number = record.key.strip_prefix(KEY)?.parse::<usize>().ok()?;
            let sent = self.times.sent.get(number.checked_sub(self.times.first)?)?;
            let acknowledged = self.times.acknowledged.get(&(record.partition, record.offset))?;
            Some(acknowledged.saturating_duration_since(*sent))
        };
        let mut latencies: Vec<Duration> = records.iter().filter_map(of).collect();
        latencies.sort_unstable();
        latencies
    }
}

impl Producer {
    /// Feeds a kcat that reads records from its input, one a line, and tells each delivery.
    pub(super) fn start(mut child: Child, first: usize, many: usize, a_second: usize) -> Result<Producer> {
        let stdin = child.stdin.take().context("no input")?;
        let stderr = child.stderr.take().context("no output")?;
        let seen = Arc::new(Mutex::new(Seen::default()));
        let stop = Arc::new(AtomicBool::new(false));
        let feeder = std::thread::spawn({
            let (stop, seen) = (Arc::clone(&stop), Arc::clone(&seen));
            move || feed(stdin, first, many, a_second, (&stop, &seen))
        });
        let reader = std::thread::spawn({
            let seen = Arc::clone(&seen);
            move || note(stderr, &seen)
        });
        Ok(Producer { child, first, seen, stop, feeder, reader })
    }

    /// Waits until so many records are acknowledged.
    ///
    /// # Errors
    /// Not in time.
    pub fn wait_acknowledged(&mut self, many: usize, within: Duration) -> Result<()> {
        wait::until("records are acknowledged", within, || {
            let seen = lock(&self.seen);
            let now = seen.acknowledged.len();
            if now >= many { Ok(()) } else { Err(format!("{now} of {many}; the producer says {:?}", seen.errors)) }
        })
    }

    /// Ends it where it is.
    ///
    /// # Errors
    /// It failed, or a record was not acknowledged.
    pub fn stop(self, within: Duration) -> Result<Produced> {
        self.stop.store(true, Ordering::Relaxed);
        self.finish(within)
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// It failed, or a record was not acknowledged.
    pub fn finish(mut self, within: Duration) -> Result<Produced> {
        let ended = wait::until("the producer ends", within, || match self.child.try_wait() {
            Ok(Some(status)) => Ok(status),
            Ok(None) => Err("it still runs".to_owned()),
            Err(error) => Err(error.to_string()),
        });
        if ended.is_err() {
            self.child.kill()?;
            self.child.wait()?;
        }
        let fed = self.feeder.join();
        drop(self.reader.join());
        let seen = std::mem::take(&mut *lock(&self.seen));
        let tail: Vec<&String> = seen.errors.iter().rev().take(10).rev().collect();
        let sent = match fed {
            Ok(Ok(sent)) => Some(sent),
            Ok(Err(_)) | Err(_) => None,
        };
        let told = || format!("{} of {sent:?} acknowledged; last words {tail:?}", seen.acknowledged.len());
        let status = ended.with_context(told)?;
        let twice = seen.errors.iter().any(|line| line.starts_with(TWICE));
        match sent {
            Some(sent) if status.success() && seen.acknowledged.len() == sent && !twice => {
                let acknowledged = seen.acknowledged.keys().copied().collect();
                let times = Times { first: self.first, sent: seen.sent, acknowledged: seen.acknowledged };
                Ok(Produced { acknowledged, gap: seen.gap, sent, said: seen.errors, times })
            }
            _ => bail!("the producer failed ({status}): {}", told()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_kcat_says_is_read() {
        assert_eq!(delivered("% Message delivered to partition 3 (offset 17) on broker 1000"), Some((3, 17)));
        assert_eq!(delivered("% Delivery failed for message: Local: Message timed out"), None);
    }
}
