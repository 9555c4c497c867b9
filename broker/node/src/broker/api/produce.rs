//! Produce: append, and with acks=all wait for the in-sync set (M7).

use std::collections::BTreeMap;

use odradek_core::group::WriteId;
use odradek_core::time::Now;
use odradek_log::Appended;
use odradek_probe::{Mutation, mutated, reached};
use odradek_wire::batch::RecordBatches;
use odradek_wire::messages::produce_response::{LeaderIdAndEpoch, PartitionProduceResponse, TopicProduceResponse};
use odradek_wire::messages::{BrokerId, ProduceResponse, TopicName};
use uuid::Uuid;

use super::super::partition::Partition;
use super::super::{BrokerNode, codes};
use super::{reply, text};
use crate::event::{Command, LogKey, ProduceRequest, RequestContext, Response};

/// What waits for a high watermark.
#[derive(Debug)]
pub(in crate::broker) enum AckWait {
    /// A producer with acks=all.
    Producer(Box<ProducerWait>),
    /// The group coordinator's own write.
    Group {
        /// To be handed back.
        write: WriteId,
        /// Where it went.
        at: Required,
    },
}

/// A place in a log, under the leader epoch that it was written in.
#[derive(Debug, Clone, Copy)]
pub(in crate::broker) struct Required {
    key: LogKey,
    epoch: i32,
    base_offset: i64,
    /// The high watermark has to reach it.
    end_offset: i64,
}

#[derive(Debug)]
pub(in crate::broker) struct ProducerWait {
    context: RequestContext,
    results: Vec<PartitionResult>,
}

#[derive(Debug)]
struct PartitionResult {
    topic: String,
    topic_id: Uuid,
    index: i32,
    error: i16,
    message: Option<String>,
    appended: Option<Appended>,
    log_start: i64,
    leader: Option<(i32, i32)>,
    waits: Option<Required>,
}

impl AckWait {
    /// Takes note of what is committed by now, or never will be; true when nothing is left to wait for.
    fn settle(&mut self, partitions: &BTreeMap<LogKey, Partition>) -> bool {
        match self {
            AckWait::Group { at, .. } => is_committed_in_epoch(partitions, *at) != Ok(false),
            AckWait::Producer(wait) => {
                for result in &mut wait.results {
                    let Some(at) = result.waits else { continue };
                    match is_committed(partitions, at) {
                        Ok(false) => continue,
                        Ok(true) => {}
                        Err(error) => result.error = error,
                    }
                    result.waits = None;
                }
                wait.results.iter().all(|result| result.waits.is_none())
            }
        }
    }
}

/// Whether what was written at `at` is on the whole in-sync set; the error when this broker cannot know any more.
fn is_committed(partitions: &BTreeMap<LogKey, Partition>, at: Required) -> Result<bool, i16> {
    let not_leader = codes::NOT_LEADER_OR_FOLLOWER;
    let partition = partitions.get(&at.key).ok_or(not_leader)?;
    let leader = partition.leader().ok_or(not_leader)?;
    // A leader that goes on under a new epoch (a reassignment ended) still has what it wrote under the one before.
    let is_there = |(epoch, end): (i32, i64)| epoch == at.epoch && end >= at.end_offset;
    if leader.epoch() != at.epoch && !partition.log.end_offset_for_epoch(at.epoch).is_some_and(is_there) {
        return Err(not_leader);
    }
    if leader.high_watermark() < at.end_offset && !mutated(Mutation::AnswerBeforeHighWatermark) {
        return Ok(false);
    }
    if leader.has_min_insync() { Ok(true) } else { Err(codes::NOT_ENOUGH_REPLICAS_AFTER_APPEND) }
}

/// The same for the group coordinator, which begins anew with each leader epoch.
fn is_committed_in_epoch(partitions: &BTreeMap<LogKey, Partition>, at: Required) -> Result<bool, i16> {
    let leader = partitions.get(&at.key).and_then(|partition| partition.leader());
    if leader.is_none_or(|leader| leader.epoch() != at.epoch) {
        return Err(codes::NOT_LEADER_OR_FOLLOWER);
    }
    is_committed(partitions, at)
}

impl BrokerNode {
    pub(in crate::broker) fn produce(
        &mut self,
        now: Now,
        context: RequestContext,
        request: ProduceRequest,
        out: &mut Vec<Command>,
    ) {
        let (acks, timeout_ms) = (request.acks, request.timeout_ms);
        let transactional = request.transactional_id.is_some();
        let mut results = Vec::with_capacity(request.partitions.len());
        for partition in request.partitions {
            let mut result = PartitionResult {
                topic: partition.topic,
                topic_id: partition.topic_id,
                index: partition.index,
                error: codes::NONE,
                message: None,
                appended: None,
                log_start: -1,
                leader: None,
                waits: None,
            };
            let outcome = match partition.records {
                _ if !matches!(acks, -1..=1) => Err((codes::INVALID_REQUIRED_ACKS, format!("acks={acks}"))),
                _ if transactional => {
                    Err((codes::INVALID_REQUEST, "transactions are not supported yet; produce without them".to_owned()))
                }
                Err(error) => Err((error.code(), error.to_string())),
                Ok(records) => self.append(now, &mut result, &records, acks),
            };
            if let Err((error, message)) = outcome {
                result.error = error;
                result.message = (!message.is_empty()).then_some(message);
            }
            if let Some(key) =
                result.appended.as_ref().and_then(|_| self.key_of(&result.topic, result.topic_id, result.index))
            {
                self.flush_if_due(key, out);
            }
            results.push(result);
        }
        let failed = results.iter().any(|result| result.error != codes::NONE);
        if acks == 0 {
            let response = if failed { Response::Close } else { Response::Nothing };
            out.push(Command::Reply { request: context.request, response });
            return;
        }
        let keys: Vec<LogKey> = results.iter().filter_map(|result| result.waits.map(|at| at.key)).collect();
        let wait = ProducerWait { context, results };
        if keys.is_empty() {
            self.producer_done(wait, out);
        } else {
            let deadline = now.mono_ms + u64::try_from(timeout_ms).unwrap_or(0);
            self.acks.add(deadline, keys, AckWait::Producer(Box::new(wait)));
        }
    }

    fn append(
        &mut self,
        now: Now,
        result: &mut PartitionResult,
        records: &RecordBatches,
        acks: i16,
    ) -> Result<(), (i16, String)> {
        let key = self
            .key_of(&result.topic, result.topic_id, result.index)
            .ok_or_else(|| (self.unknown_code(result.topic_id), String::new()))?;
        let (_, at, appended) = self
            .append_at(now, key, acks, |log, epoch, wall| log.append_leader(records, epoch, wall))
            .inspect_err(|(code, _)| {
                if *code == codes::NOT_LEADER_OR_FOLLOWER {
                    result.leader = self.leader_of(key);
                }
            })?;
        result.log_start = self.partitions.get(&key).map_or(-1, |partition| partition.log.log_start_offset());
        result.appended = Some(appended);
        result.waits = (acks == -1).then_some(at);
        Ok(())
    }

    /// Appends as the leader, with the checks that acks ask for. (The woken waiters run at the end of the turn.)
    pub(in crate::broker) fn append_at(
        &mut self,
        now: Now,
        key: LogKey,
        acks: i16,
        append: impl FnOnce(&mut odradek_log::Log, i32, i64) -> Result<Appended, odradek_log::AppendError>,
    ) -> Result<(i32, Required, Appended), (i16, String)> {
        let not_leader = || (codes::NOT_LEADER_OR_FOLLOWER, String::new());
        let partition = self.partitions.get(&key).ok_or_else(not_leader)?;
        let leader = partition.leader().ok_or_else(not_leader)?;
        let epoch = leader.epoch();
        if acks == -1 && !leader.has_min_insync() {
            let isr: Vec<i32> = leader.isr().collect();
            let message = format!("the in-sync set {isr:?} is smaller than min.insync.replicas");
            return Err((codes::NOT_ENOUGH_REPLICAS, message));
        }
        if !self.takes_records(partition) {
            let dir = self.config.log_dirs[partition.dir].path.display();
            let message = format!("the log directory {dir} takes no records now: it is full, or refused a write");
            return Err((codes::KAFKA_STORAGE_ERROR, message));
        }
        let partition = self.partitions.get_mut(&key).ok_or_else(not_leader)?;
        let appended = match append(&mut partition.log, epoch, now.wall_ms) {
            Ok(appended) => appended,
            Err(error) => {
                let code = error.code();
                if code == codes::KAFKA_STORAGE_ERROR {
                    self.write_refused(now, key, &error);
                }
                return Err((code, error.to_string()));
            }
        };
        let at = Required { key, epoch, base_offset: appended.base_offset, end_offset: appended.last_offset + 1 };
        if appended.duplicate {
            self.rare.duplicates += 1;
            reached("duplicate answered as success");
        } else {
            partition.unflushed += appended.last_offset - appended.base_offset + 1;
            let end = partition.log.log_end_offset();
            if let Some(leader) = partition.leader_mut()
                && leader.appended(now.mono_ms, end)
            {
                self.high_watermarks_due = true;
            }
            self.schedule_lag_check(now, key, self.config.replica_lag_time_max_ms);
        }
        // A duplicate may be committed already: nothing else would end its wait.
        self.woken.insert(key);
        Ok((epoch, at, appended))
    }

    /// The high watermark of `key` may have moved, or its leadership.
    pub(in crate::broker) fn acks_woken(&mut self, now: Now, key: LogKey, out: &mut Vec<Command>) {
        for id in self.acks.notify(&key) {
            let partitions = &self.partitions;
            if !self.acks.get_mut(id).is_some_and(|wait| wait.settle(partitions)) {
                continue;
            }
            match self.acks.remove(id) {
                Some(AckWait::Producer(wait)) => self.producer_done(*wait, out),
                Some(AckWait::Group { write, at }) => match is_committed_in_epoch(&self.partitions, at) {
                    // Whether it survives is for the next leader to say; the coordinator forgets it with the partition.
                    Err(codes::NOT_LEADER_OR_FOLLOWER) => {}
                    // Committed, whatever the in-sync set has become since.
                    _ => self.group_written(now, write, Ok(at.base_offset), out),
                },
                None => {}
            }
        }
    }

    /// The time-out of acks=all.
    pub(in crate::broker) fn acks_expired(&mut self, now: Now, out: &mut Vec<Command>) {
        for (_, wait) in self.acks.expired(now.mono_ms) {
            match wait {
                AckWait::Producer(mut wait) => {
                    for result in wait.results.iter_mut().filter(|result| result.waits.is_some()) {
                        reached("acks=all timed out");
                        result.error = codes::REQUEST_TIMED_OUT;
                    }
                    self.producer_done(*wait, out);
                }
                // The records are in the log and may yet be committed: the coordinator has its own time-out.
                AckWait::Group { write, at } => {
                    self.acks.add(now.mono_ms + 60_000, [at.key], AckWait::Group { write, at });
                }
            }
        }
    }

    pub(in crate::broker) fn wait_for_group_write(&mut self, now: Now, write: WriteId, at: Required) {
        self.acks.add(now.mono_ms + 60_000, [at.key], AckWait::Group { write, at });
    }

    fn producer_done(&self, wait: ProducerWait, out: &mut Vec<Command>) {
        let mut response = ProduceResponse::default();
        for result in wait.results {
            let ok = result.error == codes::NONE;
            let mut partition = PartitionProduceResponse::default()
                .with_index(result.index)
                .with_error_code(result.error)
                .with_base_offset(result.appended.as_ref().filter(|_| ok).map_or(-1, |at| at.base_offset))
                .with_log_append_time_ms(result.appended.as_ref().filter(|_| ok).map_or(-1, |at| at.log_append_time_ms))
                .with_log_start_offset(if ok { result.log_start } else { -1 })
                .with_error_message(result.message.as_deref().map(text));
            if let Some((leader, epoch)) = result.leader {
                partition.current_leader =
                    LeaderIdAndEpoch::default().with_leader_id(BrokerId(leader)).with_leader_epoch(epoch);
            }
            let same = |topic: &&mut TopicProduceResponse| {
                topic.topic_id == result.topic_id && topic.name.as_str() == result.topic
            };
            match response.responses.last_mut().filter(same) {
                Some(topic) => topic.partition_responses.push(partition),
                None => response.responses.push(
                    TopicProduceResponse::default()
                        .with_name(TopicName(text(&result.topic)))
                        .with_topic_id(result.topic_id)
                        .with_partition_responses(vec![partition]),
                ),
            }
        }
        reply(out, &wait.context, response);
    }
}
