//! Sparse indexes: the newest entries in memory, the rest in the file, found by reading few bytes of it.

use std::io;
use std::path::Path;

use crate::disk::{Disk, DiskFile, OpenMode, read_exact_at};

/// Entries held in memory before they are written.
const MAX_TAIL: usize = 256;
/// Entries that stay in memory afterwards, for readers near the end.
const KEEP_TAIL: usize = 64;
/// Entries read at once when a search has come down to them.
const BLOCK: u32 = 128;

/// An entry of fixed size.
pub(crate) trait Entry: Copy + std::fmt::Debug {
    /// Bytes in the file.
    const SIZE: usize;
    fn encode(self, out: &mut Vec<u8>);
    fn decode(bytes: &[u8]) -> Self;
    /// Whether an entry may stand behind `before`.
    fn follows(&self, before: &Self) -> bool;
}

/// Offset index: the batch at `position` ends with offset base + `relative`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct OffsetEntry {
    pub(crate) relative: i32,
    pub(crate) position: i32,
}

/// Time index: no batch up to the one that ends with offset base + `relative` has a larger timestamp than its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TimeEntry {
    pub(crate) timestamp: i64,
    pub(crate) relative: i32,
}

fn i32_at(bytes: &[u8], at: usize) -> i32 {
    let mut out = [0; 4];
    out.copy_from_slice(&bytes[at..at + 4]);
    i32::from_be_bytes(out)
}

impl Entry for OffsetEntry {
    const SIZE: usize = 8;

    fn encode(self, out: &mut Vec<u8>) {
        out.extend(self.relative.to_be_bytes());
        out.extend(self.position.to_be_bytes());
    }

    fn decode(bytes: &[u8]) -> OffsetEntry {
        OffsetEntry { relative: i32_at(bytes, 0), position: i32_at(bytes, 4) }
    }

    fn follows(&self, before: &OffsetEntry) -> bool {
        self.relative > before.relative && self.position > before.position
    }
}

impl Entry for TimeEntry {
    const SIZE: usize = 12;

    fn encode(self, out: &mut Vec<u8>) {
        out.extend(self.timestamp.to_be_bytes());
        out.extend(self.relative.to_be_bytes());
    }

    fn decode(bytes: &[u8]) -> TimeEntry {
        let mut timestamp = [0; 8];
        timestamp.copy_from_slice(&bytes[..8]);
        TimeEntry { timestamp: i64::from_be_bytes(timestamp), relative: i32_at(bytes, 8) }
    }

    fn follows(&self, before: &TimeEntry) -> bool {
        self.timestamp > before.timestamp && self.relative > before.relative
    }
}

/// One index of one segment.
#[derive(Debug)]
pub(crate) struct Entries<E> {
    count: u32,
    /// How many of them are in the file.
    written: u32,
    /// How many were in the file when it was last handed to a sync.
    pub(crate) synced: u32,
    /// The file has, or had, a content in this process that a power loss may bring back.
    touched: bool,
    /// The newest ones; all that are not written, and perhaps some that are.
    tail: Vec<E>,
    last: Option<E>,
}

impl<E: Entry> Entries<E> {
    pub(crate) fn empty() -> Entries<E> {
        Entries { count: 0, written: 0, synced: 0, touched: false, tail: Vec::new(), last: None }
    }

    /// Takes the file as it is, `len` bytes long. None when that is no whole number of entries.
    pub(crate) fn load(disk: &dyn Disk, path: &Path, len: u64) -> io::Result<Option<Entries<E>>> {
        let Ok(count) = u32::try_from(len / E::SIZE as u64) else { return Ok(None) };
        if !len.is_multiple_of(E::SIZE as u64) {
            return Ok(None);
        }
        let mut entries =
            Entries { count, written: count, synced: count, touched: count > 0, tail: Vec::new(), last: None };
        if count > 0 {
            let file = disk.open(path, OpenMode::Read)?;
            entries.last = Some(read_entry(file.as_ref(), count - 1)?);
        }
        Ok(Some(entries))
    }

    pub(crate) fn len(&self) -> u32 {
        self.count
    }

    pub(crate) fn last(&self) -> Option<E> {
        self.last
    }

    pub(crate) fn file_bytes(&self) -> u64 {
        u64::from(self.count) * E::SIZE as u64
    }

    /// Whether the file is more than a name.
    pub(crate) fn is_touched(&self) -> bool {
        self.touched
    }

    /// After a crash the file may have had a content that only this process does not see.
    pub(crate) fn touch(&mut self) {
        self.touched = true;
    }

    /// Whether so many wait in memory that they should be written.
    pub(crate) fn is_due(&self) -> bool {
        self.tail.len() >= MAX_TAIL
    }

    pub(crate) fn is_written(&self) -> bool {
        self.written == self.count
    }

    pub(crate) fn push(&mut self, entry: E) {
        self.tail.push(entry);
        self.count += 1;
        self.last = Some(entry);
    }

    fn in_file_only(&self) -> u32 {
        self.count - self.tail.len() as u32
    }

    /// Brings the file up to date, making it when it is not there.
    pub(crate) fn write(&mut self, disk: &dyn Disk, path: &Path) -> io::Result<()> {
        let unwritten = (self.count - self.written) as usize;
        let mut bytes = Vec::with_capacity(unwritten * E::SIZE);
        for entry in &self.tail[self.tail.len() - unwritten..] {
            entry.encode(&mut bytes);
        }
        let file = disk.open(path, OpenMode::Create)?;
        if !bytes.is_empty() {
            self.touched = true;
            file.write_at(&bytes, u64::from(self.written) * E::SIZE as u64)?;
        }
        self.written = self.count;
        if self.tail.len() > KEEP_TAIL {
            self.tail.drain(..self.tail.len() - KEEP_TAIL);
            self.tail.shrink_to(MAX_TAIL);
        }
        Ok(())
    }

    /// Gives memory back, as far as the entries are in the file.
    pub(crate) fn release(&mut self) {
        if self.is_written() {
            self.tail = Vec::new();
        }
    }

    /// The last entry for which `holds`, which must hold for a first part of all entries; and how many they are.
    pub(crate) fn floor(
        &self,
        disk: &dyn Disk,
        path: &Path,
        holds: impl Fn(&E) -> bool,
    ) -> io::Result<(u32, Option<E>)> {
        let in_file = self.in_file_only();
        if let Some(first) = self.tail.first()
            && holds(first)
        {
            let n = self.tail.partition_point(&holds);
            return Ok((in_file + n as u32, Some(self.tail[n - 1])));
        }
        if in_file == 0 {
            return Ok((0, None));
        }
        let file = disk.open(path, OpenMode::Read)?;
        let (mut low, mut high) = (0, in_file);
        let mut best = None;
        while high - low > BLOCK {
            let middle = low + (high - low) / 2;
            let entry = read_entry::<E>(file.as_ref(), middle)?;
            if holds(&entry) {
                best = Some(entry);
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        let mut block = vec![0; (high - low) as usize * E::SIZE];
        read_exact_at(file.as_ref(), &mut block, u64::from(low) * E::SIZE as u64)?;
        let mut n = low;
        for bytes in block.chunks_exact(E::SIZE) {
            let entry = E::decode(bytes);
            if !holds(&entry) {
                break;
            }
            best = Some(entry);
            n += 1;
        }
        Ok((n, best))
    }

    /// Whether each of the first `n` entries, all of them in the file, may stand behind the one before it: a part that a
    /// power loss left empty shows.
    pub(crate) fn grows(&self, disk: &dyn Disk, path: &Path, n: u32) -> io::Result<bool> {
        if n == 0 {
            return Ok(true);
        }
        let file = disk.open(path, OpenMode::Read)?;
        let mut before: Option<E> = None;
        let mut at = 0;
        while at < n {
            let count = (n - at).min(BLOCK * 32);
            let mut block = vec![0; count as usize * E::SIZE];
            read_exact_at(file.as_ref(), &mut block, u64::from(at) * E::SIZE as u64)?;
            for bytes in block.chunks_exact(E::SIZE) {
                let entry = E::decode(bytes);
                if before.as_ref().is_some_and(|before| !entry.follows(before)) {
                    return Ok(false);
                }
                before = Some(entry);
            }
            at += count;
        }
        Ok(true)
    }

    /// Keeps the first entries only, those for which `holds`.
    pub(crate) fn truncate(&mut self, disk: &dyn Disk, path: &Path, holds: impl Fn(&E) -> bool) -> io::Result<()> {
        let (keep, last) = self.floor(disk, path, holds)?;
        if keep == self.count {
            return Ok(());
        }
        let in_file = self.in_file_only();
        self.tail.truncate(keep.saturating_sub(in_file) as usize);
        if keep < self.written {
            match disk.open(path, OpenMode::ReadWrite) {
                Ok(file) => file.truncate(u64::from(keep) * E::SIZE as u64)?,
                Err(e) if e.kind() == io::ErrorKind::NotFound && keep == 0 => {}
                Err(e) => return Err(e),
            }
            self.written = keep;
        }
        self.synced = self.synced.min(keep);
        self.count = keep;
        self.last = last;
        Ok(())
    }

    /// Forgets every entry, whatever is in the file.
    pub(crate) fn reset(&mut self, disk: &dyn Disk, path: &Path) -> io::Result<()> {
        match disk.open(path, OpenMode::ReadWrite) {
            Ok(file) if file.is_empty()? => *self = Entries { touched: self.touched, ..Entries::empty() },
            Ok(file) => {
                file.truncate(0)?;
                *self = Entries { touched: true, ..Entries::empty() };
            }
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                *self = Entries { touched: self.touched, ..Entries::empty() }
            }
            Err(e) => return Err(e),
        }
        Ok(())
    }
}

fn read_entry<E: Entry>(file: &dyn DiskFile, at: u32) -> io::Result<E> {
    let mut buf = [0; 16];
    read_exact_at(file, &mut buf[..E::SIZE], u64::from(at) * E::SIZE as u64)?;
    Ok(E::decode(&buf[..E::SIZE]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::MemDisk;

    fn filled(disk: &MemDisk, n: i32) -> Entries<OffsetEntry> {
        let mut entries = Entries::empty();
        for i in 1..=n {
            entries.push(OffsetEntry { relative: i * 10, position: i * 100 });
            if entries.is_due() {
                entries.write(disk, Path::new("x.index")).unwrap();
            }
        }
        entries
    }

    #[test]
    fn finds_entries_in_memory_and_in_the_file() {
        let disk = MemDisk::new();
        for n in [0, 1, 63, 255, 256, 257, 2000] {
            let entries = filled(&disk, n);
            for target in [0, 9, 10, 11, 640, 1279, 1280, 5005, 19_999, 20_000, 30_000] {
                let (rank, found) = entries.floor(&disk, Path::new("x.index"), |e| e.relative <= target).unwrap();
                let expected = (target / 10).min(n);
                assert_eq!(rank, expected as u32, "{n} entries, {target}");
                assert_eq!(found.map(|e| e.relative), (expected > 0).then_some(expected * 10));
            }
            disk.remove_file(Path::new("x.index")).ok();
        }
    }

    #[test]
    fn truncation_keeps_file_and_memory_alike() {
        let disk = MemDisk::new();
        let path = Path::new("x.index");
        for (n, keep) in [(2000, 1990), (2000, 1500), (2000, 0), (100, 50), (300, 299)] {
            let mut entries = filled(&disk, n);
            entries.truncate(&disk, path, |e| e.relative <= keep * 10).unwrap();
            assert_eq!(entries.len(), keep as u32);
            assert_eq!(entries.last().map(|e| e.relative), (keep > 0).then_some(keep * 10));
            entries.push(OffsetEntry { relative: keep * 10 + 5, position: 7 });
            entries.write(&disk, path).unwrap();
            let len = disk.open(path, OpenMode::Read).unwrap().len().unwrap();
            let loaded = Entries::<OffsetEntry>::load(&disk, path, len).unwrap().unwrap();
            assert_eq!((loaded.len(), loaded.last()), (entries.len(), entries.last()));
            disk.remove_file(path).unwrap();
        }
    }
}
