//! All keys together.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use super::key::Key;
use super::{
    group, later_groups, listeners, log, metrics, network, node, old, own, quorum, replication, security, tiering,
    topics, transactions,
};

/// What took ZooKeeper's place.
pub(super) const NO_ZOOKEEPER: &str = "controllers keep the cluster's state in ZooKeeper's place: remove this line and \
                                       write process.roles, controller.quorum.voters and controller.listener.names";

const TABLES: &[&[Key]] = &[
    node::KEYS,
    listeners::KEYS,
    network::KEYS,
    log::KEYS,
    topics::KEYS,
    replication::KEYS,
    quorum::KEYS,
    group::KEYS,
    later_groups::KEYS,
    transactions::KEYS,
    security::KEYS,
    tiering::KEYS,
    metrics::KEYS,
    own::KEYS,
    old::KEYS,
];

/// Every key, group by group.
pub fn all() -> impl Iterator<Item = &'static Key> {
    TABLES.iter().flat_map(|table| table.iter())
}

/// The key of that name.
pub fn find(name: &str) -> Option<&'static Key> {
    static BY_NAME: OnceLock<BTreeMap<&'static str, &'static Key>> = OnceLock::new();
    BY_NAME.get_or_init(|| all().map(|key| (key.name, key)).collect()).get(name).copied()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::key::{Class, Update};

    const KAFKA: &str = include_str!("../../testdata/kafka-4.4.0-broker-config.tsv");

    #[test]
    fn every_key_of_kafka_is_classified_with_its_type_and_default() {
        let mut wrong = Vec::new();
        for line in KAFKA.lines() {
            let fields: Vec<&str> = line.split('\t').collect();
            let [name, kind, default, _check, update, _internal] = fields[..] else {
                panic!("six fields: {line:?}");
            };
            let Some(key) = find(name) else {
                wrong.push(format!("{name} is in no table"));
                continue;
            };
            if key.kind.name() != kind {
                wrong.push(format!("{name} is {kind} in Kafka and {} here", key.kind.name()));
            }
            let expected = match default {
                "<null>" | "<required>" => None,
                text => Some(text),
            };
            if key.default != expected && !key.default.zip(expected).is_some_and(|(_, text)| key.is_default(text)) {
                wrong.push(format!("{name} is {expected:?} by default in Kafka and {:?} here", key.default));
            }
            let here = match key.update {
                Update::ReadOnly => "read-only",
                Update::PerBroker => "per-broker",
                Update::ClusterWide => "cluster-wide",
            };
            if here != update {
                wrong.push(format!("{name} is {update} in Kafka and {here} here"));
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
        assert!(KAFKA.lines().count() > 380);
    }

    #[test]
    fn no_key_is_in_two_tables() {
        let mut names: Vec<_> = all().map(|key| key.name).collect();
        names.sort_unstable();
        let twice: Vec<_> = names.windows(2).filter(|pair| pair[0] == pair[1]).collect();
        assert!(twice.is_empty(), "{twice:?}");
    }

    #[test]
    fn every_default_is_a_value_and_every_new_name_a_key() {
        for key in all() {
            if let Some(default) = key.default {
                assert_eq!(key.accepts(default), Ok(()), "{}", key.name);
                assert!(key.is_default(default), "{}", key.name);
            }
            if let Class::Renamed { to, .. } = key.class {
                assert!(find(to).is_some(), "{to}");
            }
        }
    }
}
