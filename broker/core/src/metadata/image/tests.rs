//! Random records: the image is what its records say, whatever came before.

use std::collections::BTreeSet;

use proptest::option;
use proptest::prelude::*;

use super::{Image, TopicPartition};
use crate::metadata::record::{
    BrokerChange, Brokers, Change, ClusterId, Config, Directories, Feature, Listener, Partition, PartitionChange,
    PartitionChanges, ProducerIds, Record, RegisterBroker, RemoveTopic, SupportedFeature, Topic, UnregisterBroker,
    by_topic, decode_records, encode_records,
};
use odradek_wire::features::METADATA_VERSION;

fn id() -> impl Strategy<Value = Vec<u8>> {
    // Now and then one that is none.
    prop_oneof![30 => (0_u8..4).prop_map(|byte| vec![byte; 16]), 1 => Just(vec![1; 3])]
}

fn brokers() -> impl Strategy<Value = Vec<i32>> {
    prop::collection::vec(0..4, 0..4)
}

fn list() -> impl Strategy<Value = Option<Brokers>> {
    option::of(brokers().prop_map(|ids| Brokers { ids }))
}

fn listener() -> impl Strategy<Value = Listener> {
    ("[A-Z]{1,3}", "[a-z]{1,3}", 1_u32..9).prop_map(|(name, host, port)| Listener {
        name,
        host,
        port,
        security_protocol: "PLAINTEXT".to_owned(),
    })
}

fn register() -> impl Strategy<Value = Record> {
    let rest = (option::of("[a-c]"), prop::collection::vec(id(), 0..3), any::<bool>(), any::<bool>());
    (0..4, 0_i64..6, id(), prop::collection::vec(listener(), 0..3), rest).prop_map(
        |(broker_id, broker_epoch, incarnation, listeners, (rack, log_dirs, fenced, in_controlled_shutdown))| {
            RegisterBroker {
                broker_id,
                broker_epoch,
                incarnation,
                listeners,
                rack,
                log_dirs,
                fenced,
                in_controlled_shutdown,
                features: (0..broker_id)
                    .map(|max| SupportedFeature { name: METADATA_VERSION.to_owned(), min: 0, max })
                    .collect(),
            }
            .into()
        },
    )
}

fn partition() -> impl Strategy<Value = Record> {
    let lists = (brokers(), brokers(), brokers(), brokers(), brokers());
    let numbers = (-1..4, 0..9, 0..9, option::of(0..4));
    (id(), 0..3, lists, numbers, prop::collection::vec(id(), 0..3)).prop_map(
        |(topic_id, partition, (replicas, isr, adding, removing, elr), numbers, directories)| {
            let (leader, leader_epoch, partition_epoch, last_known_leader) = numbers;
            Partition {
                topic_id,
                partition,
                replicas,
                isr,
                leader,
                leader_epoch,
                partition_epoch,
                adding,
                removing,
                elr,
                last_known_leader,
                last_known_leader_lost_data: last_known_leader == Some(1),
                directories,
            }
            .into()
        },
    )
}

fn partition_change() -> impl Strategy<Value = Record> {
    let lists = (list(), list(), list(), list(), list());
    let directories = option::of(prop::collection::vec(id(), 0..3).prop_map(|ids| Directories { ids }));
    (id(), 0..3, lists, option::of(-1..4), option::of(-1..4), directories).prop_map(
        |(topic_id, partition, (replicas, isr, adding, removing, elr), leader, last_known_leader, directories)| {
            PartitionChange {
                topic_id,
                partition,
                replicas,
                isr,
                leader,
                adding,
                removing,
                elr,
                last_known_leader,
                last_known_leader_lost_data: last_known_leader.map(|id| id == 1),
                directories,
            }
            .into()
        },
    )
}

fn config() -> impl Strategy<Value = Record> {
    let resource = prop_oneof![
        "[a-c]".prop_map(|name| (2, name)),
        "[0-3x]?".prop_map(|name| (4, name)),
        Just((9, "a".to_owned()))
    ];
    (resource, "[k-m]", option::of("[0-9]")).prop_map(|((resource_type, resource_name), key, value)| {
        Config { resource_type, resource_name, key, value }.into()
    })
}

fn record() -> impl Strategy<Value = Record> {
    let change = (0..4, 0_i64..6, option::of(any::<bool>()), option::of(any::<bool>()));
    prop_oneof![
        3 => register(),
        3 => change.prop_map(|(broker_id, broker_epoch, fenced, in_controlled_shutdown)| {
            BrokerChange { broker_id, broker_epoch, fenced, in_controlled_shutdown }.into()
        }),
        1 => (0..4, 0_i64..6)
            .prop_map(|(broker_id, broker_epoch)| UnregisterBroker { broker_id, broker_epoch }.into()),
        4 => (id(), "[a-c]").prop_map(|(topic_id, name)| Topic { topic_id, name }.into()),
        8 => partition(),
        8 => partition_change(),
        4 => (id(), prop::collection::vec(partition_change(), 0..4)).prop_map(|(topic_id, changes)| {
            let change = |record: Record| match record.change {
                Some(Change::PartitionChange(change)) => PartitionChange { topic_id: Vec::new(), ..change },
                other => panic!("{other:?}"),
            };
            PartitionChanges { topic_id, changes: changes.into_iter().map(change).collect() }.into()
        }),
        1 => id().prop_map(|topic_id| RemoveTopic { topic_id }.into()),
        4 => config(),
        1 => (0_i64..9).prop_map(|next| ProducerIds { broker_id: 1, broker_epoch: 1, next }.into()),
        1 => ("[f-g]", 0..3).prop_map(|(name, level)| Feature { name, level }.into()),
        1 => (25..29).prop_map(|level| Feature { name: METADATA_VERSION.to_owned(), level }.into()),
        1 => "[xy]".prop_map(|cluster_id| ClusterId { cluster_id }.into()),
        1 => Just(Record { change: None }),
    ]
}

/// What is being reassigned, found the slow way.
fn reassigning(image: &Image) -> BTreeSet<TopicPartition> {
    let mut found = BTreeSet::new();
    for topic in image.topics() {
        for (partition, state) in &topic.partitions {
            if !state.adding.is_empty() || !state.removing.is_empty() {
                found.insert(TopicPartition { topic_id: topic.id, partition: *partition });
            }
        }
    }
    found
}

/// What differs, found the slow way.
fn changed_partitions(older: &Image, newer: &Image) -> BTreeSet<TopicPartition> {
    let mut changed = BTreeSet::new();
    for topic in newer.topics() {
        for (partition, state) in &topic.partitions {
            if older.partition(topic.id, *partition) != Some(state) {
                changed.insert(TopicPartition { topic_id: topic.id, partition: *partition });
            }
        }
    }
    changed
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn a_snapshot_makes_the_same_image(records in prop::collection::vec(record(), 0..120)) {
        let mut image = Image::new();
        for (record, offset) in records.iter().zip(1..) {
            let before = image.clone();
            if image.apply(offset, record).is_err() {
                prop_assert_eq!(&image, &before, "a record that is refused changes nothing");
            }
        }
        prop_assert_eq!(image.reassigning().collect::<BTreeSet<_>>(), reassigning(&image));
        let snapshot = image.to_records();
        let bytes = encode_records(&snapshot);
        let read = decode_records(&bytes).unwrap();
        prop_assert_eq!(&read, &snapshot);
        let again = Image::from_records(image.offset(), &read).unwrap();
        prop_assert_eq!(&again, &image);
        prop_assert_eq!(encode_records(&again.to_records()), bytes);
    }

    /// What a record for several partitions does is what the records do that it is made of.
    #[test]
    fn changes_of_one_topic_in_one_record_do_the_same(
        before in prop::collection::vec(record(), 0..80),
        changes in prop::collection::vec(partition_change(), 0..20),
    ) {
        let mut image = Image::new();
        for record in &before {
            let _ = image.apply(1, record);
        }
        let mut one_by_one = image.clone();
        let valid: Vec<Record> =
            changes.into_iter().filter(|change| one_by_one.apply(2, change).is_ok()).collect();
        let mut together = image;
        for record in by_topic(valid) {
            prop_assert!(together.apply(2, &record).is_ok());
        }
        together.advance_to(one_by_one.offset());
        prop_assert_eq!(together, one_by_one);
    }

    #[test]
    fn changes_are_what_differs(
        first in prop::collection::vec(record(), 0..80),
        more in prop::collection::vec(record(), 0..40),
    ) {
        let mut older = Image::new();
        for record in &first {
            let _ = older.apply(1, record);
        }
        let mut newer = older.clone();
        for record in &more {
            let _ = newer.apply(2, record);
        }
        let changes = newer.changes_since(&older);
        prop_assert_eq!(&changes.partitions, &changed_partitions(&older, &newer));
        let ids = |image: &Image| image.topics().map(|topic| topic.id).collect::<BTreeSet<_>>();
        let (had, has) = (ids(&older), ids(&newer));
        prop_assert_eq!(&changes.created_topics, &has.difference(&had).copied().collect());
        prop_assert_eq!(&changes.removed_topics, &had.difference(&has).copied().collect());
        for id in 0..4 {
            let differs = older.broker(id) != newer.broker(id);
            prop_assert_eq!(changes.brokers.contains(&id), differs);
        }
        for (resource, map) in newer.configs() {
            let differs = older.config(resource) != Some(map);
            prop_assert_eq!(changes.configs.contains(resource), differs);
        }
        prop_assert!(older.changes_since(&older).is_empty());
    }

    #[test]
    fn broken_bytes_are_refused_or_read(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(records) = decode_records(&bytes) {
            let mut image = Image::new();
            for record in &records {
                let _ = image.apply(1, record);
            }
        }
    }
}

#[test]
fn a_newer_release_is_told_apart() {
    let mut image = Image::new();
    let error = image.apply(5, &Record { change: None }).unwrap_err();
    assert!(error.to_string().contains("offset 5"), "{error}");
    let level = Feature { name: METADATA_VERSION.to_owned(), level: 99 };
    let error = image.apply(5, &level.into()).unwrap_err();
    assert!(error.to_string().contains("metadata.version 99"), "{error}");
    let level = Feature { name: METADATA_VERSION.to_owned(), level: 1 };
    let error = image.apply(5, &level.into()).unwrap_err();
    assert!(error.to_string().contains("metadata.version 1 "), "{error}");
}
