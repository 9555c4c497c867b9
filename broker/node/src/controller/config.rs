//! What a controller is opened with.

use std::collections::BTreeMap;
use std::path::PathBuf;

use odradek_core::metadata::controller::ControllerConfig;
use odradek_quorum::{Endpoint, QuorumConfig};

/// What a [`super::ControllerNode`] is opened with.
#[derive(Debug, Clone)]
pub struct ControllerNodeConfig {
    /// `node.id`.
    pub node_id: u64,
    /// The cluster that `cluster.id` (or `meta.properties`) names. `None`: the id in the log, or a new one when the
    /// log is empty.
    pub cluster_id: Option<String>,
    /// `controller.quorum.voters`: the voters that the quorum forms with, and where they listen. A node that is not
    /// among them observes until it is made a voter.
    pub voters: BTreeMap<u64, Vec<Endpoint>>,
    /// How many servers `controller.quorum.bootstrap.servers` names: the shell knows their addresses.
    pub bootstrap_servers: usize,
    /// `controller.quorum.auto.join.enable` (KIP-1186): as an observer, become a voter in the place of the one that
    /// had this id with another disk.
    pub auto_join: bool,
    /// `odradek.quorum.auto.join.newcomers`: false when only the voter that had this id with another disk is replaced,
    /// and whoever is new waits to be added.
    pub auto_join_newcomers: bool,
    /// Where this controller listens, as the others are told; empty: what `voters` says.
    pub endpoints: Vec<Endpoint>,
    /// The id of the metadata folder, from its `meta.properties`: 16 bytes. `None`: the one that is stored in the
    /// folder, or a new one.
    pub directory_id: Option<[u8; 16]>,
    /// The folder of the log, `<metadata.log.dir>/__cluster_metadata-0` as in Kafka; made when it is not there.
    pub dir: PathBuf,
    /// What decisions depend on. Its cluster id and seed are set here.
    pub controller: ControllerConfig,
    /// `metadata.log.max.record.bytes.between.snapshots`: a snapshot after so many bytes of entries.
    pub snapshot_every_bytes: u64,
    /// A snapshot after so many records.
    pub snapshot_every_records: u64,
    /// Entries before a snapshot that stay in the log for controllers that lag a little and need no snapshot then.
    pub keep_entries: u64,
    /// Milliseconds of one tick of the quorum.
    pub tick_ms: u64,
    /// Ticks without a leader before an election, at least 3: with `tick_ms` that is
    /// `controller.quorum.election.timeout.ms`. Many short ticks keep two candidates apart better than few long ones.
    pub election_ticks: u32,
    /// Bytes of committed entries kept in memory for brokers that follow; those further behind get a snapshot.
    pub window_bytes: usize,
    /// About how many bytes of entries one answer to a broker that follows has.
    pub fetch_bytes: usize,
}

impl ControllerNodeConfig {
    /// The defaults: elections after 1 to 2 s without a leader, snapshots every 10,000 records or 20 MiB.
    #[must_use]
    pub fn new(node_id: u64, voters: impl IntoIterator<Item = u64>, dir: PathBuf) -> ControllerNodeConfig {
        ControllerNodeConfig {
            node_id,
            cluster_id: None,
            voters: voters.into_iter().map(|id| (id, Vec::new())).collect(),
            bootstrap_servers: 0,
            auto_join: false,
            auto_join_newcomers: true,
            endpoints: Vec::new(),
            directory_id: None,
            dir,
            controller: ControllerConfig::default(),
            snapshot_every_bytes: 20 << 20,
            snapshot_every_records: 10_000,
            keep_entries: 1_000,
            tick_ms: 50,
            election_ticks: 20,
            window_bytes: 8 << 20,
            fetch_bytes: 1 << 20,
        }
    }

    /// What the quorum is opened with.
    pub(super) fn quorum(&self, seed: u64) -> QuorumConfig {
        QuorumConfig {
            directory_id: self.directory_id,
            voters: self.voters.clone(),
            election_ticks: self.election_ticks,
            // Four heartbeats may be lost before an election.
            heartbeat_ticks: (self.election_ticks / 5).max(1),
            keep_entries: self.keep_entries,
            ..QuorumConfig::new(self.node_id, [], seed)
        }
    }
}
