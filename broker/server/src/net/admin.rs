//! Kafka's admin protocol on the controllers' listeners (KIP-919): what Kafka's tools speak there with
//! `--bootstrap-controller`.

use bytes::BytesMut;
use odradek_core::metadata::rpc::{ControllerRequest, ControllerResponse, ForwardRequest, NOT_CONTROLLER, Response};
use odradek_wire::ResponseError;
use odradek_wire::messages::{
    AddRaftVoterResponse, AlterPartitionReassignmentsResponse, ApiKey, DescribeClusterResponse, DescribeQuorumResponse,
    ElectLeadersResponse, ListPartitionReassignmentsResponse, RemoveRaftVoterResponse, RequestKind, ResponseKind,
    UnregisterBrokerResponse, UpdateFeaturesResponse,
};
use odradek_wire::request::RequestHeader;
use odradek_wire::response::{self, EncodeError};

use super::service::{Outgoing, Part};

/// The request as the controller's loop takes it.
pub(super) fn forward(header: &RequestHeader, body: &RequestKind) -> Result<ControllerRequest, String> {
    let mut bytes = BytesMut::new();
    body.encode(&mut bytes, header.api_version).map_err(|error| error.to_string())?;
    let request = ForwardRequest {
        api_key: i32::from(header.api_key),
        api_version: i32::from(header.api_version),
        body: bytes.to_vec(),
        client_id: header.client_id.as_deref().unwrap_or_default().to_owned(),
        client_host: String::new(),
    };
    Ok(request.into())
}

/// The loop's answer as Kafka's protocol has it.
pub(super) fn answer(header: &RequestHeader, reply: &ControllerResponse) -> Result<Outgoing, EncodeError> {
    let (key, version, id) = (header.api_key, header.api_version, header.correlation_id);
    let code = match &reply.response {
        Some(Response::Forward(forward)) if forward.error_code == 0 => {
            let frame = response::encode_body(key, version, id, &forward.body)?;
            return Ok(Outgoing::Frame(vec![Part::Bytes(frame)]));
        }
        Some(Response::Forward(forward)) => forward.error_code,
        _ if reply.error_code == NOT_CONTROLLER => NOT_CONTROLLER,
        _ => i32::from(ResponseError::UnknownServerError.code()),
    };
    let code = i16::try_from(code).unwrap_or_else(|_| ResponseError::UnknownServerError.code());
    let refusal: ResponseKind = match ApiKey::try_from(key) {
        Ok(ApiKey::ElectLeaders) if version >= 1 => ElectLeadersResponse::default().with_error_code(code).into(),
        Ok(ApiKey::AlterPartitionReassignments) => {
            AlterPartitionReassignmentsResponse::default().with_error_code(code).into()
        }
        Ok(ApiKey::ListPartitionReassignments) => {
            ListPartitionReassignmentsResponse::default().with_error_code(code).into()
        }
        Ok(ApiKey::UnregisterBroker) => UnregisterBrokerResponse::default().with_error_code(code).into(),
        Ok(ApiKey::DescribeQuorum) => DescribeQuorumResponse::default().with_error_code(code).into(),
        Ok(ApiKey::DescribeCluster) => DescribeClusterResponse::default().with_error_code(code).into(),
        Ok(ApiKey::AddRaftVoter) => AddRaftVoterResponse::default().with_error_code(code).into(),
        Ok(ApiKey::UpdateFeatures) => UpdateFeaturesResponse::default().with_error_code(code).into(),
        Ok(ApiKey::RemoveRaftVoter) => RemoveRaftVoterResponse::default().with_error_code(code).into(),
        // Those without an error of their own (IncrementalAlterConfigs): clients look for the active one when the
        // connection ends.
        _ => return Ok(Outgoing::Close),
    };
    Ok(Outgoing::Frame(vec![Part::Bytes(response::encode(version, id, &refusal)?)]))
}
