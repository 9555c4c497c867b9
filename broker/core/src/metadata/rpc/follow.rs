//! How brokers and controllers follow the committed metadata, and the controllers' consensus.

use prost::Message;

/// The committed metadata from an offset on. Any controller answers, from what it has committed.
#[derive(Clone, PartialEq, Message)]
pub struct FetchMetadataRequest {
    /// Who asks: a broker, or a controller.
    #[prost(int32, tag = "1")]
    pub node_id: i32,
    /// The next offset wanted.
    #[prost(uint64, tag = "2")]
    pub from_offset: u64,
    /// How long the answer may wait for something new.
    #[prost(uint32, tag = "3")]
    pub max_wait_ms: u32,
    /// The largest controller epoch that the asker has heard of: the answer does not wait when there is an active
    /// controller with a larger one.
    #[prost(sint64, optional, tag = "4")]
    pub leader_epoch: Option<i64>,
}

/// Committed metadata.
#[derive(Clone, PartialEq, Message)]
pub struct FetchMetadataResponse {
    /// 0 or Kafka's code.
    #[prost(int32, tag = "1")]
    pub error_code: i32,
    /// The active controller, -1 when unknown.
    #[prost(sint32, tag = "2")]
    pub leader_id: i32,
    /// Its epoch (the raft term).
    #[prost(sint64, tag = "3")]
    pub leader_epoch: i64,
    /// The offset of the last committed entry.
    #[prost(uint64, tag = "4")]
    pub high_watermark: u64,
    /// Where to begin, when the asker is too far behind.
    #[prost(message, optional, tag = "5")]
    pub snapshot: Option<MetadataSnapshot>,
    /// Entries, with growing offsets.
    #[prost(message, repeated, tag = "6")]
    pub batches: Vec<MetadataBatch>,
    /// The voters of the controllers' quorum, for those who were configured with others; empty while they have no
    /// addresses.
    #[prost(message, repeated, tag = "7")]
    pub controllers: Vec<ControllerNodeEndpoint>,
}

/// Where a controller listens.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct ControllerNodeEndpoint {
    /// Its `node.id`.
    #[prost(int32, tag = "1")]
    pub node_id: i32,
    /// A name or an address.
    #[prost(string, tag = "2")]
    pub host: String,
    /// 1 to 65535.
    #[prost(uint32, tag = "3")]
    pub port: u32,
}

/// Everything up to an offset.
#[derive(Clone, PartialEq, Message)]
pub struct MetadataSnapshot {
    /// The last offset that the snapshot holds.
    #[prost(uint64, tag = "1")]
    pub offset: u64,
    /// [`super::record::encode_records`] of the image's records.
    #[prost(bytes = "vec", tag = "2")]
    pub data: Vec<u8>,
}

/// One committed entry.
#[derive(Clone, PartialEq, Message)]
pub struct MetadataBatch {
    /// Its offset.
    #[prost(uint64, tag = "1")]
    pub offset: u64,
    /// Its records, which take effect together: [`super::record::encode_records`], the entry's
    /// bytes as they are in the log.
    #[prost(bytes = "vec", tag = "2")]
    pub records: Vec<u8>,
}

/// A message of the controllers' consensus.
#[derive(Clone, PartialEq, Message)]
pub struct RaftRequest {
    /// The sender.
    #[prost(uint64, tag = "1")]
    pub from: u64,
    /// The message.
    #[prost(bytes = "vec", tag = "2")]
    pub message: Vec<u8>,
}

/// Nothing: consensus messages are one-way.
#[derive(Clone, PartialEq, Message)]
pub struct RaftResponse {}
