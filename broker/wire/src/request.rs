//! One request frame to one message, and for clients the way back.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use kafka_protocol::messages::{
    AddRaftVoterRequest, AlterConfigsRequest, AlterPartitionReassignmentsRequest, AlterReplicaLogDirsRequest, ApiKey,
    ApiVersionsRequest, CreatePartitionsRequest, CreateTopicsRequest, DeleteGroupsRequest, DeleteRecordsRequest,
    DeleteTopicsRequest, DescribeClusterRequest, DescribeConfigsRequest, DescribeGroupsRequest, DescribeLogDirsRequest,
    DescribeProducersRequest, DescribeQuorumRequest, DescribeTopicPartitionsRequest, ElectLeadersRequest, FetchRequest,
    FindCoordinatorRequest, HeartbeatRequest, IncrementalAlterConfigsRequest, InitProducerIdRequest, JoinGroupRequest,
    LeaveGroupRequest, ListGroupsRequest, ListOffsetsRequest, ListPartitionReassignmentsRequest, MetadataRequest,
    OffsetCommitRequest, OffsetDeleteRequest, OffsetFetchRequest, OffsetForLeaderEpochRequest, RemoveRaftVoterRequest,
    RequestKind, SyncGroupRequest, UnregisterBrokerRequest, UpdateFeaturesRequest,
};
use kafka_protocol::protocol::{Request, StrBytes};

use crate::frame::PREFIX;
use crate::primitive::{put_uvarint, skip_tagged_fields};
use crate::response::EncodeError;
use crate::versions::{self, ListenerKind, ODRADEK_CONTROLLER};
use crate::{guard, produce};

/// Bound on the bytes fields of group members' metadata and assignments, which may be larger than
/// other fields.
const GROUP_LIMIT: usize = 16 << 20;

/// The header of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestHeader {
    /// Which API.
    pub api_key: i16,
    /// Which version of it.
    pub api_version: i16,
    /// Chosen by the client, repeated in the response.
    pub correlation_id: i32,
    /// The client's name for itself.
    pub client_id: Option<StrBytes>,
}

/// What a request says.
#[derive(Debug, Clone, PartialEq)]
#[allow(clippy::large_enum_variant)] // moved a few times at most, and boxing costs an allocation
pub enum RequestBody {
    /// A request of Kafka's own protocol.
    Kafka(RequestKind),
    /// The body of an [`ODRADEK_CONTROLLER`] request, not looked into.
    Controller(Bytes),
}

/// A request as it came.
#[derive(Debug, Clone, PartialEq)]
pub struct DecodedRequest {
    /// Its header.
    pub header: RequestHeader,
    /// Its body.
    pub body: RequestBody,
}

/// Why a frame is no request that this listener answers. Kafka closes the connection for each of
/// them, except for an ApiVersions request that is too new, which it answers with version 0,
/// UNSUPPORTED_VERSION and a list of one, itself (KIP-511): see [`DecodeError::wants_api_versions`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Shorter than a header, or the header is broken.
    #[error("request header is broken: {0}")]
    Header(&'static str),
    /// An API key that listeners of this kind do not serve.
    #[error("API key {api_key} (version {api_version}) is not served on this listener")]
    UnknownApi {
        /// The key.
        api_key: i16,
        /// The version it came with.
        api_version: i16,
    },
    /// A version outside of what is served.
    #[error(
        "version {} of API key {} is not served: {min} to {max} are",
        header.api_version, header.api_key
    )]
    UnsupportedVersion {
        /// The request's header.
        header: RequestHeader,
        /// Least version served.
        min: i16,
        /// Largest version served.
        max: i16,
    },
    /// The body cannot be decoded.
    #[error(
        "body of request with API key {}, version {} is broken: {reason}",
        header.api_key, header.api_version
    )]
    Body {
        /// The request's header.
        header: RequestHeader,
        /// What is wrong.
        reason: String,
    },
}

impl DecodeError {
    /// The header of an ApiVersions request in a version that is not known here: it is to be
    /// answered with [`crate::response::unsupported_api_versions`]. `None` for all
    /// other errors, which close the connection.
    pub fn wants_api_versions(&self) -> Option<&RequestHeader> {
        match self {
            DecodeError::UnsupportedVersion { header, .. } if header.api_key == ApiKey::ApiVersions as i16 => {
                Some(header)
            }
            _ => None,
        }
    }
}

/// Encodes a whole request frame for a peer: length, header, body. Error as for
/// [`crate::response::encode`].
pub fn encode<R: Request>(
    api_version: i16,
    correlation_id: i32,
    client_id: &str,
    request: &R,
) -> Result<Bytes, EncodeError> {
    let failed = |reason: String| EncodeError { api_key: R::KEY, api_version, reason };
    let mut out = start_frame(R::KEY, api_version, correlation_id, client_id);
    if R::header_version(api_version) >= 2 {
        put_uvarint(&mut out, 0);
    }
    request.encode(&mut out, api_version).map_err(|error| failed(format!("{error:#}")))?;
    finish_frame(out).map_err(failed)
}

/// A request frame of our own API ([`ODRADEK_CONTROLLER`]) around a body that is encoded already.
pub fn encode_controller(correlation_id: i32, client_id: &str, body: &[u8]) -> Result<Bytes, EncodeError> {
    let mut out = start_frame(ODRADEK_CONTROLLER, 0, correlation_id, client_id);
    out.put_slice(body);
    finish_frame(out).map_err(|reason| EncodeError { api_key: ODRADEK_CONTROLLER, api_version: 0, reason })
}

/// Room for the length, and the request header of version 1.
fn start_frame(api_key: i16, api_version: i16, correlation_id: i32, client_id: &str) -> BytesMut {
    let mut out = BytesMut::with_capacity(256);
    out.put_u32(0);
    out.put_i16(api_key);
    out.put_i16(api_version);
    out.put_i32(correlation_id);
    // Longer names are cut rather than refused: no answer depends on it.
    let client_id = &client_id.as_bytes()[..client_id.len().min(i16::MAX as usize)];
    out.put_i16(client_id.len() as i16);
    out.put_slice(client_id);
    out
}

/// Puts the length in front.
fn finish_frame(mut out: BytesMut) -> Result<Bytes, String> {
    let size =
        i32::try_from(out.len() - PREFIX).map_err(|_| format!("{} bytes are more than a frame can hold", out.len()))?;
    out[..PREFIX].copy_from_slice(&size.to_be_bytes());
    Ok(out.freeze())
}

/// Decodes a frame (without its length). Record bytes and strings are slices of it. Bytes after
/// the body are ignored, as Kafka ignores them.
pub fn decode(kind: ListenerKind, frame: Bytes) -> Result<DecodedRequest, DecodeError> {
    let mut bytes = frame;
    let header = decode_header(kind, &mut bytes)?;
    let body = decode_body(&header, bytes).map_err(|reason| DecodeError::Body { header: header.clone(), reason })?;
    Ok(DecodedRequest { header, body })
}

/// Takes the header off a frame and leaves the body.
pub fn decode_header(kind: ListenerKind, bytes: &mut Bytes) -> Result<RequestHeader, DecodeError> {
    if bytes.len() < 8 {
        return Err(DecodeError::Header("it has fewer than 8 bytes"));
    }
    let api_key = bytes.get_i16();
    let api_version = bytes.get_i16();
    let correlation_id = bytes.get_i32();
    let Some(served) = versions::find(kind, api_key) else {
        return Err(DecodeError::UnknownApi { api_key, api_version });
    };
    let client_id = take_client_id(bytes)?;
    let header = RequestHeader { api_key, api_version, correlation_id, client_id };
    // Only now, so that a refused ApiVersions request has its whole header in the error.
    if !served.serves(api_version) {
        return Err(DecodeError::UnsupportedVersion { header, min: served.min, max: served.max });
    }
    if header_version(api_key, api_version) >= 2 {
        skip_tagged_fields(bytes).ok_or(DecodeError::Header("its tagged fields are broken"))?;
    }
    Ok(header)
}

/// Version of the request header that goes with a request.
pub fn header_version(api_key: i16, api_version: i16) -> i16 {
    match ApiKey::try_from(api_key) {
        Ok(key) => key.request_header_version(api_version),
        Err(()) => 1,
    }
}

/// A nullable string with two bytes of length, in every version of the header.
fn take_client_id(bytes: &mut Bytes) -> Result<Option<StrBytes>, DecodeError> {
    let length = bytes.try_get_i16().map_err(|_| DecodeError::Header("its client id is cut"))?;
    match usize::try_from(length) {
        Ok(length) if length <= bytes.len() => StrBytes::from_utf8(bytes.split_to(length))
            .map(Some)
            .map_err(|_| DecodeError::Header("its client id is not UTF-8")),
        Ok(_) => Err(DecodeError::Header("its client id is cut")),
        Err(_) if length == -1 => Ok(None),
        Err(_) => Err(DecodeError::Header("its client id has a negative length")),
    }
}

fn decode_body(header: &RequestHeader, bytes: Bytes) -> Result<RequestBody, String> {
    if header.api_key == ODRADEK_CONTROLLER {
        return Ok(RequestBody::Controller(bytes));
    }
    let version = header.api_version;
    macro_rules! body {
        ($name:ident, $message:ident, $limit:expr) => {
            guard::decode::<$message>(bytes, version, $limit)
                .map(|(message, _)| RequestBody::Kafka(RequestKind::$name(message)))
                .map_err(|error| format!("{error:#}"))
        };
    }
    macro_rules! bodies {
        ($($name:ident $message:ident,)*) => {
            match ApiKey::try_from(header.api_key) {
                Ok(ApiKey::Produce) => produce::decode(bytes, version)
                    .map(|message| RequestBody::Kafka(RequestKind::Produce(message)))
                    .map_err(|error| error.to_string()),
                Ok(ApiKey::JoinGroup) => body!(JoinGroup, JoinGroupRequest, GROUP_LIMIT),
                Ok(ApiKey::SyncGroup) => body!(SyncGroup, SyncGroupRequest, GROUP_LIMIT),
                $(Ok(ApiKey::$name) => body!($name, $message, guard::DEFAULT_LIMIT),)*
                _ => Err("it has no decoder here".to_owned()),
            }
        };
    }
    bodies! {
        Fetch FetchRequest,
        ListOffsets ListOffsetsRequest,
        Metadata MetadataRequest,
        OffsetCommit OffsetCommitRequest,
        OffsetFetch OffsetFetchRequest,
        FindCoordinator FindCoordinatorRequest,
        Heartbeat HeartbeatRequest,
        LeaveGroup LeaveGroupRequest,
        DescribeGroups DescribeGroupsRequest,
        ListGroups ListGroupsRequest,
        ApiVersions ApiVersionsRequest,
        CreateTopics CreateTopicsRequest,
        DeleteTopics DeleteTopicsRequest,
        DeleteRecords DeleteRecordsRequest,
        InitProducerId InitProducerIdRequest,
        OffsetForLeaderEpoch OffsetForLeaderEpochRequest,
        DescribeConfigs DescribeConfigsRequest,
        AlterConfigs AlterConfigsRequest,
        AlterReplicaLogDirs AlterReplicaLogDirsRequest,
        DescribeLogDirs DescribeLogDirsRequest,
        CreatePartitions CreatePartitionsRequest,
        DeleteGroups DeleteGroupsRequest,
        ElectLeaders ElectLeadersRequest,
        IncrementalAlterConfigs IncrementalAlterConfigsRequest,
        AlterPartitionReassignments AlterPartitionReassignmentsRequest,
        ListPartitionReassignments ListPartitionReassignmentsRequest,
        OffsetDelete OffsetDeleteRequest,
        DescribeQuorum DescribeQuorumRequest,
        DescribeCluster DescribeClusterRequest,
        DescribeProducers DescribeProducersRequest,
        UnregisterBroker UnregisterBrokerRequest,
        DescribeTopicPartitions DescribeTopicPartitionsRequest,
        AddRaftVoter AddRaftVoterRequest,
        RemoveRaftVoter RemoveRaftVoterRequest,
        UpdateFeatures UpdateFeaturesRequest,
    }
}
