//! Error codes in answers, for the counters.

use odradek_node::event::Response;
use odradek_wire::messages::ResponseKind;

/// The first code in an answer that is not 0; 0 when there is none.
pub(super) fn first_error(reply: &Response) -> i16 {
    match reply {
        Response::Nothing | Response::Close => 0,
        Response::Fetch(fetch) => {
            let partitions = fetch.topics.iter().flat_map(|topic| &topic.partitions);
            first(fetch.error_code, partitions.map(|partition| partition.error_code))
        }
        Response::Kafka(kind) => of_kind(kind),
    }
}

fn first(top: i16, rest: impl IntoIterator<Item = i16>) -> i16 {
    if top != 0 {
        return top;
    }
    rest.into_iter().find(|code| *code != 0).unwrap_or(0)
}

fn of_kind(kind: &ResponseKind) -> i16 {
    match kind {
        ResponseKind::Produce(answer) => {
            let partitions = answer.responses.iter().flat_map(|topic| &topic.partition_responses);
            first(0, partitions.map(|partition| partition.error_code))
        }
        ResponseKind::ListOffsets(answer) => {
            let partitions = answer.topics.iter().flat_map(|topic| &topic.partitions);
            first(0, partitions.map(|partition| partition.error_code))
        }
        ResponseKind::Metadata(answer) => first(answer.error_code, answer.topics.iter().map(|topic| topic.error_code)),
        ResponseKind::OffsetCommit(answer) => {
            let partitions = answer.topics.iter().flat_map(|topic| &topic.partitions);
            first(0, partitions.map(|partition| partition.error_code))
        }
        ResponseKind::OffsetFetch(answer) => {
            let partitions = answer.topics.iter().flat_map(|topic| &topic.partitions);
            let of_groups = answer.groups.iter().map(|group| group.error_code);
            first(answer.error_code, partitions.map(|partition| partition.error_code).chain(of_groups))
        }
        ResponseKind::FindCoordinator(answer) => {
            first(answer.error_code, answer.coordinators.iter().map(|coordinator| coordinator.error_code))
        }
        ResponseKind::JoinGroup(answer) => answer.error_code,
        ResponseKind::Heartbeat(answer) => answer.error_code,
        ResponseKind::LeaveGroup(answer) => {
            first(answer.error_code, answer.members.iter().map(|member| member.error_code))
        }
        ResponseKind::SyncGroup(answer) => answer.error_code,
        ResponseKind::DescribeGroups(answer) => first(0, answer.groups.iter().map(|group| group.error_code)),
        ResponseKind::ListGroups(answer) => answer.error_code,
        ResponseKind::ApiVersions(answer) => answer.error_code,
        ResponseKind::CreateTopics(answer) => first(0, answer.topics.iter().map(|topic| topic.error_code)),
        ResponseKind::DeleteTopics(answer) => first(0, answer.responses.iter().map(|topic| topic.error_code)),
        ResponseKind::DeleteRecords(answer) => {
            let partitions = answer.topics.iter().flat_map(|topic| &topic.partitions);
            first(0, partitions.map(|partition| partition.error_code))
        }
        ResponseKind::InitProducerId(answer) => answer.error_code,
        ResponseKind::OffsetForLeaderEpoch(answer) => {
            let partitions = answer.topics.iter().flat_map(|topic| &topic.partitions);
            first(0, partitions.map(|partition| partition.error_code))
        }
        ResponseKind::DescribeConfigs(answer) => first(0, answer.results.iter().map(|result| result.error_code)),
        ResponseKind::AlterConfigs(answer) => first(0, answer.responses.iter().map(|result| result.error_code)),
        ResponseKind::DescribeLogDirs(answer) => {
            first(answer.error_code, answer.results.iter().map(|result| result.error_code))
        }
        ResponseKind::CreatePartitions(answer) => first(0, answer.results.iter().map(|result| result.error_code)),
        ResponseKind::DeleteGroups(answer) => first(0, answer.results.iter().map(|result| result.error_code)),
        ResponseKind::ElectLeaders(answer) => {
            let partitions = answer.replica_election_results.iter().flat_map(|topic| &topic.partition_result);
            first(answer.error_code, partitions.map(|partition| partition.error_code))
        }
        ResponseKind::IncrementalAlterConfigs(answer) => {
            first(0, answer.responses.iter().map(|result| result.error_code))
        }
        ResponseKind::AlterPartitionReassignments(answer) => {
            let partitions = answer.responses.iter().flat_map(|topic| &topic.partitions);
            first(answer.error_code, partitions.map(|partition| partition.error_code))
        }
        ResponseKind::ListPartitionReassignments(answer) => answer.error_code,
        ResponseKind::OffsetDelete(answer) => {
            let partitions = answer.topics.iter().flat_map(|topic| &topic.partitions);
            first(answer.error_code, partitions.map(|partition| partition.error_code))
        }
        ResponseKind::DescribeQuorum(answer) => answer.error_code,
        ResponseKind::UnregisterBroker(answer) => answer.error_code,
        ResponseKind::AddRaftVoter(answer) => answer.error_code,
        ResponseKind::RemoveRaftVoter(answer) => answer.error_code,
        ResponseKind::DescribeCluster(answer) => answer.error_code,
        ResponseKind::DescribeProducers(answer) => {
            let partitions = answer.topics.iter().flat_map(|topic| &topic.partitions);
            first(0, partitions.map(|partition| partition.error_code))
        }
        ResponseKind::DescribeTopicPartitions(answer) => first(0, answer.topics.iter().map(|topic| topic.error_code)),
        // Not served: see odradek_wire::versions.
        _ => 0,
    }
}
