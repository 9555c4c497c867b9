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
    use crate::config::key::{Check, Class, Update};
    use odradek_core::metadata::topic_config::{Rule, TOPIC_CONFIGS};

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

    /// How the operator's list writes what a key takes.
    fn bound(check: Check) -> Option<String> {
        Some(match check {
            Check::Any => return None,
            Check::AtLeast(low) => format!("{low}.."),
            Check::Between(low, high) => format!("{low}..{high}"),
            Check::MinusOneOr(low, high) => format!("-1|{low}..{high}"),
            Check::MinusOneOrPositive => "-1|1..".to_owned(),
            Check::Ratio(low, high) => format!("{low}..{high}"),
            Check::OneOf(choices) | Check::EachOf(choices) => format!("={}", choices.join(",")),
            Check::OneOfAnyCase(choices) => format!("~{}", choices.join(",")),
        })
    }

    fn topic_bound(rule: Rule) -> Option<String> {
        Some(match rule {
            Rule::Any | Rule::ThrottledReplicas => return None,
            Rule::AtLeast(low) => format!("{low}.."),
            Rule::Between(low, high) => format!("{low}..{high}"),
            Rule::BetweenOr(low, high, other) => {
                assert_eq!(other, -1);
                format!("-1|{low}..{high}")
            }
            Rule::OneOf(choices) => format!("={}", choices.join(",")),
        })
    }

    #[test]
    fn the_operator_knows_which_values_are_taken() {
        const FILE: &str = include_str!("../../../../operator/src/kafka/bounds.txt");
        // Odradek's own keys are not in the operator's list of keys.
        let of_kafka = |name: &str| KAFKA.lines().any(|line| line.split('\t').next() == Some(name));
        let brokers = all().filter(|key| of_kafka(key.name));
        let brokers = brokers.filter_map(|key| Some(format!("broker {} {}", key.name, bound(key.check)?)));
        let topics = TOPIC_CONFIGS.iter().filter(|config| !config.internal);
        let topics = topics.filter_map(|config| Some(format!("topic {} {}", config.name, topic_bound(config.rule)?)));
        let mut ours: Vec<String> = brokers.chain(topics).collect();
        ours.sort_unstable();
        let theirs: Vec<&str> = FILE.lines().filter(|line| !line.starts_with('#')).collect();
        let missing: Vec<&String> = ours.iter().filter(|line| !theirs.contains(&line.as_str())).collect();
        let wrong: Vec<&&str> = theirs.iter().filter(|line| !ours.iter().any(|own| own == *line)).collect();
        assert!(
            missing.is_empty() && wrong.is_empty(),
            "operator/src/kafka/bounds.txt lacks {missing:#?}, and {wrong:#?} is wrong"
        );
    }
}
