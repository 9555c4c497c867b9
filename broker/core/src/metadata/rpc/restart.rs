//! Restart safety: the verdict on a set of processes, and the lease for it.

use prost::Message;

/// May these processes stop now, and may nobody else stop others meanwhile?
#[derive(Clone, PartialEq, Message)]
pub struct RestartSafetyRequest {
    /// What is wanted: see [`RestartAction`].
    #[prost(enumeration = "RestartAction", tag = "1")]
    pub action: i32,
    /// Who asks: the lease is given to this name, 1 to 256 bytes. Not needed to look only.
    #[prost(string, tag = "2")]
    pub holder: String,
    /// The brokers that shall stop, at most 10,000.
    #[prost(int32, repeated, tag = "3")]
    pub broker_ids: Vec<i32>,
    /// The controllers that shall stop.
    #[prost(int32, repeated, tag = "4")]
    pub controller_ids: Vec<i32>,
    /// How long the lease lasts unless it is renewed: 1 s to 1 h.
    #[prost(uint32, tag = "5")]
    pub ttl_ms: u32,
    /// Passes over what could not be safe in any state: a partition without a replica outside of the set, or one that
    /// needs more in-sync replicas than there are outside; a quorum of too few controllers.
    #[prost(bool, tag = "6")]
    pub ignore_never_safe: bool,
}

/// What a [`RestartSafetyRequest`] wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub enum RestartAction {
    /// The verdict only.
    Check = 0,
    /// The verdict, and the lease when it is safe and nobody else has one. Who has the lease for the same set gets it
    /// for another `ttl_ms`, whatever the verdict: what is stopping is expected to look unsafe.
    Acquire = 1,
    /// The holder gives the lease back.
    Release = 2,
}

/// The verdict.
#[derive(Clone, PartialEq, Message)]
pub struct RestartSafetyResponse {
    /// 0, or INVALID_REQUEST (42) when the request itself is wrong; `error_message` says why.
    #[prost(int32, tag = "1")]
    pub error_code: i32,
    /// For a person to read.
    #[prost(string, tag = "2")]
    pub error_message: String,
    /// All that was asked for may stop at once, judged by what is committed.
    #[prost(bool, tag = "3")]
    pub safe: bool,
    /// The asker has the lease now.
    #[prost(bool, tag = "4")]
    pub granted: bool,
    /// The lease in force, whoever has it.
    #[prost(message, optional, tag = "5")]
    pub lease: Option<RestartLease>,
    /// Why it is not safe; empty when it is.
    #[prost(message, repeated, tag = "6")]
    pub reasons: Vec<UnsafeReason>,
    /// The active controller, which answers.
    #[prost(sint32, tag = "7")]
    pub controller_id: i32,
    /// How many partitions have a replica in the set.
    #[prost(uint64, tag = "8")]
    pub partitions: u64,
    /// The offset of the metadata that the verdict is about.
    #[prost(uint64, tag = "9")]
    pub metadata_offset: u64,
}

/// A lease in force.
#[derive(Clone, PartialEq, Message)]
pub struct RestartLease {
    /// Who has it.
    #[prost(string, tag = "1")]
    pub holder: String,
    /// For these brokers.
    #[prost(int32, repeated, tag = "2")]
    pub broker_ids: Vec<i32>,
    /// And these controllers.
    #[prost(int32, repeated, tag = "3")]
    pub controller_ids: Vec<i32>,
    /// How long it lasts still.
    #[prost(uint64, tag = "4")]
    pub left_ms: u64,
}

/// One kind of reason why it is not safe.
#[derive(Clone, PartialEq, Message)]
pub struct UnsafeReason {
    /// A word for programs, such as `WOULD_BE_UNDER_MIN_ISR`.
    #[prost(string, tag = "1")]
    pub code: String,
    /// A sentence for a person.
    #[prost(string, tag = "2")]
    pub message: String,
    /// How many partitions, brokers or controllers.
    #[prost(uint64, tag = "3")]
    pub count: u64,
    /// Some of them, at most 10.
    #[prost(string, repeated, tag = "4")]
    pub examples: Vec<String>,
}
