//! Walks the batches of a segment's file by their headers, reading in chunks.

use std::io;

use odradek_wire::batch::{ATTRIBUTES_OFFSET, BatchHeader, HEADER_SIZE};

use crate::disk::DiskFile;

/// Enough for the headers between two index entries.
pub(crate) const SMALL: usize = 8 << 10;
/// For reading a segment through.
pub(crate) const LARGE: usize = 256 << 10;

/// One step of a walk.
#[derive(Debug)]
pub(crate) enum Step {
    /// A whole batch, as far as its header tells.
    Batch { position: u64, header: BatchHeader },
    /// The end, exactly behind the last batch.
    End,
    /// What is at `position` is no whole batch, and why.
    Broken { position: u64, reason: String },
}

/// A walk over the bytes `position..end` of a file.
pub(crate) struct Scanner<'a> {
    file: &'a dyn DiskFile,
    position: u64,
    end: u64,
    buf: Vec<u8>,
    filled: usize,
    buf_at: u64,
    /// Bytes read from the file so far.
    pub(crate) bytes_read: u64,
}

impl<'a> Scanner<'a> {
    pub(crate) fn new(file: &'a dyn DiskFile, position: u64, end: u64, chunk: usize) -> Scanner<'a> {
        let chunk = chunk.max(HEADER_SIZE).min(usize::try_from(end.saturating_sub(position)).unwrap_or(chunk));
        Scanner { file, position, end, buf: vec![0; chunk], filled: 0, buf_at: position, bytes_read: 0 }
    }

    /// Makes the bytes from `at` on available: at least one unless the file ends there, at most the chunk.
    fn fill(&mut self, at: u64, need: usize) -> io::Result<&[u8]> {
        let inside = at.checked_sub(self.buf_at).and_then(|skip| usize::try_from(skip).ok());
        if let Some(skip) = inside
            && skip < self.filled
            && self.filled - skip >= need.min(self.buf.len())
        {
            return Ok(&self.buf[skip..self.filled]);
        }
        let want = usize::try_from(self.end.saturating_sub(at)).unwrap_or(usize::MAX).min(self.buf.len());
        self.filled = self.file.read_at(&mut self.buf[..want], at)?;
        self.buf_at = at;
        self.bytes_read += self.filled as u64;
        Ok(&self.buf[..self.filled])
    }

    pub(crate) fn next(&mut self) -> io::Result<Step> {
        let position = self.position;
        let left = self.end.saturating_sub(position);
        if left == 0 {
            return Ok(Step::End);
        }
        let broken = |reason: String| Ok(Step::Broken { position, reason });
        if left < HEADER_SIZE as u64 {
            return broken(format!("{left} bytes are too few for a batch"));
        }
        let bytes = self.fill(position, HEADER_SIZE)?;
        let header = match BatchHeader::parse(bytes) {
            Ok(header) => header,
            Err(e) => return broken(e.to_string()),
        };
        let size = header.size() as u64;
        if size > left {
            return broken(format!("a batch of {size} bytes has only {left}"));
        }
        if header.base_offset < 0 || header.last_offset_delta < 0 {
            return broken(format!("offsets {} and {} more", header.base_offset, header.last_offset_delta));
        }
        self.position += size;
        Ok(Step::Batch { position, header })
    }

    /// Whether the checksum of the batch that `next` just gave holds.
    pub(crate) fn checksum_holds(&mut self, position: u64, header: &BatchHeader) -> io::Result<bool> {
        let end = position + header.size() as u64;
        let mut at = position + ATTRIBUTES_OFFSET as u64;
        let mut crc = 0;
        while at < end {
            let bytes = self.fill(at, 1)?;
            if bytes.is_empty() {
                return Ok(false);
            }
            let n = bytes.len().min(usize::try_from(end - at).unwrap_or(usize::MAX));
            crc = crc32c::crc32c_append(crc, &bytes[..n]);
            at += n as u64;
        }
        Ok(crc == header.crc)
    }
}
