//! What can be wrong with a batch, and the error code that Kafka gives for it.

use crate::ResponseError;

/// Why a batch was refused. Positions and sizes are in bytes, positions from the start of the
/// buffer that was given.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BatchError {
    /// Nothing but an empty record set, where at least one batch is needed.
    #[error("no record batch at all; a produce request must carry one for each partition")]
    Empty,
    /// More than one batch for a partition of a produce request.
    #[error("{batches} record batches for one partition; a produce request may carry exactly one")]
    MoreThanOne {
        /// How many there were.
        batches: usize,
    },
    /// Fewer bytes than the batch's own length says.
    #[error("batch at position {position} needs {needed} bytes and {have} are there")]
    Truncated {
        /// Where the batch begins.
        position: usize,
        /// Bytes it says it has, its header included.
        needed: usize,
        /// Bytes that are there.
        have: usize,
    },
    /// A length field below the smallest possible batch (or negative).
    #[error("batch at position {position} has length field {length}; the least is 49")]
    BadLength {
        /// Where the batch begins.
        position: usize,
        /// What its length field says.
        length: i32,
    },
    /// A message format other than v2.
    #[error("batch at position {position} has format {magic}; this broker takes format 2 only (Kafka 0.11 and newer)")]
    UnsupportedMagic {
        /// Where the batch begins.
        position: usize,
        /// Its magic byte.
        magic: i8,
    },
    /// The checksum does not fit the content.
    #[error("batch at position {position} has CRC32C {stored:#010x} and its content gives {computed:#010x}")]
    BadCrc {
        /// Where the batch begins.
        position: usize,
        /// What the header says.
        stored: u32,
        /// What the content gives.
        computed: u32,
    },
    /// The batch is larger than `max.message.bytes` allows.
    #[error("batch of {size} bytes is larger than max.message.bytes {limit}")]
    TooLarge {
        /// Size with its header.
        size: usize,
        /// The bound.
        limit: usize,
    },
    /// The header contradicts itself, or says what a client must not say.
    #[error("batch at position {position}: {reason}")]
    Invalid {
        /// Where the batch begins.
        position: usize,
        /// What is wrong, with its value.
        reason: String,
    },
    /// A compression that nobody knows, or that the request's version does not allow.
    #[error("compression {codec} is not supported here: {reason}")]
    UnsupportedCompression {
        /// The lowest three bits of the attributes.
        codec: u8,
        /// Why not.
        reason: &'static str,
    },
    /// The compressed part cannot be read.
    #[error("records cannot be decompressed ({codec}): {reason}")]
    Decompression {
        /// Name of the compression.
        codec: &'static str,
        /// What its library says.
        reason: String,
    },
    /// Decompressed, the records are larger than the caller allows.
    #[error("records are larger than {limit} bytes when decompressed")]
    UncompressedTooLarge {
        /// The bound.
        limit: usize,
    },
    /// A record inside the batch is broken.
    #[error("record {index} of the batch at offset {base_offset} is broken: {reason}")]
    BadRecord {
        /// Base offset of its batch.
        base_offset: i64,
        /// Which one, from 0.
        index: usize,
        /// What is wrong with it.
        reason: &'static str,
    },
}

impl BatchError {
    /// The code that Kafka 4.4.0 puts into a produce response for it (each seen there, but for an
    /// unknown compression, where Kafka fails with UNKNOWN_SERVER_ERROR).
    pub fn response_error(&self) -> ResponseError {
        match self {
            BatchError::Empty
            | BatchError::MoreThanOne { .. }
            // Kafka passes over a cut batch, and then finds none.
            | BatchError::Truncated { .. }
            | BatchError::UnsupportedMagic { magic: 0 | 1, .. }
            | BatchError::Invalid { .. }
            | BatchError::BadRecord { .. } => ResponseError::InvalidRecord,
            BatchError::BadLength { .. }
            | BatchError::UnsupportedMagic { .. }
            | BatchError::BadCrc { .. }
            | BatchError::Decompression { .. } => ResponseError::CorruptMessage,
            BatchError::TooLarge { .. } | BatchError::UncompressedTooLarge { .. } => ResponseError::MessageTooLarge,
            BatchError::UnsupportedCompression { .. } => ResponseError::UnsupportedCompressionType,
        }
    }

    /// [`BatchError::response_error`] as the number on the wire.
    pub fn code(&self) -> i16 {
        self.response_error().code()
    }
}
