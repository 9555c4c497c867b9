//! All partitions of a fetch together: whether it is enough, and the answer.

use std::collections::BTreeSet;

use odradek_core::fetch_session::{Next, Opened, Told};
use odradek_core::time::Now;
use odradek_probe::reached;
use odradek_wire::fetch::{FetchResponse, FetchedPartition, FetchedTopic, NodeEndpoint};

use super::super::super::{BrokerNode, codes};
use super::super::text;
use super::read::failed;
use super::{DelayedFetch, FetchKey, Places, asked_in};
use crate::event::{Command, FetchPayload, LogKey, Response};

/// One look at the partitions of a fetch.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    topics: Vec<FetchedTopic<FetchPayload>>,
    places: Places,
    /// Of all records.
    bytes: usize,
    /// An error or a divergence: the asker wants to know at once.
    urgent: bool,
    /// Of those of partitions whose followers are throttled.
    throttled_bytes: usize,
    /// Of those of partitions that this broker follows.
    follower_bytes: u64,
    /// Leaders that the asker is sent to.
    leaders: BTreeSet<i32>,
    /// What the session says of each partition in the answer.
    said: Vec<(FetchKey, Told, Next)>,
    /// Partitions of the session that have nothing to say.
    pub resting: Vec<FetchKey>,
    /// Partitions of the session that are another one now, or were not known before.
    moved: Vec<(FetchKey, Option<LogKey>)>,
    /// How many partitions were looked at.
    pub looks: u64,
}

impl Gathered {
    /// Whether the fetch is answered now.
    pub fn is_enough(&self, wait: &DelayedFetch) -> bool {
        self.urgent || self.bytes >= usize::try_from(wait.request.min_bytes).unwrap_or(0)
    }

    fn add(&mut self, key: &FetchKey, answer: FetchedPartition<FetchPayload>) {
        let place = *self.places.entry((key.topic_id, key.topic.clone())).or_insert_with(|| {
            self.topics.push(FetchedTopic { name: key.topic.clone(), id: key.topic_id, partitions: Vec::new() });
            self.topics.len() - 1
        });
        self.topics[place].partitions.push(answer);
    }
}

impl BrokerNode {
    pub(super) fn gather(&self, now: Now, wait: &DelayedFetch) -> Gathered {
        let limit = match wait.follower {
            Some(_) => wait.request.max_bytes,
            None => wait.request.max_bytes.min(self.config.fetch_max_bytes),
        };
        let mut left = usize::try_from(limit).unwrap_or(0);
        let mut throttled_left = usize::try_from(self.leader_quota.budget(now.mono_ms)).unwrap_or(usize::MAX);
        let mut gathered = Gathered::default();
        let mut look = |key: &FetchKey, watch: Option<LogKey>, asked, told: Option<Told>| {
            gathered.looks += 1;
            let answer = match watch {
                None => failed(key.partition, self.unknown_code(key.topic_id)),
                Some(watch) => {
                    let bound = match self.slows(watch, wait.follower) {
                        true => left.min(throttled_left),
                        false => left,
                    };
                    // Once the quota is used up, not even one batch.
                    let at_least_one = gathered.bytes == 0 && (bound > 0 || left == 0);
                    self.read(watch, &asked, wait, bound, at_least_one)
                }
            };
            let bytes: usize = answer.records.ranges.iter().map(|range| range.len).sum();
            if watch.is_some_and(|watch| self.counts_for_leader_quota(watch, wait.follower)) {
                gathered.throttled_bytes += bytes;
                throttled_left = throttled_left.saturating_sub(bytes);
            }
            gathered.bytes += bytes;
            left = left.saturating_sub(bytes);
            let error = answer.error_code != codes::NONE;
            let urgent = error || answer.diverging_epoch.is_some() || answer.preferred_read_replica >= 0;
            if bytes > 0 && !self.leads(watch) {
                gathered.follower_bytes += bytes as u64;
            }
            gathered.urgent |= urgent;
            gathered.leaders.extend(answer.current_leader.map(|(leader, _)| leader));
            let saying = match error {
                true => Told::NOTHING,
                false => Told { high_watermark: answer.high_watermark, log_start_offset: answer.log_start_offset },
            };
            let more = || watch.is_some_and(|watch| self.has_more(watch, &asked, wait.follower));
            let next = match () {
                () if bytes > 0 => Next::Last,
                () if error || more() => Next::Again,
                () => Next::Rest,
            };
            match told {
                Some(told) if bytes == 0 && !urgent && told == saying => {
                    if next == Next::Rest {
                        gathered.resting.push(key.clone());
                    }
                }
                _ => {
                    gathered.add(key, answer);
                    gathered.said.push((key.clone(), saying, next));
                }
            }
        };
        match wait.opened {
            Opened::Sessionless | Opened::Full { .. } => {
                for (key, asked) in asked_in(&wait.request) {
                    look(&key, self.resolve(&key), asked, None);
                }
            }
            Opened::Incremental { session } => {
                reached("incremental fetch");
                let mut moved = Vec::new();
                for (key, watch, asked, told) in self.fetch_sessions.due(session) {
                    // A name may have become another topic's since.
                    let now = self.resolve(key);
                    if now.as_ref() != watch {
                        moved.push((key.clone(), now));
                    }
                    look(key, now, asked, Some(told));
                }
                gathered.moved = moved;
            }
        }
        gathered
    }

    fn leads(&self, key: Option<LogKey>) -> bool {
        key.and_then(|key| self.partitions.get(&key)).is_some_and(|partition| partition.leader().is_some())
    }

    /// Tells the session what was found on a look that ends no wait.
    pub(super) fn settle(&mut self, session: Option<i32>, gathered: &Gathered) {
        self.fetch_looks += gathered.looks;
        let Some(session) = session else { return };
        for (key, watch) in &gathered.moved {
            self.fetch_sessions.watch(session, key, *watch);
        }
        for key in &gathered.resting {
            self.fetch_sessions.looked(session, key, None, Next::Rest);
        }
    }

    pub(super) fn answer_fetch(&mut self, now: Now, wait: DelayedFetch, gathered: Gathered, out: &mut Vec<Command>) {
        let session = wait.session();
        self.settle(session, &gathered);
        self.follower_read_bytes += gathered.follower_bytes;
        if gathered.throttled_bytes > 0 {
            self.leader_quota.record(now.mono_ms, gathered.throttled_bytes);
        }
        if let Some(session) = session {
            for (key, told, next) in gathered.said {
                self.fetch_sessions.looked(session, &key, Some(told), next);
            }
        }
        let mut response = FetchResponse {
            // A session that went away meanwhile is told as none, and its fetcher starts over.
            session_id: session.filter(|id| self.fetch_sessions.epoch(*id) == wait.epoch).unwrap_or(0),
            topics: gathered.topics,
            ..empty_response()
        };
        for id in gathered.leaders {
            let Some(broker) = self.image.broker(id) else { continue };
            if let Some(listener) = broker.listener(&wait.context.listener) {
                response.node_endpoints.push(NodeEndpoint {
                    node_id: id,
                    host: text(&listener.host),
                    port: i32::try_from(listener.port).unwrap_or(0),
                    rack: broker.rack.as_deref().map(text),
                });
            }
        }
        out.push(Command::Reply { request: wait.context.request, response: Response::Fetch(Box::new(response)) });
    }
}

pub(super) fn empty_response() -> FetchResponse<FetchPayload> {
    FetchResponse {
        throttle_ms: 0,
        error_code: codes::NONE,
        session_id: 0,
        topics: Vec::new(),
        node_endpoints: Vec::new(),
    }
}
