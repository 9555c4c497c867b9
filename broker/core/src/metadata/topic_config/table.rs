//! Every topic configuration of Apache Kafka 4.4.0, in the order of the names.

use super::definition::{Rule, Synonym, TopicConfig, Type, Unit};

const fn same(name: &'static str) -> Synonym {
    Synonym { name, unit: Unit::Same }
}

const fn minutes(name: &'static str) -> Synonym {
    Synonym { name, unit: Unit::Minutes }
}

const fn hours(name: &'static str) -> Synonym {
    Synonym { name, unit: Unit::Hours }
}

const fn config(
    name: &'static str,
    kind: Type,
    default: Option<&'static str>,
    rule: Rule,
    synonyms: &'static [Synonym],
) -> TopicConfig {
    TopicConfig { name, kind, default, rule, synonyms, internal: false }
}

const fn internal(
    name: &'static str,
    kind: Type,
    default: Option<&'static str>,
    rule: Rule,
    synonyms: &'static [Synonym],
) -> TopicConfig {
    TopicConfig { name, kind, default, rule, synonyms, internal: true }
}

/// All topic configurations, in the order of their names.
pub const TOPIC_CONFIGS: &[TopicConfig] = &[
    config(
        "cleanup.policy",
        Type::List,
        Some("delete"),
        Rule::OneOf(&["compact", "delete"]),
        &[same("log.cleanup.policy")],
    ),
    config(
        "compression.gzip.level",
        Type::Int,
        Some("-1"),
        Rule::BetweenOr(1, 9, -1),
        &[same("compression.gzip.level")],
    ),
    config("compression.lz4.level", Type::Int, Some("9"), Rule::Between(1, 17), &[same("compression.lz4.level")]),
    config(
        "compression.type",
        Type::String,
        Some("producer"),
        Rule::OneOf(&["uncompressed", "zstd", "lz4", "snappy", "gzip", "producer"]),
        &[same("compression.type")],
    ),
    config(
        "compression.zstd.level",
        Type::Int,
        Some("3"),
        Rule::Between(-131_072, 22),
        &[same("compression.zstd.level")],
    ),
    config(
        "delete.retention.ms",
        Type::Long,
        Some("86400000"),
        Rule::AtLeast(0),
        &[same("log.cleaner.delete.retention.ms")],
    ),
    config("errors.deadletterqueue.group.enable", Type::Boolean, Some("false"), Rule::Any, &[]),
    config("file.delete.delay.ms", Type::Long, Some("60000"), Rule::AtLeast(0), &[same("log.segment.delete.delay.ms")]),
    config(
        "flush.messages",
        Type::Long,
        Some("9223372036854775807"),
        Rule::AtLeast(1),
        &[same("log.flush.interval.messages")],
    ),
    config(
        "flush.ms",
        Type::Long,
        Some("9223372036854775807"),
        Rule::AtLeast(0),
        &[same("log.flush.interval.ms"), same("log.flush.scheduler.interval.ms")],
    ),
    config("follower.replication.throttled.replicas", Type::List, Some(""), Rule::ThrottledReplicas, &[]),
    config("index.interval.bytes", Type::Int, Some("4096"), Rule::AtLeast(0), &[same("log.index.interval.bytes")]),
    internal("internal.segment.bytes", Type::Int, None, Rule::Any, &[]),
    config("leader.replication.throttled.replicas", Type::List, Some(""), Rule::ThrottledReplicas, &[]),
    config("local.retention.bytes", Type::Long, Some("-2"), Rule::AtLeast(-2), &[same("log.local.retention.bytes")]),
    config("local.retention.ms", Type::Long, Some("-2"), Rule::AtLeast(-2), &[same("log.local.retention.ms")]),
    config(
        "max.compaction.lag.ms",
        Type::Long,
        Some("9223372036854775807"),
        Rule::AtLeast(1),
        &[same("log.cleaner.max.compaction.lag.ms")],
    ),
    config(
        "max.decompressed.message.bytes",
        Type::Int,
        Some("2147483639"),
        Rule::Between(1, 2_147_483_639),
        &[same("max.decompressed.message.bytes")],
    ),
    config("max.message.bytes", Type::Int, Some("1048588"), Rule::AtLeast(0), &[same("message.max.bytes")]),
    config(
        "message.timestamp.after.max.ms",
        Type::Long,
        Some("3600000"),
        Rule::AtLeast(0),
        &[same("log.message.timestamp.after.max.ms")],
    ),
    config(
        "message.timestamp.before.max.ms",
        Type::Long,
        Some("9223372036854775807"),
        Rule::AtLeast(0),
        &[same("log.message.timestamp.before.max.ms")],
    ),
    config(
        "message.timestamp.type",
        Type::String,
        Some("CreateTime"),
        Rule::OneOf(&["CreateTime", "LogAppendTime"]),
        &[same("log.message.timestamp.type")],
    ),
    config(
        "min.cleanable.dirty.ratio",
        Type::Double,
        Some("0.5"),
        Rule::Between(0, 1),
        &[same("log.cleaner.min.cleanable.ratio")],
    ),
    config(
        "min.compaction.lag.ms",
        Type::Long,
        Some("0"),
        Rule::AtLeast(0),
        &[same("log.cleaner.min.compaction.lag.ms")],
    ),
    config("min.insync.replicas", Type::Int, Some("1"), Rule::AtLeast(1), &[same("min.insync.replicas")]),
    config("preallocate", Type::Boolean, Some("false"), Rule::Any, &[same("log.preallocate")]),
    config("remote.copy.lag.bytes", Type::Long, Some("-1"), Rule::AtLeast(-1), &[same("log.remote.copy.lag.bytes")]),
    config("remote.copy.lag.ms", Type::Long, Some("0"), Rule::AtLeast(-1), &[same("log.remote.copy.lag.ms")]),
    config("remote.log.copy.disable", Type::Boolean, Some("false"), Rule::Any, &[]),
    config("remote.log.delete.on.disable", Type::Boolean, Some("false"), Rule::Any, &[]),
    config("remote.storage.enable", Type::Boolean, Some("false"), Rule::Any, &[]),
    config("retention.bytes", Type::Long, Some("-1"), Rule::Any, &[same("log.retention.bytes")]),
    config(
        "retention.ms",
        Type::Long,
        Some("604800000"),
        Rule::AtLeast(-1),
        &[same("log.retention.ms"), minutes("log.retention.minutes"), hours("log.retention.hours")],
    ),
    config("segment.bytes", Type::Int, Some("1073741824"), Rule::AtLeast(1_048_576), &[same("log.segment.bytes")]),
    config("segment.index.bytes", Type::Int, Some("10485760"), Rule::AtLeast(4), &[same("log.index.size.max.bytes")]),
    config(
        "segment.jitter.ms",
        Type::Long,
        Some("0"),
        Rule::AtLeast(0),
        &[same("log.roll.jitter.ms"), hours("log.roll.jitter.hours")],
    ),
    config(
        "segment.ms",
        Type::Long,
        Some("604800000"),
        Rule::AtLeast(1),
        &[same("log.roll.ms"), hours("log.roll.hours")],
    ),
    config(
        "unclean.leader.election.enable",
        Type::Boolean,
        Some("false"),
        Rule::Any,
        &[same("unclean.leader.election.enable")],
    ),
];
