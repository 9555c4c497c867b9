//! Compression of the records of a batch: gzip, snappy, lz4, zstd.

use std::io::{Read, Write};

use bytes::Bytes;

use super::BatchError;

/// Bound on decompressed records where the caller names none: 128 MiB.
pub const DEFAULT_UNCOMPRESSED_LIMIT: usize = 128 << 20;

/// The framing that Java's snappy library writes: magic, version 1, compatible with 1.
const XERIAL_HEADER: [u8; 16] = *b"\x82SNAPPY\0\0\0\0\x01\0\0\0\x01";
const XERIAL_MAGIC: &[u8] = b"\x82SNAPPY\0";
/// Size of the blocks in it, uncompressed, as in Java.
const XERIAL_BLOCK: usize = 32 * 1024;

/// How the records of a batch are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub enum Compression {
    /// Not at all.
    #[default]
    None,
    /// gzip (RFC 1952).
    Gzip,
    /// Snappy, in the framing of Java's library; raw blocks (librdkafka) are read as well.
    Snappy,
    /// The LZ4 frame format.
    Lz4,
    /// Zstandard (KIP-110).
    Zstd,
}

impl Compression {
    /// From the lowest three bits of a batch's attributes.
    pub fn from_id(id: u8) -> Result<Compression, BatchError> {
        Ok(match id {
            0 => Compression::None,
            1 => Compression::Gzip,
            2 => Compression::Snappy,
            3 => Compression::Lz4,
            4 => Compression::Zstd,
            codec => {
                return Err(BatchError::UnsupportedCompression {
                    codec,
                    reason: "0 to 4 are none, gzip, snappy, lz4, zstd",
                });
            }
        })
    }

    /// The number in the attributes.
    pub fn id(self) -> u8 {
        match self {
            Compression::None => 0,
            Compression::Gzip => 1,
            Compression::Snappy => 2,
            Compression::Lz4 => 3,
            Compression::Zstd => 4,
        }
    }

    /// The name that `compression.type` uses.
    pub fn name(self) -> &'static str {
        match self {
            Compression::None => "none",
            Compression::Gzip => "gzip",
            Compression::Snappy => "snappy",
            Compression::Lz4 => "lz4",
            Compression::Zstd => "zstd",
        }
    }

    /// Decompresses. `None` gives the same bytes again, without a copy. More than `limit` bytes
    /// come out as [`BatchError::UncompressedTooLarge`], before they are all in memory.
    pub fn decompress(self, input: &Bytes, limit: usize) -> Result<Bytes, BatchError> {
        match self {
            Compression::None if input.len() > limit => Err(BatchError::UncompressedTooLarge { limit }),
            Compression::None => Ok(input.clone()),
            Compression::Gzip => self.read_all(flate2::read::MultiGzDecoder::new(input.as_ref()), limit),
            Compression::Snappy => unsnap(input, limit),
            Compression::Lz4 => self.read_all(lz4_flex::frame::FrameDecoder::new(input.as_ref()), limit),
            Compression::Zstd => {
                let decoder =
                    zstd::stream::read::Decoder::with_buffer(input.as_ref()).map_err(|error| self.failed(error))?;
                self.read_all(decoder, limit)
            }
        }
    }

    /// Compresses with the library's usual level, as Kafka does when `compression.*.level` is not
    /// set.
    pub fn compress(self, input: &[u8]) -> Result<Vec<u8>, BatchError> {
        let failed = |error: std::io::Error| self.failed(error);
        match self {
            Compression::None => Ok(input.to_vec()),
            Compression::Gzip => {
                let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
                out.write_all(input).map_err(failed)?;
                out.finish().map_err(failed)
            }
            Compression::Snappy => snap_blocks(input),
            Compression::Lz4 => {
                let info = lz4_flex::frame::FrameInfo::new().block_size(lz4_flex::frame::BlockSize::Max64KB);
                let mut out = lz4_flex::frame::FrameEncoder::with_frame_info(info, Vec::new());
                out.write_all(input).map_err(failed)?;
                out.finish().map_err(|error| self.failed(error))
            }
            Compression::Zstd => zstd::stream::encode_all(input, 3).map_err(failed),
        }
    }

    fn failed(self, error: impl std::fmt::Display) -> BatchError {
        BatchError::Decompression { codec: self.name(), reason: error.to_string() }
    }

    fn read_all(self, reader: impl Read, limit: usize) -> Result<Bytes, BatchError> {
        let mut out = Vec::new();
        reader.take(limit as u64 + 1).read_to_end(&mut out).map_err(|error| self.failed(error))?;
        if out.len() > limit {
            return Err(BatchError::UncompressedTooLarge { limit });
        }
        Ok(out.into())
    }
}

fn unsnap(input: &[u8], limit: usize) -> Result<Bytes, BatchError> {
    let mut out = Vec::new();
    let mut rest = input;
    if !rest.starts_with(XERIAL_MAGIC) {
        unsnap_block(rest, limit, &mut out)?;
        return Ok(out.into());
    }
    rest = rest.get(XERIAL_HEADER.len()..).unwrap_or_default();
    while !rest.is_empty() {
        // Streams glued together repeat the header.
        if rest.starts_with(XERIAL_MAGIC) {
            rest = rest.get(XERIAL_HEADER.len()..).unwrap_or_default();
            continue;
        }
        let cut = || Compression::Snappy.failed("a block is cut");
        let (length, after) = rest.split_first_chunk::<4>().ok_or_else(cut)?;
        let length = u32::from_be_bytes(*length) as usize;
        let block = after.get(..length).ok_or_else(cut)?;
        unsnap_block(block, limit, &mut out)?;
        rest = &after[length..];
    }
    Ok(out.into())
}

fn unsnap_block(block: &[u8], limit: usize, out: &mut Vec<u8>) -> Result<(), BatchError> {
    let failed = |error: snap::Error| Compression::Snappy.failed(error);
    let length = snap::raw::decompress_len(block).map_err(failed)?;
    let start = out.len();
    // The length is the sender's claim: bounded before it is believed.
    if length > limit.saturating_sub(start) {
        return Err(BatchError::UncompressedTooLarge { limit });
    }
    // No byte of a block stands for more than 64 bytes (a copy element: 64 bytes from 2 or more).
    if length > block.len().saturating_mul(64) {
        return Err(Compression::Snappy.failed("a block claims more than it can hold"));
    }
    out.resize(start + length, 0);
    let written = snap::raw::Decoder::new().decompress(block, &mut out[start..]).map_err(failed)?;
    out.truncate(start + written);
    Ok(())
}

fn snap_blocks(input: &[u8]) -> Result<Vec<u8>, BatchError> {
    let mut out = XERIAL_HEADER.to_vec();
    let mut encoder = snap::raw::Encoder::new();
    for block in input.chunks(XERIAL_BLOCK) {
        let compressed = encoder.compress_vec(block).map_err(|error| Compression::Snappy.failed(error))?;
        out.extend_from_slice(&(compressed.len() as u32).to_be_bytes());
        out.extend_from_slice(&compressed);
    }
    Ok(out)
}
