//! What a topic's configuration in force means for its logs.

use odradek_core::metadata::topic_config::EffectiveConfig;
use odradek_core::replica::ThrottledReplicas;
use odradek_log::{LogConfig, TimestampType};

/// `flush.messages`: as many records may be unflushed; `i64::MAX` leaves it to the operating system.
pub(super) fn flush_messages(config: &EffectiveConfig<'_>) -> i64 {
    config.long("flush.messages").unwrap_or(i64::MAX)
}

/// Which partitions are throttled on `broker`, as leaders and as followers (KIP-73).
pub(super) fn throttled(config: &EffectiveConfig<'_>, broker: i32) -> (ThrottledReplicas, ThrottledReplicas) {
    let of = |key: &str| ThrottledReplicas::of(&config.list(key), broker);
    (of("leader.replication.throttled.replicas"), of("follower.replication.throttled.replicas"))
}

/// The log's part. `seed` draws the roll jitter.
pub(super) fn log_config(config: &EffectiveConfig<'_>, seed: u64) -> LogConfig {
    let base = LogConfig::default();
    let long = |key: &str, default: i64| config.long(key).unwrap_or(default);
    let size = |key: &str, default: u64| config.long(key).and_then(|n| u64::try_from(n).ok()).unwrap_or(default);
    let policy = config.list("cleanup.policy");
    LogConfig {
        segment_bytes: size("segment.bytes", base.segment_bytes),
        segment_ms: long("segment.ms", base.segment_ms),
        segment_jitter_ms: long("segment.jitter.ms", base.segment_jitter_ms),
        segment_index_bytes: size("segment.index.bytes", base.segment_index_bytes),
        index_interval_bytes: size("index.interval.bytes", base.index_interval_bytes),
        retention_ms: long("retention.ms", base.retention_ms),
        retention_bytes: long("retention.bytes", base.retention_bytes),
        delete: policy.iter().any(|item| item == "delete"),
        compact: policy.iter().any(|item| item == "compact"),
        max_message_bytes: config
            .long("max.message.bytes")
            .and_then(|bytes| usize::try_from(bytes).ok())
            .unwrap_or(base.max_message_bytes),
        timestamp_type: match config.text("message.timestamp.type").as_deref() {
            Some("LogAppendTime") => TimestampType::LogAppendTime,
            _ => TimestampType::CreateTime,
        },
        timestamp_before_max_ms: long("message.timestamp.before.max.ms", base.timestamp_before_max_ms),
        timestamp_after_max_ms: long("message.timestamp.after.max.ms", base.timestamp_after_max_ms),
        producer_id_expiration_ms: base.producer_id_expiration_ms,
        seed,
    }
}
