//! One message to one response frame, and for clients the way back.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use kafka_protocol::messages::{ApiKey, ApiVersionsResponse, ResponseKind};
use kafka_protocol::protocol::{Decodable, Encodable, HeaderVersion};

use crate::frame::PREFIX;
use crate::primitive::{put_uvarint, skip_tagged_fields};
use crate::versions::{self, ListenerKind};
use crate::{ResponseError, guard};

/// A response that cannot be put into bytes: a field that the version does not have, a string
/// above 32,767 bytes, a frame above 2 GiB. A fault of the broker, never of the client.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("response with API key {api_key}, version {api_version} cannot be encoded: {reason}")]
pub struct EncodeError {
    /// The API key.
    pub api_key: i16,
    /// The version.
    pub api_version: i16,
    /// What is wrong.
    pub reason: String,
}

/// A response that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("response with API key {api_key}, version {api_version} is broken: {reason}")]
pub struct ResponseDecodeError {
    /// The API key of the request.
    pub api_key: i16,
    /// The version of the request.
    pub api_version: i16,
    /// What is wrong.
    pub reason: String,
}

/// Encodes a whole frame: length, header, body.
pub fn encode(api_version: i16, correlation_id: i32, response: &ResponseKind) -> Result<Bytes, EncodeError> {
    let api_key = api_key_of(response);
    let header_version = response.header_version(api_version);
    encode_with(api_key, api_version, header_version, correlation_id, |out| response.encode(out, api_version))
}

/// [`encode`] for a message type that is known at compile time.
pub fn encode_message<M: Encodable + HeaderVersion>(
    api_key: i16,
    api_version: i16,
    correlation_id: i32,
    message: &M,
) -> Result<Bytes, EncodeError> {
    let header_version = M::header_version(api_version);
    encode_with(api_key, api_version, header_version, correlation_id, |out| message.encode(out, api_version))
}

/// The answer to an ApiVersions request in a version that is not served: version 0, the error, and
/// the versions of ApiVersions itself, with which the client asks again (KIP-511).
pub fn unsupported_api_versions(kind: ListenerKind, correlation_id: i32) -> Result<Bytes, EncodeError> {
    let key = ApiKey::ApiVersions as i16;
    let mut api_keys = versions::api_keys(kind);
    api_keys.retain(|api| api.api_key == key);
    let response = ApiVersionsResponse::default()
        .with_error_code(ResponseError::UnsupportedVersion.code())
        .with_api_keys(api_keys);
    encode_message(key, 0, correlation_id, &response)
}

/// A frame around a body that is encoded already (own API key; header version 0).
pub fn encode_opaque(correlation_id: i32, body: &[u8]) -> Bytes {
    let mut out = BytesMut::with_capacity(PREFIX + 4 + body.len());
    out.put_u32(4 + body.len() as u32);
    out.put_i32(correlation_id);
    out.put_slice(body);
    out.freeze()
}

/// A frame of Kafka's protocol around a body that is encoded already.
pub fn encode_body(api_key: i16, api_version: i16, correlation_id: i32, body: &[u8]) -> Result<Bytes, EncodeError> {
    let header_version = ApiKey::try_from(api_key).map_or(0, |key| key.response_header_version(api_version));
    encode_with(api_key, api_version, header_version, correlation_id, |out| {
        out.put_slice(body);
        Ok(())
    })
}

fn encode_with(
    api_key: i16,
    api_version: i16,
    header_version: i16,
    correlation_id: i32,
    body: impl FnOnce(&mut BytesMut) -> anyhow::Result<()>,
) -> Result<Bytes, EncodeError> {
    let failed = |reason: String| EncodeError { api_key, api_version, reason };
    let mut out = BytesMut::with_capacity(256);
    out.put_u32(0);
    put_header(&mut out, header_version, correlation_id);
    body(&mut out).map_err(|error| failed(format!("{error:#}")))?;
    let size = i32::try_from(out.len() - PREFIX)
        .map_err(|_| failed(format!("{} bytes are more than a frame can hold", out.len())))?;
    out[..PREFIX].copy_from_slice(&size.to_be_bytes());
    Ok(out.freeze())
}

/// Writes a response header of version 0 or 1.
pub(crate) fn put_header(out: &mut BytesMut, header_version: i16, correlation_id: i32) {
    out.put_i32(correlation_id);
    if header_version >= 1 {
        put_uvarint(out, 0);
    }
}

/// The API key that a response answers.
pub fn api_key_of(response: &ResponseKind) -> i16 {
    macro_rules! keys {
        ($($name:ident)*) => {
            match response {
                $(ResponseKind::$name(_) => ApiKey::$name as i16,)*
                _ => -1,
            }
        };
    }
    keys! {
        Produce Fetch ListOffsets Metadata OffsetCommit OffsetFetch FindCoordinator JoinGroup
        Heartbeat LeaveGroup SyncGroup DescribeGroups ListGroups ApiVersions CreateTopics
        DeleteTopics DeleteRecords InitProducerId OffsetForLeaderEpoch DescribeConfigs
        AlterConfigs AlterReplicaLogDirs DescribeLogDirs CreatePartitions DeleteGroups ElectLeaders
        IncrementalAlterConfigs AlterPartitionReassignments ListPartitionReassignments OffsetDelete DescribeQuorum
        DescribeCluster DescribeProducers UnregisterBroker DescribeTopicPartitions AddRaftVoter RemoveRaftVoter UpdateFeatures
    }
}

/// The correlation id at the start of a response frame (without its length); `None` when it is
/// shorter than that.
pub fn correlation_id(frame: &[u8]) -> Option<i32> {
    frame.first_chunk().map(|bytes| i32::from_be_bytes(*bytes))
}

/// Decodes a response frame (without its length) whose request was `api_key`, `api_version`.
/// Records are slices of the frame.
pub fn decode<M: Decodable + HeaderVersion>(
    api_key: i16,
    api_version: i16,
    frame: Bytes,
) -> Result<M, ResponseDecodeError> {
    let failed = |reason: &str| ResponseDecodeError { api_key, api_version, reason: reason.to_owned() };
    let mut bytes = frame;
    bytes.try_get_i32().map_err(|_| failed("it is shorter than its header"))?;
    if M::header_version(api_version) >= 1 {
        skip_tagged_fields(&mut bytes).ok_or_else(|| failed("its header is broken"))?;
    }
    let limit = bytes.len();
    match guard::decode::<M>(bytes, api_version, limit) {
        Ok((message, _)) => Ok(message),
        Err(error) => Err(failed(&format!("{error:#}"))),
    }
}
