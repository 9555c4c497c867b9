//! The cluster as a whole.

use std::{collections::BTreeMap, time::Duration};

use futures::future::BoxFuture;
use odradek_client::{
    BrokerDescription, PartitionReassignment, QuorumDescription, TopicDescription, features::METADATA_VERSION,
};

use super::{ConfigChange, KafkaFailure, failure::BROKER_ID_NOT_REGISTERED, live::LiveAdmin, topics::config_op};

/// Bound on what the active controller says of the quorum: without one, nobody answers.
const QUORUM_TIMEOUT: Duration = Duration::from_secs(1);

/// Calls about the cluster as a whole.
pub trait ClusterAdmin: Send + Sync {
    /// The brokers and every partition of the cluster.
    fn view(&self) -> BoxFuture<'_, Result<KafkaView, KafkaFailure>>;
    /// Makes the preferred replicas of these partitions their leaders, each where it can.
    fn elect_preferred<'a>(&'a self, partitions: &'a [(String, i32)]) -> BoxFuture<'a, Result<(), KafkaFailure>>;
    /// Takes the registration of a broker away. One that is away already is no error.
    fn unregister(&self, id: i32) -> BoxFuture<'_, Result<(), KafkaFailure>>;
    /// Raises `metadata.version`, or only asks the active controller whether it would.
    fn raise_metadata_version(&self, level: i16, ask_only: bool) -> BoxFuture<'_, Result<(), KafkaFailure>>;
    /// Changes the configuration that all brokers take while they run. All or nothing.
    fn configure_brokers<'a>(&'a self, changes: &'a [ConfigChange]) -> BoxFuture<'a, Result<(), KafkaFailure>>;
}

/// A cluster as its brokers see it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KafkaView {
    /// The id of the cluster.
    pub cluster_id: String,
    /// Ids of the brokers that are registered and not fenced.
    pub brokers: Vec<i32>,
    /// Every broker that is registered, fenced ones included.
    pub registered: Vec<RegisteredBroker>,
    /// Every partition, those of internal topics included.
    pub partitions: Vec<PartitionView>,
    /// The reassignments under way, whoever began them, by topic and partition.
    pub moving: BTreeMap<(String, i32), Reassigning>,
    /// The controllers' quorum; none while the active controller does not answer.
    pub quorum: Option<QuorumDescription>,
    /// The configuration that is set for all brokers while they run. The value of a secret is not told.
    pub config: BTreeMap<String, Option<String>>,
    /// The level of `metadata.version`; `None` when the broker that answered does not know it yet.
    pub metadata_version: Option<i16>,
}

/// A broker that is registered with the controllers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RegisteredBroker {
    /// Its id.
    pub id: i32,
    /// Its rack.
    pub rack: Option<String>,
    /// Whether it is not alive for the controller.
    pub fenced: bool,
    /// Where clients reach it, as `host:port`.
    pub address: String,
}

/// A reassignment under way.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reassigning {
    /// Replicas that are new.
    pub adding: Vec<i32>,
    /// Replicas that leave once the new ones have caught up.
    pub removing: Vec<i32>,
}

/// One partition.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PartitionView {
    /// The topic.
    pub topic: String,
    /// Number of the partition.
    pub partition: i32,
    /// The broker that leads it.
    pub leader: Option<i32>,
    /// The brokers that hold it.
    pub replicas: Vec<i32>,
    /// Those of them that are in sync.
    pub in_sync: Vec<i32>,
}

impl KafkaView {
    /// Partitions that are not whole, with what they lack; empty when a broker may stop.
    pub fn out_of_sync(&self) -> impl Iterator<Item = &PartitionView> {
        self.partitions.iter().filter(|p| !p.is_whole())
    }

    /// Partitions that have a replica on a broker, those that are on their way to it or off it included.
    pub fn holds(&self, id: i32) -> usize {
        self.partitions.iter().filter(|p| p.replicas.contains(&id)).count()
    }

    /// Reassignments that bring a replica to a broker or take one from it.
    pub fn moves(&self, id: i32) -> usize {
        self.moving.values().filter(|way| way.adding.contains(&id) || way.removing.contains(&id)).count()
    }
}

impl PartitionView {
    /// Whether the partition has a leader and every replica is in sync.
    pub fn is_whole(&self) -> bool {
        self.leader.is_some() && self.replicas.iter().all(|r| self.in_sync.contains(r))
    }
}

fn partitions(topic: &TopicDescription) -> impl Iterator<Item = PartitionView> + '_ {
    topic.partitions.iter().map(|partition| PartitionView {
        topic: topic.name.clone(),
        partition: partition.partition,
        leader: partition.leader,
        replicas: partition.replicas.clone(),
        in_sync: partition.isr.clone(),
    })
}

fn registered(broker: &BrokerDescription) -> RegisteredBroker {
    RegisteredBroker {
        id: broker.id,
        rack: broker.rack.clone(),
        fenced: broker.fenced,
        address: format!("{}:{}", broker.host, broker.port),
    }
}

impl ClusterAdmin for LiveAdmin {
    fn view(&self) -> BoxFuture<'_, Result<KafkaView, KafkaFailure>> {
        Box::pin(async move {
            let (cluster, topics, moving, config, features) = tokio::try_join!(
                self.admin.describe_cluster(),
                self.admin.list_topics(),
                self.admin.list_partition_reassignments(None),
                self.admin.describe_default_broker_configs(),
                self.admin.describe_features()
            )?;
            let quorum = match tokio::time::timeout(QUORUM_TIMEOUT, self.quorum.describe_quorum()).await {
                Ok(Ok(quorum)) => Some(quorum),
                Ok(Err(error)) => {
                    tracing::debug!(%error, "nobody tells who votes");
                    None
                }
                Err(_) => None,
            };
            let alive = cluster.brokers.iter().filter(|broker| !broker.fenced);
            let way = |way: PartitionReassignment| Reassigning { adding: way.adding, removing: way.removing };
            Ok(KafkaView {
                cluster_id: cluster.cluster_id.clone(),
                brokers: alive.map(|broker| broker.id).collect(),
                registered: cluster.brokers.iter().map(registered).collect(),
                partitions: topics.iter().flat_map(partitions).collect(),
                moving: moving.into_iter().map(|(at, of)| (at, way(of))).collect(),
                quorum,
                config,
                metadata_version: features.finalized.get(METADATA_VERSION).copied(),
            })
        })
    }

    fn elect_preferred<'a>(&'a self, partitions: &'a [(String, i32)]) -> BoxFuture<'a, Result<(), KafkaFailure>> {
        Box::pin(async move {
            let results = self.admin.elect_preferred_leaders(partitions).await?;
            for ((topic, partition), result) in results {
                // It led already, or cannot lead yet: the next look tells.
                if let Err(error) = result {
                    tracing::debug!(topic, partition, %error, "no election");
                }
            }
            Ok(())
        })
    }

    fn unregister(&self, id: i32) -> BoxFuture<'_, Result<(), KafkaFailure>> {
        Box::pin(async move {
            match self.admin.unregister_broker(id).await.map_err(KafkaFailure::from) {
                Err(failure) if failure.is(BROKER_ID_NOT_REGISTERED) => Ok(()),
                done => done,
            }
        })
    }

    fn raise_metadata_version(&self, level: i16, ask_only: bool) -> BoxFuture<'_, Result<(), KafkaFailure>> {
        Box::pin(async move { Ok(self.admin.raise_feature(METADATA_VERSION, level, ask_only).await??) })
    }

    fn configure_brokers<'a>(&'a self, changes: &'a [ConfigChange]) -> BoxFuture<'a, Result<(), KafkaFailure>> {
        Box::pin(async move {
            let ops: Vec<_> = changes.iter().cloned().map(config_op).collect();
            Ok(self.admin.alter_default_broker_configs(&ops).await?)
        })
    }
}
