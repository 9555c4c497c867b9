//! What a topic's configuration says to its logs.

pub use odradek_wire::batch::TimestampType;

/// The settings of one log, with Kafka's names and defaults. Shared by many logs behind an `Arc` by whoever has many.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogConfig {
    /// `segment.bytes`: a segment is closed before it would grow above this. At most `i32::MAX`.
    pub segment_bytes: u64,
    /// `segment.ms`: a segment is closed when its first batch is this old.
    pub segment_ms: i64,
    /// `segment.jitter.ms`: up to this much is taken off `segment_ms`, so that logs do not all roll at once.
    pub segment_jitter_ms: i64,
    /// `segment.index.bytes`: a segment is closed when one of its indexes has this size.
    pub segment_index_bytes: u64,
    /// `index.interval.bytes`: one index entry for about this many bytes of log.
    pub index_interval_bytes: u64,
    /// `retention.ms`; -1 keeps for ever.
    pub retention_ms: i64,
    /// `retention.bytes`; -1 keeps all.
    pub retention_bytes: i64,
    /// `cleanup.policy` has `delete`: retention by time and size applies.
    pub delete: bool,
    /// `cleanup.policy` has `compact`: records need a key. (Nothing is compacted yet.)
    pub compact: bool,
    /// `max.message.bytes`: largest batch.
    pub max_message_bytes: usize,
    /// `message.timestamp.type`.
    pub timestamp_type: TimestampType,
    /// `message.timestamp.before.max.ms`.
    pub timestamp_before_max_ms: i64,
    /// `message.timestamp.after.max.ms`.
    pub timestamp_after_max_ms: i64,
    /// `producer.id.expiration.ms`.
    pub producer_id_expiration_ms: i64,
    /// Draws the roll jitter; give each log another one (the placement of the log must not decide it).
    pub seed: u64,
}

impl Default for LogConfig {
    fn default() -> LogConfig {
        LogConfig {
            segment_bytes: 1 << 30,
            segment_ms: 7 * 24 * 3600 * 1000,
            segment_jitter_ms: 0,
            segment_index_bytes: 10 << 20,
            index_interval_bytes: 4096,
            retention_ms: 7 * 24 * 3600 * 1000,
            retention_bytes: -1,
            delete: true,
            compact: false,
            max_message_bytes: 1_048_588,
            timestamp_type: TimestampType::CreateTime,
            timestamp_before_max_ms: i64::MAX,
            timestamp_after_max_ms: 3_600_000,
            producer_id_expiration_ms: 86_400_000,
            seed: 0,
        }
    }
}
