//! One process of the cluster: a broker, a controller, or both, over its own disk.

use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;
use std::sync::Arc;

use odradek_core::group::GroupConfig;
use odradek_core::time::Now;
use odradek_log::{Disk, MemDisk};
use odradek_node::broker::{AdvertisedListener, BrokerConfig, BrokerNode, LogDir, Start, scan_dir};
use odradek_node::controller::{ControllerEvent, ControllerNode, ControllerNodeConfig, Endpoint};
use odradek_node::event::Event;
use odradek_wire::features::MetadataVersion;
use uuid::Uuid;

use crate::network::Place;
use crate::plan::{AutoJoin, DEFAULT_MIN_INSYNC, Plan};

/// The one listener of all simulated brokers.
pub const LISTENER: &str = "PLAINTEXT";
/// The listener of all simulated controllers.
pub const CONTROLLER_LISTENER: &str = "CONTROLLER";
/// Its port.
pub const CONTROLLER_PORT: u16 = 9093;
/// The id of every simulated cluster.
pub const CLUSTER_ID: &str = "c2ltdWxhdGVkY2x1c3Rlcg";

/// Whether a process runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It runs.
    Up,
    /// SIGSTOP: it does nothing, and what arrives waits.
    Paused,
    /// It does not run.
    Down,
}

/// What waits for a paused process.
pub enum Arrived {
    /// For its broker.
    Broker(Event),
    /// For its controller.
    Controller(ControllerEvent),
}

/// A process.
pub struct Process {
    /// Its `node.id`, and its place in the network.
    pub place: Place,
    /// Grows with each start.
    pub generation: u64,
    /// Whether it runs.
    pub state: State,
    /// Its broker, while it runs one.
    pub broker: Option<BrokerNode>,
    /// Its controller, while it runs one.
    pub controller: Option<ControllerNode>,
    /// Survives.
    pub disk: Arc<MemDisk>,
    /// While paused.
    pub backlog: VecDeque<Arrived>,
    /// When it is woken next.
    pub wake_us: Option<u64>,
    /// Wakes in a row within one millisecond: more than a few mean that it spins.
    pub wakes: (u64, u32),
    /// How far its wall clock is off, milliseconds.
    pub wall_off_ms: i64,
    /// Its disk fails or is full: errors of it are no findings.
    pub disk_trouble: bool,
    /// How much longer its syncs take, microseconds.
    pub slow_us: u64,
    /// Which data and which metadata volume it has: another after a loss.
    pub volumes: (u32, u32),
    /// Its controller knows `controller.quorum.bootstrap.servers` only, as one that joins a quorum.
    pub bootstraps: bool,
    has_broker: bool,
    has_controller: bool,
}

impl Process {
    /// A process that was never started.
    #[must_use]
    pub fn new(place: Place, has_broker: bool, has_controller: bool) -> Process {
        Process {
            place,
            generation: 0,
            state: State::Down,
            broker: None,
            controller: None,
            disk: Arc::new(MemDisk::new()),
            backlog: VecDeque::new(),
            wake_us: None,
            wakes: (0, 0),
            wall_off_ms: 0,
            disk_trouble: false,
            slow_us: 0,
            volumes: (1, 1),
            bootstraps: false,
            has_broker,
            has_controller,
        }
    }

    /// Whether it has a controller when it runs.
    #[must_use]
    pub fn is_controller(&self) -> bool {
        self.has_controller
    }

    /// Whether it has a broker when it runs.
    #[must_use]
    pub fn is_broker(&self) -> bool {
        self.has_broker
    }

    /// Starts it, as a process starts over what is on its disk.
    ///
    /// # Errors
    /// Why it could not start: a finding, unless its disk is in trouble.
    pub fn start(&mut self, plan: &Plan, now: Now) -> Result<(), String> {
        self.generation += 1;
        self.backlog.clear();
        let seed = plan.seed ^ (u64::from(self.place.unsigned_abs()) << 32) ^ self.generation;
        let disk: Arc<dyn Disk> = self.disk.clone();
        if self.has_controller {
            let config = self.controller_config(plan);
            let controller = ControllerNode::open(config, disk.clone(), now, seed)
                .map_err(|error| format!("controller {}: {error}", self.place))?;
            self.controller = Some(controller);
        }
        if self.has_broker {
            let config = broker_config(self.place, self.volumes.0, plan);
            let (mut found, mut moves, mut clean) = (Vec::new(), Vec::new(), Vec::new());
            for (index, dir) in config.log_dirs.iter().enumerate() {
                odradek_log::dirs::create(disk.as_ref(), &dir.path).map_err(|error| error.to_string())?;
                let scanned = scan_dir(&disk, index, dir)?;
                for log in scanned.logs {
                    found.push(log.open(now.wall_ms)?);
                }
                moves.extend(scanned.moves);
                clean.push(scanned.clean_epoch);
            }
            let clean =
                clean.first().copied().flatten().filter(|epoch| clean.iter().all(|other| *other == Some(*epoch)));
            let start = Start {
                incarnation: Uuid::from_u128((u128::from(seed) << 64) | u128::from(self.generation)),
                previous_broker_epoch: clean.unwrap_or(-1),
                seed,
            };
            let mut broker = BrokerNode::new(config, disk, found, start, now);
            broker.resume_moves(moves);
            self.broker = Some(broker);
        }
        self.state = State::Up;
        Ok(())
    }

    fn controller_config(&self, plan: &Plan) -> ControllerNodeConfig {
        let id = u64::from(self.place.unsigned_abs());
        let controllers = plan.controller_ids();
        let voters = controllers.iter().filter(|_| !self.bootstraps).map(|id| u64::from(id.unsigned_abs()));
        let mut config = ControllerNodeConfig::new(id, voters, PathBuf::from("/metadata"));
        if plan.voter_changes > 0 {
            // Brokers are told where the voters are.
            for (voter, endpoints) in &mut config.voters {
                endpoints.push(controller_endpoint(*voter));
            }
            config.endpoints.push(controller_endpoint(id));
        }
        if self.bootstraps {
            config.bootstrap_servers = controllers.len();
        }
        config.cluster_id = Some(CLUSTER_ID.to_owned());
        config.snapshot_every_records = plan.snapshot_every;
        config.keep_entries = plan.keep_entries;
        config.directory_id = Some(self.metadata_dir());
        config.auto_join = plan.auto_join != AutoJoin::Never;
        config.auto_join_newcomers = plan.auto_join == AutoJoin::Always;
        config.window_bytes = plan.window_bytes;
        config.controller.server_properties = server_properties();
        if plan.seed.is_multiple_of(2) {
            config.controller.metadata_version = MetadataVersion::MINIMUM;
        }
        config
    }

    /// The id of its metadata volume.
    #[must_use]
    pub fn metadata_dir(&self) -> [u8; 16] {
        let id = (u128::from(self.volumes.1) << 32) | u128::from(self.place.unsigned_abs());
        (0x4d45_0000_0000_0000_0000_0000_0000_0000 | id).to_be_bytes()
    }

    /// The power goes while it is down: what was not synced is lost, or a part of it, down to single sectors.
    pub fn power_loss(&mut self, tear: u64) {
        self.disk.power_loss(Some(tear));
    }

    /// The data volume is replaced by an empty one, while it is down.
    pub fn lose_data(&mut self) {
        self.lose("/data");
        self.volumes.0 += 1;
    }

    /// The metadata volume is replaced by an empty one, while it is down.
    pub fn lose_metadata(&mut self) {
        self.lose("/metadata");
        self.volumes.1 += 1;
    }

    fn lose(&self, dir: &str) {
        let dir = PathBuf::from(dir);
        if self.disk.exists(&dir) {
            // A disk in memory without faults has no error to give here.
            let _ = self.disk.remove_dir_all(&dir);
            let _ = self.disk.sync_dir(std::path::Path::new("/"));
        }
    }

    /// kill -9: what was written stays in the page cache.
    pub fn kill(&mut self) {
        self.state = State::Down;
        self.broker = None;
        self.controller = None;
        self.backlog.clear();
        self.wake_us = None;
    }
}

/// Where a controller listens.
#[must_use]
pub fn controller_endpoint(id: u64) -> Endpoint {
    Endpoint { name: CONTROLLER_LISTENER.to_owned(), host: format!("controller-{id}"), port: CONTROLLER_PORT.into() }
}

/// The keys that are not Kafka's defaults, on brokers and controllers.
fn server_properties() -> BTreeMap<String, String> {
    BTreeMap::from([("min.insync.replicas".to_owned(), DEFAULT_MIN_INSYNC.to_string())])
}

fn broker_config(id: i32, volume: u32, plan: &Plan) -> BrokerConfig {
    let replication_factor = 3;
    BrokerConfig {
        node_id: id,
        cluster_id: Some(CLUSTER_ID.to_owned()),
        rack: Some(format!("rack-{}", id % 3)),
        listeners: vec![AdvertisedListener {
            name: LISTENER.to_owned(),
            host: format!("broker-{id}"),
            port: 9092,
            security_protocol: "PLAINTEXT".to_owned(),
        }],
        inter_broker_listener: LISTENER.to_owned(),
        controllers: plan.controller_ids(),
        log_dirs: (0..plan.log_dirs)
            .map(|index| LogDir {
                path: PathBuf::from(if index == 0 { "/data".to_owned() } else { format!("/data-{index}") }),
                id: Uuid::from_u128(
                    0x5150_0000_0000_0000_0000_0000_0000_0000
                        | ((index as u128) << 64)
                        | (u128::from(volume) << 32)
                        | u128::from(id.unsigned_abs()),
                ),
            })
            .collect(),
        log_dir_reserve_bytes: 0,
        heartbeat_interval_ms: 250,
        registration_timeout_ms: 60_000,
        controlled_shutdown_max_ms: 5_000,
        replica_lag_time_max_ms: 5_000,
        replica_fetch_max_bytes: 1 << 20,
        replica_fetch_response_max_bytes: 10 << 20,
        replica_fetch_wait_max_ms: 500,
        replica_fetch_min_bytes: 1,
        replica_fetch_backoff_ms: 200,
        replica_socket_timeout_ms: 3_000,
        replica_fetchers: plan.replica_fetchers,
        rack_aware_reads: plan.rack_aware_reads,
        replication_quota_samples: 11,
        replication_quota_window_ms: 1_000,
        fetch_session_slots: plan.fetch_session_slots,
        fetch_max_bytes: 50 << 20,
        auto_create_topics: false,
        num_partitions: 1,
        default_replication_factor: replication_factor,
        offsets_topic_partitions: 3,
        offsets_topic_replication_factor: replication_factor,
        offsets_topic_segment_bytes: 100 << 20,
        server_properties: server_properties(),
        retention_check_ms: 300_000,
        recovery_checkpoint_ms: 5_000,
        high_watermark_checkpoint_ms: 2_000,
        file_delete_delay_ms: 60_000,
        group: GroupConfig { offsets_topic_partitions: 3, ..GroupConfig::default() },
        described: Vec::new(),
    }
}
