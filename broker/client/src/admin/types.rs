//! What the admin calls take and give.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use uuid::Uuid;

use crate::KafkaError;

/// A cluster and its brokers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClusterDescription {
    /// The cluster's id.
    pub cluster_id: String,
    /// The broker to which admin requests go best, when there is one.
    pub controller_id: Option<i32>,
    /// The registered brokers, by id. Fenced ones only where the broker can tell (Kafka 4.0 and
    /// newer).
    pub brokers: Vec<BrokerDescription>,
}

/// A broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrokerDescription {
    /// Its id.
    pub id: i32,
    /// Host of the listener that was asked.
    pub host: String,
    /// Port of it.
    pub port: u16,
    /// Its rack.
    pub rack: Option<String>,
    /// Whether it is fenced: registered, and not alive for the controller.
    pub fenced: bool,
}

/// The features of a cluster (KIP-584).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Features {
    /// Those that are on, with their levels.
    pub finalized: BTreeMap<String, i16>,
    /// The levels that the broker which answered supports.
    pub supported: BTreeMap<String, RangeInclusive<i16>>,
}

/// A topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicDescription {
    /// Its name.
    pub name: String,
    /// Its id; nil from a broker that does not know ids.
    pub topic_id: Uuid,
    /// Whether it is the cluster's own (`__consumer_offsets`).
    pub internal: bool,
    /// Its partitions, by number.
    pub partitions: Vec<PartitionDescription>,
}

/// A partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartitionDescription {
    /// Its number.
    pub partition: i32,
    /// The broker that leads it; `None` when nobody does.
    pub leader: Option<i32>,
    /// Epoch of the leader, -1 when not known.
    pub leader_epoch: i32,
    /// Brokers that hold it, the preferred leader first.
    pub replicas: Vec<i32>,
    /// Those of them that are in sync.
    pub isr: Vec<i32>,
    /// Those of them that are offline.
    pub offline: Vec<i32>,
}

/// A topic to create.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewTopic {
    /// Its name.
    pub name: String,
    /// Number of partitions; -1 for the broker's `num.partitions`.
    pub partitions: i32,
    /// Replicas of each; -1 for the broker's `default.replication.factor`.
    pub replication_factor: i16,
    /// Configuration that differs from the broker's.
    pub configs: BTreeMap<String, String>,
}

/// A topic that was created (or would be, when only validated).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreatedTopic {
    /// Its id; nil when only validated, or from a broker that does not know ids.
    pub topic_id: Uuid,
    /// Its number of partitions.
    pub partitions: i32,
    /// Replicas of each.
    pub replication_factor: i16,
}

/// A key of a topic's configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigEntry {
    /// The key.
    pub name: String,
    /// The value in force; `None` when it is unset or sensitive.
    pub value: Option<String>,
    /// Where the value comes from.
    pub source: ConfigSource,
    /// Whether it cannot be changed.
    pub read_only: bool,
    /// Whether its value is kept from view.
    pub sensitive: bool,
}

/// Where the value of a key comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConfigSource {
    /// Set for the topic.
    DynamicTopic,
    /// Set for the broker while it ran.
    DynamicBroker,
    /// Set for all brokers while they ran.
    DynamicDefaultBroker,
    /// From the broker's properties.
    StaticBroker,
    /// Kafka's default.
    Default,
    /// Something newer.
    Unknown,
}

impl ConfigSource {
    pub(crate) fn from_id(id: i8) -> ConfigSource {
        match id {
            1 => ConfigSource::DynamicTopic,
            2 => ConfigSource::DynamicBroker,
            3 => ConfigSource::DynamicDefaultBroker,
            4 => ConfigSource::StaticBroker,
            5 => ConfigSource::Default,
            _ => ConfigSource::Unknown,
        }
    }
}

/// A change of one key of a topic's configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConfigOp {
    /// Sets it.
    Set {
        /// The key.
        key: String,
        /// Its value.
        value: String,
    },
    /// Goes back to the broker's value.
    Delete {
        /// The key.
        key: String,
    },
}

/// A reassignment to begin, to replace, or to cancel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reassignment {
    /// The topic.
    pub topic: String,
    /// The partition's number.
    pub partition: i32,
    /// The brokers that are to hold it, the preferred leader first; `None` cancels what is under way.
    pub replicas: Option<Vec<i32>>,
}

/// A reassignment under way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartitionReassignment {
    /// All replicas there are now: the target, and then those that leave.
    pub replicas: Vec<i32>,
    /// Those that are new.
    pub adding: Vec<i32>,
    /// Those that leave once the new ones have caught up.
    pub removing: Vec<i32>,
}

/// A log directory of a broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogDir {
    /// Its path.
    pub path: String,
    /// Why it cannot be used.
    pub error: Option<KafkaError>,
    /// Bytes of its volume; `None` when the broker does not tell (before Kafka 3.3, or of one that failed).
    pub total_bytes: Option<u64>,
    /// Bytes of its volume that are free for the broker.
    pub usable_bytes: Option<u64>,
    /// The replicas in it.
    pub replicas: Vec<LogDirReplica>,
}

/// A replica in a log directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogDirReplica {
    /// The topic.
    pub topic: String,
    /// The partition's number.
    pub partition: i32,
    /// Bytes of its segments.
    pub bytes: u64,
    /// Whether it is a copy that moves here from another directory of the broker.
    pub future: bool,
}

/// The controllers' quorum, as its leader sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuorumDescription {
    /// The active controller.
    pub leader: Option<i32>,
    /// Its epoch.
    pub leader_epoch: i32,
    /// The offset behind the last committed entry.
    pub high_watermark: i64,
    /// Who votes, by id.
    pub voters: Vec<QuorumReplica>,
    /// Who follows without a vote, by id: controllers that may become voters, and brokers.
    pub observers: Vec<QuorumReplica>,
}

/// A controller, or a broker that observes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuorumReplica {
    /// `node.id`.
    pub id: i32,
    /// `directory.id` of its metadata folder. A controller with another disk is another voter.
    pub directory_id: Uuid,
    /// The offset behind its last entry; -1 when not known.
    pub log_end_offset: i64,
    /// When the leader last heard of it, in milliseconds since 1970 by the leader's clock.
    pub last_fetch_ms: Option<i64>,
    /// When it last had all that the leader has, by the same clock. Of the leader itself: now.
    pub last_caught_up_ms: Option<i64>,
    /// Where it listens as a controller; none of a broker.
    pub endpoints: Vec<QuorumEndpoint>,
}

/// An address of a controller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuorumEndpoint {
    /// Name of the listener.
    pub name: String,
    /// Host.
    pub host: String,
    /// Port.
    pub port: u16,
}
