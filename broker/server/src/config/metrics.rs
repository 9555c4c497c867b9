//! Keys of metrics and quotas.

use super::key::{Check, Class, Key, Kind, cluster_wide, fixed};

const PROMETHEUS: &str = "figures are served as Prometheus text at /metrics on odradek.http.listener";
const QUOTAS: &str = "quotas are not served yet";

/// All of them.
#[rustfmt::skip]
pub(super) const KEYS: &[Key] = &[
    cluster_wide("metric.reporters", Kind::List, Some("org.apache.kafka.common.metrics.JmxReporter"), Check::Any, Class::NoEffect { why: PROMETHEUS }),
    fixed("kafka.metrics.reporters", Kind::List, Some(""), Check::Any, Class::NoEffect { why: PROMETHEUS }),
    fixed("kafka.metrics.polling.interval.secs", Kind::Int, Some("10"), Check::AtLeast(1), Class::NoEffect { why: PROMETHEUS }),
    fixed("metrics.num.samples", Kind::Int, Some("2"), Check::AtLeast(1), Class::NoEffect { why: PROMETHEUS }),
    fixed("metrics.recording.level", Kind::String, Some("INFO"), Check::Any, Class::NoEffect { why: PROMETHEUS }),
    fixed("metrics.sample.window.ms", Kind::Long, Some("30000"), Check::AtLeast(1), Class::NoEffect { why: PROMETHEUS }),
    fixed("telemetry.max.bytes", Kind::Int, Some("1048576"), Check::AtLeast(1), Class::NoEffect { why: "clients' own metrics are not collected" }),
    fixed("client.quota.callback.class", Kind::Class, None, Check::Any, Class::NotYet { what: "a quota callback of one's own (a Java class) is" }),
    fixed("quota.window.num", Kind::Int, Some("11"), Check::AtLeast(1), Class::NoEffect { why: QUOTAS }),
    fixed("quota.window.size.seconds", Kind::Int, Some("1"), Check::AtLeast(1), Class::NoEffect { why: QUOTAS }),
    fixed("replication.quota.window.num", Kind::Int, Some("11"), Check::AtLeast(1), Class::Honoured),
    fixed("replication.quota.window.size.seconds", Kind::Int, Some("1"), Check::AtLeast(1), Class::Honoured),
    fixed("alter.log.dirs.replication.quota.window.num", Kind::Int, Some("11"), Check::AtLeast(1), Class::NoEffect { why: "replication.quota.window.num counts for moves between log directories, too" }),
    fixed("alter.log.dirs.replication.quota.window.size.seconds", Kind::Int, Some("1"), Check::AtLeast(1), Class::NoEffect { why: "replication.quota.window.size.seconds counts for moves between log directories, too" }),
    fixed("controller.quota.window.num", Kind::Int, Some("11"), Check::AtLeast(1), Class::NoEffect { why: QUOTAS }),
    fixed("controller.quota.window.size.seconds", Kind::Int, Some("1"), Check::AtLeast(1), Class::NoEffect { why: QUOTAS }),
];
