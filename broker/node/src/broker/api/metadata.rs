//! Metadata and DescribeTopicPartitions: topics and where their leaders are.

use odradek_core::metadata::image::{Partition as Assignment, Topic};
use odradek_core::time::Now;
use odradek_wire::messages::describe_topic_partitions_response::{
    Cursor, DescribeTopicPartitionsResponsePartition, DescribeTopicPartitionsResponseTopic,
};
use odradek_wire::messages::metadata_response::{
    MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
};
use odradek_wire::messages::{
    BrokerId, DescribeTopicPartitionsRequest, DescribeTopicPartitionsResponse, MetadataRequest, MetadataResponse,
    TopicName,
};
use odradek_wire::protocol::StrBytes;
use uuid::Uuid;

use super::super::roles::OFFSETS_TOPIC;
use super::super::{BrokerNode, codes};
use super::{reply, text};
use crate::event::{Command, RequestContext};

/// Kafka's "no authorized operations were asked for".
pub(super) const OPERATIONS_NOT_ASKED: i32 = i32::MIN;
/// `__transaction_state` is Kafka's other internal topic.
const TRANSACTIONS_TOPIC: &str = "__transaction_state";

pub(super) fn is_internal(topic: &str) -> bool {
    topic == OFFSETS_TOPIC || topic == TRANSACTIONS_TOPIC
}

pub(super) fn ids(ids: &[i32]) -> Vec<BrokerId> {
    ids.iter().map(|id| BrokerId(*id)).collect()
}

impl BrokerNode {
    pub(super) fn metadata(
        &mut self,
        now: Now,
        context: &RequestContext,
        request: MetadataRequest,
        out: &mut Vec<Command>,
    ) {
        let mut response = MetadataResponse::default()
            .with_controller_id(BrokerId(self.controller_to_show()))
            .with_cluster_id(self.image.cluster_id().map(text))
            .with_cluster_authorized_operations(OPERATIONS_NOT_ASKED);
        response.brokers = self
            .image
            .alive_brokers()
            .filter_map(|broker| {
                let listener = broker.listener(&context.listener)?;
                Some(
                    MetadataResponseBroker::default()
                        .with_node_id(BrokerId(broker.id))
                        .with_host(text(&listener.host))
                        .with_port(i32::try_from(listener.port).ok()?)
                        .with_rack(broker.rack.as_deref().map(text)),
                )
            })
            .collect();
        // Null means all; in version 0 an empty list did.
        let wanted = request.topics.filter(|topics| context.api_version > 0 || !topics.is_empty());
        match wanted {
            None => response.topics = self.image.topics().map(|topic| self.topic_metadata(topic)).collect(),
            Some(topics) => {
                for wanted in topics {
                    response.topics.push(self.wanted_topic(
                        now,
                        wanted.name,
                        wanted.topic_id,
                        request.allow_auto_topic_creation,
                        out,
                    ));
                }
            }
        }
        reply(out, context, response);
    }

    fn wanted_topic(
        &mut self,
        now: Now,
        name: Option<TopicName>,
        id: Uuid,
        may_create: bool,
        out: &mut Vec<Command>,
    ) -> MetadataResponseTopic {
        let missing = |error: i16, name: Option<TopicName>| {
            MetadataResponseTopic::default()
                .with_error_code(error)
                .with_name(name)
                .with_topic_id(id)
                .with_topic_authorized_operations(OPERATIONS_NOT_ASKED)
        };
        let Some(name) = name else {
            return match self.image.topic_by_id(id) {
                Some(topic) => self.topic_metadata(topic),
                None => missing(codes::UNKNOWN_TOPIC_ID, None),
            };
        };
        if let Some(topic) = self.image.topic(name.as_str()) {
            return self.topic_metadata(topic);
        }
        if odradek_core::metadata::topic_name::validate(name.as_str()).is_err() {
            return missing(codes::INVALID_TOPIC_EXCEPTION, Some(name));
        }
        if may_create && self.config.auto_create_topics {
            self.create_topic(now, name.as_str(), out);
        }
        // Kafka's clients ask again.
        missing(codes::UNKNOWN_TOPIC_OR_PARTITION, Some(name))
    }

    fn topic_metadata(&self, topic: &Topic) -> MetadataResponseTopic {
        MetadataResponseTopic::default()
            .with_name(Some(TopicName(text(&topic.name))))
            .with_topic_id(topic.id)
            .with_is_internal(is_internal(&topic.name))
            .with_topic_authorized_operations(OPERATIONS_NOT_ASKED)
            .with_partitions(
                topic
                    .partitions
                    .iter()
                    .map(|(index, partition)| {
                        MetadataResponsePartition::default()
                            .with_error_code(leader_error(partition))
                            .with_partition_index(*index)
                            .with_leader_id(BrokerId(partition.leader))
                            .with_leader_epoch(partition.leader_epoch)
                            .with_replica_nodes(ids(&partition.replicas))
                            .with_isr_nodes(ids(&partition.isr))
                            .with_offline_replicas(self.offline(partition))
                    })
                    .collect(),
            )
    }

    fn offline(&self, partition: &Assignment) -> Vec<BrokerId> {
        let alive = |id: &i32| self.image.broker(*id).is_some_and(|broker| !broker.fenced);
        partition.replicas.iter().filter(|id| !alive(id)).map(|id| BrokerId(*id)).collect()
    }

    /// Clients send what only a controller can do to this broker; any broker passes it on, so one that is alive will do.
    pub(super) fn controller_to_show(&self) -> i32 {
        let mut alive = self.image.alive_brokers().map(|broker| broker.id);
        let active = self.calls.active_controller();
        let first = alive.next();
        match active {
            Some(id) if self.image.broker(id).is_some_and(|broker| !broker.fenced) => id,
            _ => first.unwrap_or(-1),
        }
    }

    pub(super) fn describe_topic_partitions(
        &self,
        context: &RequestContext,
        request: DescribeTopicPartitionsRequest,
        out: &mut Vec<Command>,
    ) {
        let limit = usize::try_from(request.response_partition_limit).unwrap_or(0).clamp(1, 2_000);
        let mut names: Vec<String> = if request.topics.is_empty() {
            self.image.topics().map(|topic| topic.name.to_string()).collect()
        } else {
            request.topics.iter().map(|topic| topic.name.to_string()).collect()
        };
        names.sort();
        names.dedup();
        let (from_name, mut from_partition) =
            request.cursor.map_or((String::new(), 0), |cursor| (cursor.topic_name.to_string(), cursor.partition_index));
        let mut response = DescribeTopicPartitionsResponse::default();
        let mut left = limit;
        for name in names.into_iter().filter(|name| *name >= from_name) {
            if left == 0 {
                response.next_cursor =
                    Some(Cursor::default().with_topic_name(TopicName(text(&name))).with_partition_index(0));
                break;
            }
            let start = if name == from_name { std::mem::take(&mut from_partition) } else { 0 };
            let Some(topic) = self.image.topic(&name) else {
                response.topics.push(
                    DescribeTopicPartitionsResponseTopic::default()
                        .with_error_code(codes::UNKNOWN_TOPIC_OR_PARTITION)
                        .with_name(Some(TopicName(text(&name))))
                        .with_topic_authorized_operations(OPERATIONS_NOT_ASKED),
                );
                continue;
            };
            let mut partitions = Vec::new();
            for (index, partition) in topic.partitions.range(start..) {
                if left == 0 {
                    response.next_cursor =
                        Some(Cursor::default().with_topic_name(TopicName(text(&name))).with_partition_index(*index));
                    break;
                }
                left -= 1;
                partitions.push(
                    DescribeTopicPartitionsResponsePartition::default()
                        .with_error_code(leader_error(partition))
                        .with_partition_index(*index)
                        .with_leader_id(BrokerId(partition.leader))
                        .with_leader_epoch(partition.leader_epoch)
                        .with_replica_nodes(ids(&partition.replicas))
                        .with_isr_nodes(ids(&partition.isr))
                        .with_eligible_leader_replicas(Some(ids(&partition.elr)))
                        .with_last_known_elr(Some(partition.last_known_leader.map(BrokerId).into_iter().collect()))
                        .with_offline_replicas(self.offline(partition)),
                );
            }
            response.topics.push(
                DescribeTopicPartitionsResponseTopic::default()
                    .with_name(Some(TopicName(text(&name))))
                    .with_topic_id(topic.id)
                    .with_is_internal(is_internal(&name))
                    .with_topic_authorized_operations(OPERATIONS_NOT_ASKED)
                    .with_partitions(partitions),
            );
            if response.next_cursor.is_some() {
                break;
            }
        }
        reply(out, context, response);
    }
}

fn leader_error(partition: &Assignment) -> i16 {
    if partition.leader().is_some() { codes::NONE } else { codes::LEADER_NOT_AVAILABLE }
}

/// An empty string of Kafka's.
#[must_use]
pub(super) fn empty() -> StrBytes {
    StrBytes::from_static_str("")
}
