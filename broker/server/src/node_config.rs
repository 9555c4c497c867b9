//! From server.properties to what the node's loops are opened with.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use odradek_core::group::GroupConfig;
use odradek_core::metadata::controller::ControllerConfig;
use odradek_node::broker::{AdvertisedListener, BrokerConfig, DescribedConfig, DescribedSynonym, LogDir};
use odradek_node::controller::{ControllerNodeConfig, Endpoint};

use crate::config::{Described, ReplicaSelector, ServerConfig, run_time};
use crate::net::bootstrap_id;

/// The folder of the metadata log below `metadata.log.dir`, as Kafka names it.
pub(crate) const METADATA_LOG: &str = "__cluster_metadata-0";

/// Ticks of the quorum in one election time-out.
const ELECTION_TICKS: u64 = 10;

/// For the broker's loop. `advertised` has the ports that were really bound.
#[must_use]
pub fn broker(
    config: &ServerConfig,
    cluster_id: Option<String>,
    log_dirs: Vec<LogDir>,
    advertised: Vec<AdvertisedListener>,
) -> BrokerConfig {
    let topics = &config.topics;
    let replication = &config.replication;
    BrokerConfig {
        node_id: config.node.id,
        cluster_id,
        rack: config.node.rack.clone(),
        listeners: advertised,
        inter_broker_listener: config.listeners.inter_broker.clone(),
        controllers: {
            let bootstrap = (0..config.quorum.bootstrap.len()).map(bootstrap_id);
            config.quorum.voters.keys().copied().chain(bootstrap).collect()
        },
        log_dirs,
        log_dir_reserve_bytes: config.own.log_dir_reserve,
        heartbeat_interval_ms: heartbeat_interval(config),
        registration_timeout_ms: millis(config.node.registration_timeout),
        controlled_shutdown_max_ms: match config.node.controlled_shutdown {
            true => millis(config.own.shutdown_timeout),
            // No leader is handed over: the controllers learn that the broker is gone when its connection breaks.
            false => 0,
        },
        replica_lag_time_max_ms: millis(replication.lag_time_max),
        replica_fetch_max_bytes: replication.fetch_max_bytes,
        replica_fetch_response_max_bytes: replication.fetch_response_max_bytes,
        replica_fetch_wait_max_ms: millis32(replication.fetch_wait_max),
        replica_fetch_min_bytes: replication.fetch_min_bytes,
        replica_fetch_backoff_ms: millis(replication.fetch_backoff),
        replica_socket_timeout_ms: millis(replication.socket_timeout),
        replica_fetchers: replication.fetchers,
        rack_aware_reads: replication.selector == ReplicaSelector::RackAware,
        replication_quota_samples: replication.quota_samples,
        replication_quota_window_ms: millis(replication.quota_window),
        fetch_session_slots: replication.fetch_session_slots,
        fetch_max_bytes: replication.consumer_fetch_max_bytes,
        auto_create_topics: topics.auto_create,
        num_partitions: topics.num_partitions,
        default_replication_factor: topics.replication_factor,
        offsets_topic_partitions: config.group.topic_partitions,
        offsets_topic_replication_factor: config.group.topic_replication_factor,
        offsets_topic_segment_bytes: i64::from(config.group.topic_segment_bytes),
        server_properties: server_properties(config),
        retention_check_ms: millis(config.log.retention_check_interval),
        recovery_checkpoint_ms: millis(config.log.recovery_checkpoint_interval),
        high_watermark_checkpoint_ms: millis(replication.high_watermark_checkpoint_interval),
        file_delete_delay_ms: millis(topics.file_delete_delay),
        group: group(config),
        described: config.describe().into_iter().map(described).collect(),
    }
}

/// For the controller's loop.
#[must_use]
pub fn controller(
    config: &ServerConfig,
    cluster_id: Option<String>,
    metadata_dir: &Path,
    directory_id: [u8; 16],
) -> ControllerNodeConfig {
    let quorum = &config.quorum;
    let name = config.listeners.controller.first().map(|listener| listener.name.clone()).unwrap_or_default();
    let endpoint = |(id, (host, port)): (&i32, &(String, u16))| {
        (
            u64::from(id.unsigned_abs()),
            vec![Endpoint { name: name.clone(), host: host.clone(), port: u32::from(*port) }],
        )
    };
    let voters: BTreeMap<u64, Vec<Endpoint>> = quorum.voters.iter().map(endpoint).collect();
    let id = u64::from(config.node.id.unsigned_abs());
    let defaults = ControllerNodeConfig::new(id, voters.keys().copied(), metadata_dir.join(METADATA_LOG));
    ControllerNodeConfig {
        cluster_id,
        bootstrap_servers: quorum.bootstrap.len(),
        auto_join: quorum.auto_join,
        auto_join_newcomers: config.own.auto_join_newcomers,
        endpoints: match voters.get(&id) {
            Some(endpoints) => endpoints.clone(),
            None => {
                let (host, port) = config.listeners.controller_endpoint.clone();
                vec![Endpoint { name, host, port: u32::from(port) }]
            }
        },
        voters,
        directory_id: Some(directory_id),
        controller: ControllerConfig {
            metadata_version: config.own.initial_metadata_version,
            session_timeout_ms: millis(config.node.session_timeout),
            silence_timeout_ms: millis(config.own.silence_timeout),
            disconnect_grace_ms: millis(config.own.disconnect_grace),
            leader_return_ms: millis(config.own.leader_return),
            default_replication_factor: config.topics.replication_factor,
            num_partitions: config.topics.num_partitions,
            delete_topic_enable: config.topics.delete_enable,
            auto_leader_rebalance: config.replication.auto_rebalance,
            leader_imbalance_check_ms: millis(config.replication.rebalance_interval),
            leader_imbalance_percentage: config.replication.rebalance_percentage,
            server_properties: server_properties(config),
            check_broker_setting: run_time::check,
            ..ControllerConfig::default()
        },
        snapshot_every_bytes: quorum.snapshot_max_bytes,
        tick_ms: (millis(quorum.election_timeout) / ELECTION_TICKS).max(10),
        election_ticks: ELECTION_TICKS as u32,
        ..defaults
    }
}

/// Kafka's interval, or a shorter one when a short silence counts.
fn heartbeat_interval(config: &ServerConfig) -> u64 {
    let interval = millis(config.node.heartbeat_interval);
    match millis(config.own.silence_timeout) {
        0 => interval,
        silence => interval.min(silence / 8),
    }
}

fn server_properties(config: &ServerConfig) -> BTreeMap<String, String> {
    config.set().map(|(key, given)| (key.to_owned(), given.value.trim().to_owned())).collect()
}

fn group(config: &ServerConfig) -> GroupConfig {
    let group = &config.group;
    GroupConfig {
        min_session_timeout_ms: millis32(group.min_session_timeout),
        max_session_timeout_ms: millis32(group.max_session_timeout),
        initial_rebalance_delay_ms: millis32(group.initial_rebalance_delay),
        max_size: group.max_size,
        offset_metadata_max_bytes: group.offset_metadata_max_bytes,
        offsets_retention_ms: i64::try_from(group.retention.as_millis()).unwrap_or(i64::MAX),
        offsets_retention_check_interval_ms: i64::try_from(group.retention_check_interval.as_millis())
            .unwrap_or(i64::MAX),
        write_timeout_ms: millis(group.commit_timeout),
        offsets_topic_partitions: group.topic_partitions,
        ..GroupConfig::default()
    }
}

fn described(key: Described) -> DescribedConfig {
    DescribedConfig {
        name: key.name.to_owned(),
        value: key.value,
        is_default: key.default,
        read_only: key.read_only,
        sensitive: key.sensitive,
        config_type: key.kind,
        synonyms: key
            .synonyms
            .into_iter()
            .map(|from| DescribedSynonym { name: from.name.to_owned(), value: from.value, is_default: from.default })
            .collect(),
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

fn millis32(time: Duration) -> i32 {
    i32::try_from(time.as_millis()).unwrap_or(i32::MAX)
}
