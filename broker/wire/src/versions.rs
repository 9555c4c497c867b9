//! Which API keys and versions each kind of listener serves.
//!
//! The table holds what this broker implements, in the range that Kafka 4.4.0 advertises; where
//! the message definitions (Kafka 4.1's) end earlier, they bound it.

use kafka_protocol::messages::api_versions_response::{ApiVersion, FinalizedFeatureKey, SupportedFeatureKey};
use kafka_protocol::messages::{
    AddRaftVoterRequest, AlterConfigsRequest, AlterPartitionReassignmentsRequest, AlterReplicaLogDirsRequest, ApiKey,
    ApiVersionsRequest, ApiVersionsResponse, CreatePartitionsRequest, CreateTopicsRequest, DeleteGroupsRequest,
    DeleteRecordsRequest, DeleteTopicsRequest, DescribeClusterRequest, DescribeConfigsRequest, DescribeGroupsRequest,
    DescribeLogDirsRequest, DescribeProducersRequest, DescribeQuorumRequest, DescribeTopicPartitionsRequest,
    ElectLeadersRequest, FetchRequest, FindCoordinatorRequest, HeartbeatRequest, IncrementalAlterConfigsRequest,
    InitProducerIdRequest, JoinGroupRequest, LeaveGroupRequest, ListGroupsRequest, ListOffsetsRequest,
    ListPartitionReassignmentsRequest, MetadataRequest, OffsetCommitRequest, OffsetDeleteRequest, OffsetFetchRequest,
    OffsetForLeaderEpochRequest, ProduceRequest, RemoveRaftVoterRequest, SyncGroupRequest, UnregisterBrokerRequest,
    UpdateFeaturesRequest,
};
use kafka_protocol::protocol::{Message, StrBytes, VersionRange};

use crate::features::{self, FinalizedFeatures, METADATA_VERSION};

/// Key of the one API of our own, between this cluster's processes only: version 0, request header
/// version 1, response header version 0, the body opaque here.
pub const ODRADEK_CONTROLLER: i16 = 10_000;

/// The least version of Produce that is advertised, though 3 is the least that is served: older
/// librdkafka turns compression off without a word when it is not offered version 0 (KAFKA-18659).
pub const PRODUCE_ADVERTISED_MIN: i16 = 0;

/// What a listener is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ListenerKind {
    /// Clients and other brokers.
    Broker,
    /// Controllers and brokers that talk to the controllers.
    Controller,
}

/// One API that is served, with its versions (inclusive).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServedApi {
    /// The API key.
    pub key: i16,
    /// The least version that is served.
    pub min: i16,
    /// The largest version that is served.
    pub max: i16,
    /// The least version that ApiVersions names.
    pub advertised_min: i16,
}

impl ServedApi {
    /// Whether `version` is served.
    pub fn serves(&self, version: i16) -> bool {
        (self.min..=self.max).contains(&version)
    }
}

/// The part of `kafka` that the message definition `M` has as well.
const fn api<M: Message>(key: ApiKey, kafka: VersionRange) -> ServedApi {
    let own = M::VERSIONS;
    let min = if kafka.min > own.min { kafka.min } else { own.min };
    let max = if kafka.max < own.max { kafka.max } else { own.max };
    let advertised_min = match key {
        ApiKey::Produce => PRODUCE_ADVERTISED_MIN,
        _ => min,
    };
    ServedApi { key: key as i16, min, max, advertised_min }
}

macro_rules! table {
    ($($key:ident $message:ident $min:literal $max:literal,)*) => {
        &[$(api::<$message>(ApiKey::$key, VersionRange { min: $min, max: $max }),)*]
    };
}

/// Versions as Kafka 4.4.0's broker advertises them, sorted by key.
const BROKER: &[ServedApi] = table! {
    Produce ProduceRequest 0 13,
    Fetch FetchRequest 4 18,
    ListOffsets ListOffsetsRequest 1 11,
    Metadata MetadataRequest 0 13,
    OffsetCommit OffsetCommitRequest 2 10,
    OffsetFetch OffsetFetchRequest 1 10,
    FindCoordinator FindCoordinatorRequest 0 6,
    JoinGroup JoinGroupRequest 0 9,
    Heartbeat HeartbeatRequest 0 4,
    LeaveGroup LeaveGroupRequest 0 5,
    SyncGroup SyncGroupRequest 0 5,
    DescribeGroups DescribeGroupsRequest 0 6,
    ListGroups ListGroupsRequest 0 5,
    ApiVersions ApiVersionsRequest 0 5,
    CreateTopics CreateTopicsRequest 2 7,
    DeleteTopics DeleteTopicsRequest 1 6,
    DeleteRecords DeleteRecordsRequest 0 2,
    InitProducerId InitProducerIdRequest 0 5,
    OffsetForLeaderEpoch OffsetForLeaderEpochRequest 2 4,
    DescribeConfigs DescribeConfigsRequest 1 4,
    AlterConfigs AlterConfigsRequest 0 2,
    AlterReplicaLogDirs AlterReplicaLogDirsRequest 1 2,
    DescribeLogDirs DescribeLogDirsRequest 1 5,
    CreatePartitions CreatePartitionsRequest 0 3,
    DeleteGroups DeleteGroupsRequest 0 3,
    ElectLeaders ElectLeadersRequest 0 2,
    IncrementalAlterConfigs IncrementalAlterConfigsRequest 0 1,
    AlterPartitionReassignments AlterPartitionReassignmentsRequest 0 1,
    ListPartitionReassignments ListPartitionReassignmentsRequest 0 0,
    OffsetDelete OffsetDeleteRequest 0 0,
    DescribeQuorum DescribeQuorumRequest 0 2,
    UpdateFeatures UpdateFeaturesRequest 0 2,
    DescribeCluster DescribeClusterRequest 0 2,
    DescribeProducers DescribeProducersRequest 0 0,
    UnregisterBroker UnregisterBrokerRequest 0 0,
    DescribeTopicPartitions DescribeTopicPartitionsRequest 0 0,
    AddRaftVoter AddRaftVoterRequest 0 1,
    RemoveRaftVoter RemoveRaftVoterRequest 0 0,
};

const CONTROLLER: &[ServedApi] = &[
    api::<ApiVersionsRequest>(ApiKey::ApiVersions, VersionRange { min: 0, max: 5 }),
    // What Kafka's tools ask for with --bootstrap-controller (KIP-853, KIP-919).
    api::<ElectLeadersRequest>(ApiKey::ElectLeaders, VersionRange { min: 0, max: 2 }),
    api::<IncrementalAlterConfigsRequest>(ApiKey::IncrementalAlterConfigs, VersionRange { min: 0, max: 1 }),
    api::<AlterPartitionReassignmentsRequest>(ApiKey::AlterPartitionReassignments, VersionRange { min: 0, max: 1 }),
    api::<ListPartitionReassignmentsRequest>(ApiKey::ListPartitionReassignments, VersionRange { min: 0, max: 0 }),
    api::<DescribeQuorumRequest>(ApiKey::DescribeQuorum, VersionRange { min: 0, max: 2 }),
    api::<UpdateFeaturesRequest>(ApiKey::UpdateFeatures, VersionRange { min: 0, max: 2 }),
    api::<DescribeClusterRequest>(ApiKey::DescribeCluster, VersionRange { min: 0, max: 2 }),
    api::<UnregisterBrokerRequest>(ApiKey::UnregisterBroker, VersionRange { min: 0, max: 0 }),
    api::<AddRaftVoterRequest>(ApiKey::AddRaftVoter, VersionRange { min: 0, max: 1 }),
    api::<RemoveRaftVoterRequest>(ApiKey::RemoveRaftVoter, VersionRange { min: 0, max: 0 }),
    ServedApi { key: ODRADEK_CONTROLLER, min: 0, max: 0, advertised_min: 0 },
];

/// All that a listener of this kind serves, sorted by key.
pub fn served(kind: ListenerKind) -> &'static [ServedApi] {
    match kind {
        ListenerKind::Broker => BROKER,
        ListenerKind::Controller => CONTROLLER,
    }
}

/// The entry of one API; `None` when listeners of this kind do not serve it.
pub fn find(kind: ListenerKind, key: i16) -> Option<&'static ServedApi> {
    served(kind).iter().find(|api| api.key == key)
}

/// The answer to an ApiVersions request, with the features that this release supports and those that are on (KIP-584).
pub fn answer(kind: ListenerKind, api_version: i16, finalized: FinalizedFeatures) -> ApiVersionsResponse {
    let answer = ApiVersionsResponse::default().with_api_keys(api_keys(kind));
    if api_version < 3 {
        return answer;
    }
    let levels = features::supported();
    let supported = SupportedFeatureKey::default()
        .with_name(StrBytes::from_static_str(METADATA_VERSION))
        .with_min_version(*levels.start())
        .with_max_version(*levels.end());
    let on = finalized.levels.into_iter().map(|(name, level)| {
        FinalizedFeatureKey::default()
            .with_name(StrBytes::from_string(name))
            .with_min_version_level(level)
            .with_max_version_level(level)
    });
    answer
        .with_supported_features(vec![supported])
        .with_finalized_features_epoch(finalized.epoch.unwrap_or(-1))
        .with_finalized_features(on.collect())
}

/// The table as an ApiVersions response lists it.
pub fn api_keys(kind: ListenerKind) -> Vec<ApiVersion> {
    served(kind)
        .iter()
        .map(|api| {
            ApiVersion::default().with_api_key(api.key).with_min_version(api.advertised_min).with_max_version(api.max)
        })
        .collect()
}
