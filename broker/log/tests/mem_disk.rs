//! What only the disk in memory can do: lose power, fill up, fail.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use odradek_log::disk::mem::{DiskOp, Fault};
use odradek_log::disk::{read_file, write_atomic};
use odradek_log::{Disk, MemDisk, OpenMode};

fn path(name: &str) -> PathBuf {
    Path::new("/d").join(name)
}

fn disk() -> MemDisk {
    let disk = MemDisk::new();
    disk.create_dir_all(Path::new("/d")).unwrap();
    disk.sync_dir(Path::new("/")).unwrap();
    disk
}

fn names(disk: &MemDisk) -> Vec<String> {
    disk.list(Path::new("/d")).unwrap().into_iter().map(|e| e.name).collect()
}

#[test]
fn what_was_not_synced_is_lost() {
    let disk = disk();
    let file = disk.open(&path("f"), OpenMode::Create).unwrap();
    file.write_at(b"safe", 0).unwrap();
    file.sync().unwrap();
    disk.sync_dir(Path::new("/d")).unwrap();
    file.write_at(b"lost", 2).unwrap();
    disk.open(&path("no-name"), OpenMode::Create).unwrap().sync().unwrap();
    disk.power_loss(None);
    assert_eq!(read_file(&disk, &path("f")).unwrap(), b"safe");
    assert_eq!(names(&disk), ["f"]);
    assert!(file.write_at(b"x", 0).is_err(), "handles from before are dead");
}

#[test]
fn names_come_and_go_with_the_sync_of_their_folder() {
    let disk = disk();
    write_atomic(&disk, &path("a"), b"1").unwrap();
    disk.rename(&path("a"), &path("b")).unwrap();
    disk.power_loss(None);
    assert_eq!(names(&disk), ["a"]);
    disk.remove_file(&path("a")).unwrap();
    disk.power_loss(None);
    assert_eq!(names(&disk), ["a"]);
    disk.remove_file(&path("a")).unwrap();
    disk.sync_dir(Path::new("/d")).unwrap();
    disk.power_loss(None);
    assert!(names(&disk).is_empty());
    disk.create_dir_all(&path("x")).unwrap();
    write_atomic(&disk, &path("x/f"), b"1").unwrap();
    disk.power_loss(None);
    assert!(names(&disk).is_empty(), "the folder's own name was not synced");
}

#[test]
fn a_torn_write_leaves_some_sectors() {
    let (mut all, mut none, mut some) = (0, 0, 0);
    for seed in 0..200 {
        let disk = disk();
        let file = disk.open(&path("f"), OpenMode::Create).unwrap();
        file.write_at(&[1; 4096], 0).unwrap();
        file.sync().unwrap();
        disk.sync_dir(Path::new("/d")).unwrap();
        file.write_at(&[2; 4096], 2048).unwrap();
        disk.power_loss(Some(seed));
        let bytes = read_file(&disk, &path("f")).unwrap();
        assert_eq!(bytes[..2048], [1; 2048]);
        for sector in bytes.chunks(512) {
            assert!(sector.iter().all(|b| *b == sector[0]), "a sector is whole or not written");
        }
        match bytes[2048..].iter().filter(|b| **b == 2).count() {
            0 => none += 1,
            4096 => all += 1,
            _ => some += 1,
        }
        let again = disk.fork();
        again.power_loss(Some(seed));
        assert_eq!(read_file(&again, &path("f")).unwrap(), bytes, "what survived is safe");
    }
    assert!(some > 100, "{all} {none} {some}");
}

#[test]
fn the_same_seed_tears_alike() {
    let torn = |seed| {
        let disk = disk();
        for name in ["a", "b", "c"] {
            disk.open(&path(name), OpenMode::Create).unwrap().write_at(&[7; 3000], 0).unwrap();
        }
        disk.power_loss(Some(seed));
        disk.files()
    };
    for seed in 0..50 {
        assert_eq!(torn(seed), torn(seed));
    }
    assert!((1..50).any(|seed| torn(seed) != torn(0)));
}

#[test]
fn a_full_disk_writes_what_fits() {
    let disk = disk();
    disk.set_capacity(Some(10));
    let file = disk.open(&path("f"), OpenMode::Create).unwrap();
    file.write_at(b"12345678", 0).unwrap();
    assert_eq!(disk.free_bytes(Path::new("/d")).unwrap(), 2);
    assert_eq!(file.write_at(b"abcd", 8).unwrap_err().kind(), ErrorKind::StorageFull);
    assert_eq!(read_file(&disk, &path("f")).unwrap(), b"12345678ab");
    file.write_at(b"12", 0).unwrap();
    file.truncate(4).unwrap();
    file.write_at(b"abcd", 4).unwrap();
}

#[test]
fn faults_hit_what_they_name() {
    let disk = disk();
    let file = disk.open(&path("f.log"), OpenMode::Create).unwrap();
    disk.inject(Fault {
        op: DiskOp::Write,
        path_contains: ".log".into(),
        after: 1,
        times: 2,
        kind: ErrorKind::QuotaExceeded,
    });
    disk.inject(Fault {
        op: DiskOp::Sync,
        path_contains: String::new(),
        after: 0,
        times: u64::MAX,
        kind: ErrorKind::TimedOut,
    });
    file.write_at(b"ok", 0).unwrap();
    assert_eq!(file.write_at(b"half", 2).unwrap_err().kind(), ErrorKind::QuotaExceeded);
    assert_eq!(read_file(&disk, &path("f.log")).unwrap(), b"okha");
    assert!(file.write_at(b"x", 2).is_err());
    file.write_at(b"fine", 2).unwrap();
    assert_eq!(file.sync().unwrap_err().kind(), ErrorKind::TimedOut);
    disk.heal();
    file.sync().unwrap();
    assert_eq!(disk.counts().syncs, 2);
}
