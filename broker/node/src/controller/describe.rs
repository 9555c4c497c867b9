//! DescribeQuorum (55, KIP-595 and KIP-853), what `kafka-metadata-quorum describe` prints; and DescribeCluster (60) of
//! controllers (KIP-919), by which a tool with `--bootstrap-controller` finds the active one.

use bytes::{Bytes, BytesMut};
use odradek_core::metadata::image::Image;
use odradek_core::metadata::rpc::{ForwardRequest, ForwardResponse};
use odradek_quorum::{Member as QuorumMember, QuorumStatus, VoterStatus};
use odradek_wire::messages::describe_cluster_response::DescribeClusterBroker;
use odradek_wire::messages::describe_quorum_response::{Listener, Node, PartitionData, ReplicaState, TopicData};
use odradek_wire::messages::{
    DescribeClusterRequest, DescribeClusterResponse, DescribeQuorumRequest, DescribeQuorumResponse,
};
use odradek_wire::protocol::{Decodable, Encodable, Message, StrBytes};
use odradek_wire::{ResponseError, messages};
use uuid::Uuid;

use super::progress::Progress;

/// Kafka's key of DescribeQuorum.
pub(super) const QUORUM: i32 = 55;

/// Kafka's key of DescribeCluster.
pub(super) const CLUSTER: i32 = 60;

/// Kafka's name of the metadata log.
const TOPIC: &str = "__cluster_metadata";

/// KIP-919: a DescribeCluster that asks for controllers.
const ENDPOINTS_OF_CONTROLLERS: i8 = 2;

/// Authorized operations that nobody asked for.
const OPERATIONS_NOT_ASKED: i32 = i32::MIN;

/// What the answers are made of: this controller's view.
pub(super) struct View<'a> {
    pub status: QuorumStatus,
    pub members: &'a [QuorumMember],
    pub progress: &'a Progress,
    pub image: &'a Image,
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
    let mut nodes: Vec<Node> = Vec::new();
    for member in view.members {
        let listeners = member.endpoints.iter().map(|endpoint| {
            Listener::default()
                .with_name(StrBytes::from_string(endpoint.name.clone()))
                .with_host(StrBytes::from_string(endpoint.host.clone()))
                .with_port(u16::try_from(endpoint.port).unwrap_or_default())
        });
        let node = Node::default().with_node_id(broker_id(member.id)).with_listeners(listeners.collect());
        // A controller with a new disk may observe beside the voter that it was.
        if nodes.iter().all(|known| known.node_id != node.node_id) {
            nodes.push(node);
        }
    }
    nodes.sort_by_key(|node| node.node_id.0);
    response.with_nodes(nodes)
}

fn quorum(version: i16, view: &View<'_>) -> PartitionData {
    let status = &view.status;
    let replica = |id: messages::BrokerId, directory: Uuid, end: i64, (heard, caught_up): (i64, i64)| {
        let state = ReplicaState::default().with_replica_id(id).with_log_end_offset(end);
        let state = if version >= 2 { state.with_replica_directory_id(directory) } else { state };
        if version < 1 {
            return state;
        }
        state.with_last_fetch_timestamp(heard).with_last_caught_up_timestamp(caught_up)
    };
    let controller = |(id, voter): (&u64, &VoterStatus)| {
        let end = voter.match_index.map_or(-1, |index| index as i64 + 1);
        let directory = Bytes::copy_from_slice(&voter.directory_id);
        let times = match *id == status.node_id && view.members.iter().any(|it| it.is(*id, &directory)) {
            true => (view.wall_ms, view.wall_ms),
            false => view.progress.controller(*id, &directory),
        };
        replica(broker_id(*id), Uuid::from_bytes(voter.directory_id), end, times)
    };
    let is_controller = |id: i32| view.members.iter().any(|member| i32::try_from(member.id) == Ok(id));
    // A broker that is a controller too has the log once.
    let brokers = view.progress.observers().filter(|(id, _)| !is_controller(*id)).map(|(id, observer)| {
        let directory = view.image.broker(id).and_then(|broker| broker.log_dirs.first().copied()).unwrap_or_default();
        replica(id.into(), directory, observer.end as i64, (observer.heard_ms, observer.caught_up_ms))
    });
    PartitionData::default()
        .with_partition_index(0)
        .with_leader_id(status.leader.map_or((-1).into(), broker_id))
        .with_leader_epoch(i32::try_from(status.term).unwrap_or(i32::MAX))
        .with_high_watermark(status.commit_index as i64 + 1)
        .with_current_voters(status.voters.iter().map(controller).collect())
        .with_observers(status.observers.iter().map(controller).chain(brokers).collect())
}

/// Answers who the controllers are.
pub(super) fn cluster(request: &ForwardRequest, view: &View<'_>) -> ForwardResponse {
    let supported = DescribeClusterRequest::VERSIONS;
    let Some(version) =
        i16::try_from(request.api_version).ok().filter(|version| (supported.min..=supported.max).contains(version))
    else {
        return failed(ResponseError::UnsupportedVersion);
    };
    let Ok(asked) = DescribeClusterRequest::decode(&mut Bytes::copy_from_slice(&request.body), version) else {
        return failed(ResponseError::InvalidRequest);
    };
    let mut response = DescribeClusterResponse::default()
        .with_cluster_id(StrBytes::from_string(view.image.cluster_id().unwrap_or_default().to_owned()))
        .with_controller_id(view.status.leader.map_or((-1).into(), broker_id))
        .with_cluster_authorized_operations(OPERATIONS_NOT_ASKED);
    if version >= 1 {
        response.endpoint_type = ENDPOINTS_OF_CONTROLLERS;
    }
    if version < 1 || asked.endpoint_type != ENDPOINTS_OF_CONTROLLERS {
        response.error_code = ResponseError::MismatchedEndpointType.code();
        response.error_message = Some(StrBytes::from_static_str("this is a controller: ask a broker about brokers"));
    } else {
        for member in view.members {
            let Some(at) = member.endpoints.first() else { continue };
            let node = DescribeClusterBroker::default()
                .with_broker_id(broker_id(member.id))
                .with_host(StrBytes::from_string(at.host.clone()))
                .with_port(i32::try_from(at.port).unwrap_or_default());
            if response.brokers.iter().all(|known| known.broker_id != node.broker_id) {
                response.brokers.push(node);
            }
        }
    }
    let mut encoded = BytesMut::new();
    match response.encode(&mut encoded, version) {
        Ok(()) => ForwardResponse { error_code: 0, body: encoded.to_vec(), metadata_offset: 0 },
        Err(error) => {
            tracing::error!(%error, "a DescribeCluster answer cannot be encoded");
            failed(ResponseError::UnknownServerError)
        }
    }
}

fn broker_id(id: u64) -> messages::BrokerId {
    i32::try_from(id).unwrap_or(i32::MAX).into()
}
