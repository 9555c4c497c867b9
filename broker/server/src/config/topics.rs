//! Keys of topics: how they are made, and the defaults of their own keys.

use std::time::Duration;

use super::key::{Check, Class, Key, Kind, cluster_wide, fixed};
use super::problems::Problems;
use super::values::Values;

/// All of them.
#[rustfmt::skip]
pub(super) const KEYS: &[Key] = &[
    cluster_wide("log.segment.bytes", Kind::Int, Some("1073741824"), Check::AtLeast(1_048_576), Class::TopicDefault("segment.bytes")),
    cluster_wide("log.roll.ms", Kind::Long, None, Check::Any, Class::TopicDefault("segment.ms")),
    fixed("log.roll.hours", Kind::Int, Some("168"), Check::AtLeast(1), Class::TopicDefault("segment.ms")),
    cluster_wide("log.roll.jitter.ms", Kind::Long, None, Check::Any, Class::TopicDefault("segment.jitter.ms")),
    fixed("log.roll.jitter.hours", Kind::Int, Some("0"), Check::AtLeast(0), Class::TopicDefault("segment.jitter.ms")),
    cluster_wide("log.index.size.max.bytes", Kind::Int, Some("10485760"), Check::AtLeast(4), Class::TopicDefault("segment.index.bytes")),
    cluster_wide("log.flush.interval.messages", Kind::Long, Some("9223372036854775807"), Check::AtLeast(1), Class::TopicDefault("flush.messages")),
    cluster_wide("log.flush.interval.ms", Kind::Long, None, Check::Any, Class::TopicDefault("flush.ms")),
    fixed("log.flush.scheduler.interval.ms", Kind::Long, Some("9223372036854775807"), Check::Any, Class::TopicDefault("flush.ms")),
    cluster_wide("log.retention.bytes", Kind::Long, Some("-1"), Check::Any, Class::TopicDefault("retention.bytes")),
    cluster_wide("log.retention.ms", Kind::Long, None, Check::MinusOneOrPositive, Class::TopicDefault("retention.ms")),
    fixed("log.retention.minutes", Kind::Int, None, Check::MinusOneOrPositive, Class::TopicDefault("retention.ms")),
    fixed("log.retention.hours", Kind::Int, Some("168"), Check::MinusOneOrPositive, Class::TopicDefault("retention.ms")),
    cluster_wide("message.max.bytes", Kind::Int, Some("1048588"), Check::AtLeast(0), Class::TopicDefault("max.message.bytes")),
    cluster_wide("max.decompressed.message.bytes", Kind::Int, Some("2147483639"), Check::Between(1, 2_147_483_639), Class::TopicDefault("max.decompressed.message.bytes")),
    cluster_wide("log.index.interval.bytes", Kind::Int, Some("4096"), Check::AtLeast(0), Class::TopicDefault("index.interval.bytes")),
    cluster_wide("log.cleaner.delete.retention.ms", Kind::Long, Some("86400000"), Check::AtLeast(0), Class::TopicDefault("delete.retention.ms")),
    cluster_wide("log.cleaner.min.compaction.lag.ms", Kind::Long, Some("0"), Check::AtLeast(0), Class::TopicDefault("min.compaction.lag.ms")),
    cluster_wide("log.cleaner.max.compaction.lag.ms", Kind::Long, Some("9223372036854775807"), Check::AtLeast(1), Class::TopicDefault("max.compaction.lag.ms")),
    cluster_wide("log.segment.delete.delay.ms", Kind::Long, Some("60000"), Check::AtLeast(0), Class::TopicDefault("file.delete.delay.ms")),
    cluster_wide("log.cleaner.min.cleanable.ratio", Kind::Double, Some("0.5"), Check::Ratio(0.0, 1.0), Class::TopicDefault("min.cleanable.dirty.ratio")),
    cluster_wide("log.cleanup.policy", Kind::List, Some("delete"), Check::EachOf(&["compact", "delete"]), Class::TopicDefault("cleanup.policy")),
    cluster_wide("unclean.leader.election.enable", Kind::Boolean, Some("false"), Check::Any, Class::TopicDefault("unclean.leader.election.enable")),
    cluster_wide("min.insync.replicas", Kind::Int, Some("1"), Check::AtLeast(1), Class::TopicDefault("min.insync.replicas")),
    cluster_wide("compression.type", Kind::String, Some("producer"), Check::OneOf(&["uncompressed", "zstd", "lz4", "snappy", "gzip", "producer"]), Class::TopicDefault("compression.type")),
    cluster_wide("compression.gzip.level", Kind::Int, Some("-1"), Check::MinusOneOr(1, 9), Class::TopicDefault("compression.gzip.level")),
    cluster_wide("compression.lz4.level", Kind::Int, Some("9"), Check::Between(1, 17), Class::TopicDefault("compression.lz4.level")),
    cluster_wide("compression.zstd.level", Kind::Int, Some("3"), Check::Between(-131_072, 22), Class::TopicDefault("compression.zstd.level")),
    cluster_wide("log.preallocate", Kind::Boolean, Some("false"), Check::Any, Class::TopicDefault("preallocate")),
    cluster_wide("log.message.timestamp.type", Kind::String, Some("CreateTime"), Check::OneOf(&["CreateTime", "LogAppendTime"]), Class::TopicDefault("message.timestamp.type")),
    cluster_wide("log.message.timestamp.before.max.ms", Kind::Long, Some("9223372036854775807"), Check::AtLeast(0), Class::TopicDefault("message.timestamp.before.max.ms")),
    cluster_wide("log.message.timestamp.after.max.ms", Kind::Long, Some("3600000"), Check::AtLeast(0), Class::TopicDefault("message.timestamp.after.max.ms")),
    fixed("num.partitions", Kind::Int, Some("1"), Check::AtLeast(1), Class::Honoured),
    fixed("default.replication.factor", Kind::Int, Some("1"), Check::Any, Class::Honoured),
    fixed("auto.create.topics.enable", Kind::Boolean, Some("true"), Check::Any, Class::Honoured),
    fixed("delete.topic.enable", Kind::Boolean, Some("true"), Check::Any, Class::Honoured),
    fixed("create.topic.policy.class.name", Kind::Class, None, Check::Any, Class::NotYet { what: "a policy of one's own (a Java class) is" }),
    fixed("alter.config.policy.class.name", Kind::Class, None, Check::Any, Class::NotYet { what: "a policy of one's own (a Java class) is" }),
];

/// How topics are made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicSettings {
    /// `num.partitions`.
    pub num_partitions: i32,
    /// `default.replication.factor`.
    pub replication_factor: i16,
    /// `auto.create.topics.enable`.
    pub auto_create: bool,
    /// `delete.topic.enable`.
    pub delete_enable: bool,
    /// `log.segment.delete.delay.ms`: how long the files of a deleted segment stay.
    pub file_delete_delay: Duration,
}

impl TopicSettings {
    pub(super) fn read(values: &Values, problems: &mut Problems) -> Self {
        check(values, problems);
        Self {
            num_partitions: values.int32("num.partitions"),
            replication_factor: i16::try_from(values.int("default.replication.factor")).unwrap_or(i16::MAX),
            auto_create: values.flag("auto.create.topics.enable"),
            delete_enable: values.flag("delete.topic.enable"),
            file_delete_delay: Duration::from_millis(values.unsigned("log.segment.delete.delay.ms")),
        }
    }
}

fn check(values: &Values, problems: &mut Problems) {
    let factor = values.int("default.replication.factor");
    if factor < 1 || factor > i64::from(i16::MAX) {
        problems.errors.push(values.problem("default.replication.factor", "must be between 1 and 32767"));
    }
    let min_insync = values.int("min.insync.replicas");
    if min_insync > factor {
        let what = format!("is more than default.replication.factor={factor}");
        if values.is_given("default.replication.factor") {
            let what = format!("{what}: no topic made with the defaults could be written to with acks=all; lower it");
            problems.errors.push(values.problem("min.insync.replicas", what));
        } else {
            let what = format!(
                "{what}: topics made without a replication factor cannot be written to with acks=all; set \
                 default.replication.factor"
            );
            problems.warnings.push(values.problem("min.insync.replicas", what));
        }
    }
    if values.list("log.cleanup.policy").is_empty() {
        problems.errors.push(values.problem("log.cleanup.policy", "must be delete, compact, or both"));
    }
    let (low, high) = ("log.cleaner.min.compaction.lag.ms", "log.cleaner.max.compaction.lag.ms");
    if values.int(low) > values.int(high) {
        let what = format!("must be at most {high}={}", values.int(high));
        problems.errors.push(values.problem(low, what));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use odradek_core::metadata::topic_config::TOPIC_CONFIGS;

    #[test]
    fn both_tables_agree_on_which_key_is_the_default_of_which() {
        for key in KEYS {
            if let Class::TopicDefault(topic_key) = key.class {
                let config = TOPIC_CONFIGS.iter().find(|config| config.name == topic_key);
                let config = config.unwrap_or_else(|| panic!("{topic_key} is no topic's key"));
                assert!(config.synonyms.iter().any(|synonym| synonym.name == key.name), "{}", key.name);
            }
        }
        for synonym in TOPIC_CONFIGS.iter().flat_map(|config| config.synonyms) {
            let key = crate::config::tables::find(synonym.name);
            assert!(key.is_some_and(|key| key.class != Class::Honoured), "{}", synonym.name);
        }
    }
}
