//! OffsetFetch: what is committed, and nothing that is only being written.

use std::collections::BTreeMap;

use odradek_wire::ResponseError;
use odradek_wire::messages::offset_fetch_request::{OffsetFetchRequestGroup, OffsetFetchRequestTopics};
use odradek_wire::messages::offset_fetch_response::{
    OffsetFetchResponseGroup, OffsetFetchResponsePartition, OffsetFetchResponsePartitions, OffsetFetchResponseTopic,
    OffsetFetchResponseTopics,
};
use odradek_wire::messages::{OffsetFetchRequest, OffsetFetchResponse, TopicName};
use odradek_wire::protocol::StrBytes;
use uuid::Uuid;

use super::Name;
use super::api::GroupResponse;
use super::record::CommittedOffset;
use super::response::text;
use super::state::Group;

/// From here on one request asks for several groups.
const GROUP_LIST: i16 = 8;
/// From here on the response has a place for an error of the whole request.
const TOP_LEVEL_ERROR: i16 = 2;

/// The groups that a request of any version asks for.
pub(super) fn groups_of(request: &OffsetFetchRequest, api_version: i16) -> Vec<OffsetFetchRequestGroup> {
    if api_version >= GROUP_LIST {
        return request.groups.clone();
    }
    let topics = request.topics.as_ref().map(|topics| {
        topics
            .iter()
            .map(|topic| {
                OffsetFetchRequestTopics::default()
                    .with_name(topic.name.clone())
                    .with_partition_indexes(topic.partition_indexes.clone())
            })
            .collect()
    });
    vec![OffsetFetchRequestGroup::default().with_group_id(request.group_id.clone()).with_topics(topics)]
}

/// The offsets of one group. A group that is not there has committed nothing, which is no error.
pub(super) fn fetch(groups: &BTreeMap<Name, Group>, request: &OffsetFetchRequestGroup) -> OffsetFetchResponseGroup {
    let group = groups.get(&**request.group_id);
    let topics = match (&request.topics, group) {
        (Some(topics), _) => topics.iter().map(|topic| asked(group, topic)).collect(),
        (None, Some(group)) => all(group),
        (None, None) => Vec::new(),
    };
    OffsetFetchResponseGroup::default().with_group_id(request.group_id.clone()).with_topics(topics)
}

fn asked(group: Option<&Group>, topic: &OffsetFetchRequestTopics) -> OffsetFetchResponseTopics {
    let partitions = topic.partition_indexes.iter().map(|&index| {
        let committed = group.and_then(|group| group.offsets.get(&topic.name, index));
        // A topic that was made anew under the same name starts without offsets.
        let is_same = |value: &&CommittedOffset| {
            let ids = [value.topic_id, topic.topic_id];
            ids.iter().any(Uuid::is_nil) || ids[0] == ids[1]
        };
        partition(index, committed.filter(is_same))
    });
    OffsetFetchResponseTopics::default()
        .with_name(topic.name.clone())
        .with_topic_id(topic.topic_id)
        .with_partitions(partitions.collect())
}

fn all(group: &Group) -> Vec<OffsetFetchResponseTopics> {
    let topics = group.offsets.topics().map(|(topic, offsets)| {
        let partitions = offsets.iter().map(|(&index, value)| partition(index, Some(value)));
        OffsetFetchResponseTopics::default().with_name(TopicName(text(topic))).with_partitions(partitions.collect())
    });
    topics.collect()
}

fn partition(index: i32, value: Option<&CommittedOffset>) -> OffsetFetchResponsePartitions {
    let partition =
        OffsetFetchResponsePartitions::default().with_partition_index(index).with_metadata(Some(StrBytes::new()));
    match value {
        Some(value) => partition
            .with_committed_offset(value.offset)
            .with_committed_leader_epoch(value.leader_epoch)
            .with_metadata(Some(text(&value.metadata))),
        None => partition.with_committed_offset(-1).with_committed_leader_epoch(-1),
    }
}

/// One group's place in the response when its offsets cannot be told.
pub(super) fn refused_group(request: &OffsetFetchRequestGroup, error: ResponseError) -> OffsetFetchResponseGroup {
    OffsetFetchResponseGroup::default().with_group_id(request.group_id.clone()).with_error_code(error.code())
}

/// The whole response when no group can be looked at.
pub(super) fn refused(request: &OffsetFetchRequest, api_version: i16, error: ResponseError) -> GroupResponse {
    let groups = groups_of(request, api_version);
    let answers = groups.iter().map(|group| refused_group(group, error));
    response(request, api_version, answers.collect())
}

/// Shapes the answers for the version of the request.
pub(super) fn response(
    request: &OffsetFetchRequest,
    api_version: i16,
    mut groups: Vec<OffsetFetchResponseGroup>,
) -> GroupResponse {
    if api_version >= GROUP_LIST {
        return GroupResponse::OffsetFetch(OffsetFetchResponse::default().with_groups(groups));
    }
    let group = groups.pop().unwrap_or_default();
    let error_code = group.error_code;
    let topics = if error_code != 0 && api_version < TOP_LEVEL_ERROR {
        errors_of_partitions(request, error_code)
    } else {
        group.topics.into_iter().map(single).collect()
    };
    let response = OffsetFetchResponse::default().with_topics(topics);
    GroupResponse::OffsetFetch(if api_version < TOP_LEVEL_ERROR {
        response
    } else {
        response.with_error_code(error_code)
    })
}

fn single(topic: OffsetFetchResponseTopics) -> OffsetFetchResponseTopic {
    let partitions = topic.partitions.into_iter().map(|partition| {
        OffsetFetchResponsePartition::default()
            .with_partition_index(partition.partition_index)
            .with_committed_offset(partition.committed_offset)
            .with_committed_leader_epoch(partition.committed_leader_epoch)
            .with_metadata(partition.metadata)
            .with_error_code(partition.error_code)
    });
    OffsetFetchResponseTopic::default().with_name(topic.name).with_partitions(partitions.collect())
}

fn errors_of_partitions(request: &OffsetFetchRequest, error_code: i16) -> Vec<OffsetFetchResponseTopic> {
    let topics = request.topics.iter().flatten().map(|topic| {
        let partitions = topic.partition_indexes.iter().map(|&index| {
            OffsetFetchResponsePartition::default()
                .with_partition_index(index)
                .with_committed_offset(-1)
                .with_metadata(Some(StrBytes::new()))
                .with_error_code(error_code)
        });
        OffsetFetchResponseTopic::default().with_name(topic.name.clone()).with_partitions(partitions.collect())
    });
    topics.collect()
}
