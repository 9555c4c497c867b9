//! One suite for every disk: what the log relies on holds for the real one and for the one in memory.

use std::io::{ErrorKind, IoSlice};
use std::path::{Path, PathBuf};

use odradek_log::disk::{read_file, write_atomic};
use odradek_log::{Disk, FileRange, MemDisk, OpenMode, RealDisk};

fn on_both(check: impl Fn(&dyn Disk, &Path)) {
    let folder = tempfile::tempdir().unwrap();
    check(&RealDisk, folder.path());
    let mem = MemDisk::new();
    let dir = PathBuf::from("/d");
    mem.create_dir_all(&dir).unwrap();
    check(&mem, &dir);
}

fn kind<T>(result: std::io::Result<T>) -> ErrorKind {
    result.err().expect("an error").kind()
}

#[test]
fn modes_of_opening() {
    on_both(|disk, dir| {
        let path = dir.join("f");
        for mode in [OpenMode::Read, OpenMode::ReadWrite] {
            assert_eq!(kind(disk.open(&path, mode)), ErrorKind::NotFound);
        }
        assert_eq!(kind(disk.open(&dir.join("no/f"), OpenMode::Create)), ErrorKind::NotFound);
        disk.open(&path, OpenMode::CreateNew).unwrap().write_at(b"abc", 0).unwrap();
        assert_eq!(kind(disk.open(&path, OpenMode::CreateNew)), ErrorKind::AlreadyExists);
        assert_eq!(disk.open(&path, OpenMode::Create).unwrap().len().unwrap(), 3, "kept");
        assert_eq!(disk.open(&path, OpenMode::ReadWrite).unwrap().len().unwrap(), 3);
        let reader = disk.open(&path, OpenMode::Read).unwrap();
        assert!(reader.write_at(b"x", 0).is_err());
        assert!(reader.truncate(0).is_err());
        assert_eq!(read_file(disk, &path).unwrap(), b"abc");
    });
}

#[test]
fn reading_and_writing_by_position() {
    on_both(|disk, dir| {
        let file = disk.open(&dir.join("f"), OpenMode::Create).unwrap();
        assert!(file.is_empty().unwrap());
        file.write_vectored_at(&[IoSlice::new(b"hello "), IoSlice::new(b""), IoSlice::new(b"world")], 0).unwrap();
        file.write_at(b"W", 6).unwrap();
        let mut buf = [0; 20];
        assert_eq!(file.read_at(&mut buf, 0).unwrap(), 11);
        assert_eq!(&buf[..11], b"hello World");
        assert_eq!(file.read_at(&mut buf, 9).unwrap(), 2);
        assert_eq!(file.read_at(&mut buf, 11).unwrap(), 0);
        assert_eq!(file.read_at(&mut buf, 99).unwrap(), 0);
        file.write_at(b"!", 13).unwrap();
        assert_eq!(file.len().unwrap(), 14);
        assert_eq!(file.read_at(&mut buf, 11).unwrap(), 3);
        assert_eq!(&buf[..3], [0, 0, b'!'], "a hole reads as zeros");
        file.truncate(5).unwrap();
        file.truncate(7).unwrap();
        assert_eq!(file.read_at(&mut buf, 0).unwrap(), 7);
        assert_eq!(&buf[..7], b"hello\0\0");
        file.sync().unwrap();
    });
}

#[test]
fn many_buffers_in_one_write() {
    on_both(|disk, dir| {
        let file = disk.open(&dir.join("f"), OpenMode::Create).unwrap();
        let parts: Vec<Vec<u8>> = (0..3000_u32).map(|i| i.to_be_bytes()[..(i % 5).min(4) as usize].to_vec()).collect();
        let slices: Vec<IoSlice<'_>> = parts.iter().map(|part| IoSlice::new(part)).collect();
        file.write_vectored_at(&slices, 3).unwrap();
        let all = parts.concat();
        let mut buf = vec![0; all.len() + 3];
        assert_eq!(file.read_at(&mut buf, 0).unwrap(), buf.len());
        assert_eq!(buf[3..], all);
    });
}

#[test]
fn ranges_survive_what_happens_to_the_name() {
    on_both(|disk, dir| {
        let path = dir.join("f");
        let file = disk.open(&path, OpenMode::Create).unwrap();
        file.write_at(b"0123456789", 0).unwrap();
        let range = FileRange { file, offset: 2, len: 5 };
        disk.rename(&path, &dir.join("g")).unwrap();
        assert_eq!(&range.read().unwrap()[..], b"23456");
        disk.remove_file(&dir.join("g")).unwrap();
        assert_eq!(&range.read().unwrap()[..], b"23456");
        range.file.truncate(4).unwrap();
        assert_eq!(kind(range.read()), ErrorKind::UnexpectedEof);
    });
}

#[test]
fn folders_and_names() {
    on_both(|disk, dir| {
        assert!(disk.exists(dir));
        assert!(!disk.exists(&dir.join("a")));
        disk.create_dir_all(&dir.join("a/b")).unwrap();
        disk.create_dir_all(&dir.join("a/b")).unwrap();
        disk.open(&dir.join("a/z"), OpenMode::Create).unwrap().write_at(b"12", 0).unwrap();
        disk.open(&dir.join("a/c"), OpenMode::Create).unwrap();
        let names = |path: &str| -> Vec<(String, bool, u64)> {
            disk.list(&dir.join(path)).unwrap().into_iter().map(|e| (e.name, e.is_dir, e.len)).collect()
        };
        assert_eq!(names("a"), [("b".into(), true, 0), ("c".into(), false, 0), ("z".into(), false, 2)]);
        assert!(names("a/b").is_empty());
        assert_eq!(kind(disk.list(&dir.join("no"))), ErrorKind::NotFound);
        disk.rename(&dir.join("a/z"), &dir.join("a/c")).unwrap();
        assert_eq!(names("a"), [("b".into(), true, 0), ("c".into(), false, 2)], "replaced in one step");
        assert_eq!(kind(disk.rename(&dir.join("a/z"), &dir.join("a/y"))), ErrorKind::NotFound);
        disk.open(&dir.join("a/b/f"), OpenMode::Create).unwrap();
        disk.rename(&dir.join("a"), &dir.join("m")).unwrap();
        assert!(!disk.exists(&dir.join("a")) && disk.exists(&dir.join("m/b/f")));
        assert_eq!(kind(disk.remove_file(&dir.join("m/no"))), ErrorKind::NotFound);
        assert!(disk.remove_file(&dir.join("m/b")).is_err());
        assert_eq!(kind(disk.remove_dir_all(&dir.join("no"))), ErrorKind::NotFound);
        disk.sync_dir(&dir.join("m")).unwrap();
        disk.sync_all(dir).unwrap();
        assert!(disk.sync_all(&dir.join("no")).is_err());
        assert_eq!(kind(disk.sync_dir(&dir.join("no"))), ErrorKind::NotFound);
        disk.remove_dir_all(&dir.join("m")).unwrap();
        assert!(disk.list(dir).unwrap().is_empty());
        assert!(disk.free_bytes(dir).unwrap() > 0);
    });
}

#[test]
fn one_holder_of_a_lock() {
    on_both(|disk, dir| {
        let path = dir.join(".lock");
        let held = disk.lock(&path).unwrap();
        assert_eq!(kind(disk.lock(&path)), ErrorKind::WouldBlock);
        drop(held);
        let held = disk.lock(&path).unwrap();
        assert!(disk.exists(&path));
        drop(held);
    });
}

#[test]
fn files_are_replaced_in_one_step() {
    on_both(|disk, dir| {
        let path = dir.join("f");
        write_atomic(disk, &path, b"a longer first text").unwrap();
        write_atomic(disk, &path, b"short").unwrap();
        assert_eq!(read_file(disk, &path).unwrap(), b"short");
        assert_eq!(disk.list(dir).unwrap().len(), 1, "no leftover");
    });
}

#[test]
fn real_files_have_a_descriptor() {
    let folder = tempfile::tempdir().unwrap();
    let file = RealDisk.open(&folder.path().join("f"), OpenMode::Create).unwrap();
    assert!(file.as_fd().is_some());
    let mem = MemDisk::new();
    assert!(mem.open(Path::new("f"), OpenMode::Create).unwrap().as_fd().is_none());
}
