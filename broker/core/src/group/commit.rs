//! OffsetCommit.

use std::collections::BTreeMap;

use odradek_wire::ResponseError;
use odradek_wire::messages::offset_commit_request::OffsetCommitRequestPartition;
use odradek_wire::messages::offset_commit_response::{OffsetCommitResponsePartition, OffsetCommitResponseTopic};
use odradek_wire::messages::{OffsetCommitRequest, OffsetCommitResponse};

use super::Name;
use super::api::{GroupResponse, LogRecord, RequestContext, Token};
use super::io::Io;
use super::offsets::OffsetChange;
use super::record::{CommittedOffset, MAX_TEXT, offset_key, offset_value};
use super::state::{Group, State};
use super::write::Effect;

/// From here on a group that is not there is named as the error; before it was the generation.
const GROUP_ID_NOT_FOUND: i16 = 9;

/// The reply when nothing could be committed.
pub(super) fn refused(request: &OffsetCommitRequest, error: ResponseError) -> GroupResponse {
    answer(request, |_, _| error.code())
}

/// Handles an OffsetCommit. The reply waits until the offsets are written.
pub(super) fn handle(
    groups: &mut BTreeMap<Name, Group>,
    io: &mut Io<'_>,
    token: Token,
    context: &RequestContext,
    request: &OffsetCommitRequest,
) {
    let id = &*request.group_id;
    let member_less = request.generation_id_or_member_epoch < 0;
    if member_less && !groups.contains_key(&**id) {
        // Consumers that are assigned by hand, and administrators, need no group before.
        groups.insert((&**id).into(), Group::new((&**id).into()));
    }
    let Some(group) = groups.get_mut(&**id) else {
        let error = match context.api_version >= GROUP_ID_NOT_FOUND {
            true => ResponseError::GroupIdNotFound,
            false => ResponseError::IllegalGeneration,
        };
        return io.reply(token, refused(request, error));
    };
    match group.may_commit(request) {
        Ok(()) => group.commit(io, token, request),
        Err(error) => io.reply(token, refused(request, error)),
    }
    if group.is_vacant() {
        groups.remove(&**id);
    }
}

impl Group {
    fn may_commit(&self, request: &OffsetCommitRequest) -> Result<(), ResponseError> {
        let generation = request.generation_id_or_member_epoch;
        let instance = request.group_instance_id.as_deref();
        if generation < 0 && self.state == State::Empty {
            return Ok(());
        }
        if generation < 0 && request.member_id.is_empty() && instance.is_none() {
            // Nobody but its members may commit for a group that has some.
            return Err(ResponseError::UnknownMemberId);
        }
        self.validate_member(&request.member_id, instance)?;
        if generation != self.generation {
            return Err(ResponseError::IllegalGeneration);
        }
        if self.state == State::CompletingRebalance {
            // The member knows its generation, and not yet its assignment.
            return Err(ResponseError::RebalanceInProgress);
        }
        Ok(())
    }

    fn commit(&mut self, io: &mut Io<'_>, token: Token, request: &OffsetCommitRequest) {
        self.restart_session(io, &request.member_id);
        let wall_ms = io.now.wall_ms;
        let expires_ms = match request.retention_time_ms {
            ms if ms < 0 => None,
            ms => Some(wall_ms.saturating_add(ms)),
        };
        let max = io.config().offset_metadata_max_bytes;
        let mut changes = Vec::new();
        let mut records = Vec::new();
        let topics = request.topics.iter();
        for topic in topics.filter(|topic| topic.name.len() <= MAX_TEXT) {
            let name = self.offsets.name_of(&topic.name);
            for partition in topic.partitions.iter().filter(|p| fits(p, max)) {
                let metadata = partition.committed_metadata.as_deref();
                let value = CommittedOffset {
                    offset: partition.committed_offset,
                    leader_epoch: partition.committed_leader_epoch,
                    metadata: metadata.unwrap_or_default().to_owned(),
                    committed_ms: wall_ms,
                    expires_ms,
                    topic_id: topic.topic_id,
                };
                records.push(LogRecord {
                    key: offset_key(&self.id, &name, partition.partition_index),
                    value: Some(offset_value(&value)),
                });
                self.offsets.begin(&name, partition.partition_index);
                changes.push(OffsetChange {
                    group: self.id.clone(),
                    topic: name.clone(),
                    partition: partition.partition_index,
                    value: Some(value),
                });
            }
        }
        let answer = answer(request, |topic, partition| {
            if topic.len() > MAX_TEXT {
                ResponseError::InvalidTopicException.code()
            } else if fits(partition, max) {
                0
            } else {
                ResponseError::OffsetMetadataTooLarge.code()
            }
        });
        let write = match changes.is_empty() {
            true => None,
            false => Some(io.append(records, Effect::Offsets { changes, deleted: Vec::new() })),
        };
        io.reply_after(write, token, answer);
    }
}

/// Kafka counts UTF-16 units; a text of few bytes has no more of them.
fn fits(partition: &OffsetCommitRequestPartition, max: usize) -> bool {
    let metadata = partition.committed_metadata.as_deref().unwrap_or_default();
    metadata.len() <= max.min(MAX_TEXT) || (metadata.len() <= MAX_TEXT && metadata.encode_utf16().count() <= max)
}

fn answer(
    request: &OffsetCommitRequest,
    error_code: impl Fn(&str, &OffsetCommitRequestPartition) -> i16,
) -> GroupResponse {
    let topics = request.topics.iter().map(|topic| {
        let partitions = topic.partitions.iter().map(|partition| {
            OffsetCommitResponsePartition::default()
                .with_partition_index(partition.partition_index)
                .with_error_code(error_code(&topic.name, partition))
        });
        OffsetCommitResponseTopic::default()
            .with_name(topic.name.clone())
            .with_topic_id(topic.topic_id)
            .with_partitions(partitions.collect())
    });
    GroupResponse::OffsetCommit(OffsetCommitResponse::default().with_topics(topics.collect()))
}
