//! What a broker knows of itself: for metrics, and for the simulator's invariants.

use std::sync::Arc;

use odradek_core::metadata::image::Image;

use super::BrokerNode;
use super::partition::{Partition, Role};
use crate::event::LogKey;

/// Counts for `/metrics`, made in one walk over the hosted partitions: ask for them when they are scraped.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BrokerStatus {
    /// The registration's epoch; -1 before.
    pub broker_epoch: i64,
    /// Registered and alive in the controller's eyes.
    pub unfenced: bool,
    /// The cluster's id, once known.
    pub cluster_id: Option<String>,
    /// Hosted partitions.
    pub partitions: usize,
    /// Led here.
    pub leaders: usize,
    /// Led here with fewer in-sync replicas than replicas.
    pub under_replicated: usize,
    /// Led here with fewer in-sync replicas than `min.insync.replicas`.
    pub under_min_isr: usize,
    /// Hosted partitions that nobody leads.
    pub offline: usize,
    /// The last applied offset of the metadata.
    pub metadata_offset: u64,
    /// The active controller as far as known; -1 otherwise.
    pub active_controller: i32,
    /// Log directories that take no records: full, or refusing writes.
    pub closed_log_dirs: usize,
    /// Bytes of all hosted logs.
    pub log_bytes: u64,
    /// Fetch sessions that are open here, of followers and consumers.
    pub fetch_sessions: usize,
    /// Partitions of these sessions together.
    pub fetch_session_partitions: usize,
    /// Fetch sessions that had to go for others since the start.
    pub fetch_session_evictions: u64,
    /// Bytes that consumers read from partitions that this broker follows (KIP-392), since the start.
    pub follower_read_bytes: u64,
    /// How often a partition was looked at for a fetch since the start.
    pub fetch_looks: u64,
}

/// How often rare paths were taken since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Rare {
    /// A follower cut what its leader does not have.
    pub truncations: u64,
    /// A batch came a second time and was answered as the first.
    pub duplicates: u64,
}

/// One hosted partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostedPartition {
    /// Which.
    pub key: LogKey,
    /// The topic's name.
    pub topic: Arc<str>,
    /// Whether this broker leads it, under `leader_epoch`.
    pub leads: bool,
    /// The epoch that this broker acts under.
    pub leader_epoch: i32,
    /// What consumers may see.
    pub high_watermark: i64,
    /// First offset.
    pub log_start: i64,
    /// Next offset.
    pub log_end: i64,
    /// The committed in-sync set, when this broker leads.
    pub isr: Vec<i32>,
}

impl BrokerNode {
    /// Counts over all hosted partitions.
    #[must_use]
    pub fn status(&self) -> BrokerStatus {
        let mut status = BrokerStatus {
            broker_epoch: self.lifecycle.broker_epoch().unwrap_or(-1),
            unfenced: self.lifecycle.is_unfenced(),
            cluster_id: self.cluster_id.clone(),
            partitions: self.partitions.len(),
            metadata_offset: self.follow.applied(),
            fetch_sessions: self.fetch_sessions.len(),
            fetch_session_partitions: self.fetch_sessions.partitions(),
            fetch_session_evictions: self.fetch_sessions.evictions(),
            fetch_looks: self.fetch_looks,
            follower_read_bytes: self.follower_read_bytes,
            closed_log_dirs: self.rooms.closed(),
            active_controller: self.calls.active_controller().unwrap_or(-1),
            ..BrokerStatus::default()
        };
        for partition in self.partitions.values() {
            status.log_bytes += partition.log.size_bytes();
            match &partition.role {
                Role::Leader(leader) => {
                    status.leaders += 1;
                    status.under_replicated += usize::from(leader.isr().count() < leader.replicas().len());
                    status.under_min_isr += usize::from(!leader.has_min_insync());
                }
                Role::Follower { leader, .. } => status.offline += usize::from(leader.is_none()),
            }
        }
        status
    }

    /// The hosted partitions, in order.
    pub fn hosted(&self) -> impl Iterator<Item = HostedPartition> + '_ {
        self.partitions.iter().map(|(key, partition)| hosted(*key, partition))
    }

    /// One hosted partition.
    #[must_use]
    pub fn hosted_partition(&self, key: LogKey) -> Option<HostedPartition> {
        self.partitions.get(&key).map(|partition| hosted(key, partition))
    }

    /// How often rare paths were taken.
    #[must_use]
    pub fn rare(&self) -> Rare {
        self.rare
    }

    /// The metadata as this broker knows it.
    #[must_use]
    pub fn image(&self) -> &Image {
        &self.image
    }

    /// The log of a hosted partition, to be read.
    #[must_use]
    pub fn log(&self, key: LogKey) -> Option<&odradek_log::Log> {
        self.partitions.get(&key).map(|partition| &partition.log)
    }
}

fn hosted(key: LogKey, partition: &Partition) -> HostedPartition {
    HostedPartition {
        key,
        topic: partition.topic.clone(),
        leads: partition.leader().is_some(),
        leader_epoch: partition.leader_epoch(),
        high_watermark: partition.high_watermark(),
        log_start: partition.log.log_start_offset(),
        log_end: partition.log.log_end_offset(),
        isr: partition.leader().map(|leader| leader.isr().collect()).unwrap_or_default(),
    }
}
