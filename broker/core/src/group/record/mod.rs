//! The records of `__consumer_offsets`, byte for byte as Kafka 4.4 writes them.
//!
//! A key starts with its kind: 0 and 1 name a committed offset, 2 names a group of the classic
//! protocol, higher ones belong to the newer protocols (KIP-848, KIP-932, KIP-1071). A value starts
//! with its version. Every version that Kafka ever wrote is read; what is written is
//! `OffsetCommitValue` 4 (1 when the client asked for its own retention) and `GroupMetadataValue` 3.

mod decode;
mod encode;
#[cfg(test)]
mod tests;

pub(super) use decode::decode;
pub(super) use encode::{group_key, group_value, offset_key, offset_value};

use bytes::Bytes;
use uuid::Uuid;

/// The longest text that the older formats can hold, in bytes of UTF-8.
pub(super) const MAX_TEXT: usize = i16::MAX as usize;

/// Why a record of `__consumer_offsets` was left out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// The key or the value ends before its fields do.
    #[error("the record ends before its field {0}")]
    Cut(&'static str),
    /// A length that no writer can have meant.
    #[error("field {field} has the impossible length {length}")]
    Length {
        /// The field.
        field: &'static str,
        /// The length that was found.
        length: i64,
    },
    /// Text that is not UTF-8.
    #[error("field {0} is not UTF-8 text")]
    Text(&'static str),
    /// A kind of key that the classic protocol does not have.
    #[error("keys of kind {0} belong to another group protocol, which is not supported")]
    UnknownKind(i16),
    /// A value that a newer release wrote.
    #[error("version {version} of {value} is newer than this release can read")]
    UnknownVersion {
        /// The kind of value.
        value: &'static str,
        /// Its version.
        version: i16,
    },
}

/// One record, taken apart. Without a value it deletes what its key names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Decoded {
    Offset { group: String, topic: String, partition: i32, value: Option<CommittedOffset> },
    Group { group: String, value: Option<GroupValue> },
}

/// What a group has committed for one partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct CommittedOffset {
    pub(super) offset: i64,
    /// -1 when the client did not say.
    pub(super) leader_epoch: i32,
    pub(super) metadata: String,
    pub(super) committed_ms: i64,
    /// Only clients older than Kafka 2.1 ask for a retention of their own.
    pub(super) expires_ms: Option<i64>,
    /// Nil when the client named the topic only.
    pub(super) topic_id: Uuid,
}

/// A group of the classic protocol as it is kept: its last stable or empty generation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct GroupValue {
    pub(super) protocol_type: String,
    pub(super) generation: i32,
    pub(super) protocol: Option<String>,
    pub(super) leader: Option<String>,
    /// When the group entered its state, in wall-clock milliseconds.
    pub(super) state_since_ms: Option<i64>,
    pub(super) members: Vec<MemberValue>,
}

/// One member of a [`GroupValue`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct MemberValue {
    pub(super) member_id: String,
    pub(super) instance_id: Option<String>,
    pub(super) client_id: String,
    pub(super) client_host: String,
    pub(super) rebalance_timeout_ms: i32,
    pub(super) session_timeout_ms: i32,
    pub(super) subscription: Bytes,
    pub(super) assignment: Bytes,
}
