//! Every version of every API that a broker or a controller advertises gets an answer that can be read.
//!
//! A field that is set in a version without it, or left out where it must be, ends a connection: no client of that
//! version would get on.

mod support;

use kafka_protocol::messages::*;
use kafka_protocol::protocol::StrBytes;
use odradek_wire::versions::{ListenerKind, ODRADEK_CONTROLLER, served};
use support::{Client, Process};
use uuid::Uuid;

fn text(value: &str) -> StrBytes {
    StrBytes::from_string(value.to_owned())
}

fn name(value: &str) -> TopicName {
    TopicName(text(value))
}

const TOPIC: &str = "t";

/// A request that makes the broker fill in as much of its answer as can be.
fn request(key: ApiKey, version: i16, topic_id: Uuid) -> RequestKind {
    let by_id = |since: i16| version >= since;
    match key {
        ApiKey::Produce => {
            use produce_request::{PartitionProduceData, TopicProduceData};
            let topic = TopicProduceData::default().with_partition_data(vec![PartitionProduceData::default()]);
            let topic = if by_id(13) { topic.with_topic_id(topic_id) } else { topic.with_name(name(TOPIC)) };
            ProduceRequest::default().with_acks(1).with_timeout_ms(1_000).with_topic_data(vec![topic]).into()
        }
        ApiKey::Fetch => {
            use fetch_request::{FetchPartition, FetchTopic};
            let partition = FetchPartition::default().with_partition_max_bytes(1 << 20);
            let topic = FetchTopic::default().with_partitions(vec![partition]);
            let topic = if by_id(13) { topic.with_topic_id(topic_id) } else { topic.with_topic(name(TOPIC)) };
            let request = FetchRequest::default().with_max_bytes(1 << 20).with_topics(vec![topic]);
            if version >= 7 { request.with_session_epoch(-1) } else { request }.into()
        }
        ApiKey::ListOffsets => {
            use list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
            let partition = ListOffsetsPartition::default().with_timestamp(-1);
            let topic = ListOffsetsTopic::default().with_name(name(TOPIC)).with_partitions(vec![partition]);
            ListOffsetsRequest::default().with_replica_id(BrokerId(-1)).with_topics(vec![topic]).into()
        }
        ApiKey::Metadata => {
            use metadata_request::MetadataRequestTopic;
            let topics = [TOPIC, "missing"];
            let topics = topics.map(|topic| MetadataRequestTopic::default().with_name(Some(name(topic))));
            let request = MetadataRequest::default().with_topics(Some(topics.to_vec()));
            if version >= 4 { request.with_allow_auto_topic_creation(false) } else { request }.into()
        }
        ApiKey::OffsetCommit => {
            use offset_commit_request::{OffsetCommitRequestPartition, OffsetCommitRequestTopic};
            let partition = OffsetCommitRequestPartition::default().with_committed_metadata(Some(text("m")));
            let topic = OffsetCommitRequestTopic::default().with_partitions(vec![partition]);
            let topic = if by_id(10) { topic.with_topic_id(topic_id) } else { topic.with_name(name(TOPIC)) };
            OffsetCommitRequest::default().with_group_id(GroupId(text("g"))).with_topics(vec![topic]).into()
        }
        ApiKey::OffsetFetch => {
            use offset_fetch_request::{OffsetFetchRequestGroup, OffsetFetchRequestTopic, OffsetFetchRequestTopics};
            if version < 8 {
                let topic = OffsetFetchRequestTopic::default().with_name(name(TOPIC)).with_partition_indexes(vec![0]);
                OffsetFetchRequest::default().with_group_id(GroupId(text("g"))).with_topics(Some(vec![topic]))
            } else {
                let topic = OffsetFetchRequestTopics::default().with_partition_indexes(vec![0]);
                let topic = if by_id(10) { topic.with_topic_id(topic_id) } else { topic.with_name(name(TOPIC)) };
                let group = OffsetFetchRequestGroup::default();
                let group = group.with_group_id(GroupId(text("g"))).with_topics(Some(vec![topic]));
                OffsetFetchRequest::default().with_groups(vec![group])
            }
            .into()
        }
        ApiKey::FindCoordinator => match version {
            ..4 => FindCoordinatorRequest::default().with_key(text("g")),
            _ => FindCoordinatorRequest::default().with_coordinator_keys(vec![text("g")]),
        }
        .into(),
        ApiKey::JoinGroup => {
            use join_group_request::JoinGroupRequestProtocol;
            let protocol = JoinGroupRequestProtocol::default().with_name(text("range"));
            let request = JoinGroupRequest::default()
                .with_group_id(GroupId(text(&format!("j{version}"))))
                .with_session_timeout_ms(10_000)
                .with_protocol_type(text("consumer"))
                .with_protocols(vec![protocol]);
            if version >= 1 { request.with_rebalance_timeout_ms(1_000) } else { request }.into()
        }
        ApiKey::Heartbeat => {
            HeartbeatRequest::default().with_group_id(GroupId(text("g"))).with_member_id(text("m")).into()
        }
        ApiKey::LeaveGroup => {
            use leave_group_request::MemberIdentity;
            let request = LeaveGroupRequest::default().with_group_id(GroupId(text("g")));
            if version < 3 {
                request.with_member_id(text("m"))
            } else {
                request.with_members(vec![MemberIdentity::default().with_member_id(text("m"))])
            }
            .into()
        }
        ApiKey::SyncGroup => {
            SyncGroupRequest::default().with_group_id(GroupId(text("g"))).with_member_id(text("m")).into()
        }
        ApiKey::DescribeGroups => {
            DescribeGroupsRequest::default().with_groups(vec![GroupId(text("g")), GroupId(text("none"))]).into()
        }
        ApiKey::ListGroups => ListGroupsRequest::default().into(),
        ApiKey::ApiVersions => ApiVersionsRequest::default()
            .with_client_software_name(text(if version >= 3 { "test" } else { "" }))
            .with_client_software_version(text(if version >= 3 { "1" } else { "" }))
            .into(),
        ApiKey::CreateTopics => {
            use create_topics_request::CreatableTopic;
            let topics = [format!("made-{version}"), "b/d".to_owned()];
            let topics = topics.map(|topic| {
                CreatableTopic::default().with_name(name(&topic)).with_num_partitions(1).with_replication_factor(1)
            });
            CreateTopicsRequest::default().with_timeout_ms(5_000).with_topics(topics.to_vec()).into()
        }
        ApiKey::DeleteTopics => {
            use delete_topics_request::DeleteTopicState;
            let request = DeleteTopicsRequest::default().with_timeout_ms(5_000);
            if version < 6 {
                request.with_topic_names(vec![name("missing")])
            } else {
                request.with_topics(vec![DeleteTopicState::default().with_name(Some(name("missing")))])
            }
            .into()
        }
        ApiKey::DeleteRecords => {
            use delete_records_request::{DeleteRecordsPartition, DeleteRecordsTopic};
            let topic = DeleteRecordsTopic::default().with_name(name(TOPIC));
            let topic = topic.with_partitions(vec![DeleteRecordsPartition::default()]);
            DeleteRecordsRequest::default().with_timeout_ms(1_000).with_topics(vec![topic]).into()
        }
        ApiKey::InitProducerId => InitProducerIdRequest::default().with_transaction_timeout_ms(60_000).into(),
        ApiKey::OffsetForLeaderEpoch => {
            use offset_for_leader_epoch_request::{OffsetForLeaderPartition, OffsetForLeaderTopic};
            let topic = OffsetForLeaderTopic::default().with_topic(name(TOPIC));
            let topic = topic.with_partitions(vec![OffsetForLeaderPartition::default()]);
            OffsetForLeaderEpochRequest::default().with_replica_id(BrokerId(-1)).with_topics(vec![topic]).into()
        }
        ApiKey::DescribeConfigs => {
            use describe_configs_request::DescribeConfigsResource;
            let resources = [(2, TOPIC), (4, "1"), (4, "")].map(|(kind, name)| {
                DescribeConfigsResource::default()
                    .with_resource_type(kind)
                    .with_resource_name(text(name))
                    .with_configuration_keys(None)
            });
            let request = DescribeConfigsRequest::default().with_resources(resources.to_vec());
            let request = request.with_include_synonyms(true);
            if version >= 3 { request.with_include_documentation(true) } else { request }.into()
        }
        ApiKey::AlterConfigs => {
            use alter_configs_request::AlterConfigsResource;
            let resource = AlterConfigsResource::default().with_resource_type(2).with_resource_name(text(TOPIC));
            AlterConfigsRequest::default().with_resources(vec![resource]).into()
        }
        ApiKey::IncrementalAlterConfigs => {
            use incremental_alter_configs_request::{AlterConfigsResource, AlterableConfig};
            let config = AlterableConfig::default().with_name(text("retention.ms")).with_value(Some(text("60000")));
            let resource = AlterConfigsResource::default().with_resource_type(2).with_resource_name(text(TOPIC));
            let resource = resource.with_configs(vec![config]);
            IncrementalAlterConfigsRequest::default().with_resources(vec![resource]).into()
        }
        ApiKey::AlterReplicaLogDirs => {
            use alter_replica_log_dirs_request::{AlterReplicaLogDir, AlterReplicaLogDirTopic};
            let topic = AlterReplicaLogDirTopic::default().with_name(name(TOPIC)).with_partitions(vec![0]);
            let dir = AlterReplicaLogDir::default().with_path(text("/nowhere")).with_topics(vec![topic]);
            AlterReplicaLogDirsRequest::default().with_dirs(vec![dir]).into()
        }
        ApiKey::DescribeLogDirs => DescribeLogDirsRequest::default().with_topics(None).into(),
        ApiKey::CreatePartitions => {
            use create_partitions_request::CreatePartitionsTopic;
            let topic = CreatePartitionsTopic::default().with_name(name("missing")).with_count(2);
            CreatePartitionsRequest::default().with_timeout_ms(5_000).with_topics(vec![topic]).into()
        }
        ApiKey::DeleteGroups => DeleteGroupsRequest::default().with_groups_names(vec![GroupId(text("none"))]).into(),
        ApiKey::ElectLeaders => {
            use elect_leaders_request::TopicPartitions;
            let topic = TopicPartitions::default().with_topic(name(TOPIC)).with_partitions(vec![0]);
            ElectLeadersRequest::default().with_timeout_ms(5_000).with_topic_partitions(Some(vec![topic])).into()
        }
        ApiKey::AlterPartitionReassignments => {
            use alter_partition_reassignments_request::{ReassignablePartition, ReassignableTopic};
            let here = ReassignablePartition::default().with_replicas(Some(vec![BrokerId(1)]));
            let cancel = ReassignablePartition::default().with_replicas(None);
            let topic = ReassignableTopic::default().with_name(name(TOPIC)).with_partitions(vec![here, cancel]);
            let request = AlterPartitionReassignmentsRequest::default().with_timeout_ms(5_000).with_topics(vec![topic]);
            if version >= 1 { request.with_allow_replication_factor_change(false) } else { request }.into()
        }
        ApiKey::ListPartitionReassignments => {
            ListPartitionReassignmentsRequest::default().with_timeout_ms(5_000).with_topics(None).into()
        }
        ApiKey::OffsetDelete => {
            use offset_delete_request::{OffsetDeleteRequestPartition, OffsetDeleteRequestTopic};
            let topic = OffsetDeleteRequestTopic::default().with_name(name(TOPIC));
            let topic = topic.with_partitions(vec![OffsetDeleteRequestPartition::default()]);
            OffsetDeleteRequest::default().with_group_id(GroupId(text("g"))).with_topics(vec![topic]).into()
        }
        ApiKey::DescribeQuorum => {
            use describe_quorum_request::{PartitionData, TopicData};
            let topic = TopicData::default().with_topic_name(name("__cluster_metadata"));
            let topic = topic.with_partitions(vec![PartitionData::default()]);
            DescribeQuorumRequest::default().with_topics(vec![topic]).into()
        }
        ApiKey::UnregisterBroker => UnregisterBrokerRequest::default().with_broker_id(BrokerId(99)).into(),
        ApiKey::DescribeCluster => DescribeClusterRequest::default().into(),
        ApiKey::AddRaftVoter => AddRaftVoterRequest::default().with_cluster_id(Some(text("another"))).into(),
        ApiKey::RemoveRaftVoter => RemoveRaftVoterRequest::default().with_voter_id(7).into(),
        ApiKey::UpdateFeatures => {
            use update_features_request::FeatureUpdateKey;
            let updates = [("metadata.version", 26), ("unknown", 1)].map(|(feature, level)| {
                FeatureUpdateKey::default().with_feature(text(feature)).with_max_version_level(level)
            });
            let request = UpdateFeaturesRequest::default().with_timeout_ms(5_000);
            let request = request.with_feature_updates(updates.to_vec());
            if version >= 1 { request.with_validate_only(true) } else { request }.into()
        }
        ApiKey::DescribeProducers => {
            use describe_producers_request::TopicRequest;
            let topic = TopicRequest::default().with_name(name(TOPIC)).with_partition_indexes(vec![0, 7]);
            DescribeProducersRequest::default().with_topics(vec![topic]).into()
        }
        ApiKey::DescribeTopicPartitions => {
            use describe_topic_partitions_request::TopicRequest;
            let topics = [TOPIC, "missing"].map(|topic| TopicRequest::default().with_name(name(topic)));
            DescribeTopicPartitionsRequest::default()
                .with_response_partition_limit(100)
                .with_topics(topics.to_vec())
                .into()
        }
        other => panic!("{other:?} is served: write a request for it here"),
    }
}

fn make_topic(client: &mut Client) -> Uuid {
    use create_topics_request::CreatableTopic;
    let topic = CreatableTopic::default().with_name(name(TOPIC)).with_num_partitions(1).with_replication_factor(1);
    let request = CreateTopicsRequest::default().with_timeout_ms(5_000).with_topics(vec![topic]);
    let Some(ResponseKind::CreateTopics(answer)) = client.ask(ApiKey::CreateTopics, 7, &request.into()) else {
        panic!("no answer to CreateTopics")
    };
    assert_eq!(answer.topics[0].error_code, 0, "{answer:?}");
    answer.topics[0].topic_id
}

#[test]
fn every_version_is_answered() {
    let dir = tempfile::tempdir().unwrap();
    let process = Process::start(dir.path(), &[]);
    let mut client = Client::connect(process.port);
    let topic_id = make_topic(&mut client);
    let mut unanswered = Vec::new();
    for (kind, port) in [(ListenerKind::Broker, process.port), (ListenerKind::Controller, process.controller)] {
        let mut client = Client::connect(port);
        for api in served(kind).iter().filter(|api| api.key != ODRADEK_CONTROLLER) {
            let key = ApiKey::try_from(api.key).unwrap();
            for version in api.min..=api.max {
                if client.ask(key, version, &request(key, version, topic_id)).is_none() {
                    unanswered.push(format!("{kind:?} {key:?} {version}"));
                    client = Client::connect(port);
                }
            }
        }
    }
    assert!(unanswered.is_empty(), "no answer to {unanswered:?}:\n{}", process.log());
}
