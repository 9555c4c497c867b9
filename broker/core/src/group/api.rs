//! What enters and leaves the group coordinator.

use bytes::Bytes;
use odradek_wire::messages::{
    DeleteGroupsRequest, DeleteGroupsResponse, DescribeGroupsRequest, DescribeGroupsResponse, HeartbeatRequest,
    HeartbeatResponse, JoinGroupRequest, JoinGroupResponse, LeaveGroupRequest, LeaveGroupResponse, ListGroupsRequest,
    ListGroupsResponse, OffsetCommitRequest, OffsetCommitResponse, OffsetDeleteRequest, OffsetDeleteResponse,
    OffsetFetchRequest, OffsetFetchResponse, SyncGroupRequest, SyncGroupResponse,
};
use odradek_wire::protocol::StrBytes;

use super::record::RecordError;

/// The caller's own name for a request that waits for its reply.
pub type Token = u64;

/// Names one append that the caller was asked for. Never reused, so a late answer to a write of
/// an earlier leadership is recognised and ignored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WriteId {
    /// The partition of `__consumer_offsets` that the records go to.
    pub partition: i32,
    pub(super) number: u64,
}

/// Who sent a request, and in which version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestContext {
    /// The version of the request's API; the reply is shaped for the same version.
    pub api_version: i16,
    /// `client.id` from the request header; empty when it was null.
    pub client_id: StrBytes,
    /// The peer's address as Kafka prints it, with its slash: `/10.0.0.7`.
    pub client_host: StrBytes,
}

/// A request of the classic group protocol.
///
/// Topics are looked up by name: the caller resolves topic ids before (OffsetCommit and
/// OffsetFetch 10), and takes out the topics that do not exist or that may not be read. Ids are
/// carried through to the reply.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs, reason = "each is Kafka's request of that name")]
pub enum GroupRequest {
    Join(JoinGroupRequest),
    Sync(SyncGroupRequest),
    Heartbeat(HeartbeatRequest),
    Leave(LeaveGroupRequest),
    OffsetCommit(OffsetCommitRequest),
    OffsetFetch(OffsetFetchRequest),
    DescribeGroups(DescribeGroupsRequest),
    ListGroups(ListGroupsRequest),
    DeleteGroups(DeleteGroupsRequest),
    OffsetDelete(OffsetDeleteRequest),
}

/// The reply to the [`GroupRequest`] of the same name.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs, reason = "each is Kafka's response of that name")]
pub enum GroupResponse {
    Join(JoinGroupResponse),
    Sync(SyncGroupResponse),
    Heartbeat(HeartbeatResponse),
    Leave(LeaveGroupResponse),
    OffsetCommit(OffsetCommitResponse),
    OffsetFetch(OffsetFetchResponse),
    DescribeGroups(DescribeGroupsResponse),
    ListGroups(ListGroupsResponse),
    DeleteGroups(DeleteGroupsResponse),
    OffsetDelete(OffsetDeleteResponse),
}

/// A record for `__consumer_offsets`; without a value it is a tombstone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogRecord {
    /// The encoded key.
    pub key: Bytes,
    /// The encoded value, or `None` to delete the key.
    pub value: Option<Bytes>,
}

/// What the coordinator asks its caller to do, in this order.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// Send the one reply that belongs to `token`.
    Reply {
        /// The request that is answered; it is not used again.
        token: Token,
        /// The answer, shaped for the version of the request.
        response: GroupResponse,
    },
    /// Append `records` as one batch to a partition of `__consumer_offsets` with acks=all.
    ///
    /// Call [`written`](super::GroupCoordinator::written) with the base offset once the high
    /// watermark has passed the batch; or with the error when the batch is *not* in the log. For
    /// one partition these calls come in the order of the appends. When leadership is lost, no
    /// call is needed: [`unload`](super::GroupCoordinator::unload) ends all writes.
    Append {
        /// The partition of `__consumer_offsets`.
        partition: i32,
        /// The records of the batch, never empty.
        records: Vec<LogRecord>,
        /// To be handed back.
        write: WriteId,
    },
}

/// What [`load`](super::GroupCoordinator::load) made of the records that it was given.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Loaded {
    /// Records that were taken.
    pub records: u64,
    /// Records that were left out, with their offsets and why. Loading goes on after them.
    pub skipped: Vec<(i64, RecordError)>,
}
