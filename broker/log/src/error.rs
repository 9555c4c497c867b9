//! What can go wrong, said with the value that was wrong.

use std::io;
use std::path::PathBuf;

/// The log cannot go on, or a file is not what it should be.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The disk refused.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was being done, as a verb.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The operating system's answer.
        source: io::Error,
    },
    /// An earlier write could not be taken back; nothing more is written until the log is opened again.
    #[error("log {} takes no more writes: {reason}; restart the broker once the disk is repaired", dir.display())]
    Failed {
        /// The partition's folder.
        dir: PathBuf,
        /// The error that made it so.
        reason: String,
    },
    /// The disk refused an earlier batch of this producer, and this one does not follow what is in the log.
    #[error("log {} refused an earlier batch of producer {producer_id}, so what comes behind it too", dir.display())]
    Behind {
        /// The partition's folder.
        dir: PathBuf,
        /// Whose.
        producer_id: i64,
    },
    /// A file cannot be read as what its name says it is.
    #[error("{} is damaged: {reason}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What was found.
        reason: String,
    },
    /// An offset that the log does not have.
    #[error("offset {offset} is outside {start}..={end} of {}", dir.display())]
    OffsetOutOfRange {
        /// The partition's folder.
        dir: PathBuf,
        /// What was asked for.
        offset: i64,
        /// Log start offset.
        start: i64,
        /// Log end offset.
        end: i64,
    },
    /// The folder belongs to another cluster.
    #[error(
        "{} belongs to cluster {found}, this node to cluster {expected}: give each cluster its own folder", path.display()
    )]
    WrongCluster {
        /// The `meta.properties` file.
        path: PathBuf,
        /// Cluster id in the file.
        found: String,
        /// Cluster id of this node.
        expected: String,
    },
    /// The folder belongs to another node.
    #[error("{} belongs to node {found}, this is node {expected}: give each node its own folder", path.display())]
    WrongNode {
        /// The `meta.properties` file.
        path: PathBuf,
        /// Node id in the file.
        found: i32,
        /// Id of this node.
        expected: i32,
    },
    /// Another process uses the folder.
    #[error("{} is locked: another process uses this log folder", path.display())]
    Locked {
        /// The lock file.
        path: PathBuf,
    },
}

impl LogError {
    /// An IO error with its place, for `map_err`.
    pub(crate) fn io(action: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> LogError {
        let path = path.into();
        move |source| LogError::Io { action, path, source }
    }
}

/// Why batches were not appended. The log is as it was before.
#[derive(Debug, thiserror::Error)]
pub enum AppendError {
    /// No batch at all.
    #[error("no batch to append")]
    Empty,
    /// A batch above `max.message.bytes`.
    #[error("a batch of {size} bytes is above max.message.bytes={max}: raise it on the topic or send smaller batches")]
    BatchTooLarge {
        /// Its size in bytes.
        size: usize,
        /// The limit.
        max: usize,
    },
    /// More bytes in one append than a segment holds.
    #[error("{size} bytes in one append are above segment.bytes={max}")]
    SetTooLarge {
        /// Size in bytes.
        size: usize,
        /// The limit.
        max: u64,
    },
    /// A timestamp too far from the broker's clock (KIP-937).
    #[error(
        "timestamp {timestamp} is outside {earliest}..={latest}, which message.timestamp.before.max.ms and \
         message.timestamp.after.max.ms allow now"
    )]
    InvalidTimestamp {
        /// Milliseconds of the record.
        timestamp: i64,
        /// Earliest allowed.
        earliest: i64,
        /// Latest allowed.
        latest: i64,
    },
    /// A record that this log does not take.
    #[error("invalid record: {reason}")]
    InvalidRecord {
        /// What is wrong with it.
        reason: String,
    },
    /// A sequence number that does not follow the last one (KIP-98).
    #[error("producer {producer_id} epoch {epoch} sent sequence {sequence}, {expected} was expected")]
    OutOfOrderSequence {
        /// Producer id.
        producer_id: i64,
        /// Its epoch in the batch.
        epoch: i16,
        /// First sequence of the batch.
        sequence: i32,
        /// What would have followed.
        expected: i32,
    },
    /// An epoch older than the producer's latest (KIP-98).
    #[error("producer {producer_id} sent epoch {epoch}, its current epoch is {current}")]
    InvalidProducerEpoch {
        /// Producer id.
        producer_id: i64,
        /// Epoch in the batch.
        epoch: i16,
        /// Latest epoch seen.
        current: i16,
    },
    /// A marker of a transaction coordinator that was replaced.
    #[error("coordinator epoch {epoch} is older than {current} for producer {producer_id}")]
    CoordinatorFenced {
        /// Producer id.
        producer_id: i64,
        /// Coordinator epoch in the marker.
        epoch: i32,
        /// Latest seen.
        current: i32,
    },
    /// Replicated batches that do not continue this log.
    #[error("batches start at offset {got}, this log ends at {expected}: truncate or fetch from there")]
    NotContiguous {
        /// The log end offset.
        expected: i64,
        /// First offset that came.
        got: i64,
    },
    /// The disk, or a log that failed before.
    #[error(transparent)]
    Storage(#[from] LogError),
}

impl AppendError {
    /// Kafka's error code for the producer.
    pub fn code(&self) -> i16 {
        match self {
            AppendError::Empty | AppendError::InvalidRecord { .. } => 87,
            AppendError::BatchTooLarge { .. } => 10,
            AppendError::SetTooLarge { .. } => 18,
            AppendError::InvalidTimestamp { .. } => 32,
            AppendError::OutOfOrderSequence { .. } => 45,
            AppendError::InvalidProducerEpoch { .. } => 47,
            AppendError::CoordinatorFenced { .. } => 52,
            AppendError::NotContiguous { .. } => 1,
            AppendError::Storage(_) => 56,
        }
    }
}

/// Why a read gave nothing.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The offset is below the log start or above the log end.
    #[error("offset {offset} is outside {start}..={end}")]
    OffsetOutOfRange {
        /// What was asked for.
        offset: i64,
        /// Log start offset.
        start: i64,
        /// Log end offset.
        end: i64,
    },
    /// The disk.
    #[error(transparent)]
    Storage(#[from] LogError),
}

impl ReadError {
    /// Kafka's error code for the consumer.
    pub fn code(&self) -> i16 {
        match self {
            ReadError::OffsetOutOfRange { .. } => 1,
            ReadError::Storage(_) => 56,
        }
    }
}
