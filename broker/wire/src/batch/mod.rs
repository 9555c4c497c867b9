//! Record batches, format v2 (KIP-98), as producers send them, segments store them and consumers
//! fetch them.
//!
//! A batch is 61 bytes of header, then its records, possibly compressed as a whole. The broker
//! looks at headers and checksums and passes the records on as they are; the parts of it that read
//! records (offsets of groups, compaction) use [`records`].

mod builder;
mod compression;
mod error;
mod header;
mod records;
mod set;

pub use builder::{BatchBuilder, NewHeader};
pub use compression::{Compression, DEFAULT_UNCOMPRESSED_LIMIT};
pub use error::BatchError;
pub use header::{
    ATTRIBUTES_OFFSET, BASE_OFFSET_OFFSET, BatchHeader, CRC_OFFSET, HEADER_SIZE, LENGTH_OFFSET, LOG_OVERHEAD,
    MAGIC_OFFSET, MAX_TIMESTAMP_OFFSET, NO_PARTITION_LEADER_EPOCH, NO_PRODUCER_ID, NO_SEQUENCE, NO_TIMESTAMP,
    PARTITION_LEADER_EPOCH_OFFSET, TimestampType,
};
pub use records::{Header, Record, Records, records, records_within};
pub use set::{BatchInfo, RecordBatches};
