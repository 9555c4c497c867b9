//! What is written in server.properties, as types.
//!
//! Each group of keys has a file with a table (`KEYS`: name, type, default, range, what is done with it) and, where
//! keys of it are honoured, a struct that reads them and checks them against each other. Everything that is wrong is
//! told at once.

mod address;
mod describe;
mod group;
pub mod key;
mod later_groups;
mod listeners;
mod log;
mod metrics;
mod network;
mod node;
mod old;
mod own;
pub mod problems;
pub mod properties;
mod quorum;
mod replication;
pub mod run_time;
mod security;
pub mod tables;
mod tiering;
mod topics;
mod transactions;
pub mod values;

use std::path::Path;

pub use describe::{Described, Synonym};
pub use group::GroupSettings;
pub use listeners::{Listener, ListenerSettings, SecurityProtocol};
pub use log::LogSettings;
pub use network::NetworkSettings;
pub use node::NodeSettings;
pub use own::OwnSettings;
pub use problems::{Origin, Problem, Problems};
pub use quorum::QuorumSettings;
pub use replication::{ReplicaSelector, ReplicationSettings};
pub use topics::TopicSettings;
use values::{Given, Values};

/// What serves when there is no file: one broker with its own controller on this machine, data in `./data`.
const SINGLE_NODE: &[(&str, &str)] = &[
    ("process.roles", "broker,controller"),
    ("node.id", "1"),
    ("listeners", "PLAINTEXT://localhost:9092,CONTROLLER://localhost:9093"),
    ("controller.listener.names", "CONTROLLER"),
    ("controller.quorum.voters", "1@localhost:9093"),
    ("inter.broker.listener.name", "PLAINTEXT"),
    ("log.dirs", "data"),
    ("offsets.topic.replication.factor", "1"),
    ("transaction.state.log.replication.factor", "1"),
    ("transaction.state.log.min.isr", "1"),
    ("share.coordinator.state.topic.replication.factor", "1"),
    ("share.coordinator.state.topic.min.isr", "1"),
    // Nobody else can join a group's first rebalance late on a machine for trying things out.
    ("group.initial.rebalance.delay.ms", "0"),
];

/// A configuration that makes sense.
#[derive(Debug, Clone)]
pub struct ServerConfig {
    /// What this process is.
    pub node: NodeSettings,
    /// Where it listens.
    pub listeners: ListenerSettings,
    /// Connections and requests.
    pub network: NetworkSettings,
    /// Log directories.
    pub log: LogSettings,
    /// How topics are made.
    pub topics: TopicSettings,
    /// Replication and fetching.
    pub replication: ReplicationSettings,
    /// The controllers.
    pub quorum: QuorumSettings,
    /// Consumer groups.
    pub group: GroupSettings,
    /// `odradek.*`.
    pub own: OwnSettings,
    /// To be said once, before anything else.
    pub warnings: Vec<Problem>,
    values: Values,
}

impl ServerConfig {
    /// Reads a file (or the single-node default when there is none) and `key=value` overrides, the last of which
    /// counts. `hostname` is asked only when no listener says which address to advertise.
    ///
    /// # Errors
    ///
    /// Everything that is wrong, each with the key, the value and what to do.
    pub fn load(file: Option<&Path>, overrides: &[String], hostname: &dyn Fn() -> String) -> Result<Self, Problems> {
        let mut problems = Problems::default();
        let mut given = match file {
            Some(path) => read_file(path, &mut problems),
            None => built_in(),
        };
        for text in overrides {
            match text.split_once('=') {
                Some((key, value)) if !key.trim().is_empty() => given.push(Given {
                    key: key.trim().to_owned(),
                    value: value.trim().to_owned(),
                    origin: Origin::Override,
                }),
                _ => problems.errors.push(Problem {
                    key: "--override".to_owned(),
                    given: None,
                    what: format!("{text:?} must be key=value"),
                }),
            }
        }
        Self::from_given(given, hostname, problems)
    }

    fn from_given(given: Vec<Given>, hostname: &dyn Fn() -> String, mut problems: Problems) -> Result<Self, Problems> {
        let values = Values::resolve(given, &mut problems);
        let node = NodeSettings::read(&values, &mut problems);
        let listeners = listeners::read(&values, &node, hostname, &mut problems);
        let quorum = QuorumSettings::read(&values, &node, &listeners, &mut problems);
        let mut config = Self {
            network: NetworkSettings::read(&values, &mut problems),
            log: LogSettings::read(&values, &mut problems),
            topics: TopicSettings::read(&values, &mut problems),
            replication: ReplicationSettings::read(&values, &mut problems),
            group: GroupSettings::read(&values, &mut problems),
            own: OwnSettings::read(&values, &mut problems),
            node,
            listeners,
            quorum,
            warnings: Vec::new(),
            values,
        };
        problems.sort();
        if !problems.errors.is_empty() {
            return Err(problems);
        }
        config.warnings = problems.warnings;
        Ok(config)
    }

    /// What somebody set, by today's names of the keys.
    pub fn set(&self) -> impl Iterator<Item = (&'static str, &Given)> {
        self.values.all_given()
    }

    /// Every key with its value, sorted by name: what DescribeConfigs answers for this broker.
    pub fn describe(&self) -> Vec<Described> {
        describe::describe(&self.values)
    }
}

fn built_in() -> Vec<Given> {
    let given =
        |&(key, value): &(&str, &str)| Given { key: key.to_owned(), value: value.to_owned(), origin: Origin::BuiltIn };
    SINGLE_NODE.iter().map(given).collect()
}

fn read_file(path: &Path, problems: &mut Problems) -> Vec<Given> {
    let mut refuse = |what: String| {
        problems.errors.push(Problem { key: format!("--config {}", path.display()), given: None, what });
        Vec::new()
    };
    let bytes = match std::fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) => return refuse(format!("cannot be read: {error}")),
    };
    match properties::parse(&bytes) {
        Ok(list) => list
            .into_iter()
            .map(|property| Given {
                key: property.key,
                value: property.value,
                origin: Origin::File { path: path.to_owned(), line: property.line },
            })
            .collect(),
        Err(error) => refuse(error.to_string()),
    }
}

#[cfg(test)]
mod tests;
