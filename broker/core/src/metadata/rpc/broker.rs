//! A broker and its controller: registration, heartbeats, blocks of producer ids.

use prost::Message;

use crate::metadata::record::{Listener, SupportedFeature};

/// A broker process takes its id.
#[derive(Clone, PartialEq, Message)]
pub struct RegisterBrokerRequest {
    /// The id, 0 or more.
    #[prost(int32, tag = "1")]
    pub broker_id: i32,
    /// The cluster that its folders belong to; empty when they are new.
    #[prost(string, tag = "2")]
    pub cluster_id: String,
    /// 16 bytes drawn by the process when it started.
    #[prost(bytes = "vec", tag = "3")]
    pub incarnation: Vec<u8>,
    /// Where it listens.
    #[prost(message, repeated, tag = "4")]
    pub listeners: Vec<Listener>,
    /// Its rack.
    #[prost(string, optional, tag = "5")]
    pub rack: Option<String>,
    /// The ids of its log directories, 16 bytes each.
    #[prost(bytes = "vec", repeated, tag = "6")]
    pub log_dirs: Vec<Vec<u8>>,
    /// The epoch under which it stopped cleanly the last time; -1 when the stop was not clean.
    #[prost(sint64, tag = "7")]
    pub previous_broker_epoch: i64,
    /// How many partitions its log directories hold.
    #[prost(uint32, tag = "8")]
    pub held_partitions: u32,
    /// What it supports.
    #[prost(message, repeated, tag = "9")]
    pub features: Vec<SupportedFeature>,
}

/// The answer to a registration.
#[derive(Clone, PartialEq, Message)]
pub struct RegisterBrokerResponse {
    /// 0, UNSUPPORTED_VERSION (35), DUPLICATE_BROKER_REGISTRATION (101), INCONSISTENT_CLUSTER_ID
    /// (104) or INVALID_REGISTRATION (119).
    #[prost(int32, tag = "1")]
    pub error_code: i32,
    /// For a person to read.
    #[prost(string, tag = "2")]
    pub error_message: String,
    /// The broker's epoch until it registers again; -1 with an error.
    #[prost(sint64, tag = "3")]
    pub broker_epoch: i64,
    /// The cluster's id, which a new broker takes over.
    #[prost(string, tag = "4")]
    pub cluster_id: String,
}

/// A broker is alive.
#[derive(Clone, PartialEq, Message)]
pub struct HeartbeatRequest {
    /// Who.
    #[prost(int32, tag = "1")]
    pub broker_id: i32,
    /// Its registration.
    #[prost(sint64, tag = "2")]
    pub broker_epoch: i64,
    /// The offset of the last metadata entry that it has applied.
    #[prost(uint64, tag = "3")]
    pub metadata_offset: u64,
    /// It wants to be, or to stay, fenced.
    #[prost(bool, tag = "4")]
    pub want_fence: bool,
    /// It wants to stop.
    #[prost(bool, tag = "5")]
    pub want_shutdown: bool,
}

/// The answer to a heartbeat.
#[derive(Clone, PartialEq, Message)]
pub struct HeartbeatResponse {
    /// 0, STALE_BROKER_EPOCH (77) or BROKER_ID_NOT_REGISTERED (102): register again.
    #[prost(int32, tag = "1")]
    pub error_code: i32,
    /// It has applied its own registration.
    #[prost(bool, tag = "2")]
    pub is_caught_up: bool,
    /// It is fenced.
    #[prost(bool, tag = "3")]
    pub is_fenced: bool,
    /// It may stop now.
    #[prost(bool, tag = "4")]
    pub should_shutdown: bool,
}

/// A broker needs a block of producer ids.
#[derive(Clone, PartialEq, Message)]
pub struct AllocateProducerIdsRequest {
    /// Who.
    #[prost(int32, tag = "1")]
    pub broker_id: i32,
    /// Its registration.
    #[prost(sint64, tag = "2")]
    pub broker_epoch: i64,
}

/// A block of producer ids that nobody else gets.
#[derive(Clone, PartialEq, Message)]
pub struct AllocateProducerIdsResponse {
    /// 0, STALE_BROKER_EPOCH (77) or BROKER_ID_NOT_REGISTERED (102).
    #[prost(int32, tag = "1")]
    pub error_code: i32,
    /// The first id; -1 with an error.
    #[prost(sint64, tag = "2")]
    pub first: i64,
    /// How many.
    #[prost(int32, tag = "3")]
    pub count: i32,
}
