//! Fetch: by consumers up to the high watermark, by followers up to the log end; a long poll when too little is there.
//!
//! A fetch of a session (KIP-227) waits for the session, not for each of its partitions: what happens to a partition
//! marks it in the sessions that have it, and only what is marked is looked at.

mod gather;
mod read;

use std::collections::{BTreeMap, BTreeSet};

use odradek_core::fetch_session::{Asked, FINAL_EPOCH, Opened, SessionError, SessionRequest};
use odradek_core::purgatory::OpId;
use odradek_core::time::Now;
use odradek_probe::{Mutation, mutated, reached};
use odradek_wire::fetch::FetchResponse;
use odradek_wire::messages::fetch_request::FetchPartition;
use odradek_wire::messages::{FetchRequest, TopicName};
use uuid::Uuid;

use self::gather::empty_response;
use super::super::BrokerNode;
use crate::event::{Command, ListenerRole, LogKey, RequestContext, Response};

/// The least version of Fetch that names topics by id.
const TOPIC_IDS: i16 = 13;

/// The least version of Fetch whose consumers may read from followers (KIP-392).
const FOLLOWER_READS: i16 = 11;

/// What a fetch waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::broker) enum FetchWatch {
    /// Something happens to the partition.
    Partition(LogKey),
    /// Something happens to a partition of the session.
    Session(i32),
}

/// A partition as a fetcher names it: by the topic's name or by its id.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::broker) struct FetchKey {
    pub topic_id: Uuid,
    pub topic: TopicName,
    pub partition: i32,
}

/// A fetch, and what it waits for.
#[derive(Debug)]
pub(in crate::broker) struct DelayedFetch {
    context: RequestContext,
    request: FetchRequest,
    opened: Opened,
    /// The session's epoch after this fetch: another one means that a later fetch overtook it.
    epoch: Option<i32>,
    follower: Option<Follower>,
}

impl DelayedFetch {
    /// Consumers of KIP-392's version of Fetch and later know that a follower may answer.
    fn may_read_from_followers(&self) -> bool {
        self.follower.is_none() && self.context.api_version >= FOLLOWER_READS
    }

    fn session(&self) -> Option<i32> {
        match self.opened {
            Opened::Sessionless => None,
            Opened::Full { session } | Opened::Incremental { session } => Some(session),
        }
    }
}

#[derive(Debug, Clone, Copy)]
pub(in crate::broker) struct Follower {
    id: i32,
    broker_epoch: i64,
}

impl BrokerNode {
    pub(in crate::broker) fn fetch(
        &mut self,
        now: Now,
        context: RequestContext,
        mut request: FetchRequest,
        out: &mut Vec<Command>,
    ) {
        let follower = follower_of(&context, &request);
        let opened = match self.fetch_sessions.open(now.mono_ms, self.session_request(&context, &mut request, follower))
        {
            Ok(opened) => opened,
            Err(error) => {
                reached("fetch session refused");
                return refuse(&context, error.code(), out);
            }
        };
        let mut wait = DelayedFetch { context, request, opened, epoch: None, follower };
        if let Some(session) = wait.session() {
            wait.epoch = self.fetch_sessions.epoch(session);
            self.end_overtaken(session, out);
        }
        if let Some(follower) = follower {
            self.follower_at(now, follower, &wait);
        }
        let gathered = self.gather(now, &wait);
        let max_wait = u64::try_from(wait.request.max_wait_ms).unwrap_or(0);
        let nothing = matches!(opened, Opened::Sessionless) && wait.request.topics.is_empty();
        if gathered.is_enough(&wait) || max_wait == 0 || nothing {
            self.answer_fetch(now, wait, gathered, out);
            return;
        }
        self.settle(wait.session(), &gathered);
        let keys: Vec<FetchWatch> = match wait.session() {
            Some(session) => vec![FetchWatch::Session(session)],
            None => {
                let named = asked_in(&wait.request);
                named
                    .filter_map(|(key, _)| Some(FetchWatch::Partition(self.resolve(&key)?)))
                    .collect::<Vec<FetchWatch>>()
            }
        };
        self.fetches.add(now.mono_ms + max_wait, keys, wait);
    }

    /// What the request says about sessions. A full fetch keeps its partitions for its own answer.
    fn session_request(
        &self,
        context: &RequestContext,
        request: &mut FetchRequest,
        follower: Option<Follower>,
    ) -> SessionRequest<FetchKey, LogKey> {
        let forgotten = std::mem::take(&mut request.forgotten_topics_data);
        SessionRequest {
            session_id: request.session_id,
            epoch: request.session_epoch,
            owner: follower.map_or(-1, |follower| follower.id),
            uses_topic_ids: context.api_version >= TOPIC_IDS,
            asked: match request.session_epoch {
                FINAL_EPOCH => Vec::new(),
                _ => asked_in(request).map(|(key, asked)| (key.clone(), self.resolve(&key), asked)).collect(),
            },
            forgotten: forgotten
                .into_iter()
                .flat_map(|topic| {
                    topic.partitions.into_iter().map(move |partition| FetchKey {
                        topic_id: topic.topic_id,
                        topic: topic.topic.clone(),
                        partition,
                    })
                })
                .collect(),
        }
    }

    fn resolve(&self, key: &FetchKey) -> Option<LogKey> {
        self.key_of(key.topic.as_str(), key.topic_id, key.partition)
    }

    /// A fetch that still waits when its session goes on got no answer that its fetcher could use.
    fn end_overtaken(&mut self, session: i32, out: &mut Vec<Command>) {
        for (_, wait) in self.fetches.remove_watching(&FetchWatch::Session(session)) {
            reached("waiting fetch overtaken by its session");
            refuse(&wait.context, SessionError::InvalidEpoch.code(), out);
        }
    }

    /// Something happened to these partitions: answers the fetches that have enough now.
    pub(in crate::broker) fn fetches_woken(&mut self, now: Now, keys: &BTreeSet<LogKey>, out: &mut Vec<Command>) {
        let mut woken: BTreeSet<OpId> = BTreeSet::new();
        for key in keys {
            woken.extend(self.fetches.notify(&FetchWatch::Partition(*key)));
            for session in self.fetch_sessions.mark(key) {
                woken.extend(self.fetches.notify(&FetchWatch::Session(session)));
            }
        }
        for id in woken {
            let Some(wait) = self.fetches.get(id) else { continue };
            let gathered = self.gather(now, wait);
            if gathered.is_enough(wait) {
                if let Some(wait) = self.fetches.remove(id) {
                    self.answer_fetch(now, wait, gathered, out);
                }
            } else {
                let session = wait.session();
                self.settle(session, &gathered);
            }
        }
    }

    /// Something happened to a partition that is no reason to end a wait, but to look at it with the next fetch.
    pub(in crate::broker) fn fetch_later(&mut self, key: LogKey) {
        self.fetch_sessions.mark(&key);
    }

    pub(in crate::broker) fn fetches_expired(&mut self, now: Now, out: &mut Vec<Command>) {
        for (_, wait) in self.fetches.expired(now.mono_ms) {
            let gathered = self.gather(now, &wait);
            self.answer_fetch(now, wait, gathered, out);
        }
    }

    /// What a follower asks for says what it has.
    fn follower_at(&mut self, now: Now, follower: Follower, wait: &DelayedFetch) {
        let asked: Vec<(LogKey, Asked)> = match wait.session() {
            // What is not due it has asked for before, in the same way.
            Some(session) => self
                .fetch_sessions
                .due(session)
                .filter_map(|(_, watch, asked, _)| watch.map(|key| (*key, asked)))
                .collect(),
            None => asked_in(&wait.request).filter_map(|(key, asked)| Some((self.resolve(&key)?, asked))).collect(),
        };
        for (key, asked) in asked {
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

/// The partitions that a request names, in its order.
fn asked_in(request: &FetchRequest) -> impl Iterator<Item = (FetchKey, Asked)> + '_ {
    request.topics.iter().flat_map(|topic| {
        topic.partitions.iter().map(|partition| {
            let key = FetchKey { topic_id: topic.topic_id, topic: topic.topic.clone(), partition: partition.partition };
            (key, asked(partition))
        })
    })
}

fn asked(partition: &FetchPartition) -> Asked {
    Asked {
        current_leader_epoch: partition.current_leader_epoch,
        fetch_offset: partition.fetch_offset,
        last_fetched_epoch: partition.last_fetched_epoch,
        log_start_offset: partition.log_start_offset,
        max_bytes: partition.partition_max_bytes,
    }
}

fn refuse(context: &RequestContext, error_code: i16, out: &mut Vec<Command>) {
    let response = FetchResponse { error_code, ..empty_response() };
    out.push(Command::Reply { request: context.request, response: Response::Fetch(Box::new(response)) });
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

/// Answers group partitions by topic, in the order of the topics' first partitions.
pub(super) type Places = BTreeMap<(Uuid, TopicName), usize>;
