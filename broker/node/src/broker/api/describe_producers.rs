//! DescribeProducers (KIP-664): what a leader knows of the producers of a partition.

use odradek_wire::messages::describe_producers_response::{PartitionResponse, ProducerState, TopicResponse};
use odradek_wire::messages::{DescribeProducersRequest, DescribeProducersResponse, ProducerId};
use uuid::Uuid;

use super::super::{BrokerNode, codes};
use super::reply;
use crate::event::{Command, LogKey, RequestContext};

impl BrokerNode {
    pub(super) fn describe_producers(
        &self,
        context: &RequestContext,
        request: DescribeProducersRequest,
        out: &mut Vec<Command>,
    ) {
        let mut response = DescribeProducersResponse::default();
        for topic in request.topics {
            let mut partitions = Vec::with_capacity(topic.partition_indexes.len());
            for index in topic.partition_indexes {
                let outcome = match self.key_of(topic.name.as_str(), Uuid::nil(), index) {
                    None => Err(codes::UNKNOWN_TOPIC_OR_PARTITION),
                    Some(key) => self.producers_of(key),
                };
                let answer = PartitionResponse::default().with_partition_index(index).with_error_message(None);
                partitions.push(match outcome {
                    Ok(producers) => answer.with_active_producers(producers),
                    Err(error) => answer.with_error_code(error),
                });
            }
            response.topics.push(TopicResponse::default().with_name(topic.name).with_partitions(partitions));
        }
        reply(out, context, response);
    }

    fn producers_of(&self, key: LogKey) -> Result<Vec<ProducerState>, i16> {
        let partition = self.partitions.get(&key).ok_or(codes::NOT_LEADER_OR_FOLLOWER)?;
        partition.leader().ok_or(codes::NOT_LEADER_OR_FOLLOWER)?;
        let state = |(id, producer): (i64, &odradek_log::producer::Producer)| {
            ProducerState::default()
                .with_producer_id(ProducerId(id))
                .with_producer_epoch(i32::from(producer.epoch))
                .with_last_sequence(producer.last_sequence())
                .with_last_timestamp(producer.last_timestamp)
                .with_coordinator_epoch(producer.coordinator_epoch)
                .with_current_txn_start_offset(producer.txn_first_offset.unwrap_or(-1))
        };
        Ok(partition.log.producers().iter().map(state).collect())
    }
}
