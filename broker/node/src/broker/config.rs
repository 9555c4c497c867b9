//! What the broker's loop is told at the start.

use std::collections::BTreeMap;
use std::path::PathBuf;

use odradek_core::group::GroupConfig;

/// A listener as other brokers and clients reach it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdvertisedListener {
    /// The listener's name (`advertised.listeners`).
    pub name: String,
    /// A name or an address.
    pub host: String,
    /// The port.
    pub port: u16,
    /// `PLAINTEXT`, `SSL`, `SASL_PLAINTEXT` or `SASL_SSL`.
    pub security_protocol: String,
}

/// A log directory, locked and identified by the shell.
#[derive(Debug, Clone)]
pub struct LogDir {
    /// The folder.
    pub path: PathBuf,
    /// `directory.id` of its `meta.properties`.
    pub id: uuid::Uuid,
}

/// Kafka's default of what the broker is asked about its own configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DescribedConfig {
    /// The key.
    pub name: String,
    /// The value in force; `None` for a password or where there is none.
    pub value: Option<String>,
    /// Whether nobody set it.
    pub is_default: bool,
    /// Whether it needs a restart.
    pub read_only: bool,
    /// Whether the value is kept secret.
    pub sensitive: bool,
    /// Kafka's number of the type (KIP-569): 1 boolean, 2 string, 3 int, 4 short, 5 long, 6 double, 7 list, 8 class,
    /// 9 password.
    pub config_type: i8,
    /// Where the value may come from, the strongest first.
    pub synonyms: Vec<DescribedSynonym>,
}

/// A place that a value may come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DescribedSynonym {
    /// The key, which may be another one: `log.retention.hours` for `log.retention.ms`.
    pub name: String,
    /// Its value; `None` for a password.
    pub value: Option<String>,
    /// Whether it is the default, not something that was set.
    pub is_default: bool,
}

/// The broker's configuration, validated by the shell. Times are milliseconds.
#[derive(Debug, Clone)]
pub struct BrokerConfig {
    /// `node.id`.
    pub node_id: i32,
    /// Known from the data folders or the configuration; learnt from the controllers otherwise.
    pub cluster_id: Option<String>,
    /// `broker.rack`.
    pub rack: Option<String>,
    /// What the broker registers.
    pub listeners: Vec<AdvertisedListener>,
    /// `inter.broker.listener.name`.
    pub inter_broker_listener: String,
    /// `node.id` of each controller in `controller.quorum.voters`, or what the shell calls each of
    /// `controller.quorum.bootstrap.servers` (below 0). The controllers tell who they are.
    pub controllers: Vec<i32>,
    /// At least one.
    pub log_dirs: Vec<LogDir>,
    /// `odradek.log.dir.reserve.bytes`: a directory with fewer free bytes takes no records.
    pub log_dir_reserve_bytes: u64,
    /// `broker.heartbeat.interval.ms`.
    pub heartbeat_interval_ms: u64,
    /// `initial.broker.registration.timeout.ms`.
    pub registration_timeout_ms: u64,
    /// Bound on the controlled shutdown.
    pub controlled_shutdown_max_ms: u64,
    /// `replica.lag.time.max.ms`.
    pub replica_lag_time_max_ms: u64,
    /// `replica.fetch.max.bytes`: for each partition.
    pub replica_fetch_max_bytes: i32,
    /// `replica.fetch.response.max.bytes`: for a whole answer.
    pub replica_fetch_response_max_bytes: i32,
    /// `replica.fetch.wait.max.ms`.
    pub replica_fetch_wait_max_ms: i32,
    /// `replica.fetch.min.bytes`.
    pub replica_fetch_min_bytes: i32,
    /// `replica.fetch.backoff.ms`.
    pub replica_fetch_backoff_ms: u64,
    /// `replica.socket.timeout.ms`: how long an answer may be late.
    pub replica_socket_timeout_ms: u64,
    /// `num.replica.fetchers`: fetches to one leader side by side, at least 1.
    pub replica_fetchers: u32,
    /// `replica.selector.class` is Kafka's RackAwareReplicaSelector: consumers are sent to a replica in their rack.
    pub rack_aware_reads: bool,
    /// `replication.quota.window.num`, at least 1.
    pub replication_quota_samples: usize,
    /// `replication.quota.window.size.seconds`, in milliseconds.
    pub replication_quota_window_ms: u64,
    /// `max.incremental.fetch.session.cache.slots`.
    pub fetch_session_slots: usize,
    /// `fetch.max.bytes`: the most that a consumer gets in one answer.
    pub fetch_max_bytes: i32,
    /// `auto.create.topics.enable`.
    pub auto_create_topics: bool,
    /// `num.partitions`.
    pub num_partitions: i32,
    /// `default.replication.factor`.
    pub default_replication_factor: i16,
    /// `offsets.topic.num.partitions`.
    pub offsets_topic_partitions: i32,
    /// `offsets.topic.replication.factor`.
    pub offsets_topic_replication_factor: i16,
    /// `offsets.topic.segment.bytes`.
    pub offsets_topic_segment_bytes: i64,
    /// The keys of server.properties that were given: where topics get the defaults of their own keys from.
    pub server_properties: BTreeMap<String, String>,
    /// `log.retention.check.interval.ms`.
    pub retention_check_ms: u64,
    /// `log.flush.offset.checkpoint.interval.ms`.
    pub recovery_checkpoint_ms: u64,
    /// `replica.high.watermark.checkpoint.interval.ms`.
    pub high_watermark_checkpoint_ms: u64,
    /// `log.segment.delete.delay.ms`.
    pub file_delete_delay_ms: u64,
    /// Bounds of consumer groups.
    pub group: GroupConfig,
    /// What DescribeConfigs answers for this broker.
    pub described: Vec<DescribedConfig>,
}
