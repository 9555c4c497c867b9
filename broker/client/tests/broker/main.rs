//! The client, and what a broker must answer, against a real broker: Apache Kafka or this one.
//!
//! `ODRADEK_TEST_BROKER=localhost:9092 cargo test -p odradek-client --test broker -- --ignored`

mod batches;
mod brokers;
mod frames;
mod topics;

use std::collections::BTreeMap;
use std::time::Duration;

use odradek_client::conn::Connection;
use odradek_client::{Admin, ClientConfig, Error, KafkaError, NewTopic};
use uuid::Uuid;

fn address() -> String {
    std::env::var("ODRADEK_TEST_BROKER").expect("ODRADEK_TEST_BROKER=host:port of a broker")
}

fn admin() -> Admin {
    Admin::new(ClientConfig { bootstrap: vec![address()], ..ClientConfig::default() })
}

async fn connect() -> Connection {
    Connection::connect(&address(), "test", Duration::from_secs(5), Duration::from_secs(30))
        .await
        .expect("a connection")
}

/// A topic of its own for each test, removed first in case an earlier run left it.
async fn fresh_topic(admin: &Admin, name: &str, partitions: i32) -> Uuid {
    let names = [name.to_owned()];
    admin.delete_topics(&names).await.expect("an answer");
    let topic = NewTopic {
        name: name.to_owned(),
        partitions,
        replication_factor: 1,
        configs: BTreeMap::from([("retention.ms".to_owned(), "3600000".to_owned())]),
    };
    for _ in 0..50 {
        let created = admin.create_topics(std::slice::from_ref(&topic), false).await.expect("an answer");
        match &created[name] {
            Ok(created) => {
                assert_eq!((created.partitions, created.replication_factor), (partitions, 1));
                return created.topic_id;
            }
            Err(error) if error.code == KafkaError::TOPIC_ALREADY_EXISTS => {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            Err(error) => panic!("{error}"),
        }
    }
    panic!("topic {name} stays");
}

/// Waits until all partitions have leaders.
async fn await_leaders(admin: &Admin, name: &str, partitions: usize) {
    for _ in 0..100 {
        let topics = admin.describe_topics(&[name.to_owned()]).await.expect("an answer");
        if let Ok(topic) = &topics[name]
            && topic.partitions.len() == partitions
            && topic.partitions.iter().all(|partition| partition.leader.is_some())
        {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("{name} has no leaders");
}

#[tokio::test]
async fn nobody_answers() {
    let config = ClientConfig {
        bootstrap: vec!["127.0.0.1:1".to_owned(), "no-such-host.invalid:9092".to_owned()],
        ..ClientConfig::default()
    };
    let error = Admin::new(config).list_topics().await.expect_err("nobody is there");
    let Error::Unreachable { tried } = &error else { panic!("{error}") };
    assert_eq!(tried.len(), 2, "{error}");
    assert!(tried[0].starts_with("127.0.0.1:1:") && tried[1].starts_with("no-such-host.invalid:9092:"), "{error}");
    assert!(error.is_retriable());
}
