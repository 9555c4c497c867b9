//! The format on disk does not change unnoticed: an old log opens, and the same batches give the same bytes.

mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use common::*;
use odradek_log::disk::read_file;
use odradek_log::meta::uuid_text;
use odradek_log::{Disk, Log, LogConfig, MemDisk, OpenMode, OpenState, Origin};
use odradek_wire::batch::{BatchInfo, RecordBatches};

fn config() -> LogConfig {
    LogConfig {
        segment_bytes: 4096,
        index_interval_bytes: 300,
        timestamp_after_max_ms: i64::MAX,
        ..LogConfig::default()
    }
}

/// The frozen folder, loaded into memory.
fn frozen() -> MemDisk {
    let disk = MemDisk::new();
    disk.create_dir_all(&dir()).unwrap();
    for entry in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/v1/topic-0")).unwrap() {
        let entry = entry.unwrap();
        let file = disk.open(&dir().join(entry.file_name()), OpenMode::CreateNew).unwrap();
        file.write_at(&fs::read(entry.path()).unwrap(), 0).unwrap();
    }
    disk
}

fn open_frozen(opened: OpenState) -> (MemDisk, Log) {
    let disk = frozen();
    let shared: Arc<dyn Disk> = Arc::new(disk.clone());
    // A clock near the records', or the producers would have expired.
    let (log, recovered) = Log::open(shared, dir(), config(), opened, 1_790_000_000_000).unwrap();
    assert_eq!(recovered.notes, Vec::<String>::new());
    (disk, log)
}

#[test]
fn it_opens() {
    for opened in [clean(), after_crash(0), after_crash(100)] {
        let (_, log) = open_frozen(opened);
        assert_eq!((log.log_start_offset(), log.log_end_offset(), log.segments()), (0, 182, 3));
        assert_eq!(log.epochs().entries(), [(1, 0), (2, 75), (3, 150)]);
        assert_eq!(log.topic_id().map(uuid_text).as_deref(), Some("Da3sAAAAQACAAAAAAAAAAQ"));
        assert_eq!(log.producers().len(), 3);
        let producer = log.producers().get(2000).unwrap();
        assert_eq!((producer.epoch, producer.coordinator_epoch, producer.txn_first_offset), (3, 5, None));
        let seen = read_all(&log);
        assert_eq!(seen.len(), 182);
        let (offset, timestamp, value) = &seen[100];
        assert_eq!(
            (*offset, *timestamp, value.as_slice()),
            (100, 1_790_000_003_301, b"value 33 1value 33 1".as_slice())
        );
        assert_eq!(log.offset_for_timestamp(1_790_000_003_301, i64::MAX).unwrap().unwrap().offset, 100);
        assert_eq!(log.max_timestamp(i64::MAX).unwrap().unwrap().offset, 181);
    }
}

#[test]
fn the_same_batches_give_the_same_files() {
    let (disk, log) = open_frozen(clean());
    let copy = MemDisk::new();
    let shared: Arc<dyn Disk> = Arc::new(copy.clone());
    let opened = OpenState { clean_shutdown: true, ..OpenState::default() };
    let (mut again, _) = Log::open(shared, dir(), config(), opened, 0).unwrap();
    again.set_topic_id(log.topic_id().unwrap()).unwrap();
    let mut from = 0;
    while from < log.log_end_offset() {
        let bytes = log.read(from, 1 << 20, i64::MAX, true).unwrap().ranges[0].read().unwrap();
        for info in &RecordBatches::parse_trailing(bytes.clone()).unwrap().batches {
            let batch = bytes.slice(info.position..info.position + info.size);
            let one = RecordBatches { bytes: batch, batches: vec![BatchInfo { position: 0, ..*info }] };
            again.append_leader_as(&one, info.header.partition_leader_epoch, 0, Origin::Internal).unwrap();
            from = info.header.last_offset() + 1;
        }
    }
    again.close().unwrap();
    let mut names: Vec<PathBuf> = disk.files().into_iter().map(|(path, _)| path).collect();
    names.sort();
    let mut copied: Vec<PathBuf> = copy.files().into_iter().map(|(path, _)| path).collect();
    copied.sort();
    assert_eq!(copied, names);
    for path in names {
        let (before, now) = (read_file(&disk, &path).unwrap(), read_file(&copy, &path).unwrap());
        // Snapshots of producers have more behind Kafka's entries today, which changes their checksum too.
        let same = match path.extension().is_some_and(|extension| extension == "snapshot") {
            true => now[..2] == before[..2] && now[6..].starts_with(&before[6..]),
            false => now == before,
        };
        assert!(same, "{} differs", path.display());
    }
}
