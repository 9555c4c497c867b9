//! DescribeQuorum (key 55, KIP-595): what `kafka-metadata-quorum` prints.

use std::collections::BTreeMap;

use bytes::{Bytes, BytesMut};
use odradek_core::metadata::rpc::ForwardResponse;
use odradek_quorum::QuorumStatus;
use odradek_wire::messages::describe_quorum_response::{Listener, Node, PartitionData, ReplicaState, TopicData};
use odradek_wire::messages::{DescribeQuorumRequest, DescribeQuorumResponse};
use odradek_wire::protocol::{Decodable, Encodable, Message, StrBytes};
use odradek_wire::{ResponseError, messages};

use super::config::Endpoint;
use super::progress::Progress;

/// Kafka's key of the API.
pub(super) const API_KEY: i32 = 55;

/// Kafka's name of the metadata log.
const TOPIC: &str = "__cluster_metadata";

/// What the answer is made of: the active controller's view.
pub(super) struct View<'a> {
    pub status: &'a QuorumStatus,
    pub voters: &'a BTreeMap<u64, Vec<Endpoint>>,
    pub progress: &'a Progress,
    pub wall_ms: i64,
}

/// Answers a client's request, in its own version.
pub(super) fn answer(api_version: i32, body: &[u8], view: &View<'_>) -> ForwardResponse {
    let supported = DescribeQuorumRequest::VERSIONS;
    let Some(version) =
        i16::try_from(api_version).ok().filter(|version| (supported.min..=supported.max).contains(version))
    else {
        return failed(ResponseError::UnsupportedVersion);
    };
    let mut bytes = Bytes::copy_from_slice(body);
    let Ok(request) = DescribeQuorumRequest::decode(&mut bytes, version) else {
        return failed(ResponseError::InvalidRequest);
    };
    let mut encoded = BytesMut::new();
    match response(version, &request, view).encode(&mut encoded, version) {
        Ok(()) => ForwardResponse { error_code: 0, body: encoded.to_vec(), metadata_offset: 0 },
        Err(error) => {
            tracing::error!(%error, "a DescribeQuorum answer cannot be encoded");
            failed(ResponseError::UnknownServerError)
        }
    }
}

fn failed(error: ResponseError) -> ForwardResponse {
    ForwardResponse { error_code: i32::from(error.code()), body: Vec::new(), metadata_offset: 0 }
}

fn response(version: i16, request: &DescribeQuorumRequest, view: &View<'_>) -> DescribeQuorumResponse {
    let topics = request.topics.iter().map(|topic| {
        let known = topic.topic_name.as_str() == TOPIC;
        let partitions = topic.partitions.iter().map(|partition| {
            if known && partition.partition_index == 0 {
                quorum(version, view)
            } else {
                PartitionData::default()
                    .with_partition_index(partition.partition_index)
                    .with_error_code(ResponseError::UnknownTopicOrPartition.code())
            }
        });
        TopicData::default().with_topic_name(topic.topic_name.clone()).with_partitions(partitions.collect())
    });
    let response = DescribeQuorumResponse::default().with_topics(topics.collect());
    if version < 2 {
        return response;
    }
    let nodes = view.status.voters.keys().map(|id| {
        let endpoints = view.voters.get(id).map(Vec::as_slice).unwrap_or_default();
        let listeners = endpoints.iter().map(|endpoint| {
            Listener::default()
                .with_name(StrBytes::from_string(endpoint.name.clone()))
                .with_host(StrBytes::from_string(endpoint.host.clone()))
                .with_port(endpoint.port)
        });
        Node::default().with_node_id(broker_id(*id)).with_listeners(listeners.collect())
    });
    response.with_nodes(nodes.collect())
}

fn quorum(version: i16, view: &View<'_>) -> PartitionData {
    let status = view.status;
    let replica = |id: messages::BrokerId, end: i64, heard: i64, caught_up: i64| {
        let state = ReplicaState::default().with_replica_id(id).with_log_end_offset(end);
        if version < 1 {
            return state;
        }
        state.with_last_fetch_timestamp(heard).with_last_caught_up_timestamp(caught_up)
    };
    let voters = status.voters.iter().map(|(id, voter)| {
        let end = voter.match_index.map_or(-1, |index| index as i64 + 1);
        let (heard, caught_up) =
            if *id == status.node_id { (view.wall_ms, view.wall_ms) } else { view.progress.voter(*id) };
        replica(broker_id(*id), end, heard, caught_up)
    });
    let observers = view
        .progress
        .observers()
        .map(|(id, observer)| replica(id.into(), observer.end as i64, observer.heard_ms, observer.caught_up_ms));
    PartitionData::default()
        .with_partition_index(0)
        .with_leader_id(status.leader.map_or((-1).into(), broker_id))
        .with_leader_epoch(i32::try_from(status.term).unwrap_or(i32::MAX))
        .with_high_watermark(status.commit_index as i64 + 1)
        .with_current_voters(voters.collect())
        .with_observers(observers.collect())
}

fn broker_id(id: u64) -> messages::BrokerId {
    i32::try_from(id).unwrap_or(i32::MAX).into()
}
