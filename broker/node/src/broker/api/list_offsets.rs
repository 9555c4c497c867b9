//! ListOffsets (KIP-79, KIP-734), and DeleteRecords, which moves where a log starts.

use odradek_wire::messages::delete_records_response::{DeleteRecordsPartitionResult, DeleteRecordsTopicResult};
use odradek_wire::messages::list_offsets_response::{ListOffsetsPartitionResponse, ListOffsetsTopicResponse};
use odradek_wire::messages::{DeleteRecordsRequest, DeleteRecordsResponse, ListOffsetsRequest, ListOffsetsResponse};
use uuid::Uuid;

use super::super::{BrokerNode, codes};
use super::reply;
use crate::event::{Command, LogKey, RequestContext};

const LATEST: i64 = -1;
const EARLIEST: i64 = -2;
const MAX_TIMESTAMP: i64 = -3;
const EARLIEST_LOCAL: i64 = -4;
const LATEST_TIERED: i64 = -5;

/// Offset, timestamp and leader epoch.
type Found = (i64, i64, i32);

impl BrokerNode {
    pub(super) fn list_offsets(
        &mut self,
        context: &RequestContext,
        request: ListOffsetsRequest,
        out: &mut Vec<Command>,
    ) {
        let replica = request.replica_id.0 >= 0;
        // Older versions have no field for it, and cannot be encoded with it.
        let told = |epoch: i32| if context.api_version >= 4 { epoch } else { -1 };
        let mut response = ListOffsetsResponse::default();
        for topic in request.topics {
            let mut partitions = Vec::with_capacity(topic.partitions.len());
            for asked in topic.partitions {
                let outcome = match self.key_of(topic.name.as_str(), Uuid::nil(), asked.partition_index) {
                    None => Err(codes::UNKNOWN_TOPIC_OR_PARTITION),
                    Some(key) => self.list_offset(key, asked.current_leader_epoch, asked.timestamp, replica),
                };
                let answer = ListOffsetsPartitionResponse::default().with_partition_index(asked.partition_index);
                partitions.push(match outcome {
                    Ok((offset, timestamp, epoch)) => {
                        answer.with_offset(offset).with_timestamp(timestamp).with_leader_epoch(told(epoch))
                    }
                    Err(error) => {
                        answer.with_error_code(error).with_offset(-1).with_timestamp(-1).with_leader_epoch(-1)
                    }
                });
            }
            response.topics.push(ListOffsetsTopicResponse::default().with_name(topic.name).with_partitions(partitions));
        }
        reply(out, context, response);
    }

    fn list_offset(&self, key: LogKey, asked_epoch: i32, timestamp: i64, replica: bool) -> Result<Found, i16> {
        let partition = self.partitions.get(&key).ok_or(codes::NOT_LEADER_OR_FOLLOWER)?;
        let leader = partition.leader().ok_or(codes::NOT_LEADER_OR_FOLLOWER)?;
        let epoch = leader.epoch();
        if asked_epoch >= 0 && asked_epoch != epoch {
            return Err(if asked_epoch < epoch { codes::FENCED_LEADER_EPOCH } else { codes::UNKNOWN_LEADER_EPOCH });
        }
        let log = &partition.log;
        let upper = if replica { log.log_end_offset() } else { leader.high_watermark() };
        let storage = |error| {
            tracing::error!(topic = %partition.topic, partition = key.partition, %error, "look-up by time");
            codes::KAFKA_STORAGE_ERROR
        };
        match timestamp {
            LATEST => Ok((upper, -1, epoch)),
            EARLIEST | EARLIEST_LOCAL => Ok((log.log_start_offset(), -1, epoch)),
            LATEST_TIERED => Ok((-1, -1, -1)),
            MAX_TIMESTAMP => {
                let found = log.max_timestamp(upper).map_err(storage)?;
                Ok(found.map_or((-1, -1, epoch), |at| (at.offset, at.timestamp, epoch)))
            }
            timestamp if timestamp < 0 => Err(codes::UNSUPPORTED_VERSION),
            timestamp => {
                let found = log.offset_for_timestamp(timestamp, upper).map_err(storage)?;
                Ok(found.map_or((-1, -1, -1), |at| (at.offset, at.timestamp, epoch)))
            }
        }
    }

    pub(super) fn delete_records(
        &mut self,
        context: &RequestContext,
        request: DeleteRecordsRequest,
        out: &mut Vec<Command>,
    ) {
        let mut response = DeleteRecordsResponse::default();
        for topic in request.topics {
            let mut partitions = Vec::with_capacity(topic.partitions.len());
            for asked in topic.partitions {
                let outcome = match self.key_of(topic.name.as_str(), Uuid::nil(), asked.partition_index) {
                    None => Err(codes::UNKNOWN_TOPIC_OR_PARTITION),
                    Some(key) => self.delete_records_of(key, asked.offset),
                };
                let answer = DeleteRecordsPartitionResult::default().with_partition_index(asked.partition_index);
                partitions.push(match outcome {
                    Ok(low_watermark) => answer.with_low_watermark(low_watermark),
                    Err(error) => answer.with_low_watermark(-1).with_error_code(error),
                });
            }
            response.topics.push(DeleteRecordsTopicResult::default().with_name(topic.name).with_partitions(partitions));
        }
        reply(out, context, response);
    }

    /// Followers move their own start with their next fetch; the answer does not wait for them.
    fn delete_records_of(&mut self, key: LogKey, offset: i64) -> Result<i64, i16> {
        let partition = self.partitions.get_mut(&key).ok_or(codes::NOT_LEADER_OR_FOLLOWER)?;
        let high_watermark = partition.leader().ok_or(codes::NOT_LEADER_OR_FOLLOWER)?.high_watermark();
        let to = if offset == -1 { high_watermark } else { offset };
        if to < 0 || to > high_watermark {
            return Err(codes::OFFSET_OUT_OF_RANGE);
        }
        partition.log.advance_log_start(to).map_err(|_| codes::KAFKA_STORAGE_ERROR)?;
        self.checkpoints_due = true;
        let log_start = partition.log.log_start_offset();
        self.fetch_later(key);
        Ok(log_start)
    }
}
