//! Damage by action and place: whatever is done to whichever file, the log opens, keeps all that lies before the damage,
//! gives nothing that was not written, and can be used on.

mod common;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use common::*;
use odradek_log::disk::read_file;
use odradek_log::{Disk, Log, LogConfig, MemDisk, OpenMode, OpenState, ReadError};
use odradek_wire::batch::{BatchHeader, RecordBatches, records};

const END: i64 = 90;

#[derive(Debug, Clone, Copy, PartialEq)]
enum Action {
    Flip,
    Cut,
    /// Some bytes become zero.
    Zero,
    /// All that follows becomes zero: a length that was written, and data that was not.
    ZeroTail,
    /// Bytes are there twice.
    Duplicate,
    /// Bytes are missing.
    Drop,
    Garbage,
}

const ACTIONS: [Action; 7] =
    [Action::Flip, Action::Cut, Action::Zero, Action::ZeroTail, Action::Duplicate, Action::Drop, Action::Garbage];

fn damage(bytes: &mut Vec<u8>, action: Action, at: usize) {
    let end = (at + 70).min(bytes.len());
    match action {
        Action::Flip => bytes[at] ^= 1 << (at % 8),
        Action::Cut => bytes.truncate(at),
        Action::Zero => bytes[at..end].fill(0),
        Action::ZeroTail => bytes[at..].fill(0),
        Action::Duplicate => {
            let part = bytes[at..end].to_vec();
            bytes.splice(at..at, part);
        }
        Action::Drop => {
            bytes.drain(at..end);
        }
        Action::Garbage => {
            for (i, byte) in bytes[at..end].iter_mut().enumerate() {
                *byte = (i as u8).wrapping_mul(167).wrapping_add(at as u8);
            }
        }
    }
}

/// A closed log of three segments, and what it holds by offset.
fn sample() -> (MemDisk, BTreeMap<i64, Vec<u8>>) {
    let disk = MemDisk::new();
    let config = LogConfig { segment_bytes: 2500, ..small() };
    let mut log = fresh(&disk, config);
    let mut written = BTreeMap::new();
    while log.log_end_offset() < END {
        let at = log.log_end_offset();
        let epoch = 1 + (at / 40) as i32;
        let value = |i: i64| format!("the value of record {i}").into_bytes();
        let appended = if at % 9 == 0 {
            log.append_leader(&from_producer(5, 0, (at / 9) as i32, 1000 + at), epoch, 0).unwrap()
        } else {
            log.append_leader(&batch(&[(1000 + at, value(at)), (1001 + at, value(at + 1))]), epoch, 0).unwrap()
        };
        for i in appended.base_offset..=appended.last_offset {
            written.insert(i, if at % 9 == 0 { b"v".to_vec() } else { value(i) });
        }
    }
    log.close().unwrap();
    assert!(log.segments() >= 3);
    (disk, written)
}

fn rewrite(disk: &MemDisk, path: &Path, bytes: &[u8]) {
    let file = disk.open(path, OpenMode::Create).unwrap();
    file.truncate(0).unwrap();
    file.write_at(bytes, 0).unwrap();
}

/// Every record with a good checksum that can be read from any offset.
fn readable(log: &Log) -> BTreeMap<i64, Vec<u8>> {
    let mut seen = BTreeMap::new();
    let mut from = log.log_start_offset();
    while from < log.log_end_offset() && from < END + 10 {
        let next = match log.read(from, 400, i64::MAX, true) {
            Ok(read) if read.is_empty() => from + 1,
            Ok(read) => {
                let bytes = read.ranges[0].read().unwrap();
                let header = BatchHeader::parse(&bytes).unwrap();
                let first = bytes.slice(..header.size().min(bytes.len()));
                if let Ok(set) = RecordBatches::validate(first, 1 << 20) {
                    for record in records(&set.bytes).unwrap() {
                        let record = record.unwrap();
                        seen.insert(record.offset, record.value.unwrap().to_vec());
                    }
                }
                from.max(header.last_offset()) + 1
            }
            Err(ReadError::Storage(_)) => from + 1,
            Err(e) => panic!("offset {from}: {e}"),
        };
        from = next;
    }
    seen
}

fn same(seen: &BTreeMap<i64, Vec<u8>>, written: &BTreeMap<i64, Vec<u8>>, what: &str) {
    let missing: Vec<i64> = written.keys().filter(|offset| !seen.contains_key(offset)).copied().collect();
    let wrong: Vec<i64> = seen.iter().filter(|(o, v)| written.get(o) != Some(v)).map(|(o, _)| *o).collect();
    assert!(missing.is_empty() && wrong.is_empty(), "{what}: missing {missing:?}, wrong {wrong:?}");
}

/// Opens the damaged log in each way, checks, uses it, and opens it again.
fn survives(disk: &MemDisk, what: &str, check: impl Fn(&Log, bool)) {
    let crash = |recovery_point| OpenState { clean_shutdown: false, recovery_point, log_start: 0 };
    for opened in [clean(), crash(0), crash(END / 2), crash(END)] {
        let disk = disk.fork();
        let (mut log, recovered) = open(&disk, LogConfig { segment_bytes: 2500, ..small() }, opened);
        check(&log, opened.recovery_point == 0 && !opened.clean_shutdown);
        for timestamp in [0, 1000, 1040, 1089, 2000] {
            let _ = log.offset_for_timestamp(timestamp, i64::MAX);
        }
        let _ = log.max_timestamp(i64::MAX);
        let at = log.log_end_offset();
        let appended = log.append_leader(&batch(&[(1, b"after".to_vec())]), 9, 0).unwrap();
        assert_eq!(appended.base_offset, at, "{what}: {:?}", recovered.notes);
        let read = log.read(at, 1000, i64::MAX, true).unwrap();
        assert_eq!(RecordBatches::parse_trailing(read.ranges[0].read().unwrap()).unwrap().last_offset(), Some(at));
        if let Ok(Some(job)) = log.apply_retention(0, at) {
            job.run().unwrap();
        }
        log.close().unwrap();
        let (log, again) = open(&disk, LogConfig { segment_bytes: 2500, ..small() }, clean());
        assert_eq!(log.log_end_offset(), at + 1, "{what}");
        assert_eq!(again.truncated_bytes, 0, "{what}: what was repaired stays so: {:?}", again.notes);
    }
}

fn files(disk: &MemDisk, suffix: &str) -> Vec<PathBuf> {
    disk.files().into_iter().map(|(path, _)| path).filter(|path| path.to_string_lossy().ends_with(suffix)).collect()
}

#[test]
fn batches() {
    let (disk, written) = sample();
    for path in files(&disk, ".log") {
        let whole = read_file(&disk, &path).unwrap();
        // Where each batch begins: offsets of records in batches before the damage must all be there.
        let base: i64 = path.file_stem().unwrap().to_str().unwrap().parse().unwrap();
        let parsed = RecordBatches::validate(whole.clone().into(), 1 << 20).unwrap();
        for action in ACTIONS {
            for at in (0..whole.len()).step_by(if action == Action::Flip { 3 } else { 29 }) {
                let mut bytes = whole.clone();
                damage(&mut bytes, action, at);
                if bytes == whole {
                    continue;
                }
                let at = (0..whole.len()).find(|i| bytes.get(*i) != whole.get(*i)).unwrap_or(whole.len());
                let Some(hit) = parsed.batches.iter().rfind(|b| b.position <= at && at < whole.len()) else { continue };
                let before = hit.header.base_offset;
                // Base offset and leader epoch stand outside the checksum.
                let unguarded = action == Action::Flip && matches!(at - hit.position, 0..8 | 12..16)
                    // Exactly a batch is gone, or twice there, or has another offset now.
                    || RecordBatches::validate(bytes.clone().into(), 1 << 20).is_ok();
                let damaged = disk.fork();
                rewrite(&damaged, &path, &bytes);
                let what = format!("{action:?} at {at} of {}", path.display());
                survives(&damaged, &what, |log, verified| {
                    let seen = readable(log);
                    for (offset, value) in &seen {
                        if unguarded {
                            assert!(written.values().any(|v| v == value), "{what}: offset {offset} was never written");
                        } else {
                            assert_eq!(written.get(offset), Some(value), "{what}: offset {offset}");
                        }
                    }
                    // In an older segment that is not verified, the indexes may lead past the damage.
                    for offset in 0..before {
                        assert!(seen.contains_key(&offset), "{what}: offset {offset} lies before the damage");
                    }
                    if verified && !unguarded {
                        assert!(log.log_end_offset() <= before.max(base), "{what}");
                    }
                });
            }
        }
    }
}

#[test]
fn everything_but_the_batches_can_be_made_again() {
    let (disk, written) = sample();
    for suffix in [".index", ".timeindex", ".snapshot", "leader-epoch-checkpoint"] {
        let paths = files(&disk, suffix);
        assert!(!paths.is_empty(), "{suffix}");
        for path in paths {
            let whole = read_file(&disk, &path).unwrap();
            let check = |damaged: &MemDisk, what: &str| {
                survives(damaged, what, |log, _| {
                    assert_eq!(log.log_end_offset(), END, "{what}");
                    same(&readable(log), &written, what);
                });
            };
            for action in ACTIONS {
                for at in (0..whole.len()).step_by(5) {
                    let mut bytes = whole.clone();
                    damage(&mut bytes, action, at);
                    let damaged = disk.fork();
                    rewrite(&damaged, &path, &bytes);
                    check(&damaged, &format!("{action:?} at {at} of {}", path.display()));
                }
            }
            let damaged = disk.fork();
            damaged.remove_file(&path).unwrap();
            check(&damaged, &format!("no {}", path.display()));
            let damaged = disk.fork();
            rewrite(&damaged, &path, &[whole.as_slice(), &[0; 4096]].concat());
            check(&damaged, &format!("zeros behind {}, as Kafka allocates its indexes", path.display()));
        }
    }
}

#[test]
fn producers_survive_damaged_snapshots() {
    let (disk, _) = sample();
    for path in files(&disk, ".snapshot") {
        rewrite(&disk, &path, b"nonsense");
    }
    for opened in [clean(), after_crash(END)] {
        let disk = disk.fork();
        let (mut log, recovered) = open(&disk, small(), opened);
        assert!(!recovered.notes.is_empty());
        let last = log.producers().get(5).unwrap().last_sequence();
        assert!(log.append_leader(&from_producer(5, 0, last, 1), 9, 0).unwrap().duplicate);
    }
}

#[test]
fn leftovers_and_foreign_files() {
    let (disk, written) = sample();
    let put = |name: &str, bytes: &[u8]| rewrite(&disk, &dir().join(name), bytes);
    put("00000000000000000007.log.deleted", b"x");
    put("00000000000000000007.index.deleted", b"x");
    put("00000000000000000000.log.cleaned", b"half");
    put("00000000000000000000.log.swap", b"of a split that was not whole");
    put("00000000000000000000.index.swap", b"x");
    put("00000000000000004711.index", b"orphan");
    put("leader-epoch-checkpoint.tmp", b"0\n");
    put("notes.txt", b"mine");
    put("99999999999999999999.log", b"no offset");
    put("00000000000000009999.snapshot", b"beyond the end");
    disk.create_dir_all(&dir().join("lost+found")).unwrap();
    let (log, recovered) = open(&disk, small(), after_crash(0));
    same(&readable(&log), &written, "");
    let text = recovered.notes.join("\n");
    for name in [".deleted", ".cleaned", ".swap", "4711.index", ".tmp", "notes.txt", "99999999999999999999.log"] {
        assert!(text.contains(name), "{name} is told: {text}");
    }
    let names: Vec<String> = disk.list(&dir()).unwrap().into_iter().map(|e| e.name).collect();
    for name in ["notes.txt", "99999999999999999999.log", "lost+found"] {
        assert!(names.iter().any(|n| n == name), "{name} is left alone");
    }
    assert!(names.iter().all(|n| !n.ends_with(".deleted") && !n.ends_with(".swap") && !n.ends_with(".tmp")));
}

#[test]
fn a_finished_compaction_is_put_in_place() {
    let (disk, written) = sample();
    let logs = files(&disk, ".log");
    let whole = |path: &PathBuf| read_file(&disk, path).unwrap();
    let joined = [whole(&logs[0]), whole(&logs[1])].concat();
    rewrite(&disk, &dir().join("00000000000000000000.log.swap"), &joined);
    // The cleaner had already removed one of the two that it replaced.
    disk.remove_file(&logs[1]).unwrap();
    let (log, recovered) = open(&disk, small(), after_crash(0));
    same(&readable(&log), &written, "");
    assert!(recovered.notes.iter().any(|n| n.contains("put in place")), "{:?}", recovered.notes);
    assert_eq!(log.segments(), logs.len() - 1);
}

#[test]
fn a_missing_segment_ends_an_unclean_log_and_is_a_gap_in_a_closed_one() {
    let (disk, written) = sample();
    let logs = files(&disk, ".log");
    let base: i64 = logs[1].file_stem().unwrap().to_str().unwrap().parse().unwrap();
    disk.remove_file(&logs[1]).unwrap();
    let killed = disk.fork();
    let (log, recovered) = open(&killed, small(), after_crash(0));
    assert_eq!(log.log_end_offset(), base);
    assert!(recovered.truncated_bytes > 0);
    let (log, _) = open(&disk, small(), clean());
    assert_eq!(log.log_end_offset(), END);
    let seen = readable(&log);
    assert!(seen.iter().all(|(offset, value)| written.get(offset) == Some(value)));
    assert!((0..base).all(|offset| seen.contains_key(&offset)));
}

#[test]
fn zeros_behind_the_last_batch_go() {
    let (disk, written) = sample();
    let last = files(&disk, ".log").pop().unwrap();
    let whole = read_file(&disk, &last).unwrap();
    for extra in [1, 60, 61, 4096, 100_000] {
        let damaged = disk.fork();
        rewrite(&damaged, &last, &[whole.clone(), vec![0; extra]].concat());
        for opened in [clean(), after_crash(0), after_crash(END)] {
            let damaged = damaged.fork();
            let (log, recovered) = open(&damaged, small(), opened);
            assert_eq!(recovered.truncated_bytes, extra as u64);
            same(&readable(&log), &written, "");
        }
    }
}
