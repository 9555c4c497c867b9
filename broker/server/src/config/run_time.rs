//! What brokers' keys may be set to while they run (KIP-226): asked by the active controller.

use super::key::{Class, Update};
use super::tables;

/// Keys that Kafka takes at run time and that this broker reads only when it starts.
const AT_START: &[&str] = &[
    "listeners",
    "listener.security.protocol.map",
    "num.network.threads",
    "background.threads",
    "num.recovery.threads.per.data.dir",
    "max.connections",
    "max.connections.per.ip",
    "max.connections.per.ip.overrides",
    "max.connection.creation.rate",
];

/// Whether `name` may be set to `value`, for one broker or as the default of all.
///
/// # Errors
/// Why not, as a sentence with the key, the value and what may be done.
pub fn check(name: &str, value: &str, one_broker: bool) -> Result<(), String> {
    let Some(key) = tables::find(name) else {
        return Err(format!("Unknown broker config name: {name}"));
    };
    match key.class {
        Class::Renamed { to, .. } => {
            return Err(format!("{name} is a name of the past: set {to}"));
        }
        Class::Replaced { by } => {
            return Err(format!("{name} cannot be set: {by}"));
        }
        Class::NotYet { what } if !key.is_default(value) => {
            return Err(format!("{name} cannot be set to {value}: {what} not supported yet"));
        }
        _ => {}
    }
    match key.update {
        Update::ReadOnly => {
            return Err(format!(
                "Cannot update these configs dynamically: {name} is read-only; write {name}={value} into \
                 server.properties and restart the broker"
            ));
        }
        Update::PerBroker if !one_broker => {
            return Err(format!(
                "Cannot update these configs at default cluster level: {name} can only be set for one broker"
            ));
        }
        _ => {}
    }
    if AT_START.contains(&name) {
        return Err(format!(
            "Cannot update these configs dynamically: {name} is read at the start; write {name}={value} into \
             server.properties and restart the broker"
        ));
    }
    key.accepts(value).map_err(|what| format!("Invalid value {value} for configuration {name}: {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::tables;

    #[test]
    fn what_is_dynamic_and_right_is_taken() {
        for (key, value) in [
            ("num.replica.fetchers", "4"),
            ("leader.replication.throttled.rate", "1000000"),
            ("follower.replication.throttled.rate", "0"),
            ("min.insync.replicas", "2"),
            ("unclean.leader.election.enable", "true"),
            ("log.retention.ms", "-1"),
            ("log.cleaner.threads", "2"),
            ("producer.id.expiration.ms", "60000"),
        ] {
            assert_eq!(check(key, value, true), Ok(()), "{key}");
            assert_eq!(check(key, value, false), Ok(()), "{key}");
        }
    }

    #[test]
    fn the_rest_is_refused_with_the_key_the_value_and_the_reason() {
        for (key, value, one_broker, parts) in [
            ("nope", "1", true, ["Unknown broker config name", "nope"]),
            ("num.replica.fetchers", "0", true, ["Invalid value 0", "must be at least 1"]),
            ("leader.replication.throttled.rate", "fast", false, ["Invalid value fast", "must be a whole number"]),
            ("log.dirs", "/x", true, ["read-only", "log.dirs=/x"]),
            ("node.id", "4", true, ["read-only", "node.id=4"]),
            ("listeners", "PLAINTEXT://:1", false, ["default cluster level", "listeners"]),
            ("num.network.threads", "4", true, ["read at the start", "num.network.threads=4"]),
            ("zookeeper.connect", "z:1", true, ["zookeeper.connect", "cannot be set"]),
        ] {
            let message = check(key, value, one_broker).unwrap_err();
            for part in parts {
                assert!(message.contains(part), "{message:?} lacks {part:?}");
            }
        }
    }

    #[test]
    fn the_operator_knows_which_keys_restart_nothing() {
        const FILE: &str = include_str!("../../../../operator/src/kafka/dynamic.txt");
        let mut ours: Vec<&str> = tables::all()
            .filter(|key| !matches!(key.class, Class::Renamed { .. } | Class::Replaced { .. } | Class::NotYet { .. }))
            .filter(|key| key.update == Update::ClusterWide && !AT_START.contains(&key.name))
            .map(|key| key.name)
            .collect();
        ours.sort_unstable();
        let theirs: Vec<&str> = FILE.lines().filter(|line| !line.starts_with('#')).collect();
        assert_eq!(theirs, ours, "operator/src/kafka/dynamic.txt");
    }

    #[test]
    fn what_is_read_at_the_start_is_known() {
        for name in AT_START {
            assert!(tables::find(name).is_some_and(|key| key.update != Update::ReadOnly), "{name}");
        }
    }
}
