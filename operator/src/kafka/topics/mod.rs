//! Topics: what they are, and the calls that change them. Single calls of reconciles side by side go to the brokers
//! together.

use std::{
    collections::{BTreeMap, hash_map::DefaultHasher},
    hash::{Hash, Hasher},
};

use futures::future::BoxFuture;
use tokio::sync::OwnedMutexGuard;

use super::{KafkaFailure, batch::Answers};

mod batches;
mod calls;

pub use batches::TopicBatches;
pub(super) use calls::config_op;

/// Calls about topics.
pub trait TopicAdmin: Send + Sync {
    /// One topic with the configuration that was set on it, or nothing if there is none.
    fn topic<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Option<TopicView>, KafkaFailure>>;
    /// Many topics at once, without waiting for a batch.
    fn topics<'a>(&'a self, names: &'a [String]) -> BoxFuture<'a, Answers<Option<TopicView>>>;
    /// Makes a topic, and says what became of it.
    fn create<'a>(&'a self, topic: &'a NewTopic) -> BoxFuture<'a, Result<TopicView, KafkaFailure>>;
    /// Grows a topic to a number of partitions.
    fn grow<'a>(&'a self, name: &'a str, partitions: i32) -> BoxFuture<'a, Result<(), KafkaFailure>>;
    /// Changes the configuration that is set on a topic.
    fn configure<'a>(&'a self, name: &'a str, changes: &'a [ConfigChange]) -> BoxFuture<'a, Result<(), KafkaFailure>>;
    /// Deletes a topic. A topic that is not there is deleted already.
    fn delete<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<(), KafkaFailure>>;
    /// Waits for one's turn to begin reassignments: what [`TopicAdmin::loads`] says holds until it is over.
    fn turn(&self) -> BoxFuture<'_, OwnedMutexGuard<()>>;
    /// What each broker carries, and what is being reassigned.
    fn loads(&self) -> BoxFuture<'_, Result<Loads, KafkaFailure>>;
    /// Begins, replaces or cancels reassignments of a topic's partitions.
    fn reassign<'a>(&'a self, name: &'a str, moves: &'a [PartitionMove]) -> BoxFuture<'a, Result<(), KafkaFailure>>;
}

/// One topic.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TopicView {
    /// Its id, as Kafka's tools print it.
    pub id: String,
    /// How many partitions it has.
    pub partitions: i32,
    /// How many replicas its partitions have, or will have once what is under way is done; the smallest number where
    /// they differ.
    pub replicas: i32,
    /// The configuration that was set on the topic itself.
    pub config: BTreeMap<String, String>,
    /// `min.insync.replicas` in force, wherever it comes from.
    pub min_insync: Option<i32>,
    /// The replicas of each partition. Empty for a topic that was just made.
    pub assignment: Vec<Replicas>,
}

/// The replicas of one partition.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Replicas {
    /// Number of the partition.
    pub partition: i32,
    /// All that it has now, the preferred leader first.
    pub now: Vec<i32>,
    /// Those of them that are in sync.
    pub in_sync: Vec<i32>,
    /// Those of them that a reassignment adds.
    pub adding: Vec<i32>,
    /// Those of them that leave when a reassignment is done.
    pub removing: Vec<i32>,
}

/// What the brokers carry.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Loads {
    /// The brokers that are known, by id.
    pub brokers: Vec<BrokerLoad>,
    /// Partitions of the cluster that are being reassigned.
    pub reassigning: usize,
}

/// What a broker carries.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BrokerLoad {
    /// Its id.
    pub id: i32,
    /// Its rack.
    pub rack: Option<String>,
    /// Whether it is registered and not fenced.
    pub alive: bool,
    /// Replicas that it holds.
    pub replicas: usize,
}

/// Another set of replicas for a partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionMove {
    /// Number of the partition.
    pub partition: i32,
    /// The replicas it gets, the preferred leader first; `None` cancels what is under way.
    pub to: Option<Vec<i32>>,
}

/// A topic to make.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewTopic {
    /// Its name.
    pub name: String,
    /// Partitions; the brokers' default when absent.
    pub partitions: Option<i32>,
    /// Replicas; the brokers' default when absent.
    pub replicas: Option<i32>,
    /// Configuration of the topic.
    pub config: BTreeMap<String, String>,
}

/// One change to the configuration of a topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConfigChange {
    /// Sets a key.
    Set(String, String),
    /// Takes a key back.
    Delete(String),
}

impl ConfigChange {
    /// The key that changes.
    pub fn key(&self) -> &str {
        match self {
            ConfigChange::Set(key, _) | ConfigChange::Delete(key) => key,
        }
    }
}

impl Replicas {
    /// Those that stay once what is under way is done.
    pub fn target(&self) -> Vec<i32> {
        self.now.iter().filter(|id| !self.removing.contains(id)).copied().collect()
    }

    /// Those that there were before what is under way.
    pub fn original(&self) -> Vec<i32> {
        self.now.iter().filter(|id| !self.adding.contains(id)).copied().collect()
    }

    /// Whether a reassignment is under way.
    pub fn moves(&self) -> bool {
        !self.adding.is_empty() || !self.removing.is_empty()
    }
}

impl TopicView {
    /// Partitions that are being reassigned.
    pub fn moving(&self) -> usize {
        self.assignment.iter().filter(|partition| partition.moves()).count()
    }

    /// A number that changes with whatever a spec can speak of.
    pub fn digest(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        (&self.id, self.partitions, self.replicas, &self.config, self.moving()).hash(&mut hasher);
        hasher.finish()
    }
}
