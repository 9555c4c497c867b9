//! Kafka's checkpoint files of a log folder: one offset for each partition.

use std::collections::BTreeMap;
use std::path::Path;

use crate::disk::{Disk, read_file, write_atomic};
use crate::error::LogError;

/// Everything below the offset is on disk.
pub const RECOVERY_POINTS: &str = "recovery-point-offset-checkpoint";
/// High watermarks.
pub const HIGH_WATERMARKS: &str = "replication-offset-checkpoint";
/// First offset that can be read.
pub const LOG_STARTS: &str = "log-start-offset-checkpoint";

/// Offsets by topic and partition.
pub type Offsets = BTreeMap<(String, i32), i64>;

/// Reads a checkpoint file; empty when there is none.
///
/// # Errors
/// [`LogError::Damaged`] with the line that cannot be read; the disk's errors.
pub fn read(disk: &dyn Disk, path: &Path) -> Result<Offsets, LogError> {
    let bytes = match read_file(disk, path) {
        Ok(bytes) => bytes,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Offsets::new()),
        Err(e) => return Err(LogError::io("read", path)(e)),
    };
    let damaged = |reason: String| LogError::Damaged { path: path.to_owned(), reason };
    let text = std::str::from_utf8(&bytes).map_err(|_| damaged("it is not text".to_owned()))?;
    let mut lines = text.lines();
    if lines.next() != Some("0") {
        return Err(damaged("its first line must be the version, 0".to_owned()));
    }
    let count: usize = lines
        .next()
        .and_then(|line| line.parse().ok())
        .ok_or_else(|| damaged("its second line must be the number of entries".to_owned()))?;
    let mut offsets = Offsets::new();
    for line in lines {
        let Some((topic, partition, offset)) = parse_line(line) else {
            return Err(damaged(format!("line \"{line}\" is not a topic, a partition and an offset")));
        };
        offsets.insert((topic, partition), offset);
    }
    if offsets.len() != count {
        return Err(damaged(format!("it has {} entries, its second line says {count}", offsets.len())));
    }
    Ok(offsets)
}

fn parse_line(line: &str) -> Option<(String, i32, i64)> {
    let mut words = line.split_ascii_whitespace();
    let topic = words.next()?.to_owned();
    let partition = words.next()?.parse().ok()?;
    let offset = words.next()?.parse().ok()?;
    words.next().is_none().then_some((topic, partition, offset))
}

/// As [`read`], but a damaged file counts as empty: recovery then reads more, and nothing is lost. The damage comes
/// back for the broker's own log.
///
/// # Errors
/// The disk's.
pub fn read_or_empty(disk: &dyn Disk, path: &Path) -> Result<(Offsets, Option<LogError>), LogError> {
    match read(disk, path) {
        Ok(offsets) => Ok((offsets, None)),
        Err(damage @ LogError::Damaged { .. }) => Ok((Offsets::new(), Some(damage))),
        Err(e) => Err(e),
    }
}

/// Replaces a checkpoint file in one step, synced.
///
/// # Errors
/// The disk's; the old file is then still there, or the new one is.
pub fn write<'a>(
    disk: &dyn Disk,
    path: &Path,
    offsets: impl IntoIterator<Item = (&'a str, i32, i64)>,
) -> Result<(), LogError> {
    use std::fmt::Write;
    let mut lines = String::new();
    let mut count = 0;
    for (topic, partition, offset) in offsets {
        // Writing to a String cannot fail.
        let _ = writeln!(lines, "{topic} {partition} {offset}");
        count += 1;
    }
    let content = format!("0\n{count}\n{lines}");
    write_atomic(disk, path, content.as_bytes()).map_err(LogError::io("write", path))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::MemDisk;

    #[test]
    fn goes_both_ways() {
        let disk = MemDisk::new();
        let path = Path::new(RECOVERY_POINTS);
        assert_eq!(read(&disk, path).unwrap(), Offsets::new());
        write(&disk, path, [("a.b-c", 0, 17), ("x", 3, 0)]).unwrap();
        let offsets = read(&disk, path).unwrap();
        assert_eq!(offsets.get(&("a.b-c".to_owned(), 0)), Some(&17));
        assert_eq!(offsets.len(), 2);
        write(&disk, path, []).unwrap();
        assert_eq!(read(&disk, path).unwrap(), Offsets::new());
        assert_eq!(disk.files().len(), 1, "no leftover");
    }

    #[test]
    fn damage_names_the_line() {
        let disk = MemDisk::new();
        let path = Path::new(HIGH_WATERMARKS);
        for bad in
            ["", "1\n0\n", "0\n", "0\n1\n", "0\n1\na 1\n", "0\n1\na 1 2 3\n", "0\n1\na b 3\n", "0\n2\na 1 1\na 1 1\n"]
        {
            write_atomic(&disk, path, bad.as_bytes()).unwrap();
            assert!(matches!(read(&disk, path), Err(LogError::Damaged { .. })), "{bad:?}");
            let (offsets, damage) = read_or_empty(&disk, path).unwrap();
            assert!(offsets.is_empty() && damage.is_some());
        }
    }
}
