//! The settings of the group coordinator, under Kafka's names.

/// What the group coordinator may accept and how long it waits.
///
/// All times are in milliseconds, all sizes in bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupConfig {
    /// `group.min.session.timeout.ms`: a shorter one is refused with INVALID_SESSION_TIMEOUT.
    pub min_session_timeout_ms: i32,
    /// `group.max.session.timeout.ms`: a longer one is refused with INVALID_SESSION_TIMEOUT.
    pub max_session_timeout_ms: i32,
    /// `group.initial.rebalance.delay.ms`: how long the first join of an empty group waits for
    /// more members.
    pub initial_rebalance_delay_ms: i32,
    /// How long a member that has never finished a join may wait for it. Its client may be gone
    /// with nobody to notice, so this bounds what such members hold. Kafka's is five minutes.
    pub new_member_join_timeout_ms: i32,
    /// `group.max.size`: members of one group.
    pub max_size: usize,
    /// `offset.metadata.max.bytes`: the text that comes with one committed offset.
    pub offset_metadata_max_bytes: usize,
    /// `offsets.retention.minutes`, in milliseconds: how long an offset outlives its group.
    pub offsets_retention_ms: i64,
    /// `offsets.retention.check.interval.ms`: how long an empty group without offsets is kept.
    pub offsets_retention_check_interval_ms: i64,
    /// `offsets.commit.timeout.ms`: how long a reply waits for its write to be committed.
    pub write_timeout_ms: u64,
    /// `offsets.topic.num.partitions`: how many partitions `__consumer_offsets` has.
    pub offsets_topic_partitions: i32,
}

impl Default for GroupConfig {
    /// Kafka 4.4's defaults.
    fn default() -> Self {
        Self {
            min_session_timeout_ms: 6_000,
            max_session_timeout_ms: 1_800_000,
            initial_rebalance_delay_ms: 3_000,
            new_member_join_timeout_ms: 300_000,
            max_size: i32::MAX as usize,
            offset_metadata_max_bytes: 4_096,
            offsets_retention_ms: 7 * 24 * 60 * 60 * 1_000,
            offsets_retention_check_interval_ms: 600_000,
            write_timeout_ms: 5_000,
            offsets_topic_partitions: 50,
        }
    }
}
