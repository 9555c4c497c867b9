//! A consumer of all partitions, from the beginning, that notes what it saw.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::Message;
use rdkafka::{Offset, TopicPartitionList};

use super::check::Violation;
use super::record::{Id, decode};

/// What a consumer saw.
#[derive(Debug, Clone, Default)]
pub struct Log {
    /// Records with their offsets, in the order in which they came.
    pub partitions: BTreeMap<i32, Vec<(i64, Id)>>,
    /// What it must not have seen.
    pub violations: Vec<Violation>,
}

impl Log {
    /// How many records.
    #[must_use]
    pub fn len(&self) -> usize {
        self.partitions.values().map(Vec::len).sum()
    }

    /// Whether nothing was seen.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn note(&mut self, partition: i32, offset: i64, value: &[u8]) {
        let records = self.partitions.entry(partition).or_default();
        // Nothing is compacted, expired or transactional here: offsets have no holes.
        let expected = records.last().map_or(0, |(last, _)| last + 1);
        if offset != expected {
            let what = format!("partition {partition}: offset {offset} came where {expected} was due");
            self.violations.push(Violation::Consumer(what));
        }
        match decode(value) {
            Ok(id) => records.push((offset, id)),
            Err(what) => self.violations.push(Violation::Stranger(partition, offset, what)),
        }
    }

    /// What an earlier consumer saw that is not so here: it must hold all of it.
    #[must_use]
    pub fn differs_from(&self, earlier: &Log) -> Vec<Violation> {
        let mut violations = Vec::new();
        for (partition, records) in &earlier.partitions {
            let now: BTreeMap<i64, Id> = self.partitions.get(partition).into_iter().flatten().copied().collect();
            for (offset, saw) in records {
                match now.get(offset) {
                    Some(id) if id == saw => {}
                    other => {
                        let what = format!("a consumer saw {saw:?}, and now there is {other:?}");
                        violations.push(Violation::Changed(*partition, *offset, what));
                    }
                }
            }
        }
        violations
    }
}

fn consumer(bootstrap: &str, client: &BTreeMap<String, String>) -> Result<BaseConsumer> {
    let mut config = ClientConfig::new();
    config
        .set("bootstrap.servers", bootstrap)
        .set("client.id", "reader")
        .set("group.id", "not-used")
        .set("enable.auto.commit", "false")
        .set("enable.partition.eof", "true")
        // An offset that is out of range, or a log that was cut below what was read, is to be told, not passed over.
        .set("auto.offset.reset", "error");
    for (key, value) in client {
        config.set(key, value);
    }
    config.create().context("librdkafka's consumer")
}

fn assign(consumer: &BaseConsumer, topic: &str, partitions: i32) -> Result<()> {
    let mut list = TopicPartitionList::new();
    for partition in 0..partitions {
        list.add_partition_offset(topic, partition, Offset::Offset(0))?;
    }
    consumer.assign(&list)?;
    Ok(())
}

/// Whether this error of a consumer is one that a correct cluster never causes.
fn is_violation(error: &KafkaError) -> bool {
    matches!(
        error.rdkafka_error_code(),
        Some(
            RDKafkaErrorCode::AutoOffsetReset
                | RDKafkaErrorCode::OffsetOutOfRange
                | RDKafkaErrorCode::LogTruncation
                | RDKafkaErrorCode::BadMessage
                | RDKafkaErrorCode::InvalidMessage
                | RDKafkaErrorCode::Inconsistent
        )
    )
}

/// Reads all partitions from the beginning to their ends.
///
/// # Errors
/// The ends were not reached in time: how far it came and the last error.
pub fn read_all(
    bootstrap: &str,
    topic: &str,
    partitions: i32,
    client: &BTreeMap<String, String>,
    within: Duration,
) -> Result<Log> {
    let consumer = consumer(bootstrap, client)?;
    assign(&consumer, topic, partitions)?;
    let mut log = Log::default();
    let mut open: Vec<i32> = (0..partitions).collect();
    let deadline = Instant::now() + within;
    let mut last = String::new();
    while !open.is_empty() {
        if Instant::now() > deadline {
            bail!("{} records read within {within:?}, partitions {open:?} not to their ends: {last}", log.len());
        }
        match consumer.poll(Duration::from_millis(100)) {
            Some(Ok(message)) => {
                log.note(message.partition(), message.offset(), message.payload().unwrap_or_default());
            }
            Some(Err(KafkaError::PartitionEOF(partition))) => open.retain(|other| *other != partition),
            Some(Err(error)) if is_violation(&error) => log.violations.push(Violation::Consumer(error.to_string())),
            Some(Err(error)) => last = error.to_string(),
            None => {}
        }
    }
    Ok(log)
}

/// A consumer on a thread of its own, that reads while records are being produced.
#[derive(Debug)]
pub struct Reader {
    stopped: Arc<AtomicBool>,
    log: Arc<Mutex<Log>>,
    thread: Option<JoinHandle<()>>,
}

impl Reader {
    /// Starts reading.
    ///
    /// # Errors
    /// librdkafka does not take the settings.
    pub fn start(bootstrap: &str, topic: &str, partitions: i32, client: &BTreeMap<String, String>) -> Result<Reader> {
        let consumer = consumer(bootstrap, client)?;
        assign(&consumer, topic, partitions)?;
        let stopped = Arc::new(AtomicBool::new(false));
        let log = Arc::new(Mutex::new(Log::default()));
        let (stop, notes) = (stopped.clone(), log.clone());
        let thread = std::thread::Builder::new().name("reader".to_owned()).spawn(move || {
            while !stop.load(Ordering::Acquire) {
                let polled = consumer.poll(Duration::from_millis(100));
                let mut log = notes.lock().unwrap_or_else(PoisonError::into_inner);
                match polled {
                    Some(Ok(message)) => {
                        log.note(message.partition(), message.offset(), message.payload().unwrap_or_default());
                    }
                    Some(Err(error)) if is_violation(&error) => {
                        log.violations.push(Violation::Consumer(error.to_string()));
                    }
                    // Brokers that are away: the client tries again by itself.
                    Some(Err(_)) | None => {}
                }
            }
        })?;
        Ok(Reader { stopped, log, thread: Some(thread) })
    }

    /// What it saw until now.
    #[must_use]
    pub fn seen(&self) -> Log {
        self.log.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::record::encode;
    use super::*;

    fn id(sequence: u64) -> Id {
        Id { producer: 1, partition: 0, sequence }
    }

    #[test]
    fn holes_and_strangers_are_noted() {
        let mut log = Log::default();
        log.note(0, 0, &encode(id(0), 40));
        log.note(0, 1, &encode(id(1), 40));
        assert!(log.violations.is_empty() && log.len() == 2);
        log.note(0, 3, &encode(id(2), 40));
        assert!(matches!(log.violations[..], [Violation::Consumer(_)]), "{:?}", log.violations);
        log.note(0, 4, b"noise");
        assert!(matches!(log.violations[..], [_, Violation::Stranger(0, 4, _)]), "{:?}", log.violations);
    }

    #[test]
    fn what_was_seen_earlier_must_be_there_still() {
        let mut earlier = Log::default();
        earlier.note(0, 0, &encode(id(0), 40));
        let mut now = earlier.clone();
        now.note(0, 1, &encode(id(1), 40));
        assert_eq!(now.differs_from(&earlier), []);
        assert!(matches!(earlier.differs_from(&now)[..], [Violation::Changed(0, 1, _)]));
        let mut other = Log::default();
        other.note(0, 0, &encode(id(7), 40));
        assert!(matches!(other.differs_from(&earlier)[..], [Violation::Changed(0, 0, _)]));
    }
}
