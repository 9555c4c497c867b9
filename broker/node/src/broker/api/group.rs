//! The group coordinator's requests, its writes to `__consumer_offsets`, and loading it back (M20).

use std::collections::BTreeSet;

use odradek_core::group::{
    Action, GroupConfig, GroupRequest, GroupResponse, RequestContext as GroupContext, WriteId, partition_for,
};
use odradek_core::time::Now;
use odradek_log::Origin;
use odradek_wire::batch::{BatchBuilder, BatchError, RecordBatches, records};
use odradek_wire::messages::find_coordinator_response::Coordinator;
use odradek_wire::messages::{BrokerId, FindCoordinatorRequest, FindCoordinatorResponse, RequestKind, ResponseKind};
use odradek_wire::protocol::StrBytes;

use super::super::roles::OFFSETS_TOPIC;
use super::super::{BrokerNode, codes};
use super::metadata::empty;
use super::{reply, text};
use crate::event::{Command, LogKey, RequestContext, Response};

/// Bytes of a partition that are loaded in one turn of the loop.
const LOAD_BYTES: usize = 1 << 20;
/// FindCoordinator's key type for consumer groups.
const GROUP: i8 = 0;

/// A partition of `__consumer_offsets` that is being read back.
#[derive(Debug)]
pub(in crate::broker) struct Loading {
    key: LogKey,
    next: i64,
    end: i64,
}

impl BrokerNode {
    pub(super) fn group_request(
        &mut self,
        now: Now,
        context: RequestContext,
        body: RequestKind,
        out: &mut Vec<Command>,
    ) {
        let request = match body {
            RequestKind::FindCoordinator(request) => return self.find_coordinator(now, &context, request, out),
            RequestKind::JoinGroup(request) => GroupRequest::Join(request),
            RequestKind::SyncGroup(request) => GroupRequest::Sync(request),
            RequestKind::Heartbeat(request) => GroupRequest::Heartbeat(request),
            RequestKind::LeaveGroup(request) => GroupRequest::Leave(request),
            RequestKind::OffsetCommit(request) => GroupRequest::OffsetCommit(request),
            RequestKind::OffsetFetch(request) => GroupRequest::OffsetFetch(request),
            RequestKind::DescribeGroups(request) => GroupRequest::DescribeGroups(request),
            RequestKind::ListGroups(request) => GroupRequest::ListGroups(request),
            RequestKind::DeleteGroups(request) => GroupRequest::DeleteGroups(request),
            RequestKind::OffsetDelete(request) => GroupRequest::OffsetDelete(request),
            _ => {
                // The connection's task answers what is not served; this is a hole in the version table.
                tracing::error!(api = context.api_key, "a request that nobody serves was let through");
                out.push(Command::Reply { request: context.request, response: Response::Close });
                return;
            }
        };
        let from = GroupContext {
            api_version: context.api_version,
            client_id: text(&context.client_id),
            client_host: text(&context.client_host),
        };
        let mut actions = Vec::new();
        self.groups.handle(now, context.request, &from, request, &mut actions);
        self.group_actions(now, actions, out);
    }

    fn group_actions(&mut self, now: Now, actions: Vec<Action>, out: &mut Vec<Command>) {
        for action in actions {
            match action {
                Action::Reply { token, response } => {
                    let response = Response::Kafka(Box::new(kind(response)));
                    out.push(Command::Reply { request: token, response });
                }
                Action::Append { partition, records, write } => {
                    let mut batch = BatchBuilder::new(0);
                    for record in &records {
                        batch.append(now.wall_ms, Some(&record.key), record.value.as_deref(), &[]);
                    }
                    let batch: Result<RecordBatches, BatchError> =
                        batch.build().and_then(|bytes| RecordBatches::validate(bytes, usize::MAX));
                    match batch {
                        Ok(batch) => self.group_append(now, partition, &batch, write, out),
                        Err(error) => {
                            tracing::error!(%error, "a group's records make no batch");
                            self.group_written(now, write, Err(codes::UNKNOWN_SERVER_ERROR), out);
                        }
                    }
                }
            }
        }
    }

    fn group_append(
        &mut self,
        now: Now,
        partition: i32,
        batch: &RecordBatches,
        write: WriteId,
        out: &mut Vec<Command>,
    ) {
        let Some(topic_id) = self.image.topic(OFFSETS_TOPIC).map(|topic| topic.id) else {
            return self.group_written(now, write, Err(codes::NOT_COORDINATOR), out);
        };
        let key = LogKey { topic_id, partition };
        match self
            .append_at(now, key, -1, |log, epoch, wall| log.append_leader_as(batch, epoch, wall, Origin::Internal))
        {
            Ok((_, at, _)) => self.wait_for_group_write(now, write, at),
            Err((error, message)) => {
                tracing::warn!(partition, error, message, "a group's records were not written");
                self.group_written(now, write, Err(error), out);
            }
        }
    }

    pub(in crate::broker) fn group_written(
        &mut self,
        now: Now,
        write: WriteId,
        result: Result<i64, i16>,
        out: &mut Vec<Command>,
    ) {
        let mut actions = Vec::new();
        self.groups.written(now, write, result, &mut actions);
        self.group_actions(now, actions, out);
    }

    pub(in crate::broker) fn group_tick(&mut self, now: Now, out: &mut Vec<Command>) {
        if self.groups.next_deadline().is_some_and(|due| due <= now.mono_ms) {
            let mut actions = Vec::new();
            self.groups.tick(now, &mut actions);
            self.group_actions(now, actions, out);
        }
    }

    pub(in crate::broker) fn group_topics_deleted(
        &mut self,
        now: Now,
        names: &BTreeSet<String>,
        out: &mut Vec<Command>,
    ) {
        let mut actions = Vec::new();
        self.groups.topics_deleted(now, names, &mut actions);
        self.group_actions(now, actions, out);
    }

    /// This broker leads a partition of `__consumer_offsets` now.
    pub(in crate::broker) fn coordinate(&mut self, now: Now, key: LogKey, epoch: i32, out: &mut Vec<Command>) {
        // The topic itself says into how many partitions groups are hashed; an adopted one may have its own number.
        let partitions = self.image.topic_by_id(key.topic_id).map_or(0, |topic| topic.partitions.len());
        if let Ok(offsets_topic_partitions) = i32::try_from(partitions)
            && offsets_topic_partitions != self.config.group.offsets_topic_partitions
        {
            self.groups.set_config(GroupConfig { offsets_topic_partitions, ..self.config.group.clone() });
        }
        let mut actions = Vec::new();
        self.groups.start_loading(key.partition, epoch, &mut actions);
        self.group_actions(now, actions, out);
        if let Some(partition) = self.partitions.get(&key) {
            let loading = Loading { key, next: partition.log.log_start_offset(), end: partition.log.log_end_offset() };
            self.loading.insert(key.partition, loading);
        }
    }

    pub(in crate::broker) fn stop_coordinating(&mut self, now: Now, partition: i32, out: &mut Vec<Command>) {
        self.loading.remove(&partition);
        self.loaded.retain(|key, _| key.partition != partition);
        let mut actions = Vec::new();
        self.groups.unload(partition, &mut actions);
        self.group_actions(now, actions, out);
    }

    /// Reads back a bounded piece, so that other requests get their turn.
    pub(in crate::broker) fn load_groups(&mut self, now: Now, out: &mut Vec<Command>) {
        let Some((index, mut loading)) = self.loading.pop_first() else { return };
        while loading.next < loading.end {
            match self.load_piece(&mut loading) {
                Ok(0) => {}
                Ok(_) => {
                    self.loading.insert(index, loading);
                    return;
                }
                Err(reason) => {
                    // What cannot be read must not be taken for "no offsets": the partition stays unavailable.
                    tracing::error!(partition = index, reason, "cannot load the groups of this partition");
                    return;
                }
            }
        }
        self.loaded.insert(loading.key, loading.end);
        self.serve_loaded(now, loading.key, out);
    }

    /// A partition that was read back is served once all that was read is committed: what a second fail-over could
    /// still lose must not be shown.
    pub(in crate::broker) fn serve_loaded(&mut self, now: Now, key: LogKey, out: &mut Vec<Command>) {
        let Some(end) = self.loaded.get(&key).copied() else { return };
        if self.partitions.get(&key).is_none_or(|partition| partition.high_watermark() < end) {
            return;
        }
        self.loaded.remove(&key);
        let mut actions = Vec::new();
        self.groups.finish_loading(now, key.partition, &mut actions);
        self.group_actions(now, actions, out);
    }

    fn load_piece(&mut self, loading: &mut Loading) -> Result<usize, String> {
        let partition = self.partitions.get(&loading.key).ok_or("the replica is gone")?;
        let read =
            partition.log.read(loading.next, LOAD_BYTES, loading.end, true).map_err(|error| error.to_string())?;
        let mut bytes = 0;
        let before = loading.next;
        for range in &read.ranges {
            let data = range.read().map_err(|error| error.to_string())?;
            bytes += data.len();
            let batches = RecordBatches::parse_trailing(data).map_err(|error| error.to_string())?;
            for batch in &batches.batches {
                loading.next = batch.header.last_offset() + 1;
                if batch.header.is_control() {
                    continue;
                }
                let mut entries = Vec::new();
                for record in records(&batches.batch_bytes(batch)).map_err(|error| error.to_string())? {
                    let record = record.map_err(|error| error.to_string())?;
                    if let Some(key) = record.key {
                        entries.push((key, record.value, record.offset));
                    }
                }
                let loaded = self.groups.load(loading.key.partition, entries);
                for (offset, error) in loaded.skipped {
                    tracing::warn!(partition = loading.key.partition, offset, %error, "a group's record was left out");
                }
            }
        }
        if loading.next == before {
            return Err(format!("nothing can be read at offset {before}, before the log's end {}", loading.end));
        }
        Ok(bytes)
    }

    fn find_coordinator(
        &mut self,
        now: Now,
        context: &RequestContext,
        request: FindCoordinatorRequest,
        out: &mut Vec<Command>,
    ) {
        let many = context.api_version >= 4;
        let keys = if many { request.coordinator_keys } else { vec![request.key] };
        let found: Vec<Coordinator> =
            keys.into_iter().map(|key| self.coordinator_of(now, context, key, request.key_type, out)).collect();
        let mut response = FindCoordinatorResponse::default().with_error_message(None);
        if many {
            response.coordinators = found;
        } else if let Some(one) = found.into_iter().next() {
            response = response
                .with_error_code(one.error_code)
                .with_error_message(one.error_message)
                .with_node_id(one.node_id)
                .with_host(one.host)
                .with_port(one.port);
        }
        reply(out, context, response);
    }

    fn coordinator_of(
        &mut self,
        now: Now,
        context: &RequestContext,
        key: StrBytes,
        key_type: i8,
        out: &mut Vec<Command>,
    ) -> Coordinator {
        let none = |key: StrBytes, error: i16, message: &str| {
            Coordinator::default()
                .with_key(key)
                .with_node_id(BrokerId(-1))
                .with_host(empty())
                .with_port(-1)
                .with_error_code(error)
                .with_error_message(Some(text(message)))
        };
        if key_type != GROUP {
            return none(key, codes::INVALID_REQUEST, "only consumer groups have a coordinator here yet");
        }
        let Some(topic) = self.image.topic(OFFSETS_TOPIC) else {
            self.create_topic(now, OFFSETS_TOPIC, out);
            return none(key, codes::COORDINATOR_NOT_AVAILABLE, "__consumer_offsets is being made");
        };
        let partitions = i32::try_from(topic.partitions.len()).unwrap_or(i32::MAX);
        let partition = topic.partitions.get(&partition_for(&key, partitions));
        let leader = partition.and_then(|partition| partition.leader()).and_then(|id| self.image.broker(id));
        let listener = leader.and_then(|broker| broker.listener(&context.listener).map(|at| (broker.id, at)));
        match listener {
            None => none(key, codes::COORDINATOR_NOT_AVAILABLE, "its partition of __consumer_offsets has no leader"),
            Some((id, listener)) => Coordinator::default()
                .with_key(key)
                .with_error_message(None)
                .with_node_id(BrokerId(id))
                .with_host(text(&listener.host))
                .with_port(i32::try_from(listener.port).unwrap_or(-1)),
        }
    }
}

fn kind(response: GroupResponse) -> ResponseKind {
    match response {
        GroupResponse::Join(response) => response.into(),
        GroupResponse::Sync(response) => response.into(),
        GroupResponse::Heartbeat(response) => response.into(),
        GroupResponse::Leave(response) => response.into(),
        GroupResponse::OffsetCommit(response) => response.into(),
        GroupResponse::OffsetFetch(response) => response.into(),
        GroupResponse::DescribeGroups(response) => response.into(),
        GroupResponse::ListGroups(response) => response.into(),
        GroupResponse::DeleteGroups(response) => response.into(),
        GroupResponse::OffsetDelete(response) => response.into(),
    }
}
