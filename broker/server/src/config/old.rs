//! Names of the past, and names that belong elsewhere.

use super::key::{Check, Class, Key, Kind, fixed};
use super::tables::NO_ZOOKEEPER;

const fn renamed(name: &'static str, kind: Kind, to: &'static str, times: i64) -> Key {
    fixed(name, kind, None, Check::Any, Class::Renamed { to, times })
}

const fn replaced(name: &'static str, by: &'static str) -> Key {
    fixed(name, Kind::String, None, Check::Any, Class::Replaced { by })
}

const fn no_effect(name: &'static str, why: &'static str) -> Key {
    fixed(name, Kind::String, None, Check::Any, Class::NoEffect { why })
}

const LISTENERS: &str = "write listeners=PLAINTEXT://host:port in its place";
const ADVERTISED: &str = "write advertised.listeners=PLAINTEXT://host:port in its place";
const SHUTDOWN: &str =
    "a broker asks the controller once and waits for at most odradek.shutdown.timeout.ms; there are no retries to set";
const FORMAT: &str = "the format is always the newest; metadata.version (kafka-features) says what a cluster may use";
const TIMESTAMPS: &str =
    "write log.message.timestamp.before.max.ms and log.message.timestamp.after.max.ms in its place";

/// Keys that Kafka had once.
pub(super) const KEYS: &[Key] = &[
    renamed("log.cleanup.interval.mins", Kind::Long, "log.retention.check.interval.ms", 60_000),
    renamed("log.delete.delay.ms", Kind::Long, "log.segment.delete.delay.ms", 1),
    renamed("delegation.token.master.key", Kind::Password, "delegation.token.secret.key", 1),
    replaced("zookeeper.connect", NO_ZOOKEEPER),
    replaced("zookeeper.session.timeout.ms", NO_ZOOKEEPER),
    replaced("zookeeper.connection.timeout.ms", NO_ZOOKEEPER),
    replaced("zookeeper.sync.time.ms", NO_ZOOKEEPER),
    replaced("zookeeper.metadata.migration.enable", NO_ZOOKEEPER),
    replaced("port", LISTENERS),
    replaced("host.name", LISTENERS),
    replaced("advertised.host.name", ADVERTISED),
    replaced("advertised.port", ADVERTISED),
    replaced(
        "replica.lag.max.messages",
        "write replica.lag.time.max.ms (a time, not a number of records) in its place",
    ),
    replaced(
        "quota.producer.default",
        "run kafka-configs --alter --entity-type clients --entity-default --add-config producer_byte_rate=...",
    ),
    replaced(
        "quota.consumer.default",
        "run kafka-configs --alter --entity-type clients --entity-default --add-config consumer_byte_rate=...",
    ),
    replaced("log.message.timestamp.difference.max.ms", TIMESTAMPS),
    replaced("control.plane.listener.name", "write controller.listener.names, and a listener for them, in its place"),
    no_effect("controller.message.queue.size", "brokers follow the controllers' log; nothing is queued for them"),
    no_effect("controlled.shutdown.max.retries", SHUTDOWN),
    no_effect("controlled.shutdown.retry.backoff.ms", SHUTDOWN),
    no_effect("metadata.max.age.ms", "it is a key of clients: set it there"),
    no_effect("inter.broker.protocol.version", FORMAT),
    no_effect("log.message.format.version", FORMAT),
    no_effect("log.message.downconversion.enable", FORMAT),
    no_effect("broker.id.generation.enable", "node.id is always written down"),
    no_effect("reserved.broker.max.id", "node.id is always written down"),
    no_effect("offsets.commit.required.acks", "an offset is committed once its whole in-sync set has it"),
    no_effect("password.encoder.secret", "no passwords are kept in the metadata"),
    no_effect("auto.include.jmx.reporter", "there is no JMX; /metrics on odradek.http.listener has the figures"),
];
