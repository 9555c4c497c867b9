//! Reading: from an offset to a range of bytes.

use super::{Log, ReadResult};
use crate::disk::{DiskFile, FileRange};
use crate::error::{LogError, ReadError};
use crate::segment::Found;

impl Log {
    /// Finds the bytes from the batch that holds `from` on, up to about `max_bytes`, of batches wholly below `upper`.
    /// The range may end inside a batch. With `at_least_one` the first batch is whole however large it is; without, a
    /// first batch larger than `max_bytes` gives nothing.
    ///
    /// # Errors
    /// [`ReadError::OffsetOutOfRange`] below the log start or above the log end; the disk's errors, damage included.
    pub fn read(&self, from: i64, max_bytes: usize, upper: i64, at_least_one: bool) -> Result<ReadResult, ReadError> {
        let (start, end) = (self.log_start, self.log_end);
        if from < start || from > end {
            return Err(ReadError::OffsetOutOfRange { offset: from, start, end });
        }
        let upper = upper.min(end);
        let nothing = ReadResult { ranges: Vec::new(), first_offset: from };
        for at in self.segment_of(from)..self.segments.len() {
            let segment = &self.segments[at];
            if from >= upper || segment.base >= upper {
                break;
            }
            if segment.len == 0 {
                continue;
            }
            let file = self.file(at)?;
            let Some(first) = self.find(at, file.as_ref(), from)? else { continue };
            if first.last >= upper {
                break;
            }
            let bound = self.position_of_upper(at, file.as_ref(), &first, upper, max_bytes)?;
            let available = usize::try_from(bound - first.position).unwrap_or(usize::MAX);
            let size = usize::try_from(first.size).unwrap_or(usize::MAX);
            let len = if size > max_bytes {
                if !at_least_one {
                    break;
                }
                size
            } else {
                available.min(max_bytes)
            };
            let range = FileRange { file, offset: first.position, len };
            return Ok(ReadResult { ranges: vec![range], first_offset: first.base });
        }
        Ok(nothing)
    }

    /// Where the batches of a segment end that are wholly below `upper`, or any place at least `max_bytes` behind the
    /// first batch that is not beyond it.
    fn position_of_upper(
        &self,
        at: usize,
        file: &dyn DiskFile,
        first: &Found,
        upper: i64,
        max_bytes: usize,
    ) -> Result<u64, LogError> {
        let len = self.segments[at].len;
        if upper >= self.segment_end(at) {
            return Ok(len);
        }
        if let Some(recent) = self.recent_of(at)
            && recent.base <= upper
            && recent.position >= first.position.saturating_add(max_bytes as u64)
        {
            return Ok(recent.position);
        }
        Ok(self.find(at, file, upper)?.map_or(len, |found| found.position))
    }

    /// The oldest of the remembered batches, when the segment is the active one.
    fn recent_of(&self, at: usize) -> Option<&Found> {
        if at + 1 == self.segments.len() { self.recent.front() } else { None }
    }

    /// The first batch of a segment whose last offset is at or above `offset`.
    pub(super) fn find(&self, at: usize, file: &dyn DiskFile, offset: i64) -> Result<Option<Found>, LogError> {
        if let Some(oldest) = self.recent_of(at)
            && oldest.base <= offset
        {
            let n = self.recent.partition_point(|found| found.last < offset);
            return Ok(self.recent.get(n).copied());
        }
        self.segments[at].find(self.place(), file, offset)
    }
}
