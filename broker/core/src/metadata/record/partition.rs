//! Topics and their partitions.

use prost::Message;

#[cfg(doc)]
use super::NO_LEADER;

/// A topic was made.
#[derive(Clone, PartialEq, Message)]
pub struct Topic {
    /// 16 bytes.
    #[prost(bytes = "vec", tag = "1")]
    pub topic_id: Vec<u8>,
    /// Its name, unique among the living topics.
    #[prost(string, tag = "2")]
    pub name: String,
}

/// A topic was deleted.
#[derive(Clone, PartialEq, Message)]
pub struct RemoveTopic {
    /// 16 bytes.
    #[prost(bytes = "vec", tag = "1")]
    pub topic_id: Vec<u8>,
}

/// A partition as a whole: written when it is made, and in snapshots.
#[derive(Clone, PartialEq, Message)]
pub struct Partition {
    /// 16 bytes.
    #[prost(bytes = "vec", tag = "1")]
    pub topic_id: Vec<u8>,
    /// The partition's number, from 0.
    #[prost(int32, tag = "2")]
    pub partition: i32,
    /// Broker ids in order of preference.
    #[prost(int32, repeated, tag = "3")]
    pub replicas: Vec<i32>,
    /// The in-sync set, in the order of `replicas`.
    #[prost(int32, repeated, tag = "4")]
    pub isr: Vec<i32>,
    /// The leader, [`NO_LEADER`] when there is none.
    #[prost(sint32, tag = "5")]
    pub leader: i32,
    /// Grows with each change of leader.
    #[prost(int32, tag = "6")]
    pub leader_epoch: i32,
    /// Grows with each change of any kind.
    #[prost(int32, tag = "7")]
    pub partition_epoch: i32,
    /// Replicas that a reassignment adds.
    #[prost(int32, repeated, tag = "8")]
    pub adding: Vec<i32>,
    /// Replicas that a reassignment removes.
    #[prost(int32, repeated, tag = "9")]
    pub removing: Vec<i32>,
    /// KIP-966: replicas that are not in sync but hold everything acknowledged.
    #[prost(int32, repeated, tag = "10")]
    pub elr: Vec<i32>,
    /// KIP-966: who led last, when the in-sync set is empty.
    #[prost(int32, optional, tag = "11")]
    pub last_known_leader: Option<i32>,
    /// KIP-858: the log directory of each of `replicas`, 16 bytes each; empty when unknown.
    #[prost(bytes = "vec", repeated, tag = "12")]
    pub directories: Vec<Vec<u8>>,
    // 13 is kept for KIP-704's leader recovery state.
    /// The last known leader came back without its data.
    #[prost(bool, tag = "14")]
    pub last_known_leader_lost_data: bool,
}

/// A list in a [`PartitionChange`]: a field that is there and empty differs from one that is not.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct Brokers {
    /// Broker ids.
    #[prost(int32, repeated, tag = "1")]
    pub ids: Vec<i32>,
}

/// Directories in a [`PartitionChange`].
#[derive(Clone, PartialEq, Eq, Message)]
pub struct Directories {
    /// 16 bytes each, in the order of the replicas.
    #[prost(bytes = "vec", repeated, tag = "1")]
    pub ids: Vec<Vec<u8>>,
}

/// A partition's state moved. Fields that are `None` stay as they are. The partition epoch
/// always grows by one; the leader epoch grows by one when `leader` is set, even to the same one.
#[derive(Clone, PartialEq, Message)]
pub struct PartitionChange {
    /// 16 bytes.
    #[prost(bytes = "vec", tag = "1")]
    pub topic_id: Vec<u8>,
    /// The partition's number.
    #[prost(int32, tag = "2")]
    pub partition: i32,
    /// The new replicas.
    #[prost(message, optional, tag = "3")]
    pub replicas: Option<Brokers>,
    /// The new in-sync set.
    #[prost(message, optional, tag = "4")]
    pub isr: Option<Brokers>,
    /// The new leader, [`NO_LEADER`] for none.
    #[prost(sint32, optional, tag = "5")]
    pub leader: Option<i32>,
    /// The new list of replicas being added.
    #[prost(message, optional, tag = "6")]
    pub adding: Option<Brokers>,
    /// The new list of replicas being removed.
    #[prost(message, optional, tag = "7")]
    pub removing: Option<Brokers>,
    /// KIP-966: the new eligible replicas.
    #[prost(message, optional, tag = "8")]
    pub elr: Option<Brokers>,
    /// KIP-966: who led last; [`NO_LEADER`] forgets it.
    #[prost(sint32, optional, tag = "9")]
    pub last_known_leader: Option<i32>,
    /// KIP-858.
    #[prost(message, optional, tag = "10")]
    pub directories: Option<Directories>,
    // 11 is kept for KIP-704's leader recovery state.
    /// Whether the last known leader came back without its data.
    #[prost(bool, optional, tag = "12")]
    pub last_known_leader_lost_data: Option<bool>,
}
