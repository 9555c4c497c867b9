//! ListPartitionReassignments (KIP-455), as brokers and controllers answer it from the image that they have.

use std::collections::{BTreeMap, BTreeSet};

use odradek_wire::messages::list_partition_reassignments_request::ListPartitionReassignmentsTopics;
use odradek_wire::messages::list_partition_reassignments_response::{
    OngoingPartitionReassignment, OngoingTopicReassignment,
};
use odradek_wire::messages::{BrokerId, ListPartitionReassignmentsResponse, TopicName};
use odradek_wire::protocol::StrBytes;

use super::image::{Image, Partition, TopicPartition};

/// What is under way, of all topics or of those asked for. Topics and partitions that are not there, or not being
/// reassigned, are left out, as in Kafka.
#[must_use]
pub fn list(image: &Image, wanted: Option<&[ListPartitionReassignmentsTopics]>) -> ListPartitionReassignmentsResponse {
    let found: BTreeSet<TopicPartition> = match wanted {
        None => image.reassigning().collect(),
        Some(topics) => topics
            .iter()
            .filter_map(|topic| Some((image.topic(topic.name.as_str())?.id, &topic.partition_indexes)))
            .flat_map(|(topic_id, indexes)| {
                indexes.iter().map(move |partition| TopicPartition { topic_id, partition: *partition })
            })
            .collect(),
    };
    let mut topics: BTreeMap<&str, Vec<OngoingPartitionReassignment>> = BTreeMap::new();
    for at in found {
        let Some(topic) = image.topic_by_id(at.topic_id) else { continue };
        let Some(state) = topic.partitions.get(&at.partition).filter(|state| state.is_reassigning()) else {
            continue;
        };
        topics.entry(&topic.name).or_default().push(ongoing(at.partition, state));
    }
    let topics = topics
        .into_iter()
        .map(|(name, partitions)| {
            let name = TopicName(StrBytes::from_string(name.to_owned()));
            OngoingTopicReassignment::default().with_name(name).with_partitions(partitions)
        })
        .collect();
    ListPartitionReassignmentsResponse::default().with_error_message(None).with_topics(topics)
}

fn ongoing(index: i32, state: &Partition) -> OngoingPartitionReassignment {
    let ids = |ids: &[i32]| ids.iter().map(|id| BrokerId(*id)).collect();
    OngoingPartitionReassignment::default()
        .with_partition_index(index)
        .with_replicas(ids(&state.replicas))
        .with_adding_replicas(ids(&state.adding))
        .with_removing_replicas(ids(&state.removing))
}
