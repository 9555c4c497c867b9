//! What the controllers' log holds: one [`Record`] is one change of the cluster's metadata.
//!
//! Protobuf, so that a release ignores fields that it does not know. A new field needs no new
//! level; a new kind of record does: the level is the feature `metadata.version`
//! ([`odradek_wire::features`]), itself a record, and a controller writes only what the current
//! level knows. Field numbers are never used again.

mod batch;

use prost::Message;

pub use batch::{PartitionChanges, by_topic};

/// "No leader", in [`Partition::leader`] and [`PartitionChange::leader`].
pub const NO_LEADER: i32 = -1;

/// One change of the metadata.
#[derive(Clone, PartialEq, Message)]
pub struct Record {
    /// What changed. `None` when the record was written by a release that knows more kinds.
    #[prost(oneof = "Change", tags = "1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14")]
    pub change: Option<Change>,
}

/// The kinds of records.
#[derive(Clone, PartialEq, prost::Oneof)]
pub enum Change {
    /// A broker process took an id.
    #[prost(message, tag = "1")]
    RegisterBroker(RegisterBroker),
    /// A broker was fenced or unfenced, or began its controlled shutdown.
    #[prost(message, tag = "2")]
    BrokerChange(BrokerChange),
    /// A topic was made; its partitions follow as records of their own.
    #[prost(message, tag = "3")]
    Topic(Topic),
    /// A partition was made.
    #[prost(message, tag = "4")]
    Partition(Partition),
    /// A partition's state moved.
    #[prost(message, tag = "5")]
    PartitionChange(PartitionChange),
    /// A topic was deleted, with its partitions and its configuration.
    #[prost(message, tag = "6")]
    RemoveTopic(RemoveTopic),
    /// A configuration value was set or taken away.
    #[prost(message, tag = "7")]
    Config(Config),
    /// Producer ids were handed out.
    #[prost(message, tag = "8")]
    ProducerIds(ProducerIds),
    /// A feature's level moved.
    #[prost(message, tag = "9")]
    Feature(Feature),
    /// A broker was taken out for good.
    #[prost(message, tag = "10")]
    UnregisterBroker(UnregisterBroker),
    /// The cluster's id, once, in the first batch of the log.
    #[prost(message, tag = "11")]
    ClusterId(ClusterId),
    /// What the controllers' server.properties say for all brokers.
    #[prost(message, tag = "12")]
    ClusterDefaults(ClusterDefaults),
    /// Who may stop processes was decided.
    #[prost(message, tag = "13")]
    RestartLease(RestartLease),
    /// The state of several partitions of one topic moved. Since 4.1-IV1.
    #[prost(message, tag = "14")]
    PartitionChanges(PartitionChanges),
}

/// The levels of a feature that a process supports.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct SupportedFeature {
    /// The feature's name.
    #[prost(string, tag = "1")]
    pub name: String,
    /// The least level.
    #[prost(int32, tag = "2")]
    pub min: i32,
    /// The largest level.
    #[prost(int32, tag = "3")]
    pub max: i32,
}

/// One address at which a broker listens.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Message)]
pub struct Listener {
    /// The listener's name, as in `listeners`, such as `PLAINTEXT`.
    #[prost(string, tag = "1")]
    pub name: String,
    /// The advertised host.
    #[prost(string, tag = "2")]
    pub host: String,
    /// The advertised port, 1 to 65535.
    #[prost(uint32, tag = "3")]
    pub port: u32,
    /// `PLAINTEXT`, `SSL`, `SASL_PLAINTEXT` or `SASL_SSL`.
    #[prost(string, tag = "4")]
    pub security_protocol: String,
}

/// A broker process took an id. Replaces what the id held before.
#[derive(Clone, PartialEq, Message)]
pub struct RegisterBroker {
    /// The id, 0 or more.
    #[prost(int32, tag = "1")]
    pub broker_id: i32,
    /// The offset of this record: larger with each registration.
    #[prost(int64, tag = "2")]
    pub broker_epoch: i64,
    /// 16 bytes drawn by the process when it started.
    #[prost(bytes = "vec", tag = "3")]
    pub incarnation: Vec<u8>,
    /// Where it listens.
    #[prost(message, repeated, tag = "4")]
    pub listeners: Vec<Listener>,
    /// Its rack, when it has one.
    #[prost(string, optional, tag = "5")]
    pub rack: Option<String>,
    /// The ids (16 bytes each) of its log directories.
    #[prost(bytes = "vec", repeated, tag = "6")]
    pub log_dirs: Vec<Vec<u8>>,
    /// Whether it is fenced. A new process always starts fenced.
    #[prost(bool, tag = "7")]
    pub fenced: bool,
    /// Whether it is in its controlled shutdown.
    #[prost(bool, tag = "8")]
    pub in_controlled_shutdown: bool,
    /// What it supports.
    #[prost(message, repeated, tag = "9")]
    pub features: Vec<SupportedFeature>,
}

/// A registered broker's standing moved. Fields that are `None` stay as they are.
#[derive(Clone, PartialEq, Message)]
pub struct BrokerChange {
    /// Which broker.
    #[prost(int32, tag = "1")]
    pub broker_id: i32,
    /// The registration that this is about.
    #[prost(int64, tag = "2")]
    pub broker_epoch: i64,
    /// Fenced (true) or unfenced (false).
    #[prost(bool, optional, tag = "3")]
    pub fenced: Option<bool>,
    /// In controlled shutdown.
    #[prost(bool, optional, tag = "4")]
    pub in_controlled_shutdown: Option<bool>,
}

/// A topic was made.
#[derive(Clone, PartialEq, Message)]
pub struct Topic {
    /// 16 bytes.
    #[prost(bytes = "vec", tag = "1")]
    pub topic_id: Vec<u8>,
    /// Its name, unique among the living topics.
    #[prost(string, tag = "2")]
    pub name: String,
}

/// A partition as a whole: written when it is made, and in snapshots.
#[derive(Clone, PartialEq, Message)]
pub struct Partition {
    /// 16 bytes.
    #[prost(bytes = "vec", tag = "1")]
    pub topic_id: Vec<u8>,
    /// The partition's number, from 0.
    #[prost(int32, tag = "2")]
    pub partition: i32,
    /// Broker ids in order of preference.
    #[prost(int32, repeated, tag = "3")]
    pub replicas: Vec<i32>,
    /// The in-sync set, in the order of `replicas`.
    #[prost(int32, repeated, tag = "4")]
    pub isr: Vec<i32>,
    /// The leader, [`NO_LEADER`] when there is none.
    #[prost(sint32, tag = "5")]
    pub leader: i32,
    /// Grows with each change of leader.
    #[prost(int32, tag = "6")]
    pub leader_epoch: i32,
    /// Grows with each change of any kind.
    #[prost(int32, tag = "7")]
    pub partition_epoch: i32,
    /// Replicas that a reassignment adds.
    #[prost(int32, repeated, tag = "8")]
    pub adding: Vec<i32>,
    /// Replicas that a reassignment removes.
    #[prost(int32, repeated, tag = "9")]
    pub removing: Vec<i32>,
    /// KIP-966: replicas that are not in sync but hold everything acknowledged.
    #[prost(int32, repeated, tag = "10")]
    pub elr: Vec<i32>,
    /// KIP-966: who led last, when the in-sync set is empty.
    #[prost(int32, optional, tag = "11")]
    pub last_known_leader: Option<i32>,
    /// KIP-858: the log directory of each of `replicas`, 16 bytes each; empty when unknown.
    #[prost(bytes = "vec", repeated, tag = "12")]
    pub directories: Vec<Vec<u8>>,
    // 13 is kept for KIP-704's leader recovery state.
    /// The last known leader came back without its data.
    #[prost(bool, tag = "14")]
    pub last_known_leader_lost_data: bool,
}

/// A list in a [`PartitionChange`]: a field that is there and empty differs from one that is not.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct Brokers {
    /// Broker ids.
    #[prost(int32, repeated, tag = "1")]
    pub ids: Vec<i32>,
}

/// Directories in a [`PartitionChange`].
#[derive(Clone, PartialEq, Eq, Message)]
pub struct Directories {
    /// 16 bytes each, in the order of the replicas.
    #[prost(bytes = "vec", repeated, tag = "1")]
    pub ids: Vec<Vec<u8>>,
}

/// A partition's state moved. Fields that are `None` stay as they are. The partition epoch
/// always grows by one; the leader epoch grows by one when `leader` is set, even to the same one.
#[derive(Clone, PartialEq, Message)]
pub struct PartitionChange {
    /// 16 bytes.
    #[prost(bytes = "vec", tag = "1")]
    pub topic_id: Vec<u8>,
    /// The partition's number.
    #[prost(int32, tag = "2")]
    pub partition: i32,
    /// The new replicas.
    #[prost(message, optional, tag = "3")]
    pub replicas: Option<Brokers>,
    /// The new in-sync set.
    #[prost(message, optional, tag = "4")]
    pub isr: Option<Brokers>,
    /// The new leader, [`NO_LEADER`] for none.
    #[prost(sint32, optional, tag = "5")]
    pub leader: Option<i32>,
    /// The new list of replicas being added.
    #[prost(message, optional, tag = "6")]
    pub adding: Option<Brokers>,
    /// The new list of replicas being removed.
    #[prost(message, optional, tag = "7")]
    pub removing: Option<Brokers>,
    /// KIP-966: the new eligible replicas.
    #[prost(message, optional, tag = "8")]
    pub elr: Option<Brokers>,
    /// KIP-966: who led last; [`NO_LEADER`] forgets it.
    #[prost(sint32, optional, tag = "9")]
    pub last_known_leader: Option<i32>,
    /// KIP-858.
    #[prost(message, optional, tag = "10")]
    pub directories: Option<Directories>,
    // 11 is kept for KIP-704's leader recovery state.
    /// Whether the last known leader came back without its data.
    #[prost(bool, optional, tag = "12")]
    pub last_known_leader_lost_data: Option<bool>,
}

/// A topic was deleted.
#[derive(Clone, PartialEq, Message)]
pub struct RemoveTopic {
    /// 16 bytes.
    #[prost(bytes = "vec", tag = "1")]
    pub topic_id: Vec<u8>,
}

/// A configuration value of a resource.
#[derive(Clone, PartialEq, Message)]
pub struct Config {
    /// Kafka's number of the resource's type: 2 topic, 4 broker.
    #[prost(int32, tag = "1")]
    pub resource_type: i32,
    /// The topic's name, or the broker's id; empty for all brokers.
    #[prost(string, tag = "2")]
    pub resource_name: String,
    /// The key.
    #[prost(string, tag = "3")]
    pub key: String,
    /// The value; `None` takes the key away.
    #[prost(string, optional, tag = "4")]
    pub value: Option<String>,
}

/// Producer ids were handed out, up to and without `next`.
#[derive(Clone, PartialEq, Message)]
pub struct ProducerIds {
    /// Who got them.
    #[prost(int32, tag = "1")]
    pub broker_id: i32,
    /// Its registration.
    #[prost(int64, tag = "2")]
    pub broker_epoch: i64,
    /// The first id that is still free.
    #[prost(int64, tag = "3")]
    pub next: i64,
}

/// A feature's level moved.
#[derive(Clone, PartialEq, Message)]
pub struct Feature {
    /// The feature's name, such as `metadata.version`.
    #[prost(string, tag = "1")]
    pub name: String,
    /// The level; 0 takes the feature away.
    #[prost(int32, tag = "2")]
    pub level: i32,
}

/// A broker was taken out for good.
#[derive(Clone, PartialEq, Message)]
pub struct UnregisterBroker {
    /// Which broker.
    #[prost(int32, tag = "1")]
    pub broker_id: i32,
    /// Its last registration.
    #[prost(int64, tag = "2")]
    pub broker_epoch: i64,
}

/// What the active controller's server.properties say, where controllers and brokers have to agree on a value. Written
/// when it differs from what was written before.
#[derive(Clone, PartialEq, Message)]
pub struct ClusterDefaults {
    /// `min.insync.replicas`, at least 1: leaders and the controller must mean the same by it, or an eligible replica
    /// (KIP-966) might lack what a leader acknowledged.
    #[prost(uint32, tag = "1")]
    pub min_insync_replicas: u32,
}

/// Who may stop which processes, and nobody else any other. It replaces the lease before it.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct RestartLease {
    /// Who has it; empty: nobody any more.
    #[prost(string, tag = "1")]
    pub holder: String,
    /// The brokers, in order.
    #[prost(int32, repeated, tag = "2")]
    pub broker_ids: Vec<i32>,
    /// The controllers, in order.
    #[prost(int32, repeated, tag = "3")]
    pub controller_ids: Vec<i32>,
    /// How long it lasts from when it was given or renewed. A controller that becomes active counts anew.
    #[prost(uint64, tag = "4")]
    pub ttl_ms: u64,
}

/// The cluster's id.
#[derive(Clone, PartialEq, Message)]
pub struct ClusterId {
    /// Kafka's form: 22 characters of URL-safe base64; any text without spaces is taken.
    #[prost(string, tag = "1")]
    pub cluster_id: String,
}

impl Record {
    /// A record of one change.
    #[must_use]
    pub fn new(change: Change) -> Record {
        Record { change: Some(change) }
    }
}

macro_rules! from_change {
    ($($kind:ident),*) => {$(
        impl From<$kind> for Record {
            fn from(change: $kind) -> Record {
                Record::new(Change::$kind(change))
            }
        }
    )*};
}

from_change!(
    RegisterBroker,
    BrokerChange,
    Topic,
    Partition,
    PartitionChange,
    RemoveTopic,
    Config,
    ProducerIds,
    Feature,
    UnregisterBroker,
    ClusterId,
    ClusterDefaults,
    RestartLease,
    PartitionChanges
);

/// A list of records as one stretch of bytes: each record with its length before it.
///
/// This is the payload of one entry of the controllers' log, and of a snapshot.
#[must_use]
pub fn encode_records(records: &[Record]) -> Vec<u8> {
    let size = records
        .iter()
        .map(|record| {
            let len = record.encoded_len();
            len + prost::length_delimiter_len(len)
        })
        .sum();
    let mut bytes = Vec::with_capacity(size);
    for record in records {
        // A Vec grows as needed, so there is no lack of room that this could report.
        let _ = record.encode_length_delimited(&mut bytes);
    }
    bytes
}

/// The records of [`encode_records`].
///
/// # Errors
///
/// When the bytes end inside a record, or are no protobuf.
pub fn decode_records(mut bytes: &[u8]) -> Result<Vec<Record>, prost::DecodeError> {
    let mut records = Vec::new();
    while !bytes.is_empty() {
        records.push(Record::decode_length_delimited(&mut bytes)?);
    }
    Ok(records)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// The bytes of the first release: logs and snapshots hold them, so they never change.
    #[test]
    fn the_format_is_frozen() {
        let records: [(Record, &str); 14] = [
            (
                PartitionChanges {
                    topic_id: vec![4; 16],
                    changes: vec![
                        PartitionChange { partition: 1, leader: Some(2), ..PartitionChange::default() },
                        PartitionChange { partition: 2, leader: Some(NO_LEADER), ..PartitionChange::default() },
                    ],
                }
                .into(),
                "721e0a1004040404040404040404040404040404120410012804120410022801",
            ),
            (
                RestartLease { holder: "h".into(), broker_ids: vec![1], controller_ids: vec![2], ttl_ms: 5 }.into(),
                "6a0b0a01681201011a01022005",
            ),
            (ClusterDefaults { min_insync_replicas: 2 }.into(), "62020802"),
            (ClusterId { cluster_id: "c".into() }.into(), "5a030a0163"),
            (
                Feature { name: "metadata.version".into(), level: 1 }.into(),
                "4a140a106d657461646174612e76657273696f6e1001",
            ),
            (
                RegisterBroker {
                    broker_id: 3,
                    broker_epoch: 300,
                    incarnation: vec![1; 16],
                    listeners: vec![Listener {
                        name: "L".into(),
                        host: "h".into(),
                        port: 9092,
                        security_protocol: "SSL".into(),
                    }],
                    rack: Some("a".into()),
                    log_dirs: vec![vec![2; 16]],
                    fenced: true,
                    in_controlled_shutdown: false,
                    features: Vec::new(),
                }
                .into(),
                "0a3e080310ac021a1001010101010101010101010101010101220e0a014c120168188447220353534c2a01613210020202020202020202020202020202023801",
            ),
            (
                BrokerChange { broker_id: 3, broker_epoch: 300, fenced: Some(false), in_controlled_shutdown: None }
                    .into(),
                "1207080310ac021800",
            ),
            (
                Topic { topic_id: vec![4; 16], name: "t".into() }.into(),
                "1a150a1004040404040404040404040404040404120174",
            ),
            (
                Partition {
                    topic_id: vec![4; 16],
                    partition: 1,
                    replicas: vec![3, 200],
                    isr: vec![3],
                    leader: NO_LEADER,
                    leader_epoch: 5,
                    partition_epoch: 6,
                    adding: vec![7],
                    removing: vec![8],
                    elr: vec![9],
                    last_known_leader: Some(0),
                    directories: vec![vec![2; 16]],
                    last_known_leader_lost_data: false,
                }
                .into(),
                "223f0a100404040404040404040404040404040410011a0303c8012201032801300538064201074a01085201095800621002020202020202020202020202020202",
            ),
            (
                PartitionChange {
                    topic_id: vec![4; 16],
                    partition: 1,
                    replicas: None,
                    isr: Some(Brokers { ids: vec![] }),
                    leader: Some(NO_LEADER),
                    adding: None,
                    removing: None,
                    elr: Some(Brokers { ids: vec![3] }),
                    last_known_leader: Some(3),
                    directories: Some(Directories { ids: vec![vec![2; 16]] }),
                    last_known_leader_lost_data: None,
                }
                .into(),
                "2a330a100404040404040404040404040404040410012200280142030a0103480652120a1002020202020202020202020202020202",
            ),
            (RemoveTopic { topic_id: vec![4; 16] }.into(), "32120a1004040404040404040404040404040404"),
            (
                Config { resource_type: 2, resource_name: "t".into(), key: "k".into(), value: Some("v".into()) }.into(),
                "3a0b08021201741a016b220176",
            ),
            (ProducerIds { broker_id: 3, broker_epoch: 300, next: 1000 }.into(), "4208080310ac0218e807"),
            (UnregisterBroker { broker_id: 3, broker_epoch: 300 }.into(), "5205080310ac02"),
        ];
        for (record, bytes) in records {
            assert_eq!(hex(&record.encode_to_vec()), bytes, "{record:?}");
            let decoded = decode_records(&encode_records(std::slice::from_ref(&record)));
            assert_eq!(decoded.unwrap(), [record]);
        }
    }

    #[test]
    fn unknown_fields_are_passed_over() {
        // Field 15 of a topic, and field 99 of the envelope.
        let mut topic = Topic { topic_id: vec![4; 16], name: "t".into() }.encode_to_vec();
        topic.extend([0x7a, 1, b'x']);
        let mut bytes = vec![0x1a, topic.len() as u8];
        bytes.extend(topic);
        bytes.extend([0x98, 0x06, 1]);
        let record = Record::decode(&*bytes).unwrap();
        assert_eq!(record, Topic { topic_id: vec![4; 16], name: "t".into() }.into());
    }

    #[test]
    fn cut_bytes_are_refused() {
        let bytes = encode_records(&[Topic { topic_id: vec![4; 16], name: "t".into() }.into()]);
        assert!(decode_records(&bytes[..bytes.len() - 1]).is_err());
    }
}
