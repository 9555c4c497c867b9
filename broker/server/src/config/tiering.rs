//! Keys of tiered storage.

use super::key::{Check, Class, Key, Kind, cluster_wide, fixed};

const TIERED: &str = "tiered storage is";
const TIERED_OFF: &str = "tiered storage is off (remote.log.storage.system.enable)";

/// All of them.
#[rustfmt::skip]
pub(super) const KEYS: &[Key] = &[
    cluster_wide("follower.fetch.last.tiered.offset.enable", Kind::Boolean, Some("false"), Check::Any, Class::NoEffect { why: TIERED_OFF }),
    cluster_wide("log.local.retention.bytes", Kind::Long, Some("-2"), Check::AtLeast(-2), Class::NoEffect { why: TIERED_OFF }),
    cluster_wide("log.local.retention.ms", Kind::Long, Some("-2"), Check::AtLeast(-2), Class::NoEffect { why: TIERED_OFF }),
    cluster_wide("log.remote.copy.lag.bytes", Kind::Long, Some("-1"), Check::AtLeast(-1), Class::NoEffect { why: TIERED_OFF }),
    cluster_wide("log.remote.copy.lag.ms", Kind::Long, Some("0"), Check::AtLeast(-1), Class::NoEffect { why: TIERED_OFF }),
    cluster_wide("remote.fetch.max.wait.ms", Kind::Int, Some("500"), Check::AtLeast(1), Class::NoEffect { why: TIERED_OFF }),
    cluster_wide("remote.list.offsets.request.timeout.ms", Kind::Long, Some("30000"), Check::AtLeast(1), Class::NoEffect { why: TIERED_OFF }),
    cluster_wide("remote.log.index.file.cache.total.size.bytes", Kind::Long, Some("1073741824"), Check::AtLeast(1), Class::NoEffect { why: TIERED_OFF }),
    fixed("remote.log.index.file.cache.ttl.ms", Kind::Long, Some("900000"), Check::AtLeast(-1), Class::NoEffect { why: TIERED_OFF }),
    cluster_wide("remote.log.manager.copier.thread.pool.size", Kind::Int, Some("10"), Check::AtLeast(1), Class::NoEffect { why: TIERED_OFF }),
    cluster_wide("remote.log.manager.copy.max.bytes.per.second", Kind::Long, Some("9223372036854775807"), Check::AtLeast(1), Class::NoEffect { why: TIERED_OFF }),
    fixed("remote.log.manager.copy.quota.window.num", Kind::Int, Some("11"), Check::AtLeast(1), Class::NoEffect { why: TIERED_OFF }),
    fixed("remote.log.manager.copy.quota.window.size.seconds", Kind::Int, Some("1"), Check::AtLeast(1), Class::NoEffect { why: TIERED_OFF }),
    cluster_wide("remote.log.manager.expiration.thread.pool.size", Kind::Int, Some("10"), Check::AtLeast(1), Class::NoEffect { why: TIERED_OFF }),
    cluster_wide("remote.log.manager.fetch.max.bytes.per.second", Kind::Long, Some("9223372036854775807"), Check::AtLeast(1), Class::NoEffect { why: TIERED_OFF }),
    fixed("remote.log.manager.fetch.quota.window.num", Kind::Int, Some("11"), Check::AtLeast(1), Class::NoEffect { why: TIERED_OFF }),
    fixed("remote.log.manager.fetch.quota.window.size.seconds", Kind::Int, Some("1"), Check::AtLeast(1), Class::NoEffect { why: TIERED_OFF }),
    cluster_wide("remote.log.manager.follower.thread.pool.size", Kind::Int, Some("2"), Check::AtLeast(1), Class::NoEffect { why: TIERED_OFF }),
    fixed("remote.log.manager.task.interval.ms", Kind::Long, Some("30000"), Check::AtLeast(1), Class::NoEffect { why: TIERED_OFF }),
    fixed("remote.log.manager.task.retry.backoff.max.ms", Kind::Long, Some("30000"), Check::AtLeast(1), Class::NoEffect { why: TIERED_OFF }),
    fixed("remote.log.manager.task.retry.backoff.ms", Kind::Long, Some("500"), Check::AtLeast(1), Class::NoEffect { why: TIERED_OFF }),
    fixed("remote.log.manager.task.retry.jitter", Kind::Double, Some("0.2"), Check::Ratio(0.0, 0.5), Class::NoEffect { why: TIERED_OFF }),
    fixed("remote.log.manager.thread.pool.size", Kind::Int, Some("2"), Check::AtLeast(1), Class::NoEffect { why: TIERED_OFF }),
    fixed("remote.log.metadata.custom.metadata.max.bytes", Kind::Int, Some("128"), Check::AtLeast(0), Class::NoEffect { why: TIERED_OFF }),
    fixed("remote.log.metadata.manager.class.name", Kind::String, Some("org.apache.kafka.server.log.remote.metadata.storage.TopicBasedRemoteLogMetadataManager"), Check::Any, Class::NoEffect { why: TIERED_OFF }),
    fixed("remote.log.metadata.manager.class.path", Kind::String, None, Check::Any, Class::NoEffect { why: TIERED_OFF }),
    fixed("remote.log.metadata.manager.impl.prefix", Kind::String, Some("rlmm.config."), Check::Any, Class::NoEffect { why: TIERED_OFF }),
    fixed("remote.log.metadata.manager.listener.name", Kind::String, None, Check::Any, Class::NoEffect { why: TIERED_OFF }),
    fixed("remote.log.reader.max.pending.tasks", Kind::Int, Some("100"), Check::AtLeast(1), Class::NoEffect { why: TIERED_OFF }),
    cluster_wide("remote.log.reader.threads", Kind::Int, Some("10"), Check::AtLeast(1), Class::NoEffect { why: TIERED_OFF }),
    fixed("remote.log.storage.manager.class.name", Kind::String, None, Check::Any, Class::NoEffect { why: TIERED_OFF }),
    fixed("remote.log.storage.manager.class.path", Kind::String, None, Check::Any, Class::NoEffect { why: TIERED_OFF }),
    fixed("remote.log.storage.manager.impl.prefix", Kind::String, Some("rsm.config."), Check::Any, Class::NoEffect { why: TIERED_OFF }),
    fixed("remote.log.storage.system.enable", Kind::Boolean, Some("false"), Check::Any, Class::NotYet { what: TIERED }),
];
