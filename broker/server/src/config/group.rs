//! Keys of the classic consumer groups and their offsets.

use std::time::Duration;

use super::key::{Check, Class, Key, Kind, cluster_wide, fixed};
use super::problems::Problems;
use super::values::Values;

/// All of them.
#[rustfmt::skip]
pub(super) const KEYS: &[Key] = &[
    fixed("group.min.session.timeout.ms", Kind::Int, Some("6000"), Check::Any, Class::Honoured),
    fixed("group.max.session.timeout.ms", Kind::Int, Some("1800000"), Check::Any, Class::Honoured),
    fixed("group.max.size", Kind::Int, Some("2147483647"), Check::AtLeast(1), Class::Honoured),
    fixed("group.initial.rebalance.delay.ms", Kind::Int, Some("3000"), Check::Any, Class::Honoured),
    fixed("offset.metadata.max.bytes", Kind::Int, Some("4096"), Check::Any, Class::Honoured),
    fixed("offsets.commit.timeout.ms", Kind::Int, Some("5000"), Check::AtLeast(1), Class::Honoured),
    fixed("offsets.retention.check.interval.ms", Kind::Long, Some("600000"), Check::AtLeast(1), Class::Honoured),
    fixed("offsets.retention.minutes", Kind::Int, Some("10080"), Check::AtLeast(1), Class::Honoured),
    fixed("offsets.topic.num.partitions", Kind::Int, Some("50"), Check::AtLeast(1), Class::Honoured),
    fixed("offsets.topic.replication.factor", Kind::Short, Some("3"), Check::AtLeast(1), Class::Honoured),
    fixed("offsets.topic.segment.bytes", Kind::Int, Some("104857600"), Check::AtLeast(1), Class::Honoured),
    fixed("offsets.load.buffer.size", Kind::Int, Some("5242880"), Check::AtLeast(1), Class::NoEffect { why: "offsets are read in the size of the segments' batches" }),
    fixed("offsets.topic.compression.codec", Kind::Int, Some("0"), Check::Any, Class::NotYet { what: "compressed offsets are" }),
    fixed("group.coordinator.append.linger.ms", Kind::Int, Some("-1"), Check::AtLeast(-1), Class::NoEffect { why: "the coordinator has no threads and buffers of its own" }),
    fixed("group.coordinator.background.threads", Kind::Int, Some("2"), Check::AtLeast(1), Class::NoEffect { why: "the coordinator has no threads and buffers of its own" }),
    cluster_wide("group.coordinator.cached.buffer.max.bytes", Kind::Int, Some("1048588"), Check::AtLeast(524_288), Class::NoEffect { why: "the coordinator has no threads and buffers of its own" }),
    fixed("group.coordinator.threads", Kind::Int, Some("4"), Check::AtLeast(1), Class::NoEffect { why: "the coordinator has no threads and buffers of its own" }),
    fixed("group.coordinator.rebalance.protocols", Kind::List, Some("classic,consumer,streams"), Check::EachOf(&["consumer", "classic", "share", "streams"]), Class::NoEffect { why: "the classic protocol is served; a newer one is refused to its clients" }),
];

/// Classic consumer groups and their offsets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupSettings {
    /// `group.min.session.timeout.ms`.
    pub min_session_timeout: Duration,
    /// `group.max.session.timeout.ms`.
    pub max_session_timeout: Duration,
    /// `group.max.size`.
    pub max_size: usize,
    /// `group.initial.rebalance.delay.ms`.
    pub initial_rebalance_delay: Duration,
    /// `offset.metadata.max.bytes`.
    pub offset_metadata_max_bytes: usize,
    /// `offsets.commit.timeout.ms`.
    pub commit_timeout: Duration,
    /// `offsets.retention.check.interval.ms`.
    pub retention_check_interval: Duration,
    /// `offsets.retention.minutes`.
    pub retention: Duration,
    /// `offsets.topic.num.partitions`.
    pub topic_partitions: i32,
    /// `offsets.topic.replication.factor`.
    pub topic_replication_factor: i16,
    /// `offsets.topic.segment.bytes`.
    pub topic_segment_bytes: i32,
}

impl GroupSettings {
    pub(super) fn read(values: &Values, problems: &mut Problems) -> Self {
        let millis = |name: &str| Duration::from_millis(values.unsigned(name));
        let (low, high) = (values.int("group.min.session.timeout.ms"), values.int("group.max.session.timeout.ms"));
        if low > high {
            let (blamed, what) = if values.is_given("group.min.session.timeout.ms") {
                ("group.min.session.timeout.ms", format!("must be at most group.max.session.timeout.ms={high}"))
            } else {
                ("group.max.session.timeout.ms", format!("must be at least group.min.session.timeout.ms={low}"))
            };
            problems.errors.push(values.problem(blamed, what));
        }
        Self {
            min_session_timeout: millis("group.min.session.timeout.ms"),
            max_session_timeout: millis("group.max.session.timeout.ms"),
            max_size: values.size("group.max.size"),
            initial_rebalance_delay: millis("group.initial.rebalance.delay.ms"),
            offset_metadata_max_bytes: values.size("offset.metadata.max.bytes"),
            commit_timeout: millis("offsets.commit.timeout.ms"),
            retention_check_interval: millis("offsets.retention.check.interval.ms"),
            retention: Duration::from_secs(values.unsigned("offsets.retention.minutes").saturating_mul(60)),
            topic_partitions: values.int32("offsets.topic.num.partitions"),
            topic_replication_factor: i16::try_from(values.int("offsets.topic.replication.factor")).unwrap_or(i16::MAX),
            topic_segment_bytes: values.int32("offsets.topic.segment.bytes"),
        }
    }
}
