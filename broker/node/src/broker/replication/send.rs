//! Which fetches leave when.

use std::collections::BTreeMap;

use odradek_core::fetch_session::{Asked, FINAL_EPOCH, NO_SESSION};
use odradek_core::replica::first_fetch_epoch;
use odradek_core::time::Now;
use odradek_probe::{Mutation, mutated, reached};
use odradek_wire::messages::fetch_request::{FetchPartition, FetchTopic, ForgottenTopic, ReplicaState};
use odradek_wire::messages::{BrokerId, FetchRequest};

use super::super::BrokerNode;
use super::super::calls::Pending;
use super::super::partition::{Partition, Role};
use super::fetcher::{FetchInFlight, FetcherId, Fetching};
use crate::event::{Command, LogKey, Peer, PeerRequest};

impl BrokerNode {
    /// Sends what is due, for the fetchers that something happened to.
    pub(in crate::broker) fn fetch_from_leaders(&mut self, now: Now, out: &mut Vec<Command>) {
        for id in std::mem::take(&mut self.fetchers_due) {
            self.fetch_from(now, id, out);
        }
    }

    /// Marks the fetchers whose time has come.
    pub(in crate::broker) fn fetchers_expired(&mut self, now: Now) {
        for (id, fetcher) in &mut self.fetchers {
            if fetcher.wakes(now.mono_ms) {
                self.fetchers_due.insert(*id);
            }
        }
    }

    fn fetch_from(&mut self, now: Now, id: FetcherId, out: &mut Vec<Command>) {
        if self.lifecycle.broker_epoch().is_none() {
            return;
        }
        let Some(to) = self.broker_address(id.leader) else { return };
        let Some(fetcher) = self.fetchers.get_mut(&id) else { return };
        if !fetcher.ready(now.mono_ms) {
            return;
        }
        if let Some(changes) = fetcher.session_changes() {
            let states: Vec<_> = changes.into_iter().map(|key| (key, self.asked_of(key))).collect();
            self.send_session_fetch(id, &to, states, out);
        }
        self.send_next_lane(id, &to, false, i32::MAX, out);
        if !self.follower_quota.is_bound() {
            return;
        }
        match self.follower_quota.is_exceeded(now.mono_ms) {
            false => {
                let budget = i32::try_from(self.follower_quota.budget(now.mono_ms)).unwrap_or(i32::MAX);
                self.send_next_lane(id, &to, true, budget.max(1), out);
            }
            true => {
                reached("replica fetch put off by its throttle");
                let free_at = self.follower_quota.free_at(now.mono_ms);
                let partitions = &self.partitions;
                if let Some(fetcher) = self.fetchers.get_mut(&id)
                    && fetcher.has_throttled(|key| is_throttled(partitions, key))
                {
                    fetcher.wake_at(free_at);
                }
            }
        }
    }

    /// One more fetch without a session, of at most `max_bytes`, when something waits for it.
    fn send_next_lane(&mut self, id: FetcherId, to: &Peer, throttled: bool, max_bytes: i32, out: &mut Vec<Command>) {
        let (partitions, bound) = (&self.partitions, self.follower_quota.is_bound());
        let Some(fetcher) = self.fetchers.get(&id) else { return };
        let keys = fetcher.next_lane(throttled, |key| bound && is_throttled(partitions, key));
        let mut asked: BTreeMap<LogKey, Asked> = BTreeMap::new();
        for key in keys {
            match self.asked_of(key) {
                Some(state) => drop(asked.insert(key, state)),
                None => self.skip(id, key),
            }
        }
        if !asked.is_empty() {
            self.send_lane(id, to, throttled, max_bytes, asked, out);
        }
    }

    /// What is asked of the leader for a partition; nothing when it cannot be copied.
    fn asked_of(&self, key: LogKey) -> Option<Asked> {
        let partition = self.partitions.get(&key)?;
        let Role::Follower { epoch, .. } = &partition.role else { return None };
        let log = &partition.log;
        self.takes_records(partition).then(|| Asked {
            current_leader_epoch: *epoch,
            fetch_offset: log.log_end_offset(),
            last_fetched_epoch: match mutated(Mutation::SkipTruncation) {
                true => -1,
                false => first_fetch_epoch(log.latest_epoch()),
            },
            log_start_offset: log.log_start_offset(),
            max_bytes: self.config.replica_fetch_max_bytes,
        })
    }

    /// Nothing is copied until the log directory takes records again; to a log that failed, not before the process starts
    /// again.
    fn skip(&mut self, id: FetcherId, key: LogKey) {
        if let Some(fetcher) = self.fetchers.get_mut(&id) {
            fetcher.skip(key);
        }
    }

    fn send_session_fetch(
        &mut self,
        id: FetcherId,
        to: &Peer,
        states: Vec<(LogKey, Option<Asked>)>,
        out: &mut Vec<Command>,
    ) {
        let Some(fetcher) = self.fetchers.get_mut(&id) else { return };
        for (key, asked) in states {
            fetcher.in_session(key, asked);
        }
        if fetcher.session.is_empty() {
            return;
        }
        let built = fetcher.session.build();
        fetcher.session_sent();
        let generation = fetcher.generation;
        let mut request = self
            .fetch_request()
            .with_session_id(built.session_id)
            .with_session_epoch(built.epoch)
            .with_topics(topics(built.asked.into_iter()));
        for key in built.forgotten {
            match request.forgotten_topics_data.last_mut().filter(|topic| topic.topic_id == key.topic_id) {
                Some(topic) => topic.partitions.push(key.partition),
                None => request
                    .forgotten_topics_data
                    .push(ForgottenTopic::default().with_topic_id(key.topic_id).with_partitions(vec![key.partition])),
            }
        }
        self.send_fetch(to, request, FetchInFlight { id, generation, kind: Fetching::Session }, out);
    }

    fn send_lane(
        &mut self,
        id: FetcherId,
        to: &Peer,
        throttled: bool,
        max_bytes: i32,
        asked: BTreeMap<LogKey, Asked>,
        out: &mut Vec<Command>,
    ) {
        let Some(fetcher) = self.fetchers.get_mut(&id) else { return };
        fetcher.lane_sent(throttled, asked.keys().copied());
        let generation = fetcher.generation;
        let mut request = self
            .fetch_request()
            .with_session_id(NO_SESSION)
            .with_session_epoch(FINAL_EPOCH)
            .with_topics(topics(asked.iter().map(|(key, asked)| (*key, *asked))));
        request.max_bytes = request.max_bytes.min(max_bytes);
        if !throttled {
            // Where a partition stands is wanted at once: one that is level waits in the session. (The leader answers
            // nothing while a throttle holds, so those fetches wait there.)
            request.max_wait_ms = 0;
        }
        let kind = Fetching::Lane { throttled, asked };
        self.send_fetch(to, request, FetchInFlight { id, generation, kind }, out);
    }

    fn fetch_request(&self) -> FetchRequest {
        let me = ReplicaState::default()
            .with_replica_id(BrokerId(self.config.node_id))
            .with_replica_epoch(self.lifecycle.broker_epoch().unwrap_or(-1));
        FetchRequest::default()
            .with_replica_state(me)
            .with_max_wait_ms(self.config.replica_fetch_wait_max_ms)
            .with_min_bytes(self.config.replica_fetch_min_bytes)
            .with_max_bytes(self.config.replica_fetch_response_max_bytes)
    }

    fn send_fetch(&mut self, to: &Peer, request: FetchRequest, fetch: FetchInFlight, out: &mut Vec<Command>) {
        let wait = u64::try_from(self.config.replica_fetch_wait_max_ms).unwrap_or(0);
        let timeout = wait + self.config.replica_socket_timeout_ms;
        self.call_broker(to.clone(), PeerRequest::Fetch(Box::new(request)), timeout, Pending::ReplicaFetch(fetch), out);
    }

    fn broker_address(&self, id: i32) -> Option<Peer> {
        let listener = self.image.broker(id)?.listener(&self.config.inter_broker_listener)?;
        let port = u16::try_from(listener.port).ok()?;
        Some(Peer::Broker { id, host: listener.host.clone(), port })
    }
}

/// Whether the replica is named by `follower.replication.throttled.replicas`.
fn is_throttled(partitions: &BTreeMap<LogKey, Partition>, key: LogKey) -> bool {
    partitions.get(&key).is_some_and(|partition| partition.follower_throttled)
}

fn topics(asked: impl Iterator<Item = (LogKey, Asked)>) -> Vec<FetchTopic> {
    let mut topics: Vec<FetchTopic> = Vec::new();
    for (key, asked) in asked {
        let partition = FetchPartition::default()
            .with_partition(key.partition)
            .with_current_leader_epoch(asked.current_leader_epoch)
            .with_fetch_offset(asked.fetch_offset)
            .with_last_fetched_epoch(asked.last_fetched_epoch)
            .with_log_start_offset(asked.log_start_offset)
            .with_partition_max_bytes(asked.max_bytes);
        match topics.last_mut().filter(|topic| topic.topic_id == key.topic_id) {
            Some(topic) => topic.partitions.push(partition),
            None => topics.push(FetchTopic::default().with_topic_id(key.topic_id).with_partitions(vec![partition])),
        }
    }
    topics
}
