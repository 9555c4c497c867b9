//! A log folder: one folder for each partition in it, and whose they are.

use std::path::{Path, PathBuf};

use crate::disk::{DirLock, Disk};
use crate::error::LogError;
use crate::meta::LOCK;

/// Longest name of a folder that file systems take, in bytes.
const MAX_NAME: usize = 255;

/// What a partition's folder is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FolderKind {
    /// The partition itself.
    Live,
    /// Deleted; to be removed.
    Delete,
    /// Not this broker's any more.
    Stray,
    /// The copy that will replace the partition, in another log folder.
    Future,
}

impl FolderKind {
    fn suffix(self) -> &'static str {
        match self {
            FolderKind::Live => "",
            FolderKind::Delete => "-delete",
            FolderKind::Stray => "-stray",
            FolderKind::Future => "-future",
        }
    }
}

/// A partition's folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartitionFolder {
    /// Topic name. In a [`FolderKind::Delete`] folder it may be cut.
    pub topic: String,
    /// Partition number.
    pub partition: i32,
    /// What it is for.
    pub kind: FolderKind,
    /// Where it is.
    pub path: PathBuf,
}

/// What a log folder holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LogDir {
    /// Partitions, by the name of their folders.
    pub partitions: Vec<PartitionFolder>,
    /// Folders that are no partition's, by name: left alone.
    pub ignored: Vec<String>,
}

impl LogDir {
    /// Lists a log folder. Files in it (checkpoints, markers) are not looked at.
    ///
    /// # Errors
    /// The disk's.
    pub fn scan(disk: &dyn Disk, dir: &Path) -> Result<LogDir, LogError> {
        let mut found = LogDir::default();
        for entry in disk.list(dir).map_err(LogError::io("list", dir))? {
            if !entry.is_dir {
                continue;
            }
            match parse_folder(&entry.name) {
                Some((topic, partition, kind)) => {
                    found.partitions.push(PartitionFolder { topic, partition, kind, path: dir.join(&entry.name) });
                }
                None => found.ignored.push(entry.name),
            }
        }
        Ok(found)
    }
}

/// Makes a log directory that is not there yet, and whatever lacks above it, so that a power loss does not take it.
///
/// # Errors
/// The disk's.
pub fn create(disk: &dyn Disk, dir: &Path) -> Result<(), LogError> {
    if disk.exists(dir) {
        return Ok(());
    }
    let above = dir.parent().filter(|above| !above.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if above != Path::new(".") && above.parent().is_some() {
        create(disk, above)?;
    }
    let failed = |action| move |source| LogError::Io { action, path: dir.to_owned(), source };
    disk.create_dir_all(dir).map_err(failed("create"))?;
    disk.sync_dir(above).map_err(failed("sync the folder of"))
}

/// Takes the lock of a log folder.
///
/// # Errors
/// [`LogError::Locked`] while another process has it; the disk's errors.
pub fn lock(disk: &dyn Disk, dir: &Path) -> Result<Box<dyn DirLock>, LogError> {
    let path = dir.join(LOCK);
    match disk.lock(&path) {
        Err(e) if e.kind() == std::io::ErrorKind::WouldBlock => Err(LogError::Locked { path }),
        Err(e) => Err(LogError::io("lock", path)(e)),
        Ok(lock) => Ok(lock),
    }
}

/// The folder of a partition.
pub fn partition_folder(dir: &Path, topic: &str, partition: i32) -> PathBuf {
    dir.join(format!("{topic}-{partition}"))
}

/// The name of a partition's folder that is put aside: `topic-partition.<unique>-delete` (or `-stray`, `-future`).
pub fn aside(folder: &Path, unique: &str, kind: FolderKind) -> PathBuf {
    let name = folder.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let (topic, partition) = name.rsplit_once('-').unwrap_or((name.as_str(), "0"));
    let rest = format!("-{partition}.{unique}{}", kind.suffix());
    let mut cut = topic.len().min(MAX_NAME.saturating_sub(rest.len()));
    while !topic.is_char_boundary(cut) {
        cut -= 1;
    }
    folder.with_file_name(format!("{}{rest}", &topic[..cut]))
}

/// Topic, partition and kind of a folder's name.
pub fn parse_folder(name: &str) -> Option<(String, i32, FolderKind)> {
    for kind in [FolderKind::Delete, FolderKind::Stray, FolderKind::Future] {
        // A topic may itself end like that: then there is no dot and no unique part behind the partition.
        if let Some(front) = name.strip_suffix(kind.suffix())
            && let Some((front, unique)) = front.rsplit_once('.')
            && unique.len() == 32
            && unique.bytes().all(|b| b.is_ascii_hexdigit())
        {
            let (topic, partition) = parse_partition(front)?;
            return Some((topic, partition, kind));
        }
    }
    let (topic, partition) = parse_partition(name)?;
    Some((topic, partition, FolderKind::Live))
}

fn parse_partition(name: &str) -> Option<(String, i32)> {
    let (topic, partition) = name.rsplit_once('-')?;
    let plain = !partition.is_empty() && partition.bytes().all(|b| b.is_ascii_digit());
    let one_spelling = partition == "0" || !partition.starts_with('0');
    let legal = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
    if topic.is_empty() || !topic.bytes().all(legal) || !plain || !one_spelling {
        return None;
    }
    Some((topic.to_owned(), partition.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::MemDisk;

    const UNIQUE: &str = "0123456789abcdef0123456789abcdef";

    #[test]
    fn names_of_partitions() {
        let live = |topic: &str, partition| Some((topic.to_owned(), partition, FolderKind::Live));
        assert_eq!(parse_folder("a-0"), live("a", 0));
        assert_eq!(parse_folder("a.b-c_d-12"), live("a.b-c_d", 12));
        assert_eq!(parse_folder("a--1"), live("a-", 1));
        assert_eq!(parse_folder("x-delete-3"), live("x-delete", 3));
        assert_eq!(parse_folder("__consumer_offsets-49"), live("__consumer_offsets", 49));
        for other in
            ["lost+found", "a", "-1", "a-", "a-01", "a-x", "a-99999999999", "a-1-delete", "a b-1", "a-1.x-stray"]
        {
            assert_eq!(parse_folder(other), None, "{other}");
        }
    }

    #[test]
    fn names_aside_go_both_ways() {
        for kind in [FolderKind::Delete, FolderKind::Stray, FolderKind::Future] {
            let path = aside(Path::new("d/a.b-c-7"), UNIQUE, kind);
            let name = path.file_name().unwrap().to_str().unwrap();
            assert_eq!(parse_folder(name), Some(("a.b-c".to_owned(), 7, kind)));
        }
        let long = "t".repeat(249);
        let path = aside(&Path::new("d").join(format!("{long}-0")), UNIQUE, FolderKind::Delete);
        let name = path.file_name().unwrap().to_str().unwrap();
        assert_eq!(name.len(), MAX_NAME);
        assert_eq!(parse_folder(name).unwrap().2, FolderKind::Delete);
    }

    #[test]
    fn a_log_folder_is_scanned_and_locked_once() {
        let disk = MemDisk::new();
        let dir = Path::new("logs");
        for name in ["b-1", "a-0", "lost+found", &format!("a-1.{UNIQUE}-stray")] {
            disk.create_dir_all(&dir.join(name)).unwrap();
        }
        let found = LogDir::scan(&disk, dir).unwrap();
        let names: Vec<_> = found.partitions.iter().map(|p| (p.topic.as_str(), p.partition, p.kind)).collect();
        assert_eq!(names, [("a", 0, FolderKind::Live), ("a", 1, FolderKind::Stray), ("b", 1, FolderKind::Live)]);
        assert_eq!(found.ignored, ["lost+found"]);

        let held = lock(&disk, dir).unwrap();
        assert!(matches!(lock(&disk, dir), Err(LogError::Locked { .. })));
        drop(held);
        lock(&disk, dir).unwrap();
    }
}
