//! Followers' fetches: one under way for each leader, and one for partitions that came meanwhile (KIP-595's way: the
//! fetch names the last epoch, and the answer says where the logs part).

use std::collections::{BTreeMap, BTreeSet};

use odradek_core::replica::{Divergence, first_fetch_epoch, truncation_for};
use odradek_core::time::Now;
use odradek_probe::{Mutation, mutated, reached};
use odradek_wire::batch::RecordBatches;
use odradek_wire::messages::fetch_request::{FetchPartition, FetchTopic, ReplicaState};
use odradek_wire::messages::fetch_response::PartitionData;
use odradek_wire::messages::{BrokerId, FetchRequest, FetchResponse};

use super::BrokerNode;
use super::calls::Pending;
use super::codes;
use super::partition::Role;
use crate::event::{CallError, Command, LogKey, Peer, PeerRequest};

/// Fetches from one leader.
#[derive(Debug, Default)]
pub(super) struct Fetcher {
    /// What is copied from it.
    partitions: BTreeSet<LogKey>,
    /// Part of a fetch that is under way.
    busy: BTreeSet<LogKey>,
    /// How many fetches are under way: at most two, so that new partitions need not wait for a long poll to end.
    in_flight: usize,
    not_before_ms: u64,
    wake_ms: Option<u64>,
    /// Partitions that the leader refused, until that time.
    delayed: BTreeMap<LogKey, u64>,
}

/// A fetch that is under way.
#[derive(Debug)]
pub(super) struct FetchInFlight {
    leader: i32,
    /// With the leader epoch that each was asked under.
    partitions: BTreeMap<LogKey, i32>,
}

const MAX_IN_FLIGHT: usize = 2;

impl Fetcher {
    fn ready(&self, now_ms: u64) -> bool {
        self.in_flight < MAX_IN_FLIGHT && now_ms >= self.not_before_ms
    }

    fn wake_at(&mut self, due_ms: u64) {
        self.wake_ms = Some(self.wake_ms.map_or(due_ms, |wake| wake.min(due_ms)));
    }

    /// When something that was put off is due.
    pub fn next_deadline(&self) -> Option<u64> {
        self.wake_ms
    }
}

impl BrokerNode {
    pub(super) fn follow_partition(&mut self, key: LogKey, leader: i32) {
        self.fetchers.entry(leader).or_default().partitions.insert(key);
        self.fetchers_due.insert(leader);
    }

    pub(super) fn unfollow(&mut self, key: LogKey) {
        for fetcher in self.fetchers.values_mut() {
            fetcher.partitions.remove(&key);
            fetcher.delayed.remove(&key);
        }
        self.fetchers.retain(|_, fetcher| !fetcher.partitions.is_empty() || fetcher.in_flight > 0);
    }

    /// A broker came back or moved: no reason to wait any longer.
    pub(super) fn broker_changed(&mut self, now: Now, id: i32) {
        if let Some(fetcher) = self.fetchers.get_mut(&id) {
            fetcher.not_before_ms = now.mono_ms;
            self.fetchers_due.insert(id);
        }
    }

    /// Sends what is due, for the leaders that something happened to.
    pub(super) fn fetch_from_leaders(&mut self, now: Now, out: &mut Vec<Command>) {
        for leader in std::mem::take(&mut self.fetchers_due) {
            self.fetch_from(now, leader, out);
        }
    }

    /// Marks the fetchers whose time has come.
    pub(super) fn fetchers_expired(&mut self, now: Now) {
        for (leader, fetcher) in &mut self.fetchers {
            if fetcher.wake_ms.is_some_and(|due| due <= now.mono_ms) {
                fetcher.wake_ms = None;
                self.fetchers_due.insert(*leader);
            }
        }
    }

    fn fetch_from(&mut self, now: Now, leader: i32, out: &mut Vec<Command>) {
        let Some(broker_epoch) = self.lifecycle.broker_epoch() else { return };
        let Some(to) = self.broker_address(leader) else { return };
        let Some(fetcher) = self.fetchers.get_mut(&leader) else { return };
        if !fetcher.ready(now.mono_ms) {
            if now.mono_ms < fetcher.not_before_ms {
                fetcher.wake_at(fetcher.not_before_ms);
            }
            return;
        }
        fetcher.delayed.retain(|_, until| *until > now.mono_ms);
        fetcher.wake_ms = fetcher.delayed.values().copied().min();
        let mut partitions = BTreeMap::new();
        let mut topics: Vec<FetchTopic> = Vec::new();
        for key in &fetcher.partitions {
            if fetcher.busy.contains(key) || fetcher.delayed.contains_key(key) {
                continue;
            }
            let Some(partition) = self.partitions.get(key) else { continue };
            let Role::Follower { epoch, .. } = &partition.role else { continue };
            if partition.log.failure().is_some() {
                continue;
            }
            partitions.insert(*key, *epoch);
            let asked = FetchPartition::default()
                .with_partition(key.partition)
                .with_current_leader_epoch(*epoch)
                .with_fetch_offset(partition.log.log_end_offset())
                .with_last_fetched_epoch(match mutated(Mutation::SkipTruncation) {
                    true => -1,
                    false => first_fetch_epoch(partition.log.latest_epoch()),
                })
                .with_log_start_offset(partition.log.log_start_offset())
                .with_partition_max_bytes(self.config.replica_fetch_max_bytes);
            match topics.last_mut().filter(|topic| topic.topic_id == key.topic_id) {
                Some(topic) => topic.partitions.push(asked),
                None => {
                    topics.push(FetchTopic::default().with_topic_id(key.topic_id).with_partitions(vec![asked]));
                }
            }
        }
        if partitions.is_empty() {
            return;
        }
        fetcher.busy.extend(partitions.keys().copied());
        fetcher.in_flight += 1;
        let wait = self.config.replica_fetch_wait_max_ms;
        let request = FetchRequest::default()
            .with_replica_state(
                ReplicaState::default().with_replica_id(BrokerId(self.config.node_id)).with_replica_epoch(broker_epoch),
            )
            .with_max_wait_ms(wait)
            .with_min_bytes(self.config.replica_fetch_min_bytes)
            .with_max_bytes(self.config.replica_fetch_response_max_bytes)
            .with_session_id(0)
            .with_session_epoch(-1)
            .with_topics(topics);
        let timeout = u64::try_from(wait).unwrap_or(0) + self.config.replica_socket_timeout_ms;
        let pending = Pending::ReplicaFetch(FetchInFlight { leader, partitions });
        self.call_broker(to, PeerRequest::Fetch(Box::new(request)), timeout, pending, out);
    }

    fn broker_address(&self, id: i32) -> Option<Peer> {
        let listener = self.image.broker(id)?.listener(&self.config.inter_broker_listener)?;
        let port = u16::try_from(listener.port).ok()?;
        Some(Peer::Broker { id, host: listener.host.clone(), port })
    }

    pub(super) fn replica_fetch_answered(
        &mut self,
        now: Now,
        fetch: FetchInFlight,
        result: Result<FetchResponse, CallError>,
        out: &mut Vec<Command>,
    ) {
        let backoff = self.config.replica_fetch_backoff_ms;
        if let Some(fetcher) = self.fetchers.get_mut(&fetch.leader) {
            fetcher.in_flight -= 1;
            fetcher.busy.retain(|key| !fetch.partitions.contains_key(key));
            self.fetchers_due.insert(fetch.leader);
        }
        let response = match result {
            Ok(response) if response.error_code == codes::NONE => response,
            Ok(response) => return self.fetch_failed(now, fetch.leader, &format!("error {}", response.error_code)),
            Err(error) => return self.fetch_failed(now, fetch.leader, &format!("{error:?}")),
        };
        for topic in response.responses {
            for data in topic.partitions {
                let key = LogKey { topic_id: topic.topic_id, partition: data.partition_index };
                let Some(epoch) = fetch.partitions.get(&key) else { continue };
                if let Err(reason) = self.take_fetched(now, key, *epoch, data, out) {
                    tracing::debug!(?key, leader = fetch.leader, reason, "replica fetch");
                    if let Some(fetcher) = self.fetchers.get_mut(&fetch.leader) {
                        fetcher.delayed.insert(key, now.mono_ms + backoff);
                        fetcher.wake_at(now.mono_ms + backoff);
                    }
                }
            }
        }
    }

    fn fetch_failed(&mut self, now: Now, leader: i32, reason: &str) {
        tracing::debug!(leader, reason, "replica fetch");
        if let Some(fetcher) = self.fetchers.get_mut(&leader) {
            fetcher.not_before_ms = now.mono_ms + self.config.replica_fetch_backoff_ms;
            fetcher.wake_at(fetcher.not_before_ms);
        }
    }

    fn take_fetched(
        &mut self,
        now: Now,
        key: LogKey,
        asked_epoch: i32,
        data: PartitionData,
        out: &mut Vec<Command>,
    ) -> Result<(), String> {
        let Some(partition) = self.partitions.get_mut(&key) else { return Ok(()) };
        let Role::Follower { epoch, .. } = &partition.role else { return Ok(()) };
        if *epoch != asked_epoch {
            return Ok(());
        }
        let log = &mut partition.log;
        match data.error_code {
            codes::NONE => {}
            codes::FENCED_LEADER_EPOCH => {
                reached("replica fetch under a stale leader epoch");
                return Err(format!("error {}", data.error_code));
            }
            codes::UNKNOWN_LEADER_EPOCH => {
                reached("replica fetch under a leader epoch to come");
                return Err(format!("error {}", data.error_code));
            }
            codes::OFFSET_OUT_OF_RANGE if log.log_end_offset() < data.log_start_offset => {
                // The leader has dropped what comes next here: start over where it starts.
                log.truncate_fully(data.log_start_offset).map_err(|error| error.to_string())?;
                partition.known_high_watermark = data.log_start_offset;
                self.checkpoints_due = true;
                return Ok(());
            }
            error => return Err(format!("error {error}")),
        }
        let diverging = &data.diverging_epoch;
        if diverging.epoch >= 0 || diverging.end_offset >= 0 {
            let at = Divergence { epoch: diverging.epoch, end_offset: diverging.end_offset };
            let own = log.end_offset_for_epoch(at.epoch);
            let cut = truncation_for(at, own, log.log_start_offset(), log.log_end_offset());
            tracing::info!(
                topic = %partition.topic, partition = key.partition, cut, end = log.log_end_offset(),
                "cutting what the leader does not have"
            );
            self.rare.truncations += 1;
            reached("log cut by a follower");
            let recovery_point = log.recovery_point();
            log.truncate_to(cut).map_err(|error| error.to_string())?;
            partition.known_high_watermark = partition.known_high_watermark.min(cut);
            if log.recovery_point() < recovery_point {
                let dir = partition.dir;
                self.write_recovery_points(dir);
            }
            return Ok(());
        }
        if let Some(bytes) = data.records.filter(|bytes| !bytes.is_empty()) {
            let batches = RecordBatches::parse_trailing(bytes).map_err(|error| error.to_string())?;
            if !batches.is_empty() {
                let appended = log.append_follower(&batches, now.wall_ms).map_err(|error| error.to_string())?;
                partition.unflushed += appended.last_offset - appended.base_offset + 1;
            }
        }
        let log = &mut partition.log;
        if data.log_start_offset > log.log_start_offset() && data.log_start_offset <= log.log_end_offset() {
            log.advance_log_start(data.log_start_offset).map_err(|error| error.to_string())?;
        }
        let high_watermark = data.high_watermark.min(log.log_end_offset());
        if high_watermark > partition.known_high_watermark {
            partition.known_high_watermark = high_watermark;
            self.high_watermarks_due = true;
        }
        self.flush_if_due(key, out);
        Ok(())
    }
}
