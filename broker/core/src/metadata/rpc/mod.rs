//! What brokers and controllers say to each other.
//!
//! One request envelope and one response envelope, protobuf, carried by the controllers' own api
//! key. All error codes are Kafka's. A controller that is not active answers
//! [`ControllerResponse::error_code`] 41 (NOT_CONTROLLER) with the id of the one that is.

mod broker;
mod follow;
mod forward;
mod partitions;
mod restart;

use prost::Message;

pub use broker::*;
pub use follow::*;
pub use forward::*;
pub use partitions::*;
pub use restart::*;

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
