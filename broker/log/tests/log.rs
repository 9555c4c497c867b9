//! A log from the outside: append, read, roll, truncate, retain, look up by time, close and open.

mod common;

use std::sync::Arc;

use common::*;
use odradek_log::{AppendError, Disk, Log, LogConfig, MemDisk, OpenState, Origin, ReadError, TimestampType};
use odradek_wire::batch::{BatchBuilder, RecordBatches};

fn value(i: i64) -> Vec<u8> {
    format!("value {i:04}").into_bytes()
}

/// Appends `n` batches of two records each; record `i` has timestamp `1000 + i`.
fn fill(log: &mut Log, n: i64) {
    for _ in 0..n {
        let at = log.log_end_offset();
        let appended = log.append_leader(&batch(&[(1000 + at, value(at)), (1001 + at, value(at + 1))]), 1, 0).unwrap();
        assert_eq!((appended.base_offset, appended.last_offset), (at, at + 1));
    }
}

fn expected(from: i64, to: i64) -> Vec<Seen> {
    (from..to).map(|i| (i, 1000 + i, value(i))).collect()
}

#[test]
fn what_is_appended_is_read() {
    let disk = MemDisk::new();
    let mut log = fresh(&disk, small());
    fill(&mut log, 100);
    assert!(log.segments() >= 5, "{} segments", log.segments());
    assert_eq!(read_all(&log), expected(0, 200));
    for from in [0, 1, 57, 58, 198, 199] {
        let read = log.read(from, 1, 200, true).unwrap();
        assert_eq!(read.first_offset, from / 2 * 2);
        assert_eq!(RecordBatches::parse_trailing(read.ranges[0].read().unwrap()).unwrap().batches.len(), 1);
        assert!(log.read(from, 1, 200, false).unwrap().is_empty());
    }
    assert!(log.read(200, 100, 200, true).unwrap().is_empty());
    assert!(matches!(
        log.read(201, 100, 300, true),
        Err(ReadError::OffsetOutOfRange { offset: 201, start: 0, end: 200 })
    ));
    assert!(log.read(10, 100, 10, true).unwrap().is_empty());
    for upper in 0..=200 {
        assert_eq!(read_to(&log, upper, 333), expected(0, upper / 2 * 2), "upper {upper}");
    }
}

#[test]
fn a_clean_close_reads_almost_nothing_at_the_next_open() {
    let disk = MemDisk::new();
    let mut log = fresh(&disk, LogConfig { segment_bytes: 1 << 20, ..small() });
    fill(&mut log, 20_000);
    assert!(log.segments() >= 2);
    log.close().unwrap();
    let size = log.size_bytes();
    drop(log);
    disk.power_loss(None);
    let before = disk.counts();
    let (log, recovered) = open(&disk, small(), clean());
    let after = disk.counts();
    assert_eq!((log.log_end_offset(), log.recovery_point()), (40_000, 40_000));
    assert_eq!((recovered.batches, recovered.truncated_bytes), (0, 0));
    assert_eq!(recovered.notes, Vec::<String>::new());
    let read = after.read_bytes - before.read_bytes;
    assert!(read < 10_000 && read < size / 100, "{read} bytes of {size} read");
    assert_eq!(after.written_bytes, before.written_bytes);
    assert_eq!(read_all(&log), expected(0, 40_000));
}

#[test]
fn a_clean_open_changes_no_file() {
    for batches in [1, 3, 10, 100] {
        let disk = MemDisk::new();
        let mut log = fresh(&disk, small());
        fill(&mut log, batches);
        log.close().unwrap();
        let before = disk.files();
        let (mut log, _) = open(&disk, small(), clean());
        assert_eq!(read_all(&log), expected(0, batches * 2));
        assert_eq!(log.max_timestamp(i64::MAX).unwrap().unwrap().offset, batches * 2 - 1);
        log.close().unwrap();
        assert!(disk.files() == before, "{batches} batches");
    }
}

#[test]
fn an_idle_log_is_closed_and_opened_without_a_sync() {
    let disk = MemDisk::new();
    let mut log = fresh(&disk, small());
    fill(&mut log, 10);
    log.close().unwrap();
    let (mut log, _) = open(&disk, small(), clean());
    let before = disk.counts();
    log.close().unwrap();
    let after = disk.counts();
    assert_eq!((after.syncs, after.writes, after.opens), (before.syncs, before.writes, before.opens));
}

#[test]
fn an_empty_log_makes_no_file() {
    let disk = MemDisk::new();
    let log = fresh(&disk, small());
    assert_eq!((log.log_start_offset(), log.log_end_offset(), log.segments()), (0, 0, 1));
    assert!(disk.list(&dir()).unwrap().is_empty());
    assert!(log.read(0, 100, 0, true).unwrap().is_empty());
}

#[test]
fn after_a_kill_only_the_unflushed_part_is_verified() {
    let disk = MemDisk::new();
    let mut log = fresh(&disk, LogConfig { segment_bytes: 1 << 20, ..small() });
    fill(&mut log, 2000);
    flush(&mut log);
    assert_eq!(log.recovery_point(), 4000);
    fill(&mut log, 10);
    let recovery_point = log.recovery_point();
    drop(log);
    let (log, recovered) = open(&disk, small(), after_crash(recovery_point));
    assert_eq!(log.log_end_offset(), 4020);
    assert_eq!(recovered.truncated_bytes, 0);
    assert!((10..40).contains(&recovered.batches), "{} batches verified", recovered.batches);
    assert_eq!(read_all(&log), expected(0, 4020));
}

#[test]
fn a_power_loss_keeps_what_was_flushed() {
    for seed in 0..200 {
        let disk = MemDisk::new();
        let mut log = fresh(&disk, small());
        fill(&mut log, 20 + seed as i64 % 17);
        flush(&mut log);
        let safe = log.recovery_point();
        fill(&mut log, 20);
        let written = expected(0, log.log_end_offset());
        drop(log);
        disk.power_loss(Some(seed));
        let (log, _) = open(&disk, small(), after_crash(safe));
        let seen = read_all(&log);
        assert!(seen.len() as i64 >= safe, "seed {seed}");
        assert_eq!(seen, written[..seen.len()], "seed {seed}");
        assert_eq!(log.log_end_offset(), seen.len() as i64, "seed {seed}");
    }
}

#[test]
fn truncation_takes_whole_batches_and_whole_segments() {
    let disk = MemDisk::new();
    for to in [200, 199, 150, 101, 100, 31, 2, 1, 0] {
        let mut log = fresh(&disk, small());
        fill(&mut log, 100);
        log.truncate_to(to).unwrap();
        let end = to / 2 * 2;
        assert_eq!(log.log_end_offset(), end);
        assert_eq!(read_all(&log), expected(0, end));
        fill(&mut log, 5);
        assert_eq!(read_all(&log), expected(0, end + 10));
        drop(log);
        let (log, recovered) = open(&disk, small(), after_crash(0));
        assert_eq!(recovered.truncated_bytes, 0, "{:?}", recovered.notes);
        assert_eq!(read_all(&log), expected(0, end + 10));
        disk.remove_dir_all(&dir()).unwrap();
    }
}

#[test]
fn a_truncated_log_starts_again_where_it_is_told() {
    let disk = MemDisk::new();
    let mut log = fresh(&disk, small());
    fill(&mut log, 50);
    log.truncate_fully(500).unwrap();
    assert_eq!((log.log_start_offset(), log.log_end_offset(), log.size_bytes()), (500, 500, 0));
    drop(log);
    disk.power_loss(None);
    let (mut log, _) = open(&disk, small(), after_crash(0));
    assert_eq!((log.log_start_offset(), log.log_end_offset()), (500, 500));
    fill(&mut log, 5);
    assert_eq!(read_all(&log), expected(500, 510));
}

#[test]
fn a_failed_write_leaves_the_log_as_it_was() {
    let disk = MemDisk::new();
    let mut log = fresh(&disk, small());
    fill(&mut log, 10);
    disk.set_capacity(Some(disk.used_bytes() + 50));
    let at = log.log_end_offset();
    let error = log.append_leader(&batch(&[(1, value(at))]), 1, 0).unwrap_err();
    assert_eq!(error.code(), 56);
    assert!(log.failure().is_none());
    assert_eq!(log.log_end_offset(), at);
    assert_eq!(read_all(&log), expected(0, at));
    disk.set_capacity(None);
    fill(&mut log, 10);
    assert_eq!(read_all(&log), expected(0, at + 20));
    drop(log);
    let (_, recovered) = open(&disk, small(), after_crash(0));
    assert_eq!(recovered.truncated_bytes, 0);
}

#[test]
fn a_write_that_cannot_be_taken_back_fails_the_log() {
    use odradek_log::disk::mem::{DiskOp, Fault};
    let disk = MemDisk::new();
    let mut log = fresh(&disk, small());
    fill(&mut log, 3);
    for op in [DiskOp::Write, DiskOp::Truncate] {
        disk.inject(Fault {
            op,
            path_contains: ".log".to_owned(),
            after: 0,
            times: 1,
            kind: std::io::ErrorKind::QuotaExceeded,
        });
    }
    assert!(log.append_leader(&batch(&[(1, value(1))]), 1, 0).is_err());
    assert!(log.failure().is_some());
    let error = log.append_leader(&batch(&[(1, value(1))]), 1, 0).unwrap_err();
    assert_eq!(error.code(), 56);
    assert_eq!(read_all(&log), expected(0, 6), "reads go on");
    drop(log);
    let (log, recovered) = open(&disk, small(), after_crash(0));
    assert!(recovered.truncated_bytes > 0);
    assert_eq!(read_all(&log), expected(0, 6));
}

#[test]
fn followers_get_the_same_bytes() {
    let (disk, other) = (MemDisk::new(), MemDisk::new());
    let mut leader = fresh(&disk, small());
    fill(&mut leader, 60);
    leader.assign_epoch(3, leader.log_end_offset()).unwrap();
    let at = leader.log_end_offset();
    leader.append_leader(&batch(&[(1000 + at, value(at))]), 3, 0).unwrap();
    let mut follower = fresh(&other, LogConfig { segment_bytes: 500, ..small() });
    while follower.log_end_offset() < leader.log_end_offset() {
        let read = leader.read(follower.log_end_offset(), 1000, i64::MAX, true).unwrap();
        let batches = RecordBatches::parse_trailing(read.ranges[0].read().unwrap()).unwrap();
        follower.append_follower(&batches, 0).unwrap();
        let again = follower.append_follower(&batches, 0).unwrap_err();
        assert!(matches!(again, AppendError::NotContiguous { .. }));
    }
    assert_eq!(read_all(&follower), read_all(&leader));
    assert_eq!(follower.epochs().entries(), [(1, 0), (3, at)]);
    assert_eq!(follower.end_offset_for_epoch(2), Some((1, at)));
    assert_eq!(follower.end_offset_for_epoch(3), Some((3, at + 1)));
    assert_eq!(leader.size_bytes(), follower.size_bytes());
    leader.truncate_to(at).unwrap();
    assert_eq!(leader.latest_epoch(), Some(1));
}

#[test]
fn epochs_come_back_after_every_kind_of_end() {
    let disk = MemDisk::new();
    let mut log = fresh(&disk, small());
    for epoch in 1..=5 {
        log.assign_epoch(epoch, log.log_end_offset()).unwrap();
        for _ in 0..10 {
            let at = log.log_end_offset();
            log.append_leader(&batch(&[(1000 + at, value(at))]), epoch, 0).unwrap();
        }
        if epoch == 3 {
            flush(&mut log);
        }
    }
    let epochs = log.epochs().clone();
    assert_eq!(epochs.entries(), [(1, 0), (2, 10), (3, 20), (4, 30), (5, 40)]);
    let killed = disk.fork();
    let (again, _) = open(&killed, small(), after_crash(30));
    assert_eq!(*again.epochs(), epochs);
    killed.remove_file(&dir().join("leader-epoch-checkpoint")).unwrap();
    let (again, _) = open(&killed, small(), after_crash(30));
    assert_eq!(*again.epochs(), epochs, "made again from the batches");
    log.close().unwrap();
    disk.power_loss(None);
    let (mut again, _) = open(&disk, small(), clean());
    assert_eq!(*again.epochs(), epochs);
    again.advance_log_start(25).unwrap();
    assert_eq!(again.epochs().entries(), [(3, 25), (4, 30), (5, 40)]);
    again.truncate_to(35).unwrap();
    assert_eq!(again.epochs().entries(), [(3, 25), (4, 30)]);
}

#[test]
fn retention_by_size_time_and_start_never_takes_the_active_segment() {
    let disk = MemDisk::new();
    let config = LogConfig { retention_bytes: 4000, ..small() };
    let mut log = fresh(&disk, config.clone());
    fill(&mut log, 100);
    let size = log.size_bytes();
    assert!(log.apply_retention(0, 0).unwrap().is_none(), "nothing below the high watermark");
    let job = log.apply_retention(0, 200).unwrap().unwrap();
    assert!(log.size_bytes() >= 4000 && log.size_bytes() < 6000, "{} of {size}", log.size_bytes());
    let start = log.log_start_offset();
    assert!(start > 0);
    assert_eq!(read_all(&log), expected(start, 200));
    assert!(disk.list(&dir()).unwrap().iter().any(|e| e.name.ends_with(".deleted")));
    job.run().unwrap();
    assert!(disk.list(&dir()).unwrap().iter().all(|e| !e.name.ends_with(".deleted")));
    assert!(log.apply_retention(0, 200).unwrap().is_none());

    log.set_config(small());
    log.advance_log_start(199).unwrap();
    log.apply_retention(0, 200).unwrap().unwrap().run().unwrap();
    assert_eq!((log.segments(), log.log_start_offset()), (1, 199));
    assert!(matches!(log.read(198, 1, 200, true), Err(ReadError::OffsetOutOfRange { start: 199, .. })));

    log.set_config(LogConfig { retention_ms: 1000, ..small() });
    assert!(log.apply_retention(2199, 200).unwrap().is_none());
    assert!(log.apply_retention(2200, 199).unwrap().is_none(), "not replicated yet");
    log.apply_retention(2200, 200).unwrap().unwrap().run().unwrap();
    assert_eq!((log.segments(), log.size_bytes(), log.log_start_offset(), log.log_end_offset()), (1, 0, 200, 200));
    assert!(log.apply_retention(9999, 200).unwrap().is_none());
    fill(&mut log, 3);
    drop(log);
    let (log, _) = open(&disk, small(), after_crash(0));
    assert_eq!(read_all(&log), expected(200, 206));

    let disk = MemDisk::new();
    let mut log =
        fresh(&disk, LogConfig { compact: true, delete: false, retention_ms: 1, retention_bytes: 1, ..small() });
    fill(&mut log, 100);
    assert!(log.apply_retention(i64::MAX, 200).unwrap().is_none(), "a compacted log keeps everything");
}

#[test]
fn segments_end_by_time_and_offset_range() {
    let disk = MemDisk::new();
    let config = LogConfig { segment_bytes: 1 << 20, segment_ms: 100, ..small() };
    let mut log = fresh(&disk, config.clone());
    let append = |log: &mut Log, timestamp| log.append_leader(&batch(&[(timestamp, vec![1])]), 1, 0).unwrap();
    append(&mut log, 1000);
    append(&mut log, 1100);
    assert_eq!(log.segments(), 1);
    log.close().unwrap();
    let (mut log, _) = open(&disk, config.clone(), clean());
    append(&mut log, 1101);
    assert_eq!(log.segments(), 2, "the age counts from the first batch, also after a restart");
    append(&mut log, 1201);
    assert_eq!(log.segments(), 2);
    log.set_config(LogConfig { segment_jitter_ms: 99, seed: 7, ..config });
    append(&mut log, 1201);
    assert!(log.segments() <= 3);

    let mut far = BatchBuilder::new(i64::from(i32::MAX) + 10);
    far.append(1, None, Some(b"v"), &[]);
    log.append_follower(&set(far.build().unwrap()), 0).unwrap();
    assert_eq!(log.log_end_offset(), i64::from(i32::MAX) + 11);
    let read = log.read(5, 100, i64::MAX, true).unwrap();
    assert_eq!(read.first_offset, i64::from(i32::MAX) + 10, "the gap is passed over");
}

#[test]
fn times_are_looked_up() {
    let disk = MemDisk::new();
    let mut log = fresh(&disk, small());
    assert_eq!(log.offset_for_timestamp(0, 100).unwrap(), None);
    assert_eq!(log.max_timestamp(100).unwrap(), None);
    fill(&mut log, 200);
    let check = |log: &Log| {
        for offset in 0..400 {
            let found = log.offset_for_timestamp(1000 + offset, 400).unwrap().unwrap();
            assert_eq!((found.offset, found.timestamp), (offset, 1000 + offset));
        }
        assert_eq!(log.offset_for_timestamp(0, 400).unwrap().unwrap().offset, 0);
        assert_eq!(log.offset_for_timestamp(1400, 400).unwrap(), None);
        assert_eq!(log.offset_for_timestamp(1300, 300).unwrap(), None, "beyond the upper bound");
        for upper in [400, 398, 300, 100, 2] {
            assert_eq!(log.max_timestamp(upper).unwrap().unwrap().offset, upper - 1, "upper {upper}");
        }
    };
    check(&log);
    drop(log);
    let (mut log, _) = open(&disk, small(), after_crash(0));
    check(&log);
    log.close().unwrap();
    let (mut log, _) = open(&disk, small(), clean());
    check(&log);
    log.append_leader(&batch(&[(5, vec![1]), (9000, vec![2]), (9000, vec![3])]), 1, 0).unwrap();
    assert_eq!(log.offset_for_timestamp(9000, 500).unwrap().unwrap().offset, 401);
    assert_eq!(log.max_timestamp(500).unwrap().unwrap().offset, 401);
    log.advance_log_start(150).unwrap();
    assert_eq!(log.offset_for_timestamp(0, 400).unwrap().unwrap().offset, 150);
}

#[test]
fn log_append_time_replaces_the_timestamps() {
    let disk = MemDisk::new();
    let mut log = fresh(&disk, LogConfig { timestamp_type: TimestampType::LogAppendTime, ..small() });
    let appended = log.append_leader(&batch(&[(5, value(0)), (6, value(1))]), 1, 777).unwrap();
    assert_eq!(appended.log_append_time_ms, 777);
    assert_eq!(read_all(&log), [(0, 777, value(0)), (1, 777, value(1))], "and the checksum holds");
    assert_eq!(log.offset_for_timestamp(777, 10).unwrap().unwrap().offset, 0);
    log.set_config(small());
    let claims = {
        let mut builder = BatchBuilder::new(0).timestamp_type(TimestampType::LogAppendTime);
        builder.append(8, None, Some(&value(2)), &[]);
        set(builder.build().unwrap())
    };
    log.append_leader(&claims, 1, 900).unwrap();
    assert_eq!(read_all(&log)[2], (2, 8, value(2)), "a producer cannot claim the broker's clock");
}

#[test]
fn what_a_log_refuses() {
    let disk = MemDisk::new();
    let config = LogConfig { max_message_bytes: 300, timestamp_after_max_ms: 1000, ..small() };
    let mut log = fresh(&disk, config.clone());
    let code = |log: &mut Log, set: &RecordBatches| log.append_leader(set, 1, 10_000).unwrap_err().code();
    assert_eq!(code(&mut log, &RecordBatches::default()), 87);
    assert_eq!(code(&mut log, &batch(&[(10_000, vec![0; 300])])), 10);
    assert_eq!(code(&mut log, &batch(&[(11_001, vec![0])])), 32);
    let mut control = BatchBuilder::new(0).control(true);
    control.append(10_000, None, Some(b"v"), &[]);
    let control = set(control.build().unwrap());
    assert_eq!(code(&mut log, &control), 87);
    log.set_config(LogConfig { timestamp_before_max_ms: 1000, ..config.clone() });
    assert_eq!(code(&mut log, &batch(&[(10_000, vec![0]), (8999, vec![0])])), 32);
    log.set_config(LogConfig { compact: true, ..config.clone() });
    let mut keyless = BatchBuilder::new(0);
    keyless.append(10_000, None, Some(b"v"), &[]);
    assert_eq!(code(&mut log, &set(keyless.build().unwrap())), 87);
    log.set_config(LogConfig { segment_bytes: 50, ..config });
    assert_eq!(code(&mut log, &batch(&[(10_000, vec![0])])), 18);
    assert_eq!((log.log_end_offset(), log.size_bytes()), (0, 0));
    log.set_config(small());
    log.append_leader_as(&control, 1, 0, Origin::Internal).unwrap();
}

#[test]
fn producers_are_known_after_a_restart_and_follow_a_truncation() {
    let disk = MemDisk::new();
    let mut log = fresh(&disk, small());
    for sequence in 0..40 {
        log.append_leader(&from_producer(7, 0, sequence, 1000), 1, 0).unwrap();
    }
    assert!(log.segments() > 1);
    let again = log.append_leader(&from_producer(7, 0, 37, 1000), 1, 0).unwrap();
    assert!(again.duplicate && again.base_offset == 37 && again.bytes == 0);
    assert_eq!(log.log_end_offset(), 40);

    let killed = disk.fork();
    let (mut again, _) = open(&killed, small(), after_crash(0));
    assert!(again.append_leader(&from_producer(7, 0, 38, 1000), 1, 0).unwrap().duplicate);
    assert_eq!(again.append_leader(&from_producer(7, 0, 50, 1000), 1, 0).unwrap_err().code(), 45);
    again.append_leader(&from_producer(7, 0, 40, 1000), 1, 0).unwrap();

    log.close().unwrap();
    let before = disk.counts();
    let (mut log, _) = open(&disk, small(), clean());
    assert!(disk.counts().read_bytes - before.read_bytes < 1500);
    assert!(log.append_leader(&from_producer(7, 0, 39, 1000), 1, 0).unwrap().duplicate);
    log.truncate_to(20).unwrap();
    assert_eq!(log.append_leader(&from_producer(7, 0, 39, 1000), 1, 0).unwrap_err().code(), 45);
    assert_eq!(log.append_leader(&from_producer(7, 0, 20, 1000), 1, 0).unwrap().base_offset, 20);
    assert_eq!(log.append_leader(&from_producer(7, -1 + 1, 21, 1000), 1, 0).unwrap().base_offset, 21);
    log.apply_retention(1000 + 86_400_000, 0).unwrap();
    assert!(log.producers().is_empty(), "expired");
    log.append_leader(&from_producer(7, 0, 99, 1000), 1, 0).unwrap();
}

#[test]
fn a_failed_sync_fails_the_log() {
    use odradek_log::disk::mem::{DiskOp, Fault};
    let disk = MemDisk::new();
    let mut log = fresh(&disk, small());
    fill(&mut log, 3);
    disk.inject(Fault {
        op: DiskOp::Sync,
        path_contains: ".log".to_owned(),
        after: 0,
        times: 1,
        kind: std::io::ErrorKind::Other,
    });
    let error = log.flush_job().unwrap().run().unwrap_err();
    log.fail(error.to_string());
    assert_eq!(log.recovery_point(), 0);
    assert!(log.flush_job().is_none(), "a second sync would say that all is well");
    assert_eq!(log.append_leader(&batch(&[(1, value(1))]), 1, 0).unwrap_err().code(), 56);
    assert!(log.close().is_err());
    assert_eq!(read_all(&log), expected(0, 6));
}

#[test]
fn a_segment_that_cannot_be_made_leaves_the_log_as_it_was() {
    use odradek_log::disk::mem::{DiskOp, Fault};
    let disk = MemDisk::new();
    let mut log = fresh(&disk, small());
    fill(&mut log, 10);
    let segments = log.segments();
    disk.inject(Fault {
        op: DiskOp::Create,
        path_contains: ".log".to_owned(),
        after: 0,
        times: u64::MAX,
        kind: std::io::ErrorKind::StorageFull,
    });
    let mut end = log.log_end_offset();
    while log.append_leader(&batch(&[(1000 + end, value(end))]), 1, 0).is_ok() {
        end = log.log_end_offset();
    }
    assert_eq!((log.segments(), log.log_end_offset()), (segments, end));
    assert_eq!(read_all(&log), expected(0, end));
    disk.heal();
    fill(&mut log, 10);
    assert_eq!(log.segments(), segments + 1);
    assert_eq!(read_all(&log), expected(0, end + 20));
}

#[test]
fn what_comes_behind_a_batch_that_the_disk_refused_is_refused_for_the_same_reason() {
    use odradek_log::AppendError;
    let disk = MemDisk::new();
    let mut log = fresh(&disk, small());
    log.append_leader(&from_producer(7, 0, 0, 1000), 1, 0).unwrap();
    log.append_leader(&from_producer(8, 0, 0, 1000), 1, 0).unwrap();
    disk.set_capacity(Some(disk.used_bytes() + 10));
    for sequence in [1, 2, 3] {
        let refused = log.append_leader(&from_producer(7, 0, sequence, 1000), 1, 0).unwrap_err();
        assert!(matches!(refused, AppendError::Storage(_)), "sequence {sequence}: {refused}");
    }
    // There is room again, and batches are still on their way behind the first that was refused.
    disk.set_capacity(None);
    log.append_leader(&from_producer(8, 0, 1, 1000), 1, 0).unwrap();
    let behind = log.append_leader(&from_producer(7, 0, 3, 1000), 1, 0).unwrap_err();
    assert!(matches!(behind, AppendError::Storage(_)), "{behind}");
    // Of others, and once the first is in, it is a matter of sequence again.
    let other = log.append_leader(&from_producer(8, 0, 5, 1000), 1, 0).unwrap_err();
    assert!(matches!(other, AppendError::OutOfOrderSequence { expected: 2, .. }), "{other}");
    log.append_leader(&from_producer(7, 0, 1, 1000), 1, 0).unwrap();
    let gap = log.append_leader(&from_producer(7, 0, 3, 1000), 1, 0).unwrap_err();
    assert!(matches!(gap, AppendError::OutOfOrderSequence { expected: 2, .. }), "{gap}");
    assert_eq!(log.log_end_offset(), 4);
}

#[test]
fn a_deleted_log_leaves_its_name_at_once() {
    let disk = MemDisk::new();
    let mut log = fresh(&disk, small());
    fill(&mut log, 3);
    let range = log.read(0, 1000, 6, true).unwrap().ranges.remove(0);
    let job = log.delete("0123456789abcdef0123456789abcdef").unwrap();
    assert!(!disk.exists(&dir()));
    assert!(disk.exists(&dir().with_file_name("topic-0.0123456789abcdef0123456789abcdef-delete")));
    job.run().unwrap();
    assert!(disk.list(dir().parent().unwrap()).unwrap().is_empty());
    assert_eq!(range.read().unwrap().len(), range.len, "readers under way are not disturbed");
}

#[test]
fn a_log_start_beyond_the_end_empties_the_log() {
    let disk = MemDisk::new();
    let mut log = fresh(&disk, small());
    fill(&mut log, 3);
    drop(log);
    let opened = OpenState { clean_shutdown: false, recovery_point: 0, log_start: 50 };
    let (log, recovered) = open(&disk, small(), opened);
    assert_eq!((log.log_start_offset(), log.log_end_offset(), log.size_bytes()), (50, 50, 0));
    assert!(!recovered.notes.is_empty());
}

#[test]
fn a_log_can_be_sent_to_another_thread() {
    fn sendable<T: Send>(_: &T) {}
    let disk = MemDisk::new();
    let mut log = fresh(&disk, small());
    fill(&mut log, 1);
    sendable(&log);
    sendable(&log.flush_job().unwrap());
}

#[test]
fn the_same_on_a_real_disk() {
    let folder = tempfile::tempdir().unwrap();
    let disk: Arc<dyn Disk> = Arc::new(odradek_log::RealDisk);
    let dir = folder.path().join("topic-0");
    let (mut log, _) = Log::open(Arc::clone(&disk), dir.clone(), small(), OpenState::default(), 0).unwrap();
    fill(&mut log, 100);
    flush(&mut log);
    fill(&mut log, 10);
    drop(log);
    let (mut log, recovered) = Log::open(Arc::clone(&disk), dir.clone(), small(), after_crash(200), 0).unwrap();
    assert_eq!(recovered.truncated_bytes, 0);
    assert_eq!(read_all(&log), expected(0, 220));
    log.truncate_to(150).unwrap();
    log.close().unwrap();
    drop(log);
    let (mut log, recovered) = Log::open(disk, dir, LogConfig { retention_bytes: 0, ..small() }, clean(), 0).unwrap();
    assert!(recovered.notes.is_empty(), "{:?}", recovered.notes);
    assert_eq!(read_all(&log), expected(0, 150));
    log.apply_retention(0, 150).unwrap().unwrap().run().unwrap();
    log.delete("0123456789abcdef0123456789abcdef").unwrap().run().unwrap();
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}
