//! What the controllers' log holds: one [`Record`] is one change of the cluster's metadata.
//!
//! Protobuf, so that a release ignores fields that it does not know. A new field needs no new
//! level; a new kind of record does: the level is the feature `metadata.version`
//! ([`odradek_wire::features`]), itself a record, and a controller writes only what the current
//! level knows. Field numbers are never used again.

mod batch;
mod broker;
mod partition;
mod settings;

use prost::Message;

pub use batch::{PartitionChanges, by_topic};
pub use broker::{BrokerChange, Listener, RegisterBroker, SupportedFeature, UnregisterBroker};
pub use partition::{Brokers, Directories, Partition, PartitionChange, RemoveTopic, Topic};
pub use settings::{ClusterDefaults, ClusterId, Config, Feature, ProducerIds, RestartLease};

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
