//! The broker's loop.
//!
//! One thread owns everything here: the image of the metadata, the hosted partitions and their logs, the group
//! coordinator, what waits. An event changes state and pushes commands; what several events of one turn wake is looked
//! at once, at the end of the turn.

mod admin;
mod api;
mod calls;
mod codes;
mod config;
mod dynamic;
mod follow;
mod isr;
mod lifecycle;
mod moves;
mod partition;
mod replication;
mod roles;
mod room;
mod status;
mod storage;
mod timers;
mod topic_settings;

pub use config::{AdvertisedListener, BrokerConfig, DescribedConfig, DescribedSynonym, LogDir};
pub use status::{BrokerStatus, HostedPartition, Rare};
pub use storage::{FoundLog, LogToOpen, ScannedDir, scan_dir};

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use odradek_core::fetch_session::SessionCache;
use odradek_core::group::GroupCoordinator;
use odradek_core::metadata::image::Image;
use odradek_core::purgatory::Purgatory;
use odradek_core::replica::ReplicationQuota;
use odradek_core::time::Now;
use odradek_log::Disk;
use uuid::Uuid;

use self::admin::{Forwarded, Unseen};
use self::api::{AckWait, DelayedFetch, FetchKey, FetchWatch, Loading, ProducerIds};
use self::calls::Calls;
use self::follow::MetadataFollower;
use self::isr::IsrChanges;
use self::lifecycle::Lifecycle;
use self::moves::Moves;
use self::partition::Partition;
use self::replication::{Fetcher, FetcherId};
use self::room::Rooms;
use self::timers::Timers;
use crate::event::{Command, Event, LogKey, Request, RequestContext};

/// What differs from one start of a broker to the next.
#[derive(Debug, Clone, Copy)]
pub struct Start {
    /// Drawn by the process.
    pub incarnation: Uuid,
    /// The broker epoch of the last stop, when every log directory says that it was a clean one; else -1.
    pub previous_broker_epoch: i64,
    /// Feeds the ids of group members.
    pub seed: u64,
}

/// A broker.
pub struct BrokerNode {
    config: Arc<BrokerConfig>,
    disk: Arc<dyn Disk>,
    image: Image,
    cluster_id: Option<String>,
    partitions: BTreeMap<LogKey, Partition>,
    /// Logs that were there at the start and that no assignment has claimed yet.
    found: BTreeMap<LogKey, FoundLog>,
    partitions_in_dir: Vec<usize>,
    /// Assigned to this broker, and no log directory took them.
    unhosted: BTreeSet<LogKey>,
    calls: Calls,
    lifecycle: Lifecycle,
    follow: MetadataFollower,
    /// Requests that came before the metadata.
    early: Vec<(RequestContext, Request)>,
    fetchers: BTreeMap<FetcherId, Fetcher>,
    /// Fetchers to look at in this turn.
    fetchers_due: BTreeSet<FetcherId>,
    /// `num.replica.fetchers` as it is now.
    replica_fetchers: u32,
    /// Numbers the fetchers that were ever made.
    fetcher_generations: u64,
    /// `leader.replication.throttled.rate`.
    leader_quota: ReplicationQuota,
    /// `follower.replication.throttled.rate`.
    follower_quota: ReplicationQuota,
    /// `replica.alter.log.dirs.io.max.bytes.per.second`.
    move_quota: ReplicationQuota,
    moves: Moves,
    isr: IsrChanges,
    lag_checks: BTreeSet<(u64, LogKey)>,
    acks: Purgatory<LogKey, AckWait>,
    fetches: Purgatory<FetchWatch, DelayedFetch>,
    fetch_sessions: SessionCache<FetchKey, LogKey>,
    /// How often a partition was looked at for a fetch, since the start.
    fetch_looks: u64,
    /// Bytes that consumers read from partitions that this broker follows, since the start.
    follower_read_bytes: u64,
    /// Partitions whose log end or high watermark moved in this turn.
    woken: BTreeSet<LogKey>,
    groups: GroupCoordinator,
    loading: BTreeMap<i32, Loading>,
    /// Partitions of `__consumer_offsets` that were read back up to that offset, which is not committed yet.
    loaded: BTreeMap<LogKey, i64>,
    producer_ids: ProducerIds,
    forward_retries: Vec<(u64, Forwarded)>,
    unseen: Vec<Unseen>,
    /// Topics that the controller was asked for.
    creating: BTreeSet<String>,
    rooms: Rooms,
    timers: Timers,
    checkpoints_due: bool,
    high_watermarks_due: bool,
    rare: Rare,
}

impl BrokerNode {
    /// A broker over the logs that were found (and opened) in its log directories. It registers and follows the
    /// metadata from the first [`BrokerNode::turn`] on.
    #[must_use]
    pub fn new(config: BrokerConfig, disk: Arc<dyn Disk>, found: Vec<FoundLog>, start: Start, now: Now) -> BrokerNode {
        let groups = GroupCoordinator::new(config.group.clone(), start.seed);
        let quota = ReplicationQuota::new(config.replication_quota_samples, config.replication_quota_window_ms);
        let mut node = BrokerNode {
            image: Image::default(),
            cluster_id: config.cluster_id.clone(),
            partitions: BTreeMap::new(),
            found: storage::each_once(found),
            partitions_in_dir: vec![0; config.log_dirs.len()],
            unhosted: BTreeSet::new(),
            calls: Calls::default(),
            lifecycle: Lifecycle::new(start.incarnation, start.previous_broker_epoch, now),
            follow: MetadataFollower::new(now),
            early: Vec::new(),
            fetchers: BTreeMap::new(),
            fetchers_due: BTreeSet::new(),
            replica_fetchers: config.replica_fetchers.max(1),
            fetcher_generations: 0,
            leader_quota: quota.clone(),
            follower_quota: quota.clone(),
            move_quota: quota,
            moves: Moves::default(),
            isr: IsrChanges::default(),
            lag_checks: BTreeSet::new(),
            acks: Purgatory::new(),
            fetches: Purgatory::new(),
            fetch_sessions: SessionCache::new(config.fetch_session_slots, start.seed),
            fetch_looks: 0,
            follower_read_bytes: 0,
            woken: BTreeSet::new(),
            groups,
            loading: BTreeMap::new(),
            loaded: BTreeMap::new(),
            producer_ids: ProducerIds::default(),
            forward_retries: Vec::new(),
            unseen: Vec::new(),
            creating: BTreeSet::new(),
            rooms: Rooms::new(config.log_dirs.len(), config.log_dir_reserve_bytes, now),
            timers: Timers::new(&config, now),
            checkpoints_due: false,
            high_watermarks_due: false,
            rare: Rare::default(),
            config: Arc::new(config),
            disk,
        };
        node.settings_changed();
        node
    }

    /// Takes all events that have come, and does what is due. Call it again at [`BrokerNode::next_deadline`], with or
    /// without events.
    pub fn turn(&mut self, now: Now, events: impl IntoIterator<Item = Event>, out: &mut Vec<Command>) {
        for event in events {
            match event {
                Event::Request { context, body } => self.request(now, context, body, out),
                // What a closed connection asked for runs into its deadline; the shell drops the answer.
                Event::ConnectionClosed { .. } | Event::Timer => {}
                Event::Answer { call, result } => self.answered(now, call, result, out),
                Event::Flushed { log, result } => self.flushed(now, log, result),
                Event::Loaded { log, step, result } => self.loaded(now, log, step, result, out),
                Event::Shutdown => self.begin_shutdown(now, out),
            }
        }
        self.run_timers(now, out);
        self.advance_moves(now, out);
        self.wake(now, out);
        self.send_isr_changes(now, out);
        self.fetch_from_leaders(now, out);
    }

    /// Producers and fetches that wait for the partitions that moved. A woken write may wake another partition (the
    /// coordinator's own writes do), so it goes on until nothing moves.
    fn wake(&mut self, now: Now, out: &mut Vec<Command>) {
        let mut all = BTreeSet::new();
        while !self.woken.is_empty() {
            let woken = std::mem::take(&mut self.woken);
            for key in &woken {
                self.acks_woken(now, *key, out);
                self.serve_loaded(now, *key, out);
            }
            all.extend(woken);
        }
        if !all.is_empty() {
            self.fetches_woken(now, &all, out);
        }
    }

    /// The role of `key` changed: whoever waits for it is told.
    fn end_waits(&mut self, now: Now, key: LogKey, out: &mut Vec<Command>) {
        self.acks_woken(now, key, out);
        self.woken.insert(key);
    }

    /// A hosted or known partition, named by the topic's name or (when that is empty) by its id.
    fn key_of(&self, topic: &str, topic_id: Uuid, partition: i32) -> Option<LogKey> {
        let known = if topic.is_empty() { self.image.topic_by_id(topic_id) } else { self.image.topic(topic) }?;
        known.partitions.contains_key(&partition).then_some(LogKey { topic_id: known.id, partition })
    }

    /// The error for a partition that [`BrokerNode::key_of`] does not know.
    fn unknown_code(&self, topic_id: Uuid) -> i16 {
        if !topic_id.is_nil() && self.image.topic_by_id(topic_id).is_none() {
            codes::UNKNOWN_TOPIC_ID
        } else {
            codes::UNKNOWN_TOPIC_OR_PARTITION
        }
    }

    /// Leader and leader epoch, as far as this broker knows.
    fn leader_of(&self, key: LogKey) -> Option<(i32, i32)> {
        let partition = self.image.partition(key.topic_id, key.partition)?;
        Some((partition.leader()?, partition.leader_epoch))
    }
}
