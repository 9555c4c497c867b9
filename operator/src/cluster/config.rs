//! The configuration of brokers and controllers: what the spec says, what follows from the size of
//! the cluster, and what only the operator may say. Pure.

use std::collections::BTreeMap;

use odradek_crds::Config;

use crate::{
    kafka::keys::{Scope, is_dynamic, problems},
    refusal::{Reason, Refusal},
};

/// The keys and values of a configuration that can work.
pub type BrokerConfig = BTreeMap<String, String>;

/// Keys that the operator sets itself.
const OWNED: [&str; 23] = [
    "advertised.listeners",
    "broker.id",
    "broker.rack",
    "controller.listener.names",
    "controller.quorum.auto.join.enable",
    "controller.quorum.bootstrap.servers",
    "controller.quorum.voters",
    "early.start.listeners",
    "inter.broker.listener.name",
    "listener.security.protocol.map",
    "listeners",
    "log.dir",
    "log.dirs",
    "metadata.log.dir",
    "node.id",
    "process.roles",
    "security.inter.broker.protocol",
    "reserved.broker.max.id",
    "broker.id.generation.enable",
    "zookeeper.connect",
    "port",
    "host.name",
    "advertised.host.name",
];

const FACTOR: &str = "default.replication.factor";
/// How many replicas have to be in sync for acks=all.
pub const MIN_INSYNC: &str = "min.insync.replicas";
const OFFSETS_FACTOR: &str = "offsets.topic.replication.factor";
const TXN_FACTOR: &str = "transaction.state.log.replication.factor";
const TXN_MIN_ISR: &str = "transaction.state.log.min.isr";

/// The configuration that follows from `spec.config` in a cluster of so many brokers, of which so many are to be left: while
/// brokers have yet to leave, what follows from their number stays as it is.
pub fn effective(config: &Config, brokers: i32, wanted: i32) -> Result<BrokerConfig, Vec<Refusal>> {
    let mut refusals = Vec::new();
    for problem in problems(Scope::Broker, config) {
        if !owned(&problem.key) {
            refusals.push(refuse(&problem.key, problem.problem));
        }
    }
    for key in config.0.keys().filter(|key| owned(key)) {
        refusals.push(refuse(key, "the operator sets this key itself: take it out of the config"));
    }
    if !refusals.is_empty() {
        return Err(refusals);
    }
    let mut effective: BrokerConfig =
        config.0.iter().filter_map(|(key, value)| Some((key.clone(), value.text()?))).collect();
    let usual = brokers.clamp(1, 3);
    for (factor, minimum) in [(FACTOR, MIN_INSYNC), (TXN_FACTOR, TXN_MIN_ISR)] {
        let replicas = number(&effective, factor).unwrap_or(usual);
        set_default(&mut effective, factor, usual);
        set_default(&mut effective, minimum, (replicas - 1).max(1));
        let least = number(&effective, minimum).unwrap_or(1);
        if least > replicas {
            let why = format!(
                "{least} is larger than {factor} ({replicas}), so that acks=all could never succeed: \
                 set it to at most {}",
                (replicas - 1).max(1)
            );
            refusals.push(refuse(minimum, why));
        }
    }
    set_default(&mut effective, OFFSETS_FACTOR, usual);
    for factor in [FACTOR, OFFSETS_FACTOR, TXN_FACTOR] {
        let replicas = number(&effective, factor).unwrap_or(usual);
        let said = config.0.keys().any(|key| key == factor);
        if replicas < 1 || (said && replicas > wanted) {
            let why = format!("{replicas} replicas do not fit: the cluster has {wanted} brokers in spec.nodePools");
            refusals.push(refuse(factor, why));
        }
    }
    if refusals.is_empty() { Ok(effective) } else { Err(refusals) }
}

/// The part of a configuration that brokers take while they run. It is kept in the cluster and in no file: a change
/// reaches every broker at once and restarts none.
pub fn running(config: &BrokerConfig) -> BrokerConfig {
    config.iter().filter(|(key, _)| is_dynamic(key)).map(|(key, value)| (key.clone(), value.clone())).collect()
}

/// The part of a configuration that is read at the start.
pub fn at_start(config: &BrokerConfig) -> BrokerConfig {
    config.iter().filter(|(key, _)| !is_dynamic(key)).map(|(key, value)| (key.clone(), value.clone())).collect()
}

fn owned(key: &str) -> bool {
    OWNED.contains(&key) || key.starts_with("listener.name.") || key.starts_with("odradek.")
}

fn refuse(key: &str, message: impl Into<String>) -> Refusal {
    Refusal::new(Reason::InvalidConfig, format!("spec.config[{key}]"), message)
}

fn number(config: &BrokerConfig, key: &str) -> Option<i32> {
    config.get(key)?.parse().ok()
}

fn set_default(config: &mut BrokerConfig, key: &str, value: i32) {
    config.entry(key.to_owned()).or_insert_with(|| value.to_string());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(pairs: &[(&str, i32)], brokers: i32) -> Result<BrokerConfig, Vec<String>> {
        let config: Config = pairs.iter().map(|(k, v)| (*k, *v)).collect();
        effective(&config, brokers, brokers).map_err(|r| r.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn defaults_follow_the_number_of_brokers() {
        for (brokers, factor, minimum) in [(1, "1", "1"), (2, "2", "1"), (3, "3", "2"), (9, "3", "2")] {
            let config = of(&[], brokers).expect("defaults fit");
            assert_eq!(config[FACTOR], factor);
            assert_eq!(config[OFFSETS_FACTOR], factor);
            assert_eq!(config[MIN_INSYNC], minimum);
            assert_eq!(config[TXN_MIN_ISR], minimum);
        }
        assert_eq!(of(&[(FACTOR, 2)], 3).expect("fits")[MIN_INSYNC], "1");
        // One of three has yet to leave.
        let shrinking = effective(&Config::default(), 3, 2).expect("defaults fit");
        assert_eq!((shrinking[FACTOR].as_str(), shrinking[MIN_INSYNC].as_str()), ("3", "2"));
        let said: Config = [(FACTOR, 3)].into_iter().collect();
        assert!(effective(&said, 3, 2).is_err());
    }

    #[test]
    fn what_cannot_work_is_refused() {
        insta::assert_yaml_snapshot!([
            of(&[(MIN_INSYNC, 3), (FACTOR, 2)], 3).expect_err("min above factor"),
            of(&[(FACTOR, 4)], 3).expect_err("factor above brokers"),
            of(&[(OFFSETS_FACTOR, 3)], 1).expect_err("offsets above brokers"),
            of(&[("node.id", 7), ("listener.name.x.y", 1)], 3).expect_err("owned"),
            of(&[("num.io.thread", 7)], 3).expect_err("misspelt"),
        ]);
    }
}
