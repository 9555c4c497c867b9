//! Keys of replication and of fetching.

use std::time::Duration;

use super::key::{Check, Class, Key, Kind, cluster_wide, fixed};
use super::problems::Problems;
use super::values::Values;

const PURGATORY: &str = "a request leaves the purgatory as soon as it is answered";

/// All of them.
#[rustfmt::skip]
pub(super) const KEYS: &[Key] = &[
    fixed("replica.lag.time.max.ms", Kind::Long, Some("30000"), Check::Any, Class::Honoured),
    fixed("replica.fetch.max.bytes", Kind::Int, Some("1048576"), Check::AtLeast(0), Class::Honoured),
    fixed("replica.fetch.wait.max.ms", Kind::Int, Some("500"), Check::Any, Class::Honoured),
    fixed("replica.fetch.min.bytes", Kind::Int, Some("1"), Check::Any, Class::Honoured),
    fixed("replica.fetch.response.max.bytes", Kind::Int, Some("10485760"), Check::AtLeast(0), Class::Honoured),
    fixed("replica.fetch.backoff.ms", Kind::Int, Some("1000"), Check::AtLeast(0), Class::Honoured),
    fixed("replica.socket.timeout.ms", Kind::Int, Some("30000"), Check::Any, Class::Honoured),
    fixed("replica.socket.receive.buffer.bytes", Kind::Int, Some("65536"), Check::Any, Class::NoEffect { why: "sockets to other brokers grow as the system lets them" }),
    cluster_wide("num.replica.fetchers", Kind::Int, Some("1"), Check::AtLeast(1), Class::Honoured),
    fixed("replica.high.watermark.checkpoint.interval.ms", Kind::Long, Some("5000"), Check::Any, Class::Honoured),
    fixed("replica.selector.class", Kind::String, None, Check::Any, Class::Honoured),
    fixed("auto.leader.rebalance.enable", Kind::Boolean, Some("true"), Check::Any, Class::Honoured),
    fixed("leader.imbalance.check.interval.seconds", Kind::Long, Some("300"), Check::AtLeast(1), Class::Honoured),
    // Kafka 4.4 no longer has it; those who set it mean it.
    fixed("leader.imbalance.per.broker.percentage", Kind::Int, Some("10"), Check::Between(0, 100), Class::Honoured),
    fixed("unclean.leader.election.interval.ms", Kind::Long, Some("300000"), Check::AtLeast(1), Class::NoEffect { why: "an unclean election comes as soon as it is allowed and needed" }),
    fixed("fetch.max.bytes", Kind::Int, Some("57671680"), Check::AtLeast(1024), Class::Honoured),
    fixed("max.incremental.fetch.session.cache.slots", Kind::Int, Some("1000"), Check::AtLeast(0), Class::Honoured),
    fixed("fetch.purgatory.purge.interval.requests", Kind::Int, Some("1000"), Check::Any, Class::NoEffect { why: PURGATORY }),
    fixed("producer.purgatory.purge.interval.requests", Kind::Int, Some("1000"), Check::Any, Class::NoEffect { why: PURGATORY }),
    fixed("delete.records.purgatory.purge.interval.requests", Kind::Int, Some("1"), Check::Any, Class::NoEffect { why: PURGATORY }),
    cluster_wide("leader.replication.throttled.rate", Kind::Long, Some("9223372036854775807"), Check::AtLeast(0), Class::Honoured),
    cluster_wide("follower.replication.throttled.rate", Kind::Long, Some("9223372036854775807"), Check::AtLeast(0), Class::Honoured),
    cluster_wide("replica.alter.log.dirs.io.max.bytes.per.second", Kind::Long, Some("9223372036854775807"), Check::AtLeast(0), Class::Honoured),
];

/// Which replica a consumer reads from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReplicaSelector {
    /// The leader.
    Leader,
    /// One in the consumer's rack (`client.rack`), if there is one (KIP-392).
    RackAware,
}

/// Replication and fetching.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplicationSettings {
    /// `replica.lag.time.max.ms`.
    pub lag_time_max: Duration,
    /// `replica.fetch.max.bytes`: of one partition in one fetch.
    pub fetch_max_bytes: i32,
    /// `replica.fetch.response.max.bytes`: of one fetch.
    pub fetch_response_max_bytes: i32,
    /// `replica.fetch.wait.max.ms`.
    pub fetch_wait_max: Duration,
    /// `replica.fetch.min.bytes`.
    pub fetch_min_bytes: i32,
    /// `replica.fetch.backoff.ms`.
    pub fetch_backoff: Duration,
    /// `replica.socket.timeout.ms`: how long a leader's answer may be late.
    pub socket_timeout: Duration,
    /// `replica.high.watermark.checkpoint.interval.ms`.
    pub high_watermark_checkpoint_interval: Duration,
    /// `num.replica.fetchers`: fetches to one leader side by side.
    pub fetchers: u32,
    /// `replication.quota.window.num`: samples that a throttle's rate is looked at over.
    pub quota_samples: usize,
    /// `replication.quota.window.size.seconds`: of each sample.
    pub quota_window: Duration,
    /// `max.incremental.fetch.session.cache.slots`.
    pub fetch_session_slots: usize,
    /// `replica.selector.class`.
    pub selector: ReplicaSelector,
    /// `fetch.max.bytes`: of one answer to a consumer.
    pub consumer_fetch_max_bytes: i32,
    /// `auto.leader.rebalance.enable`.
    pub auto_rebalance: bool,
    /// `leader.imbalance.check.interval.seconds`.
    pub rebalance_interval: Duration,
    /// `leader.imbalance.per.broker.percentage`.
    pub rebalance_percentage: u32,
}

impl ReplicationSettings {
    pub(super) fn read(values: &Values, problems: &mut Problems) -> Self {
        let millis = |name: &str| Duration::from_millis(values.unsigned(name));
        let wait = values.int("replica.fetch.wait.max.ms");
        for name in ["replica.socket.timeout.ms", "replica.lag.time.max.ms"] {
            let limit = values.int(name);
            if wait > limit {
                let given = "replica.fetch.wait.max.ms";
                let (blamed, what) = if values.is_given(given) {
                    (given, format!("must be at most {name}={limit}"))
                } else {
                    (name, format!("must be at least {given}={wait}"))
                };
                problems.errors.push(values.problem(blamed, what));
            }
        }
        Self {
            lag_time_max: millis("replica.lag.time.max.ms"),
            fetch_max_bytes: values.int32("replica.fetch.max.bytes"),
            fetch_response_max_bytes: values.int32("replica.fetch.response.max.bytes"),
            fetch_wait_max: millis("replica.fetch.wait.max.ms"),
            fetch_min_bytes: values.int32("replica.fetch.min.bytes"),
            fetch_backoff: millis("replica.fetch.backoff.ms"),
            socket_timeout: millis("replica.socket.timeout.ms"),
            high_watermark_checkpoint_interval: millis("replica.high.watermark.checkpoint.interval.ms"),
            fetchers: values.int32("num.replica.fetchers").unsigned_abs(),
            quota_samples: usize::try_from(values.unsigned("replication.quota.window.num")).unwrap_or(11),
            quota_window: Duration::from_secs(values.unsigned("replication.quota.window.size.seconds")),
            fetch_session_slots: usize::try_from(values.unsigned("max.incremental.fetch.session.cache.slots"))
                .unwrap_or(usize::MAX),
            selector: selector(values, problems),
            consumer_fetch_max_bytes: values.int32("fetch.max.bytes"),
            auto_rebalance: values.flag("auto.leader.rebalance.enable"),
            rebalance_interval: Duration::from_secs(values.unsigned("leader.imbalance.check.interval.seconds")),
            rebalance_percentage: values.int32("leader.imbalance.per.broker.percentage").unsigned_abs(),
        }
    }
}

fn selector(values: &Values, problems: &mut Problems) -> ReplicaSelector {
    match values.text("replica.selector.class") {
        None | Some("org.apache.kafka.common.replica.LeaderSelector") => ReplicaSelector::Leader,
        Some("org.apache.kafka.common.replica.RackAwareReplicaSelector") => ReplicaSelector::RackAware,
        Some(_) => {
            let what = "no class of one's own can be loaded: \
                        org.apache.kafka.common.replica.RackAwareReplicaSelector is built in";
            problems.errors.push(values.problem("replica.selector.class", what));
            ReplicaSelector::Leader
        }
    }
}
