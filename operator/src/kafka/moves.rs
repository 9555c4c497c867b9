//! Moves of replicas: how large they are, what is begun, and the throttles of it.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Duration,
};

use futures::{StreamExt, future::BoxFuture, stream};
use odradek_client::{Admin, ConfigSource, KafkaError, LogDir, Reassignment};
use tokio::{sync::Mutex, time::Instant};

use super::{ConfigChange, KafkaFailure, RegisteredBroker, failure::UNKNOWN_TOPIC, live::LiveAdmin, topics::config_op};

/// Topics and partitions in one request.
const LIMIT: usize = 500;
/// Brokers that are asked side by side.
const WIDTH: usize = 16;
/// Bound on what one broker says of its log directories.
const SIZES_TIMEOUT: Duration = Duration::from_secs(5);
/// How long sizes hold: nothing that is decided by them changes faster.
const SIZES_LAST: Duration = Duration::from_secs(30);
/// The key that names the replicas whose leaders are throttled.
pub const LEADER_REPLICAS: &str = "leader.replication.throttled.replicas";
/// The key that names the replicas that are throttled where they are copied to.
pub const FOLLOWER_REPLICAS: &str = "follower.replication.throttled.replicas";

/// Calls about moves of replicas.
pub trait MoveAdmin: Send + Sync {
    /// What these brokers hold, in bytes. A broker that does not answer is left out; the answer may be 30 s old.
    fn sizes<'a>(&'a self, brokers: &'a [RegisteredBroker]) -> BoxFuture<'a, Result<Arc<ReplicaSizes>, KafkaFailure>>;
    /// What is set on these topics of throttled replicas. A topic that is not there is left out.
    fn throttled<'a>(
        &'a self,
        topics: &'a [String],
    ) -> BoxFuture<'a, Result<BTreeMap<String, ThrottledReplicas>, KafkaFailure>>;
    /// Changes the configuration of topics, those that are not there left out.
    fn configure_topics<'a>(
        &'a self,
        changes: &'a [(String, Vec<ConfigChange>)],
    ) -> BoxFuture<'a, Result<(), KafkaFailure>>;
    /// Begins, replaces or cancels reassignments, none of which changes a number of replicas. The first that is refused
    /// is the answer; the others are carried out all the same.
    fn move_replicas<'a>(&'a self, moves: &'a [Reassignment]) -> BoxFuture<'a, Result<(), KafkaFailure>>;
}

/// How large replicas and disks are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReplicaSizes {
    /// Bytes of the largest replica of each partition.
    pub bytes: HashMap<(String, i32), u64>,
    /// The disk of each broker that told.
    pub disks: BTreeMap<i32, DiskUse>,
}

/// The disk of a broker, all of its log directories together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DiskUse {
    /// Bytes of it.
    pub size: u64,
    /// Bytes that are free.
    pub free: u64,
}

/// What is set on a topic, as it is written there; each `partition:broker`, or `*`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ThrottledReplicas {
    /// `leader.replication.throttled.replicas`.
    pub leader: Option<String>,
    /// `follower.replication.throttled.replicas`.
    pub follower: Option<String>,
}

impl ReplicaSizes {
    /// Bytes of a partition; 0 when no broker told.
    pub fn of(&self, topic: &str, partition: i32) -> u64 {
        self.bytes.get(&(topic.to_owned(), partition)).copied().unwrap_or(0)
    }

    fn add(&mut self, broker: i32, dirs: Vec<LogDir>) {
        let well = dirs.iter().filter(|dir| dir.error.is_none());
        let disks = well.filter_map(|dir| Some(DiskUse { size: dir.total_bytes?, free: dir.usable_bytes? }));
        let all = disks.reduce(|a, b| DiskUse { size: a.size + b.size, free: a.free + b.free });
        self.disks.extend(all.map(|all| (broker, all)));
        for replica in dirs.into_iter().flat_map(|dir| dir.replicas).filter(|replica| !replica.future) {
            let bytes = self.bytes.entry((replica.topic, replica.partition)).or_default();
            *bytes = (*bytes).max(replica.bytes);
        }
    }
}

/// What was told last, and when.
pub type SizesCache = Arc<Mutex<Option<(Instant, Arc<ReplicaSizes>)>>>;

async fn sizes(admin: &Admin, brokers: &[RegisteredBroker]) -> Result<ReplicaSizes, KafkaFailure> {
    let ask = |broker: RegisteredBroker| {
        let admin = admin.of_broker(broker.address.clone());
        async move { (broker, tokio::time::timeout(SIZES_TIMEOUT, admin.describe_log_dirs()).await) }
    };
    let mut answers = stream::iter(brokers.to_vec()).map(ask).buffer_unordered(WIDTH);
    let mut found = ReplicaSizes::default();
    let (mut told, mut failure) = (false, None);
    while let Some((broker, answer)) = answers.next().await {
        let why = match answer {
            Ok(Ok(dirs)) => {
                told = true;
                found.add(broker.id, dirs);
                continue;
            }
            Ok(Err(error)) => error.to_string(),
            Err(_) => format!("no answer within {SIZES_TIMEOUT:?}"),
        };
        tracing::debug!(broker = broker.id, why, "a broker does not tell its log directories");
        failure = Some(format!("broker {}: {why}", broker.id));
    }
    match failure {
        Some(why) if !told => Err(KafkaFailure::Unreachable(why)),
        _ => Ok(found),
    }
}

async fn throttled(admin: &Admin, topics: &[String]) -> Result<BTreeMap<String, ThrottledReplicas>, KafkaFailure> {
    let mut found = BTreeMap::new();
    for topics in topics.chunks(LIMIT) {
        for (topic, entries) in admin.describe_topic_configs(topics).await? {
            let entries = match entries {
                Ok(entries) => entries,
                Err(error) if error.code == UNKNOWN_TOPIC => continue,
                Err(error) => return Err(error.into()),
            };
            let set = |key: &str| {
                let entry = entries.iter().find(|e| e.name == key && e.source == ConfigSource::DynamicTopic);
                entry.and_then(|entry| entry.value.clone())
            };
            found.insert(topic, ThrottledReplicas { leader: set(LEADER_REPLICAS), follower: set(FOLLOWER_REPLICAS) });
        }
    }
    Ok(found)
}

impl MoveAdmin for LiveAdmin {
    fn sizes<'a>(&'a self, brokers: &'a [RegisteredBroker]) -> BoxFuture<'a, Result<Arc<ReplicaSizes>, KafkaFailure>> {
        Box::pin(async move {
            let mut last = self.sizes.lock().await;
            if let Some((_, sizes)) = last.as_ref().filter(|(at, _)| at.elapsed() < SIZES_LAST) {
                return Ok(sizes.clone());
            }
            let found = Arc::new(sizes(&self.admin, brokers).await?);
            *last = Some((Instant::now(), found.clone()));
            Ok(found)
        })
    }

    fn throttled<'a>(
        &'a self,
        topics: &'a [String],
    ) -> BoxFuture<'a, Result<BTreeMap<String, ThrottledReplicas>, KafkaFailure>> {
        Box::pin(throttled(&self.admin, topics))
    }

    fn configure_topics<'a>(
        &'a self,
        changes: &'a [(String, Vec<ConfigChange>)],
    ) -> BoxFuture<'a, Result<(), KafkaFailure>> {
        Box::pin(async move {
            for changes in changes.chunks(LIMIT) {
                let ops: Vec<_> = changes
                    .iter()
                    .map(|(topic, changes)| (topic.clone(), changes.iter().cloned().map(config_op).collect()))
                    .collect();
                for answer in self.admin.alter_topic_configs(&ops).await?.into_values() {
                    match answer {
                        Err(error) if error.code == UNKNOWN_TOPIC => {}
                        other => other?,
                    }
                }
            }
            Ok(())
        })
    }

    fn move_replicas<'a>(&'a self, moves: &'a [Reassignment]) -> BoxFuture<'a, Result<(), KafkaFailure>> {
        Box::pin(async move {
            let mut refused = None;
            for moves in moves.chunks(LIMIT) {
                for ((topic, partition), answer) in self.admin.alter_partition_reassignments(moves, false).await? {
                    match answer {
                        Ok(()) => {}
                        // What became of it meanwhile is seen at the next look: it was done before it could be
                        // cancelled, it was deleted, or it is getting another number of replicas.
                        Err(error) if is_passing(error.code) => {
                            tracing::debug!(topic, partition, %error, "a partition is not moved now");
                        }
                        Err(error) => {
                            let more = format!("{topic}-{partition}: {}", error.message.as_deref().unwrap_or_default());
                            refused.get_or_insert(KafkaError { message: Some(more), ..error });
                        }
                    }
                }
            }
            refused.map_or(Ok(()), |error| Err(error.into()))
        })
    }
}

fn is_passing(code: i16) -> bool {
    [KafkaError::NO_REASSIGNMENT_IN_PROGRESS, KafkaError::INVALID_REPLICATION_FACTOR, UNKNOWN_TOPIC].contains(&code)
}

#[cfg(test)]
mod tests {
    use odradek_client::LogDirReplica;

    use super::*;

    #[test]
    fn the_largest_replica_and_all_disks_of_a_broker_count() {
        let dir = |bytes, future| LogDir {
            path: "/data".to_owned(),
            error: None,
            total_bytes: Some(100),
            usable_bytes: Some(40),
            replicas: vec![LogDirReplica { topic: "t".to_owned(), partition: 0, bytes, future }],
        };
        let mut sizes = ReplicaSizes::default();
        sizes.add(1, vec![dir(7, false), dir(9, true)]);
        sizes.add(2, vec![dir(8, false)]);
        assert_eq!((sizes.of("t", 0), sizes.of("t", 1)), (8, 0));
        assert_eq!(sizes.disks[&1], DiskUse { size: 200, free: 80 });
    }
}
