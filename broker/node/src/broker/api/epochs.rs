//! OffsetForLeaderEpoch (KIP-101, KIP-320): where an epoch ends, for consumers that check their position.

use odradek_wire::messages::offset_for_leader_epoch_response::{EpochEndOffset, OffsetForLeaderTopicResult};
use odradek_wire::messages::{OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse};
use uuid::Uuid;

use super::super::{BrokerNode, codes};
use super::reply;
use crate::event::{Command, LogKey, RequestContext};

const UNDEFINED_EPOCH: i32 = -1;
const UNDEFINED_OFFSET: i64 = -1;

impl BrokerNode {
    pub(super) fn offset_for_leader_epoch(
        &self,
        context: &RequestContext,
        request: OffsetForLeaderEpochRequest,
        out: &mut Vec<Command>,
    ) {
        let mut response = OffsetForLeaderEpochResponse::default();
        for topic in request.topics {
            let mut partitions = Vec::with_capacity(topic.partitions.len());
            for asked in topic.partitions {
                let outcome = match self.key_of(topic.topic.as_str(), Uuid::nil(), asked.partition) {
                    None => Err(codes::UNKNOWN_TOPIC_OR_PARTITION),
                    Some(key) => self.epoch_end(key, asked.current_leader_epoch, asked.leader_epoch),
                };
                let answer = EpochEndOffset::default().with_partition(asked.partition);
                partitions.push(match outcome {
                    Ok((epoch, end)) => answer.with_leader_epoch(epoch).with_end_offset(end),
                    Err(error) => answer
                        .with_error_code(error)
                        .with_leader_epoch(UNDEFINED_EPOCH)
                        .with_end_offset(UNDEFINED_OFFSET),
                });
            }
            response
                .topics
                .push(OffsetForLeaderTopicResult::default().with_topic(topic.topic).with_partitions(partitions));
        }
        reply(out, context, response);
    }

    fn epoch_end(&self, key: LogKey, current: i32, asked: i32) -> Result<(i32, i64), i16> {
        let partition = self.partitions.get(&key).ok_or(codes::NOT_LEADER_OR_FOLLOWER)?;
        let leader = partition.leader().ok_or(codes::NOT_LEADER_OR_FOLLOWER)?;
        if current >= 0 && current != leader.epoch() {
            return Err(if current < leader.epoch() {
                codes::FENCED_LEADER_EPOCH
            } else {
                codes::UNKNOWN_LEADER_EPOCH
            });
        }
        Ok(partition.log.end_offset_for_epoch(asked).unwrap_or((UNDEFINED_EPOCH, UNDEFINED_OFFSET)))
    }
}
