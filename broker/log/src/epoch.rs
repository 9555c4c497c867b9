//! Which leader epoch starts at which offset (KIP-101), and its checkpoint file.

use std::path::Path;

use crate::disk::{Disk, read_file};
use crate::error::LogError;

/// Start offsets of leader epochs, both going up.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct EpochCache {
    entries: Vec<(i32, i64)>,
}

impl EpochCache {
    /// All of them, oldest first: epoch and start offset.
    pub fn entries(&self) -> &[(i32, i64)] {
        &self.entries
    }

    /// The latest epoch.
    pub fn latest(&self) -> Option<i32> {
        self.entries.last().map(|&(epoch, _)| epoch)
    }

    /// The epoch of a batch at `offset`.
    pub fn epoch_at(&self, offset: i64) -> Option<i32> {
        let n = self.entries.partition_point(|&(_, start)| start <= offset);
        n.checked_sub(1).map(|i| self.entries[i].0)
    }

    /// `epoch` starts at `start`. Entries that contradict it (a larger epoch, or a later start) go; says whether
    /// anything changed.
    pub fn assign(&mut self, epoch: i32, start: i64) -> bool {
        if epoch < 0 || start < 0 {
            return false;
        }
        if let Some(&(latest, latest_start)) = self.entries.last()
            && latest == epoch
            && latest_start <= start
        {
            return false;
        }
        while let Some(&(e, s)) = self.entries.last()
            && (e >= epoch || s >= start)
        {
            self.entries.pop();
        }
        self.entries.push((epoch, start));
        true
    }

    /// The log ends at `end` now; says whether anything changed.
    pub fn truncate_end(&mut self, end: i64) -> bool {
        let before = self.entries.len();
        self.entries.retain(|&(_, start)| start < end);
        self.entries.len() != before
    }

    /// The log starts at `start` now; says whether anything changed.
    pub fn truncate_start(&mut self, start: i64) -> bool {
        let n = self.entries.partition_point(|&(_, s)| s <= start);
        let Some(last) = n.checked_sub(1) else { return false };
        if n == 1 && self.entries[0].1 == start {
            return false;
        }
        self.entries[last].1 = start;
        self.entries.drain(..last);
        true
    }

    /// Forgets all; says whether there was anything.
    pub fn clear(&mut self) -> bool {
        let any = !self.entries.is_empty();
        self.entries.clear();
        any
    }

    /// The largest known epoch at or below `epoch` and where it ends, in a log that ends at `log_end`. An epoch below
    /// every known one ends where the first known one starts, as Kafka has it; none when no epoch is known.
    pub fn end_offset_for(&self, epoch: i32, log_end: i64) -> Option<(i32, i64)> {
        if epoch < 0 || self.entries.is_empty() {
            return None;
        }
        let n = self.entries.partition_point(|&(e, _)| e <= epoch);
        let end = self.entries.get(n).map_or(log_end, |&(_, start)| start);
        let known = n.checked_sub(1).map_or(epoch, |i| self.entries[i].0);
        Some((known, end))
    }

    /// The content of `leader-epoch-checkpoint`.
    pub fn to_checkpoint(&self) -> Vec<u8> {
        let mut out = format!("0\n{}\n", self.entries.len());
        for (epoch, start) in &self.entries {
            out.push_str(&format!("{epoch} {start}\n"));
        }
        out.into_bytes()
    }

    /// Reads `leader-epoch-checkpoint`.
    ///
    /// # Errors
    /// [`LogError::Damaged`] with the line; the disk's errors.
    pub fn read(disk: &dyn Disk, path: &Path) -> Result<EpochCache, LogError> {
        let bytes = read_file(disk, path).map_err(LogError::io("read", path))?;
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
        let mut entries: Vec<(i32, i64)> = Vec::new();
        for line in lines {
            let entry = line.split_once(' ').and_then(|(e, s)| Some((e.parse::<i32>().ok()?, s.parse::<i64>().ok()?)));
            let Some((epoch, start)) = entry else { return Err(damaged(format!("line \"{line}\""))) };
            let grows = entries.last().is_none_or(|&(e, s)| epoch > e && start > s);
            if epoch < 0 || start < 0 || !grows {
                return Err(damaged(format!("epoch {epoch} from offset {start} does not follow the line before")));
            }
            entries.push((epoch, start));
        }
        if entries.len() != count {
            return Err(damaged(format!("it has {} entries, its second line says {count}", entries.len())));
        }
        Ok(EpochCache { entries })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::MemDisk;
    use crate::disk::write_atomic;

    fn cache(entries: &[(i32, i64)]) -> EpochCache {
        EpochCache { entries: entries.to_vec() }
    }

    #[test]
    fn assigning_drops_what_contradicts() {
        let mut epochs = cache(&[(1, 0), (3, 10)]);
        assert!(!epochs.assign(3, 20));
        assert!(epochs.assign(5, 20));
        assert!(epochs.assign(4, 15), "an older epoch replaces a later start");
        assert_eq!(epochs.entries(), [(1, 0), (3, 10), (4, 15)]);
        assert!(epochs.assign(6, 10));
        assert_eq!(epochs.entries(), [(1, 0), (6, 10)]);
    }

    #[test]
    fn ends_of_epochs() {
        let epochs = cache(&[(2, 5), (4, 10)]);
        assert_eq!(epochs.end_offset_for(4, 30), Some((4, 30)));
        assert_eq!(epochs.end_offset_for(9, 30), Some((4, 30)));
        assert_eq!(epochs.end_offset_for(3, 30), Some((2, 10)));
        assert_eq!(epochs.end_offset_for(2, 30), Some((2, 10)));
        assert_eq!(epochs.end_offset_for(1, 30), Some((1, 5)));
        assert_eq!(epochs.end_offset_for(-1, 30), None);
        assert_eq!(cache(&[]).end_offset_for(1, 30), None);
        assert_eq!(epochs.epoch_at(9), Some(2));
        assert_eq!(epochs.epoch_at(4), None);
    }

    #[test]
    fn truncation_from_both_ends() {
        let mut epochs = cache(&[(1, 0), (2, 10), (3, 20)]);
        assert!(epochs.truncate_end(20));
        assert_eq!(epochs.entries(), [(1, 0), (2, 10)]);
        assert!(!epochs.truncate_end(15));
        assert!(epochs.truncate_start(12));
        assert_eq!(epochs.entries(), [(2, 12)]);
        assert!(!epochs.truncate_start(12));
        assert!(!epochs.truncate_start(3));
        assert!(epochs.truncate_end(0));
        assert_eq!(epochs.entries(), []);
    }

    #[test]
    fn the_checkpoint_goes_both_ways_and_damage_is_told() {
        let disk = MemDisk::new();
        let path = Path::new("leader-epoch-checkpoint");
        let epochs = cache(&[(1, 0), (2, 10)]);
        write_atomic(&disk, path, &epochs.to_checkpoint()).unwrap();
        assert_eq!(EpochCache::read(&disk, path).unwrap(), epochs);
        for bad in
            ["", "1\n0\n", "0\nx\n", "0\n2\n1 0\n", "0\n1\n1\n", "0\n2\n2 0\n1 5\n", "0\n1\n-1 0\n", "0\n1\n\0\0"]
        {
            write_atomic(&disk, path, bad.as_bytes()).unwrap();
            assert!(matches!(EpochCache::read(&disk, path), Err(LogError::Damaged { .. })), "{bad:?}");
        }
    }
}
