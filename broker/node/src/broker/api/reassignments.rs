//! ListPartitionReassignments (KIP-455): from this broker's own metadata.

use std::collections::{BTreeMap, BTreeSet};

use odradek_core::metadata::image::{Partition, TopicPartition};
use odradek_wire::messages::list_partition_reassignments_request::ListPartitionReassignmentsTopics;
use odradek_wire::messages::list_partition_reassignments_response::{
    OngoingPartitionReassignment, OngoingTopicReassignment,
};
use odradek_wire::messages::{ListPartitionReassignmentsResponse, TopicName};

use super::super::BrokerNode;
use super::metadata::ids;
use super::{reply, text};
use crate::event::{Command, RequestContext};

impl BrokerNode {
    /// What is under way, of all topics or of those asked for. Topics and partitions that are not there, or not being
    /// reassigned, are left out, as in Kafka.
    pub(super) fn list_partition_reassignments(
        &self,
        context: &RequestContext,
        wanted: Option<Vec<ListPartitionReassignmentsTopics>>,
        out: &mut Vec<Command>,
    ) {
        let found: BTreeSet<TopicPartition> = match wanted {
            None => self.image.reassigning().collect(),
            Some(topics) => topics
                .iter()
                .filter_map(|topic| Some((self.image.topic(topic.name.as_str())?.id, &topic.partition_indexes)))
                .flat_map(|(topic_id, indexes)| {
                    indexes.iter().map(move |partition| TopicPartition { topic_id, partition: *partition })
                })
                .collect(),
        };
        let mut topics: BTreeMap<&str, Vec<OngoingPartitionReassignment>> = BTreeMap::new();
        for at in found {
            let Some(topic) = self.image.topic_by_id(at.topic_id) else { continue };
            let Some(state) = topic.partitions.get(&at.partition).filter(|state| state.is_reassigning()) else {
                continue;
            };
            topics.entry(&topic.name).or_default().push(ongoing(at.partition, state));
        }
        let topics = topics
            .into_iter()
            .map(|(name, partitions)| {
                OngoingTopicReassignment::default().with_name(TopicName(text(name))).with_partitions(partitions)
            })
            .collect();
        reply(out, context, ListPartitionReassignmentsResponse::default().with_error_message(None).with_topics(topics));
    }
}

fn ongoing(index: i32, state: &Partition) -> OngoingPartitionReassignment {
    OngoingPartitionReassignment::default()
        .with_partition_index(index)
        .with_replicas(ids(&state.replicas))
        .with_adding_replicas(ids(&state.adding))
        .with_removing_replicas(ids(&state.removing))
}
