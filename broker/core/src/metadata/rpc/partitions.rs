//! What leaders and holders of replicas report of their partitions.

use prost::Message;

/// A leader wants to change in-sync sets.
#[derive(Clone, PartialEq, Message)]
pub struct AlterPartitionRequest {
    /// The leader.
    #[prost(int32, tag = "1")]
    pub broker_id: i32,
    /// Its registration.
    #[prost(sint64, tag = "2")]
    pub broker_epoch: i64,
    /// The partitions.
    #[prost(message, repeated, tag = "3")]
    pub partitions: Vec<AlterPartitionData>,
}

/// One partition of an [`AlterPartitionRequest`].
#[derive(Clone, PartialEq, Message)]
pub struct AlterPartitionData {
    /// 16 bytes.
    #[prost(bytes = "vec", tag = "1")]
    pub topic_id: Vec<u8>,
    /// The partition's number.
    #[prost(int32, tag = "2")]
    pub partition: i32,
    /// The epoch under which the broker leads.
    #[prost(int32, tag = "3")]
    pub leader_epoch: i32,
    /// The epoch of the state that the leader has seen.
    #[prost(int32, tag = "4")]
    pub partition_epoch: i32,
    /// The wanted in-sync set, the leader included.
    #[prost(message, repeated, tag = "5")]
    pub new_isr: Vec<IsrMember>,
}

/// KIP-903: a member of the wanted in-sync set, with the registration that the leader saw.
#[derive(Clone, PartialEq, Message)]
pub struct IsrMember {
    /// Who.
    #[prost(int32, tag = "1")]
    pub broker_id: i32,
    /// Its registration as its fetches say; -1 when the leader does not know it.
    #[prost(sint64, tag = "2")]
    pub broker_epoch: i64,
}

/// The answer to an [`AlterPartitionRequest`].
#[derive(Clone, PartialEq, Message)]
pub struct AlterPartitionResponse {
    /// 0, STALE_BROKER_EPOCH (77) or BROKER_ID_NOT_REGISTERED (102).
    #[prost(int32, tag = "1")]
    pub error_code: i32,
    /// One for each partition asked for, in the same order; empty with an error.
    #[prost(message, repeated, tag = "2")]
    pub partitions: Vec<AlterPartitionResult>,
}

/// What became of one partition.
#[derive(Clone, PartialEq, Message)]
pub struct AlterPartitionResult {
    /// 16 bytes.
    #[prost(bytes = "vec", tag = "1")]
    pub topic_id: Vec<u8>,
    /// The partition's number.
    #[prost(int32, tag = "2")]
    pub partition: i32,
    /// 0, UNKNOWN_TOPIC_ID (100), UNKNOWN_TOPIC_OR_PARTITION (3), FENCED_LEADER_EPOCH (74),
    /// INVALID_UPDATE_VERSION (95), INELIGIBLE_REPLICA (107), INVALID_REQUEST (42),
    /// NEW_LEADER_ELECTED (108) or NOT_CONTROLLER (41).
    #[prost(int32, tag = "3")]
    pub error_code: i32,
    /// The leader after the request.
    #[prost(sint32, tag = "4")]
    pub leader: i32,
    /// Its epoch.
    #[prost(int32, tag = "5")]
    pub leader_epoch: i32,
    /// The in-sync set after the request.
    #[prost(int32, repeated, tag = "6")]
    pub isr: Vec<i32>,
    /// The partition's epoch after the request.
    #[prost(int32, tag = "7")]
    pub partition_epoch: i32,
}

/// A broker cannot write replicas that it holds: their disk is full, or refuses writes. Somebody else is to lead them,
/// and nobody is to wait for them.
#[derive(Clone, PartialEq, Message)]
pub struct OfflineReplicasRequest {
    /// Who.
    #[prost(int32, tag = "1")]
    pub broker_id: i32,
    /// Its registration.
    #[prost(sint64, tag = "2")]
    pub broker_epoch: i64,
    /// The partitions.
    #[prost(message, repeated, tag = "3")]
    pub partitions: Vec<PartitionOf>,
}

/// A partition.
#[derive(Clone, PartialEq, Message)]
pub struct PartitionOf {
    /// The topic's id, 16 bytes.
    #[prost(bytes = "vec", tag = "1")]
    pub topic_id: Vec<u8>,
    /// The partition's number.
    #[prost(int32, tag = "2")]
    pub partition: i32,
}

/// The answer to an [`OfflineReplicasRequest`]. The metadata says what became of each partition.
#[derive(Clone, PartialEq, Message)]
pub struct OfflineReplicasResponse {
    /// 0, STALE_BROKER_EPOCH (77) or BROKER_ID_NOT_REGISTERED (102).
    #[prost(int32, tag = "1")]
    pub error_code: i32,
}
