//! What the tests of this crate share: batches, and what a log gives back.

#![allow(dead_code)]

use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use odradek_log::{Disk, Log, LogConfig, MemDisk, OpenState, Recovered};
use odradek_wire::batch::{BatchBuilder, RecordBatches, records};

/// A record as a reader sees it: offset, timestamp, value.
pub type Seen = (i64, i64, Vec<u8>);

/// A batch of records `(timestamp, value)`.
pub fn batch(records: &[(i64, Vec<u8>)]) -> RecordBatches {
    let mut builder = BatchBuilder::new(0);
    for (timestamp, value) in records {
        builder.append(*timestamp, Some(b"k"), Some(value), &[]);
    }
    set(builder.build().unwrap())
}

/// A batch of one record of an idempotent producer.
pub fn from_producer(id: i64, epoch: i16, sequence: i32, timestamp: i64) -> RecordBatches {
    let mut builder = BatchBuilder::new(0).producer(id, epoch, sequence);
    builder.append(timestamp, Some(b"k"), Some(b"v"), &[]);
    set(builder.build().unwrap())
}

pub fn set(bytes: Bytes) -> RecordBatches {
    RecordBatches::validate(bytes, 1 << 30).unwrap()
}

pub fn dir() -> PathBuf {
    PathBuf::from("/logs/topic-0")
}

/// Small segments and a dense index, so that short tests meet every border.
pub fn small() -> LogConfig {
    LogConfig {
        segment_bytes: 2000,
        index_interval_bytes: 200,
        retention_ms: -1,
        timestamp_after_max_ms: i64::MAX,
        ..LogConfig::default()
    }
}

pub fn open(disk: &MemDisk, config: LogConfig, opened: OpenState) -> (Log, Recovered) {
    // The log folder itself is there before any log.
    disk.create_dir_all(dir().parent().unwrap()).unwrap();
    disk.sync_dir(std::path::Path::new("/")).unwrap();
    Log::open(Arc::new(disk.clone()) as Arc<dyn Disk>, dir(), config, opened, 0).unwrap()
}

pub fn fresh(disk: &MemDisk, config: LogConfig) -> Log {
    open(disk, config, OpenState { clean_shutdown: true, ..OpenState::default() }).0
}

pub fn after_crash(recovery_point: i64) -> OpenState {
    OpenState { clean_shutdown: false, recovery_point, log_start: 0 }
}

pub fn clean() -> OpenState {
    OpenState { clean_shutdown: true, ..OpenState::default() }
}

pub fn flush(log: &mut Log) {
    if let Some(job) = log.flush_job() {
        let done = job.run().unwrap();
        log.flushed(done);
    }
}

/// Every record between the log start and `upper`, read in pieces of `max_bytes`, checksums verified.
pub fn read_to(log: &Log, upper: i64, max_bytes: usize) -> Vec<Seen> {
    let mut seen = Vec::new();
    let mut from = log.log_start_offset();
    while from < upper {
        let read = log.read(from, max_bytes, upper, true).unwrap();
        if read.is_empty() {
            break;
        }
        assert!(read.first_offset <= from);
        let bytes = read.ranges[0].read().unwrap();
        let batches = RecordBatches::parse_trailing(bytes).unwrap();
        assert!(!batches.is_empty(), "at least one batch is whole");
        for info in &batches.batches {
            assert!(info.header.last_offset() < upper, "beyond the upper bound");
            for record in records(&batches.batch_bytes(info)).unwrap() {
                let record = record.unwrap();
                if record.offset >= from {
                    seen.push((record.offset, record.timestamp, record.value.unwrap().to_vec()));
                }
            }
            from = from.max(info.header.last_offset() + 1);
        }
    }
    seen
}

pub fn read_all(log: &Log) -> Vec<Seen> {
    read_to(log, log.log_end_offset(), 700)
}
