//! What is deleted on request: groups, single offsets, and the offsets of topics that are gone.

use std::collections::{BTreeMap, BTreeSet};

use odradek_wire::ResponseError;
use odradek_wire::messages::offset_delete_response::{OffsetDeleteResponsePartition, OffsetDeleteResponseTopic};
use odradek_wire::messages::{OffsetDeleteRequest, OffsetDeleteResponse};

use super::Name;
use super::api::{GroupResponse, LogRecord, Token};
use super::io::{GatherSlot, Io};
use super::offsets::OffsetChange;
use super::record::{group_key, offset_key};
use super::state::{Group, State};
use super::write::{DeletedGroup, Effect};

/// How many bytes of keys go into one batch: well below what any log accepts.
const BATCH_BYTES: usize = 256 * 1024;

impl Group {
    /// The deletion of the group is committed: what comes next begins from nothing.
    pub(super) fn forget(&mut self) {
        self.is_recorded = false;
        self.generation = 0;
        self.protocol_type = None;
        self.subscribed = None;
        self.state_since_ms = None;
    }
}

/// Asks for tombstones of these offsets and then of these groups; the number of the last write.
pub(super) fn append(
    group: &mut Group,
    io: &mut Io<'_>,
    keys: Vec<(Name, i32)>,
    deleted: Vec<DeletedGroup>,
) -> Option<u64> {
    let mut batch = Batch::default();
    let mut last = None;
    for (topic, partition) in keys {
        if batch.bytes >= BATCH_BYTES {
            last = batch.append(io, Vec::new());
        }
        batch.add(group, topic, partition);
    }
    for group in &deleted {
        batch.add_record(group_key(&group.group));
    }
    batch.append(io, deleted).or(last)
}

#[derive(Default)]
struct Batch {
    bytes: usize,
    records: Vec<LogRecord>,
    changes: Vec<OffsetChange>,
}

impl Batch {
    fn add(&mut self, group: &mut Group, topic: Name, partition: i32) {
        self.add_record(offset_key(&group.id, &topic, partition));
        group.offsets.begin(&topic, partition);
        self.changes.push(OffsetChange { group: group.id.clone(), topic, partition, value: None });
    }

    fn add_record(&mut self, key: bytes::Bytes) {
        self.bytes += key.len();
        self.records.push(LogRecord { key, value: None });
    }

    fn append(&mut self, io: &mut Io<'_>, deleted: Vec<DeletedGroup>) -> Option<u64> {
        let Batch { records, changes, .. } = std::mem::take(self);
        if records.is_empty() {
            return None;
        }
        Some(io.append(records, Effect::Offsets { changes, deleted }))
    }
}

/// Deletes a group that has no members, with all its offsets.
pub(super) fn group(groups: &mut BTreeMap<Name, Group>, io: &mut Io<'_>, id: &str, slot: GatherSlot) {
    let result = match groups.get_mut(id).filter(|group| !group.is_unused()) {
        None => Err(ResponseError::GroupIdNotFound),
        Some(group) if group.state != State::Empty => Err(ResponseError::NonEmptyGroup),
        Some(group) => {
            let keys = group.offsets.all_keys();
            let deleted = DeletedGroup { group: group.id.clone(), generation: group.generation, slot: Some(slot) };
            append(group, io, keys, vec![deleted]);
            return;
        }
    };
    io.shared.gathers.fill(slot, result, io.out);
}

/// Handles an OffsetDelete (KIP-496). The reply waits for the write.
pub(super) fn offsets(
    groups: &mut BTreeMap<Name, Group>,
    io: &mut Io<'_>,
    token: Token,
    request: &OffsetDeleteRequest,
) {
    let group = groups
        .get_mut(&**request.group_id)
        .filter(|group| !group.is_unused())
        .ok_or(ResponseError::GroupIdNotFound)
        .and_then(|group| {
            // What members of another protocol read cannot be known.
            match group.state == State::Empty || group.uses_consumer_protocol() {
                true => Ok(group),
                false => Err(ResponseError::NonEmptyGroup),
            }
        });
    let group = match group {
        Ok(group) => group,
        Err(error) => {
            let answer = OffsetDeleteResponse::default().with_error_code(error.code());
            return io.reply(token, GroupResponse::OffsetDelete(answer));
        }
    };
    let mut keys = BTreeSet::new();
    let mut topics = Vec::new();
    for topic in &request.topics {
        let is_used = group.is_subscribed_to(&topic.name);
        let known = group.offsets.keys_of(&topic.name);
        let mut partitions = Vec::new();
        for partition in &topic.partitions {
            let index = partition.partition_index;
            let answer = OffsetDeleteResponsePartition::default().with_partition_index(index);
            partitions.push(if is_used {
                answer.with_error_code(ResponseError::GroupSubscribedToTopic.code())
            } else {
                keys.extend(known.iter().filter(|key| key.1 == index).cloned());
                answer
            });
        }
        topics.push(OffsetDeleteResponseTopic::default().with_name(topic.name.clone()).with_partitions(partitions));
    }
    let write = append(group, io, keys.into_iter().collect(), Vec::new());
    let answer = OffsetDeleteResponse::default().with_topics(topics);
    io.reply_after(write, token, GroupResponse::OffsetDelete(answer));
}

/// Deletes the offsets of topics that are gone, in all groups.
pub(super) fn topics(groups: &mut BTreeMap<Name, Group>, io: &mut Io<'_>, topics: &BTreeSet<String>) {
    let mut batch = Batch::default();
    for group in groups.values_mut() {
        for topic in topics {
            for (topic, partition) in group.offsets.keys_of(topic) {
                batch.add(group, topic, partition);
                if batch.bytes >= BATCH_BYTES {
                    batch.append(io, Vec::new());
                }
            }
        }
    }
    batch.append(io, Vec::new());
}
