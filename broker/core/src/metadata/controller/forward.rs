//! A client's admin request, as a broker passes it on or a controller's listener takes it: decode, decide, encode.

use bytes::{Bytes, BytesMut};
use odradek_wire::ResponseError;
use odradek_wire::messages::{
    AlterConfigsRequest, AlterPartitionReassignmentsRequest, ApiKey, CreatePartitionsRequest, CreateTopicsRequest,
    DeleteTopicsRequest, ElectLeadersRequest, IncrementalAlterConfigsRequest, ListPartitionReassignmentsRequest,
    UnregisterBrokerRequest, UpdateFeaturesRequest,
};
use odradek_wire::protocol::{Decodable, Encodable, Message, VersionRange};

use super::Controller;
use crate::metadata::reassignments;
use crate::metadata::rpc::{ForwardRequest, ForwardResponse};

impl Controller {
    pub(super) fn forward(&mut self, request: &ForwardRequest) -> ForwardResponse {
        match self.answer(request) {
            Ok(body) => ForwardResponse { error_code: 0, body, metadata_offset: 0 },
            Err(error) => ForwardResponse { error_code: i32::from(error.code()), body: Vec::new(), metadata_offset: 0 },
        }
    }

    fn answer(&mut self, request: &ForwardRequest) -> Result<Vec<u8>, ResponseError> {
        let unsupported = ResponseError::UnsupportedVersion;
        let version = i16::try_from(request.api_version).map_err(|_| unsupported)?;
        let key = i16::try_from(request.api_key).map_err(|_| unsupported)?;
        match ApiKey::try_from(key).map_err(|()| unsupported)? {
            ApiKey::CreateTopics => {
                run(request, version, |request: CreateTopicsRequest| self.create_topics(request, version))
            }
            ApiKey::DeleteTopics => {
                run(request, version, |request: DeleteTopicsRequest| self.delete_topics(request, version))
            }
            ApiKey::CreatePartitions => {
                run(request, version, |request: CreatePartitionsRequest| self.create_partitions(request))
            }
            ApiKey::IncrementalAlterConfigs => {
                run(request, version, |request: IncrementalAlterConfigsRequest| self.incremental_alter_configs(request))
            }
            ApiKey::AlterConfigs => run(request, version, |request: AlterConfigsRequest| self.alter_configs(request)),
            ApiKey::ElectLeaders => {
                run(request, version, |request: ElectLeadersRequest| self.elect_leaders(request, version))
            }
            ApiKey::AlterPartitionReassignments => {
                run(request, version, |request: AlterPartitionReassignmentsRequest| {
                    self.alter_partition_reassignments(request, version)
                })
            }
            ApiKey::ListPartitionReassignments => {
                run(request, version, |request: ListPartitionReassignmentsRequest| {
                    reassignments::list(&self.image, request.topics.as_deref())
                })
            }
            ApiKey::UnregisterBroker => {
                run(request, version, |request: UnregisterBrokerRequest| self.unregister_broker(&request))
            }
            ApiKey::UpdateFeatures => {
                run(request, version, |request: UpdateFeaturesRequest| self.update_features(&request, version))
            }
            _ => Err(unsupported),
        }
    }
}

fn run<Q, R>(request: &ForwardRequest, version: i16, decide: impl FnOnce(Q) -> R) -> Result<Vec<u8>, ResponseError>
where
    Q: Decodable + Message,
    R: Encodable,
{
    let VersionRange { min, max } = Q::VERSIONS;
    if !(min..=max).contains(&version) {
        return Err(ResponseError::UnsupportedVersion);
    }
    let mut body = Bytes::copy_from_slice(&request.body);
    let decoded = Q::decode(&mut body, version).map_err(|error| {
        tracing::warn!(%error, api_key = request.api_key, version, "a request that is broken");
        ResponseError::InvalidRequest
    })?;
    let response = decide(decoded);
    let mut bytes = BytesMut::new();
    response.encode(&mut bytes, version).map_err(|error| {
        // Only a field that the version does not have: a bug of the decision's.
        tracing::error!(%error, api_key = request.api_key, version, "a response that is broken");
        ResponseError::UnknownServerError
    })?;
    Ok(bytes.to_vec())
}
