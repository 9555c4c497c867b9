//! Keys that Kafka does not have.

use std::net::SocketAddr;
use std::time::Duration;

use odradek_wire::features::MetadataVersion;

use super::key::{Check, Class, Key, Kind, fixed};
use super::problems::Problems;
use super::values::Values;

/// All of them start with `odradek.`.
pub(super) const KEYS: &[Key] = &[
    fixed("odradek.cluster.id", Kind::String, None, Check::Any, Class::Honoured),
    fixed("odradek.http.listener", Kind::String, None, Check::Any, Class::Honoured),
    fixed("odradek.broker.disconnect.grace.ms", Kind::Long, Some("300"), Check::Between(50, 60_000), Class::Honoured),
    fixed("odradek.broker.silence.timeout.ms", Kind::Long, Some("2000"), Check::AtLeast(0), Class::Honoured),
    fixed("odradek.log.dir.reserve.bytes", Kind::Long, Some("33554432"), Check::AtLeast(0), Class::Honoured),
    fixed("odradek.leader.return.delay.ms", Kind::Long, Some("5000"), Check::AtLeast(0), Class::Honoured),
    fixed("odradek.quorum.auto.join.newcomers", Kind::Boolean, Some("true"), Check::Any, Class::Honoured),
    fixed("odradek.initial.metadata.version", Kind::String, None, Check::Any, Class::Honoured),
    fixed("odradek.shutdown.timeout.ms", Kind::Long, Some("20000"), Check::AtLeast(0), Class::Honoured),
];

/// What `odradek.*` says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnSettings {
    /// `odradek.cluster.id`: the cluster that a new data folder joins, or that the first controller makes.
    pub cluster_id: Option<String>,
    /// `odradek.http.listener`: where /livez, /readyz and /metrics are served; `None`: nowhere.
    pub http: Option<SocketAddr>,
    /// `odradek.broker.disconnect.grace.ms`: a broker whose connection to the active controller breaks is fenced when
    /// it says nothing for so long. A process that was killed is told by this; one that is stopped for a moment keeps
    /// its connection.
    pub disconnect_grace: Duration,
    /// `odradek.broker.silence.timeout.ms`: a broker that says nothing for so long is fenced while at least half of all
    /// brokers are heard; else only after `broker.session.timeout.ms`. Brokers send a heartbeat at least eight times in
    /// it. 0: `broker.session.timeout.ms` alone counts, as in Kafka.
    pub silence_timeout: Duration,
    /// `odradek.log.dir.reserve.bytes`: a log directory with fewer free bytes takes no records, and opens again at one
    /// and a half of them. Checkpoints, the index files and deletions go on in what is kept back.
    pub log_dir_reserve: u64,
    /// `odradek.leader.return.delay.ms`: a broker that is in sync again gets the leadership back of the partitions that
    /// list it first, step by step, once nothing more came into sync for so long. Only with
    /// `auto.leader.rebalance.enable`. 0: not before `leader.imbalance.check.interval.seconds`, as in Kafka.
    pub leader_return: Duration,
    /// `odradek.quorum.auto.join.newcomers`: whether `controller.quorum.auto.join.enable` makes voters of new controllers
    /// too, as in Kafka; else only of one that takes the place of a voter with the same id and another disk.
    pub auto_join_newcomers: bool,
    /// `odradek.initial.metadata.version`: the level of `metadata.version` at which a new cluster starts, by its name or
    /// its number. Without it: the newest of this release. A cluster that is there keeps what it has.
    pub initial_metadata_version: MetadataVersion,
    /// `odradek.shutdown.timeout.ms`: how long a controlled shutdown may take before the broker leaves regardless.
    pub shutdown_timeout: Duration,
}

impl OwnSettings {
    pub(super) fn read(values: &Values, problems: &mut Problems) -> Self {
        let cluster_id = values.text("odradek.cluster.id").map(str::to_owned);
        if cluster_id.as_deref().is_some_and(|id| {
            id.len() > 64 || !id.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '='))
        }) {
            let what = "must be at most 64 letters, digits, dots, dashes, underscores: kafka-storage random-uuid \
                        makes a good one";
            problems.errors.push(values.problem("odradek.cluster.id", what));
        }
        let http = values.text("odradek.http.listener").and_then(|text| {
            let address = address(text);
            if address.is_none() {
                let what = "must be address:port, 0.0.0.0:8080 or 127.0.0.1:8080 for example";
                problems.errors.push(values.problem("odradek.http.listener", what));
            }
            address
        });
        let millis = |name: &str| Duration::from_millis(values.unsigned(name));
        let silence_timeout = millis("odradek.broker.silence.timeout.ms");
        if !silence_timeout.is_zero() && silence_timeout < Duration::from_millis(500) {
            let what = "must be 0 (off) or at least 500: eight heartbeats have to fit in";
            problems.errors.push(values.problem("odradek.broker.silence.timeout.ms", what));
        }
        let leader_return = millis("odradek.leader.return.delay.ms");
        let disconnect_grace = millis("odradek.broker.disconnect.grace.ms");
        let initial = values.text("odradek.initial.metadata.version");
        let initial_metadata_version = initial.map_or(Some(MetadataVersion::LATEST), metadata_version);
        if initial_metadata_version.is_none() {
            let known: Vec<&str> = MetadataVersion::readable().map(MetadataVersion::name).collect();
            let what = format!("must be a level that this release has: {}", known.join(", "));
            problems.errors.push(values.problem("odradek.initial.metadata.version", &what));
        }
        let initial_metadata_version = initial_metadata_version.unwrap_or(MetadataVersion::LATEST);
        let shutdown_timeout = Duration::from_millis(values.unsigned("odradek.shutdown.timeout.ms"));
        let log_dir_reserve = values.unsigned("odradek.log.dir.reserve.bytes");
        Self {
            log_dir_reserve,
            cluster_id,
            http,
            disconnect_grace,
            silence_timeout,
            leader_return,
            auto_join_newcomers: values.flag("odradek.quorum.auto.join.newcomers"),
            initial_metadata_version,
            shutdown_timeout,
        }
    }
}

fn metadata_version(text: &str) -> Option<MetadataVersion> {
    let version = match text.parse() {
        Ok(level) => MetadataVersion::from_level(level),
        Err(_) => MetadataVersion::from_name(text),
    };
    version.filter(|version| *version <= MetadataVersion::LATEST)
}

fn address(text: &str) -> Option<SocketAddr> {
    let text = text.strip_prefix("http://").unwrap_or(text);
    match text.strip_prefix("localhost:") {
        Some(port) => port.parse().ok().map(|port| SocketAddr::from(([127, 0, 0, 1], port))),
        None => match text.strip_prefix(':') {
            Some(port) => port.parse().ok().map(|port| SocketAddr::from(([0, 0, 0, 0], port))),
            None => text.parse().ok(),
        },
    }
}
