//! What brokers and controllers say to each other.
//!
//! One request envelope and one response envelope, protobuf, carried by the controllers' own api
//! key. All error codes are Kafka's. A controller that is not active answers
//! [`ControllerResponse::error_code`] 41 (NOT_CONTROLLER) with the id of the one that is.

use prost::Message;

use super::record::Listener;

/// The error code of a controller that is not the active one.
pub const NOT_CONTROLLER: i32 = 41;

/// A request to a controller.
#[derive(Clone, PartialEq, Message)]
pub struct ControllerRequest {
    /// What is asked.
    #[prost(oneof = "Request", tags = "1, 2, 3, 4, 5, 6, 7, 20, 21")]
    pub request: Option<Request>,
}

/// The kinds of requests.
#[derive(Clone, PartialEq, prost::Oneof)]
pub enum Request {
    /// A broker process takes its id.
    #[prost(message, tag = "1")]
    RegisterBroker(RegisterBrokerRequest),
    /// A broker is alive, and what it wants.
    #[prost(message, tag = "2")]
    Heartbeat(HeartbeatRequest),
    /// A leader wants to change in-sync sets.
    #[prost(message, tag = "3")]
    AlterPartition(AlterPartitionRequest),
    /// A broker needs a block of producer ids.
    #[prost(message, tag = "4")]
    AllocateProducerIds(AllocateProducerIdsRequest),
    /// A client's admin request.
    #[prost(message, tag = "5")]
    Forward(ForwardRequest),
    /// The committed metadata from an offset on.
    #[prost(message, tag = "6")]
    FetchMetadata(FetchMetadataRequest),
    /// A message of the controllers' consensus; one-way.
    #[prost(message, tag = "7")]
    Raft(RaftRequest),
    /// A broker cannot write replicas that it holds.
    #[prost(message, tag = "20")]
    OfflineReplicas(OfflineReplicasRequest),
    /// May these processes stop now? (The verdict, and the lease for it.)
    #[prost(message, tag = "21")]
    RestartSafety(RestartSafetyRequest),
}

/// A controller's answer.
#[derive(Clone, PartialEq, Message)]
pub struct ControllerResponse {
    /// [`NOT_CONTROLLER`] when this one is not active (then there is no response); else 0.
    #[prost(int32, tag = "8")]
    pub error_code: i32,
    /// With [`NOT_CONTROLLER`]: the active controller, -1 when unknown.
    #[prost(sint32, tag = "9")]
    pub leader_id: i32,
    /// The answer.
    #[prost(oneof = "Response", tags = "1, 2, 3, 4, 5, 6, 7, 20, 21")]
    pub response: Option<Response>,
}

/// The kinds of answers.
#[derive(Clone, PartialEq, prost::Oneof)]
pub enum Response {
    /// To [`Request::RegisterBroker`].
    #[prost(message, tag = "1")]
    RegisterBroker(RegisterBrokerResponse),
    /// To [`Request::Heartbeat`].
    #[prost(message, tag = "2")]
    Heartbeat(HeartbeatResponse),
    /// To [`Request::AlterPartition`].
    #[prost(message, tag = "3")]
    AlterPartition(AlterPartitionResponse),
    /// To [`Request::AllocateProducerIds`].
    #[prost(message, tag = "4")]
    AllocateProducerIds(AllocateProducerIdsResponse),
    /// To [`Request::Forward`].
    #[prost(message, tag = "5")]
    Forward(ForwardResponse),
    /// To [`Request::FetchMetadata`].
    #[prost(message, tag = "6")]
    FetchMetadata(FetchMetadataResponse),
    /// To [`Request::Raft`].
    #[prost(message, tag = "7")]
    Raft(RaftResponse),
    /// To [`Request::OfflineReplicas`].
    #[prost(message, tag = "20")]
    OfflineReplicas(OfflineReplicasResponse),
    /// To [`Request::RestartSafety`].
    #[prost(message, tag = "21")]
    RestartSafety(RestartSafetyResponse),
}

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
}

/// The answer to a registration.
#[derive(Clone, PartialEq, Message)]
pub struct RegisterBrokerResponse {
    /// 0, DUPLICATE_BROKER_REGISTRATION (101), INCONSISTENT_CLUSTER_ID (104) or
    /// INVALID_REGISTRATION (119).
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

/// A client's admin request, as a broker passes it on.
#[derive(Clone, PartialEq, Message)]
pub struct ForwardRequest {
    /// Kafka's api key: CreateTopics (19), DeleteTopics (20), AlterConfigs (33),
    /// CreatePartitions (37), ElectLeaders (43), IncrementalAlterConfigs (44).
    #[prost(int32, tag = "1")]
    pub api_key: i32,
    /// The version in which the body is encoded, and in which the answer will be.
    #[prost(int32, tag = "2")]
    pub api_version: i32,
    /// The request without its header.
    #[prost(bytes = "vec", tag = "3")]
    pub body: Vec<u8>,
    /// The client's id.
    #[prost(string, tag = "4")]
    pub client_id: String,
    /// The client's host.
    #[prost(string, tag = "5")]
    pub client_host: String,
}

/// The answer to a client's admin request.
#[derive(Clone, PartialEq, Message)]
pub struct ForwardResponse {
    /// 0, UNSUPPORTED_VERSION (35) or INVALID_REQUEST (42); then there is no body.
    #[prost(int32, tag = "1")]
    pub error_code: i32,
    /// The response without its header.
    #[prost(bytes = "vec", tag = "2")]
    pub body: Vec<u8>,
    /// What the answer speaks of is applied by whoever has applied this offset.
    #[prost(uint64, tag = "3")]
    pub metadata_offset: u64,
}

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

macro_rules! envelope {
    ($($kind:ident: $request:ident, $response:ident);* $(;)?) => {$(
        impl From<$request> for ControllerRequest {
            fn from(request: $request) -> ControllerRequest {
                ControllerRequest { request: Some(Request::$kind(request)) }
            }
        }
        impl From<$response> for ControllerResponse {
            fn from(response: $response) -> ControllerResponse {
                ControllerResponse {
                    error_code: 0,
                    leader_id: 0,
                    response: Some(Response::$kind(response)),
                }
            }
        }
    )*};
}

envelope! {
    RegisterBroker: RegisterBrokerRequest, RegisterBrokerResponse;
    Heartbeat: HeartbeatRequest, HeartbeatResponse;
    AlterPartition: AlterPartitionRequest, AlterPartitionResponse;
    AllocateProducerIds: AllocateProducerIdsRequest, AllocateProducerIdsResponse;
    Forward: ForwardRequest, ForwardResponse;
    FetchMetadata: FetchMetadataRequest, FetchMetadataResponse;
    Raft: RaftRequest, RaftResponse;
    OfflineReplicas: OfflineReplicasRequest, OfflineReplicasResponse;
    RestartSafety: RestartSafetyRequest, RestartSafetyResponse;
}

impl ControllerResponse {
    /// The answer of a controller that is not active.
    #[must_use]
    pub fn not_controller(leader_id: i32) -> ControllerResponse {
        ControllerResponse { error_code: NOT_CONTROLLER, leader_id, response: None }
    }
}
