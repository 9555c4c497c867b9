//! Fetch: by consumers up to the high watermark, by followers up to the log end; a long poll when too little is there.

use std::collections::BTreeSet;

use odradek_core::time::Now;
use odradek_log::ReadError;
use odradek_probe::{Mutation, mutated};
use odradek_wire::fetch::{FetchResponse, FetchedPartition, FetchedTopic, NodeEndpoint};
use odradek_wire::messages::FetchRequest;
use odradek_wire::messages::fetch_request::FetchPartition;

use super::super::{BrokerNode, codes};
use super::text;
use crate::event::{Command, FetchPayload, ListenerRole, LogKey, RequestContext, Response};

/// A fetch that waits for bytes.
#[derive(Debug)]
pub(in crate::broker) struct DelayedFetch {
    context: RequestContext,
    request: FetchRequest,
    follower: Option<Follower>,
    min_bytes: usize,
}

#[derive(Debug, Clone, Copy)]
struct Follower {
    id: i32,
    broker_epoch: i64,
}

/// One look at all partitions of a fetch.
struct Gathered {
    response: FetchResponse<FetchPayload>,
    bytes: usize,
    /// An error or a divergence: the asker wants to know at once.
    urgent: bool,
}

impl BrokerNode {
    pub(in crate::broker) fn fetch(
        &mut self,
        now: Now,
        context: RequestContext,
        request: FetchRequest,
        out: &mut Vec<Command>,
    ) {
        // No session is ever opened here, so none can be continued: the client falls back to full fetches.
        if request.session_id != 0 && request.session_epoch > 0 {
            let response = FetchResponse { error_code: codes::FETCH_SESSION_ID_NOT_FOUND, ..empty_response() };
            out.push(Command::Reply { request: context.request, response: Response::Fetch(Box::new(response)) });
            return;
        }
        let follower = follower_of(&context, &request);
        if let Some(follower) = follower {
            self.follower_at(now, follower, &request);
        }
        let gathered = self.gather(&context, &request, follower);
        let min_bytes = usize::try_from(request.min_bytes).unwrap_or(0);
        let max_wait = u64::try_from(request.max_wait_ms).unwrap_or(0);
        if gathered.urgent || gathered.bytes >= min_bytes || max_wait == 0 || request.topics.is_empty() {
            out.push(Command::Reply {
                request: context.request,
                response: Response::Fetch(Box::new(gathered.response)),
            });
            return;
        }
        let keys: Vec<LogKey> = request
            .topics
            .iter()
            .flat_map(|topic| {
                topic
                    .partitions
                    .iter()
                    .filter_map(|partition| self.key_of(topic.topic.as_str(), topic.topic_id, partition.partition))
            })
            .collect();
        let deadline = now.mono_ms + max_wait;
        self.fetches.add(deadline, keys, DelayedFetch { context, request, follower, min_bytes });
    }

    /// Something happened to these partitions: answers the fetches that have enough now.
    pub(in crate::broker) fn fetches_woken(&mut self, keys: &BTreeSet<LogKey>, out: &mut Vec<Command>) {
        let woken: BTreeSet<_> = keys.iter().flat_map(|key| self.fetches.notify(key)).collect();
        for id in woken {
            let Some(wait) = self.fetches.get(id) else { continue };
            let gathered = self.gather(&wait.context, &wait.request, wait.follower);
            if gathered.urgent || gathered.bytes >= wait.min_bytes {
                let request = wait.context.request;
                self.fetches.remove(id);
                out.push(Command::Reply { request, response: Response::Fetch(Box::new(gathered.response)) });
            }
        }
    }

    pub(in crate::broker) fn fetches_expired(&mut self, now: Now, out: &mut Vec<Command>) {
        for (_, wait) in self.fetches.expired(now.mono_ms) {
            let gathered = self.gather(&wait.context, &wait.request, wait.follower);
            out.push(Command::Reply {
                request: wait.context.request,
                response: Response::Fetch(Box::new(gathered.response)),
            });
        }
    }

    /// What a follower asks for says what it has.
    fn follower_at(&mut self, now: Now, follower: Follower, request: &FetchRequest) {
        for topic in &request.topics {
            for asked in &topic.partitions {
                let Some(key) = self.key_of(topic.topic.as_str(), topic.topic_id, asked.partition) else { continue };
                let Some(partition) = self.partitions.get_mut(&key) else { continue };
                // Only a log that agrees with this one up to its end counts.
                let agrees = asked.last_fetched_epoch < 0
                    || partition
                        .log
                        .end_offset_for_epoch(asked.last_fetched_epoch)
                        .is_some_and(|(epoch, end)| epoch == asked.last_fetched_epoch && end >= asked.fetch_offset);
                let log_start = partition.log.log_start_offset();
                let log_end = partition.log.log_end_offset();
                let Some(leader) = partition.leader_mut() else { continue };
                let right_epoch = asked.current_leader_epoch < 0
                    || asked.current_leader_epoch == leader.epoch()
                    || mutated(Mutation::IgnoreFetchEpoch);
                if !agrees || !right_epoch || !(log_start..=log_end).contains(&asked.fetch_offset) {
                    continue;
                }
                let outcome = leader.follower_fetched(
                    now.mono_ms,
                    follower.id,
                    follower.broker_epoch,
                    asked.fetch_offset,
                    asked.log_start_offset,
                );
                if outcome.high_watermark_advanced {
                    self.high_watermarks_due = true;
                    self.woken.insert(key);
                }
                if let Some(proposal) = outcome.proposal {
                    self.propose_isr(key, proposal);
                }
            }
        }
    }

    fn gather(&self, context: &RequestContext, request: &FetchRequest, follower: Option<Follower>) -> Gathered {
        let limit =
            if follower.is_some() { request.max_bytes } else { request.max_bytes.min(self.config.fetch_max_bytes) };
        let mut left = usize::try_from(limit).unwrap_or(0);
        let mut gathered = Gathered { response: empty_response(), bytes: 0, urgent: false };
        let mut leaders = BTreeSet::new();
        for topic in &request.topics {
            let mut partitions = Vec::with_capacity(topic.partitions.len());
            for asked in &topic.partitions {
                let key = self.key_of(topic.topic.as_str(), topic.topic_id, asked.partition);
                let answer = match key {
                    None => failed(asked.partition, self.unknown_code(topic.topic_id)),
                    Some(key) => self.read(key, asked, follower, left, gathered.bytes == 0),
                };
                let bytes: usize = answer.records.ranges.iter().map(|range| range.len).sum();
                gathered.bytes += bytes;
                left = left.saturating_sub(bytes);
                gathered.urgent |= answer.error_code != codes::NONE || answer.diverging_epoch.is_some();
                if let Some((leader, _)) = answer.current_leader {
                    leaders.insert(leader);
                }
                partitions.push(answer);
            }
            gathered.response.topics.push(FetchedTopic { name: topic.topic.clone(), id: topic.topic_id, partitions });
        }
        for id in leaders {
            if let Some(listener) = self.image.broker(id).and_then(|broker| broker.listener(&context.listener)) {
                gathered.response.node_endpoints.push(NodeEndpoint {
                    node_id: id,
                    host: text(&listener.host),
                    port: i32::try_from(listener.port).unwrap_or(0),
                    rack: self.image.broker(id).and_then(|broker| broker.rack.as_deref().map(text)),
                });
            }
        }
        gathered
    }

    fn read(
        &self,
        key: LogKey,
        asked: &FetchPartition,
        follower: Option<Follower>,
        left: usize,
        at_least_one: bool,
    ) -> FetchedPartition<FetchPayload> {
        let leads = self.partitions.get(&key).and_then(|partition| Some((partition, partition.leader()?)));
        let Some((partition, leader)) = leads else {
            let mut answer = failed(asked.partition, codes::NOT_LEADER_OR_FOLLOWER);
            answer.current_leader = self.leader_of(key);
            return answer;
        };
        let epoch = leader.epoch();
        if asked.current_leader_epoch >= 0
            && asked.current_leader_epoch != epoch
            && !mutated(Mutation::IgnoreFetchEpoch)
        {
            let code = if asked.current_leader_epoch < epoch {
                codes::FENCED_LEADER_EPOCH
            } else {
                codes::UNKNOWN_LEADER_EPOCH
            };
            let mut answer = failed(asked.partition, code);
            answer.current_leader = (code == codes::FENCED_LEADER_EPOCH).then_some((self.config.node_id, epoch));
            return answer;
        }
        if follower.is_some_and(|follower| !leader.replicas().contains(&follower.id)) {
            return failed(asked.partition, codes::NOT_LEADER_OR_FOLLOWER);
        }
        let log = &partition.log;
        let high_watermark = leader.high_watermark();
        let mut answer = FetchedPartition {
            high_watermark,
            last_stable_offset: high_watermark,
            log_start_offset: log.log_start_offset(),
            ..failed(asked.partition, codes::NONE)
        };
        if asked.last_fetched_epoch >= 0 {
            match log.end_offset_for_epoch(asked.last_fetched_epoch) {
                None => {
                    answer.error_code = codes::OFFSET_OUT_OF_RANGE;
                    return answer;
                }
                Some((known, end)) if known < asked.last_fetched_epoch || end < asked.fetch_offset => {
                    answer.diverging_epoch = Some((known, end));
                    return answer;
                }
                Some(_) => {}
            }
        }
        let all = follower.is_some() || mutated(Mutation::ServeAboveHighWatermark);
        let upper = if all { log.log_end_offset() } else { high_watermark };
        if asked.fetch_offset > upper && asked.fetch_offset <= log.log_end_offset() {
            // Not committed yet: nothing to see, and nothing wrong.
            return answer;
        }
        let max = usize::try_from(asked.partition_max_bytes).unwrap_or(0).min(left);
        match log.read(asked.fetch_offset, max, upper, at_least_one) {
            Ok(read) => answer.records = FetchPayload { ranges: read.ranges },
            Err(error) => {
                if !matches!(error, ReadError::OffsetOutOfRange { .. }) {
                    tracing::error!(topic = %partition.topic, partition = key.partition, %error, "read");
                }
                answer.error_code = error.code();
            }
        }
        answer
    }
}

/// Followers name themselves; on a listener for clients nobody is believed to be one.
fn follower_of(context: &RequestContext, request: &FetchRequest) -> Option<Follower> {
    if context.role != ListenerRole::InterBroker {
        return None;
    }
    let (id, broker_epoch) = if context.api_version >= 15 {
        (request.replica_state.replica_id.0, request.replica_state.replica_epoch)
    } else {
        (request.replica_id.0, -1)
    };
    (id >= 0).then_some(Follower { id, broker_epoch })
}

fn failed(index: i32, error_code: i16) -> FetchedPartition<FetchPayload> {
    FetchedPartition {
        index,
        error_code,
        high_watermark: -1,
        last_stable_offset: -1,
        log_start_offset: -1,
        aborted: None,
        preferred_read_replica: -1,
        diverging_epoch: None,
        current_leader: None,
        records: FetchPayload::default(),
    }
}

fn empty_response() -> FetchResponse<FetchPayload> {
    FetchResponse {
        throttle_ms: 0,
        error_code: codes::NONE,
        session_id: 0,
        topics: Vec::new(),
        node_endpoints: Vec::new(),
    }
}
