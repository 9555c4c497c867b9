//! Topics: made, changed, reassigned, removed.

use std::collections::BTreeMap;
use std::time::Duration;

use odradek_client::{ConfigOp, ConfigSource, KafkaError, NewTopic, Reassignment};

use super::{admin, await_leaders, fresh_topic};

#[tokio::test]
#[ignore = "needs ODRADEK_TEST_BROKER"]
async fn topics_are_made_changed_and_removed() {
    let admin = admin();
    let cluster = admin.describe_cluster().await.expect("an answer");
    assert!(!cluster.cluster_id.is_empty());
    assert!(!cluster.brokers.is_empty() && cluster.brokers.iter().all(|broker| !broker.fenced && broker.port > 0));

    let name = "client-admin".to_owned();
    let id = fresh_topic(&admin, &name, 2).await;
    assert!(!id.is_nil());
    await_leaders(&admin, &name, 2).await;
    let again = NewTopic { name: name.clone(), partitions: 1, replication_factor: 1, configs: BTreeMap::new() };
    let refused = admin.create_topics(&[again], false).await.expect("an answer");
    assert_eq!(refused[&name].as_ref().expect_err("it exists").code, KafkaError::TOPIC_ALREADY_EXISTS);

    let topics = admin.list_topics().await.expect("an answer");
    let topic = topics.iter().find(|topic| topic.name == name).expect("it is listed");
    assert_eq!((topic.topic_id, topic.internal, topic.partitions.len()), (id, false, 2));
    assert_eq!(topic.partitions[1].partition, 1);
    assert_eq!(topic.partitions[0].replicas, topic.partitions[0].isr);

    let more = admin.create_partitions(&[(name.clone(), 5)]).await.expect("an answer");
    assert_eq!(more[&name], Ok(()));
    await_leaders(&admin, &name, 5).await;
    let fewer = admin.create_partitions(&[(name.clone(), 1)]).await.expect("an answer");
    let error = fewer[&name].as_ref().expect_err("partitions never go");
    assert_eq!((error.code, error.name), (KafkaError::INVALID_PARTITIONS, "INVALID_PARTITIONS"));
    assert!(error.message.is_some(), "{error}");

    let set = |key: &str, value: &str| ConfigOp::Set { key: key.to_owned(), value: value.to_owned() };
    let ops =
        [(name.clone(), vec![set("segment.bytes", "1048576"), ConfigOp::Delete { key: "retention.ms".to_owned() }])];
    assert_eq!(admin.alter_topic_configs(&ops).await.expect("an answer")[&name], Ok(()));
    tokio::time::sleep(Duration::from_millis(300)).await;
    let configs = admin.describe_topic_configs(std::slice::from_ref(&name)).await.expect("an answer");
    let entries = configs[&name].as_ref().expect("configs");
    let entry = |key: &str| entries.iter().find(|entry| entry.name == key).expect("a known key");
    assert_eq!(entry("segment.bytes").value.as_deref(), Some("1048576"));
    assert_eq!(entry("segment.bytes").source, ConfigSource::DynamicTopic);
    assert_ne!(entry("retention.ms").source, ConfigSource::DynamicTopic);
    for bad in [set("segment.bytes", "many"), set("segment.bites", "1048576")] {
        let refused = admin.alter_topic_configs(&[(name.clone(), vec![bad])]).await.expect("an answer");
        assert_eq!(refused[&name].as_ref().expect_err("nonsense").code, KafkaError::INVALID_CONFIG);
    }

    assert_eq!(admin.delete_topics(std::slice::from_ref(&name)).await.expect("an answer")[&name], Ok(()));
    let gone = "client-no-such-topic".to_owned();
    let unknown = |error: &KafkaError| error.code == KafkaError::UNKNOWN_TOPIC_OR_PARTITION;
    let described = admin.describe_topics(std::slice::from_ref(&gone)).await.expect("an answer");
    assert!(described[&gone].as_ref().is_err_and(unknown));
    let deleted = admin.delete_topics(std::slice::from_ref(&gone)).await.expect("an answer");
    assert!(deleted[&gone].as_ref().is_err_and(unknown));
    let configs = admin.describe_topic_configs(std::slice::from_ref(&gone)).await.expect("an answer");
    assert!(configs[&gone].as_ref().is_err_and(unknown));
    let altered =
        admin.alter_topic_configs(&[(gone.clone(), vec![set("retention.ms", "1000")])]).await.expect("an answer");
    assert!(altered[&gone].as_ref().is_err_and(unknown));
}

#[tokio::test]
#[ignore = "needs ODRADEK_TEST_BROKER"]
async fn reassignments_are_begun_refused_and_listed() {
    let admin = admin();
    let name = "client-reassigned".to_owned();
    fresh_topic(&admin, &name, 3).await;
    await_leaders(&admin, &name, 3).await;
    let topics = admin.describe_topics(std::slice::from_ref(&name)).await.expect("an answer");
    let here = topics[&name].as_ref().expect("a topic").partitions[0].replicas.clone();
    let ask = |topic: &str, partition: i32, replicas: Option<Vec<i32>>| Reassignment {
        topic: topic.to_owned(),
        partition,
        replicas,
    };
    let wanted = [
        ask(&name, 0, Some(here.clone())),
        ask(&name, 1, Some(vec![987_654])),
        ask(&name, 2, None),
        ask("client-no-such-topic", 0, Some(here.clone())),
    ];
    for may_change_factor in [true, false] {
        let done = admin.alter_partition_reassignments(&wanted, may_change_factor).await.expect("an answer");
        assert_eq!(done.len(), 4);
        let code = |topic: &str, partition: i32| {
            done[&(topic.to_owned(), partition)].as_ref().map_or_else(|error| error.code, |()| 0)
        };
        assert_eq!(code(&name, 0), 0, "where it is already");
        assert_eq!(code(&name, 1), KafkaError::INVALID_REPLICA_ASSIGNMENT);
        assert_eq!(code(&name, 2), KafkaError::NO_REASSIGNMENT_IN_PROGRESS);
        assert_eq!(code("client-no-such-topic", 0), KafkaError::UNKNOWN_TOPIC_OR_PARTITION);
    }
    let of_topic = BTreeMap::from([(name.clone(), vec![0, 1, 2])]);
    for wanted in [None, Some(&of_topic)] {
        let ongoing = admin.list_partition_reassignments(wanted).await.expect("an answer");
        assert!(ongoing.keys().all(|(topic, _)| *topic != name), "{ongoing:?}");
    }
}

#[tokio::test]
#[ignore = "needs ODRADEK_TEST_BROKER"]
async fn validate_only_changes_nothing() {
    let admin = admin();
    let name = "client-validate-only".to_owned();
    let topic = NewTopic { name: name.clone(), partitions: 3, replication_factor: 1, configs: BTreeMap::new() };
    let too_many = NewTopic { name: "client-too-many".to_owned(), replication_factor: 99, ..topic.clone() };
    let bad_name = NewTopic { name: "no spaces".to_owned(), ..topic.clone() };
    let checked = admin.create_topics(&[topic, too_many, bad_name], true).await.expect("an answer");
    assert!(checked[&name].is_ok(), "{checked:?}");
    let code = |name: &str| checked[name].as_ref().expect_err("it cannot be").code;
    assert_eq!(code("client-too-many"), KafkaError::INVALID_REPLICATION_FACTOR);
    assert_eq!(code("no spaces"), KafkaError::INVALID_TOPIC_EXCEPTION);
    let topics = admin.list_topics().await.expect("an answer");
    assert!(topics.iter().all(|topic| topic.name != name));
}
