//! The active controller's decisions.
//!
//! A [`Controller`] lives as long as its node is the active controller, and is dropped when the
//! node stops to be. It decides on a *speculative* image: the committed one and every record
//! that it decided since. The node's controller loop must therefore
//!
//! - build it from an image to which all committed entries are applied;
//! - propose each of the [`Decision::entries`] (and the records of one [`Controller::tick`]) as one
//!   entry, in the order in which they came, and drop the controller (and resign) if a proposal
//!   fails or gets another offset than `offset_hint` and those that follow;
//! - send a [`Decision::response`] only once its entries are committed; one without records once
//!   every entry proposed before is.
//!
//! One decision is one file: see the modules.

mod alter_configs;
mod alter_partition;
mod alter_partition_reassignments;
mod api_error;
mod assignment;
mod config;
mod create_partitions;
mod create_topics;
mod delete_topics;
mod elect_leaders;
mod election;
mod fencing;
mod forward;
mod heartbeat;
mod index;
mod offline_replicas;
mod preferred;
mod producer_ids;
mod random;
mod reassignment;
mod registration;
mod restart_lease;
mod restart_safety;
mod sessions;
mod shutdown;
#[cfg(test)]
mod tests;
mod unregister_broker;
mod update_features;

pub use config::ControllerConfig;
pub use restart_safety::QuorumView;
pub use update_features::{ControllerSupport, supported_features};

use std::collections::BTreeSet;

use self::index::PartitionIndex;
use self::random::Random;
use self::sessions::{Patience, Sessions};
use super::image::{Image, TopicPartition};
use super::record::{self, Change, Record, by_topic};
use super::rpc::{ControllerRequest, ControllerResponse, Request};
use super::topic_config::EffectiveConfig;
use crate::time::Now;
use odradek_wire::features::{METADATA_VERSION, MetadataVersion};

/// How many producer ids a broker gets at once.
pub const PRODUCER_ID_BLOCK: i32 = 1_000;

/// A controller that ticks later than this after its deadline was not running: then silence is
/// not the brokers' fault.
const MOST_LATE_MS: u64 = 500;

/// What came of a request.
#[derive(Clone, Debug, PartialEq)]
pub struct Decision {
    /// To be proposed as an entry each, none of them empty. Nearly always one or none: only requests whose parts stand
    /// each by itself are split, when they would make an entry of more than
    /// [`ControllerConfig::max_records_per_request`] records.
    pub entries: Vec<Vec<Record>>,
    /// What the asker is told once the records, and all that were proposed before, are committed.
    pub response: ControllerResponse,
}

/// The active controller.
#[derive(Debug)]
pub struct Controller {
    config: ControllerConfig,
    /// The speculative image.
    image: Image,
    index: PartitionIndex,
    sessions: Sessions,
    random: Random,
    rebalance: preferred::Rebalance,
    quorum: QuorumView,
    /// What the controllers of the quorum support.
    controllers: Vec<ControllerSupport>,
    /// The ids of all controllers, as far as they are told.
    controller_ids: BTreeSet<i32>,
    /// When the restart lease in force ends, on the monotonic clock.
    lease_ends_ms: Option<u64>,
    /// The time of what is being decided.
    now_ms: u64,
    /// The offset of the entry that is being decided.
    offset: u64,
    /// The records of the entry that is being decided.
    records: Vec<Record>,
    /// The entries of the decision that are full.
    full: Vec<Vec<Record>>,
    /// How many partitions were looked at, in all decisions so far.
    examined: u64,
    /// Elections that may have lost something.
    unclean_elections: u64,
}

impl Controller {
    /// The controller of a node that just became active. Every unfenced broker is presumed alive, and has some time
    /// from `now` on to say so.
    #[must_use]
    pub fn new(image: Image, config: ControllerConfig, now: Now) -> Controller {
        let patience = Patience {
            session_ms: config.session_timeout_ms,
            silence_ms: config.silence_timeout_ms,
            disconnect_ms: config.disconnect_grace_ms,
        };
        let mut sessions = Sessions::new(patience, now.mono_ms);
        for broker in image.alive_brokers() {
            sessions.presume(broker.id, now.mono_ms);
        }
        let mut controller = Controller {
            random: Random::new(config.seed, image.offset()),
            rebalance: preferred::Rebalance::new(&config, now),
            quorum: QuorumView::default(),
            controllers: Vec::new(),
            controller_ids: BTreeSet::new(),
            // The time that the controller before had counted is not known: all of it, then.
            lease_ends_ms: image.restart_lease().map(|lease| now.mono_ms + lease.ttl_ms),
            now_ms: now.mono_ms,
            offset: image.offset(),
            config,
            index: PartitionIndex::of(&image),
            image,
            sessions,
            records: Vec::new(),
            full: Vec::new(),
            examined: 0,
            unclean_elections: 0,
        };
        for broker in controller.index.displaced_brokers().collect::<Vec<_>>() {
            controller.leader_may_return(broker);
        }
        controller
    }

    /// Decides on a request. `offset_hint` is the offset that the first entry will have: the log's
    /// next one.
    ///
    /// [`Request::FetchMetadata`] and [`Request::Raft`] are the loop's own business: here they
    /// get an answer without content.
    pub fn handle(&mut self, now: Now, offset_hint: u64, request: &ControllerRequest) -> Decision {
        self.offset = offset_hint;
        self.awake(now);
        let response = match &request.request {
            Some(Request::RegisterBroker(request)) => self.register(now, request).into(),
            Some(Request::Heartbeat(request)) => self.heartbeat(now, request).into(),
            Some(Request::AlterPartition(request)) => self.alter_partition(request).into(),
            Some(Request::OfflineReplicas(request)) => self.offline_replicas(request).into(),
            Some(Request::AllocateProducerIds(request)) => self.allocate_producer_ids(request).into(),
            Some(Request::Forward(request)) => self.forward(request).into(),
            Some(Request::RestartSafety(request)) => self.restart_safety(now, request).into(),
            Some(Request::FetchMetadata(_) | Request::Raft(_)) | None => ControllerResponse::default(),
        };
        self.end_entry();
        Decision { entries: std::mem::take(&mut self.full), response }
    }

    /// What is decided next goes into an entry of its own, when this one is full.
    fn end_full_entry(&mut self) {
        if self.records.len() >= self.config.max_records_per_request {
            self.end_entry();
            self.offset += 1;
        }
    }

    fn end_entry(&mut self) {
        let records = self.take_records();
        if !records.is_empty() {
            self.full.push(records);
        }
    }

    /// The records of the entry, in the form that the level has for them.
    fn take_records(&mut self) -> Vec<Record> {
        let records = std::mem::take(&mut self.records);
        if self.image.metadata_version() >= Some(MetadataVersion::IV1_4_1) { by_topic(records) } else { records }
    }

    /// What is due at `now`: the first records of a new cluster, expired sessions, preferred
    /// leaders. `offset_hint` as in [`Controller::handle`]. To be called once before the first
    /// request, and whenever [`Controller::next_deadline`] has come.
    pub fn tick(&mut self, now: Now, offset_hint: u64) -> Vec<Record> {
        self.offset = offset_hint;
        self.bootstrap();
        self.awake(now);
        self.sessions.excuse(now.mono_ms, MOST_LATE_MS);
        let expired = self.sessions.take_expired(now.mono_ms);
        for (broker, why) in &expired {
            tracing::info!(broker, ?why, "a broker's session ended");
        }
        self.fence(&expired.into_iter().map(|(broker, _)| broker).collect::<Vec<_>>());
        self.expire_lease(now);
        self.rebalance_leaders(now);
        self.return_leaders(now);
        self.take_records()
    }

    /// When [`Controller::tick`] is due next, on the monotonic clock. May be in the past.
    #[must_use]
    pub fn next_deadline(&self) -> Option<u64> {
        if self.needs_bootstrap() {
            return Some(0);
        }
        [self.sessions.next_end(), self.rebalance.due(), self.rebalance.return_due(), self.lease_ends_ms]
            .into_iter()
            .flatten()
            .min()
    }

    /// To be told whenever the node runs, with or without anything to decide: a controller that was stopped for a while
    /// must not take its own silence for the brokers'.
    pub fn awake(&mut self, now: Now) {
        self.sessions.awake(now.mono_ms, MOST_LATE_MS);
        self.now_ms = now.mono_ms;
    }

    /// How the quorum is, for [`Request::RestartSafety`]: to be told before such a request.
    pub fn quorum_is(&mut self, quorum: QuorumView) {
        self.quorum = quorum;
    }

    /// Who the controllers are, for configuration that names a node ([`Request::Forward`] with IncrementalAlterConfigs):
    /// to be told before such a request.
    pub fn controllers_are(&mut self, ids: BTreeSet<i32>) {
        self.controller_ids = ids;
    }

    /// The last connection of a broker broke. It is fenced if neither a heartbeat nor a
    /// registration comes within [`ControllerConfig::disconnect_grace_ms`].
    pub fn broker_disconnected(&mut self, now: Now, broker_id: i32) {
        self.sessions.broken(broker_id, now.mono_ms);
    }

    /// A broker asked for the metadata that follows on `offset`: it has applied it up to there.
    /// This says nothing about its session; it only makes controlled shutdowns quicker, which
    /// wait for the others to know the new leaders.
    pub fn broker_has_applied(&mut self, broker_id: i32, offset: u64) {
        if let Some(session) = self.sessions.get_mut(broker_id) {
            session.metadata_offset = session.metadata_offset.max(offset);
        }
    }

    /// The image with everything that was decided, committed or not.
    #[must_use]
    pub fn image(&self) -> &Image {
        &self.image
    }

    /// How many partitions this controller has looked at one by one: the cost of its decisions.
    #[must_use]
    pub fn examined_partitions(&self) -> u64 {
        self.examined
    }

    /// How many leaders this controller elected from outside of the in-sync and the eligible sets: what they did not
    /// have is lost.
    #[must_use]
    pub fn unclean_elections(&self) -> u64 {
        self.unclean_elections
    }

    fn needs_bootstrap(&self) -> bool {
        self.image.cluster_id().is_none()
            || self.image.metadata_version().is_none()
            || self.image.min_insync_replicas() != Some(self.own_min_insync())
    }

    /// `min.insync.replicas` of this controller's server.properties.
    fn own_min_insync(&self) -> u32 {
        let given = self.config.server_properties.get("min.insync.replicas");
        given.and_then(|text| text.trim().parse().ok()).unwrap_or(1).max(1)
    }

    fn bootstrap(&mut self) {
        if self.image.cluster_id().is_none() {
            self.write(record::ClusterId { cluster_id: self.config.cluster_id.clone() });
        }
        if self.image.metadata_version().is_none() {
            let level = i32::from(self.config.metadata_version.level());
            self.write(record::Feature { name: METADATA_VERSION.to_owned(), level });
        }
        let min_insync_replicas = self.own_min_insync();
        if self.image.min_insync_replicas() != Some(min_insync_replicas) {
            self.write(record::ClusterDefaults { min_insync_replicas });
            self.min_insync_changed(None);
        }
    }

    /// Decides on a record: it takes effect on the speculative image at once.
    fn write(&mut self, record: impl Into<Record>) {
        let record = record.into();
        let touched = touched_partition(&record);
        let old = touched.and_then(|at| self.image.partition(at.topic_id, at.partition).cloned());
        if let Some(Change::RemoveTopic(removed)) = &record.change {
            self.unindex_topic(removed);
        }
        if let Err(error) = self.image.apply(self.offset, &record) {
            // Decisions are made on this very image, so this is a bug; the log must not get a
            // record that no node could apply.
            debug_assert!(false, "decided on a record that contradicts the image: {error}");
            tracing::error!(%error, "a decision that contradicts the metadata is dropped");
            return;
        }
        if let Some(at) = touched {
            let new = self.image.partition(at.topic_id, at.partition);
            self.index.update(at, old.as_deref(), new.map(|state| &**state));
        }
        self.records.push(record);
        if let Some(at) = touched {
            self.complete_reassignment(at);
        }
    }

    fn unindex_topic(&mut self, removed: &record::RemoveTopic) {
        let topic = uuid::Uuid::from_slice(&removed.topic_id).ok().and_then(|id| self.image.topic_by_id(id));
        let Some(topic) = topic else { return };
        for (partition, state) in &topic.partitions {
            let at = TopicPartition { topic_id: topic.id, partition: *partition };
            self.index.update(at, Some(state), None);
        }
    }

    /// Whether the index is what the image says.
    #[cfg(test)]
    fn check_index(&self) {
        assert_eq!(self.index, PartitionIndex::of(&self.image));
    }

    fn is_active(&self, broker_id: i32) -> bool {
        self.image.broker(broker_id).is_some_and(|broker| broker.is_active())
    }

    /// The configuration in force of a topic, as the controller knows it.
    fn topic_config<'a>(&'a self, topic: &str) -> EffectiveConfig<'a> {
        EffectiveConfig::new(&self.image, topic, None, &self.config.server_properties)
    }
}

fn touched_partition(record: &Record) -> Option<TopicPartition> {
    let (topic_id, partition) = match record.change.as_ref()? {
        Change::Partition(change) => (&change.topic_id, change.partition),
        Change::PartitionChange(change) => (&change.topic_id, change.partition),
        _ => return None,
    };
    Some(TopicPartition { topic_id: uuid::Uuid::from_slice(topic_id).ok()?, partition })
}
