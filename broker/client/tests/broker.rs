//! The client, and what a broker must answer, against a real broker: Apache Kafka or this one.
//!
//! `ODRADEK_TEST_BROKER=localhost:9092 cargo test -p odradek-client --test broker -- --ignored`

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use odradek_client::conn::Connection;
use odradek_client::{Admin, ClientConfig, ConfigOp, ConfigSource, Error, KafkaError, NewTopic, Reassignment};
use odradek_wire::batch::{BatchBuilder, Compression, RecordBatches, records};
use odradek_wire::messages::fetch_request::{FetchPartition, FetchTopic};
use odradek_wire::messages::produce_request::{PartitionProduceData, TopicProduceData};
use odradek_wire::messages::{FetchRequest, ProduceRequest, TopicName};
use odradek_wire::protocol::StrBytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
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

fn produce_request(topic: Uuid, batch: Bytes) -> ProduceRequest {
    let partition = PartitionProduceData::default().with_index(0).with_records(Some(batch));
    let topic = TopicProduceData::default().with_topic_id(topic).with_partition_data(vec![partition]);
    ProduceRequest::default().with_acks(-1).with_timeout_ms(5000).with_topic_data(vec![topic])
}

async fn produce(connection: &Connection, topic: Uuid, batch: Bytes) -> (i16, i64) {
    let answer = connection.call(13, &produce_request(topic, batch)).await.expect("an answer");
    let partition = &answer.responses[0].partition_responses[0];
    (partition.error_code, partition.base_offset)
}

fn batch(codec: Compression, count: i64) -> Bytes {
    let mut builder = BatchBuilder::new(0).compression(codec);
    for index in 0..count {
        let value = format!("{} value number {index} {}", codec.name(), "again and ".repeat(20));
        builder.append(1_700_000_000_000 + index, Some(b"key"), Some(value.as_bytes()), &[(b"name", Some(b"value"))]);
    }
    builder.build().expect("a batch")
}

/// What is fetched is what was produced, whatever the compression: the broker reads the batches
/// built here (Kafka decompresses them to check them), and the bytes come back readable.
#[tokio::test]
#[ignore = "needs ODRADEK_TEST_BROKER"]
async fn batches_go_in_and_come_out() {
    let admin = admin();
    let name = "client-batches".to_owned();
    let id = fresh_topic(&admin, &name, 1).await;
    await_leaders(&admin, &name, 1).await;
    let connection = connect().await;
    let codecs = [Compression::None, Compression::Gzip, Compression::Snappy, Compression::Lz4, Compression::Zstd];
    for (round, codec) in codecs.into_iter().enumerate() {
        assert_eq!(produce(&connection, id, batch(codec, 300)).await, (0, round as i64 * 300), "{codec:?}");
    }
    let fetch = |version: i16, offset: i64| {
        let partition = FetchPartition::default().with_fetch_offset(offset).with_partition_max_bytes(10 << 20);
        let topic = FetchTopic::default().with_partitions(vec![partition]);
        let topic = if version >= 13 {
            topic.with_topic_id(id)
        } else {
            topic.with_topic(TopicName(StrBytes::from_string(name.clone())))
        };
        FetchRequest::default()
            .with_max_wait_ms(500)
            .with_min_bytes(1)
            .with_max_bytes(10 << 20)
            .with_topics(vec![topic])
    };
    for version in [4, 7, 11, 12, 17] {
        let mut offset = 0;
        while offset < 1500 {
            let answer = connection.call(version, &fetch(version, offset)).await.expect("an answer");
            let partition = &answer.responses[0].partitions[0];
            assert_eq!((partition.error_code, partition.high_watermark), (0, 1500));
            let set = RecordBatches::parse_trailing(partition.records.clone().expect("records")).expect("good batches");
            assert!(!set.is_empty(), "nothing at {offset}");
            for info in &set.batches {
                for record in records(&set.batch_bytes(info)).expect("it opens") {
                    let record = record.expect("a whole record");
                    if record.offset >= offset {
                        assert_eq!(record.offset, offset);
                        assert_eq!(record.headers.len(), 1);
                        offset += 1;
                    }
                }
            }
        }
    }
}

/// Error codes for broken batches, as Apache Kafka 4.4.0 gives them.
#[tokio::test]
#[ignore = "needs ODRADEK_TEST_BROKER"]
async fn broken_batches_get_kafka_s_codes() {
    let admin = admin();
    let name = "client-broken".to_owned();
    let id = fresh_topic(&admin, &name, 1).await;
    await_leaders(&admin, &name, 1).await;
    let connection = connect().await;
    let good = batch(Compression::None, 2);
    let edit = |at: usize, with: &[u8]| {
        let mut bytes = BytesMut::from(&good[..]);
        bytes[at..at + with.len()].copy_from_slice(with);
        bytes
    };
    let sign = |mut bytes: BytesMut| {
        let crc = crc(&bytes[21..]);
        bytes[17..21].copy_from_slice(&crc.to_be_bytes());
        bytes.freeze()
    };
    let build = |builder: BatchBuilder| {
        let mut builder = builder;
        builder.append(1, None, Some(b"v"), &[]);
        builder.build().expect("a batch")
    };
    let cases: Vec<(&str, Bytes)> = vec![
        ("bad crc", edit(17, &[1, 2, 3, 4]).freeze()),
        ("magic 0", edit(16, &[0]).freeze()),
        ("magic 1", edit(16, &[1]).freeze()),
        ("magic 3", edit(16, &[3]).freeze()),
        ("two batches", [&good[..], &good[..]].concat().into()),
        ("none", Bytes::new()),
        ("cut", good.slice(..good.len() - 3)),
        ("length 10", edit(8, &10i32.to_be_bytes()).freeze()),
        ("count above delta", sign(edit(57, &3i32.to_be_bytes()))),
        ("count 0", sign(edit(57, &0i32.to_be_bytes()))),
        ("delta above count", sign(edit(23, &5i32.to_be_bytes()))),
        ("control", build(BatchBuilder::new(0).control(true))),
        ("base offset 5", build(BatchBuilder::new(5))),
        ("no sequence", build(BatchBuilder::new(0).producer(7, 0, -1))),
        ("too large", batch(Compression::None, 6000)),
    ];
    // Not here: an unknown compression, where Kafka says UNKNOWN_SERVER_ERROR and this broker
    // UNSUPPORTED_COMPRESSION_TYPE.
    let mut differ = Vec::new();
    for (what, bytes) in cases {
        let expected = match RecordBatches::validate_produced(bytes.clone(), 13, 1_048_588) {
            Ok(_) => 0,
            Err(error) => error.code(),
        };
        let answer = connection.call(13, &produce_request(id, bytes)).await;
        let code = answer.map(|answer| answer.responses[0].partition_responses[0].error_code);
        println!("{what}: {code:?}, expected {expected}");
        if code != Ok(expected) {
            differ.push(what);
        }
    }
    assert!(differ.is_empty(), "{differ:?}");
}

fn crc(bytes: &[u8]) -> u32 {
    // CRC32C bit by bit: the test has no use for a fast one.
    !bytes.iter().fold(!0u32, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ (0x82f6_3b78 & (crc & 1).wrapping_neg()))
    })
}

/// Sends one frame and gives the answer, `None` when the broker closes the connection.
async fn raw(frame: &[u8]) -> Option<Vec<u8>> {
    let mut stream = TcpStream::connect(address()).await.expect("a connection");
    stream.write_all(frame).await.expect("it is sent");
    let mut size = [0; 4];
    match tokio::time::timeout(Duration::from_secs(5), stream.read_exact(&mut size)).await {
        Err(_) => panic!("neither an answer nor a closed connection"),
        Ok(Err(_)) => None,
        Ok(Ok(_)) => {
            let mut answer = vec![0; u32::from_be_bytes(size) as usize];
            stream.read_exact(&mut answer).await.expect("a whole answer");
            Some(answer)
        }
    }
}

fn frame(key: i16, version: i16, rest: &[u8]) -> Vec<u8> {
    let mut out = (8 + rest.len() as i32).to_be_bytes().to_vec();
    out.extend_from_slice(&key.to_be_bytes());
    out.extend_from_slice(&version.to_be_bytes());
    out.extend_from_slice(&9i32.to_be_bytes());
    out.extend_from_slice(rest);
    out
}

/// Frames that make no sense: what Kafka does, and that it serves on.
#[tokio::test]
#[ignore = "needs ODRADEK_TEST_BROKER"]
async fn broken_frames_close_the_connection() {
    let header = [0, 1, b'c', 0];
    // ApiVersions that is too new: correlation id, UNSUPPORTED_VERSION, then a list of one.
    let answer = raw(&frame(18, 90, &header)).await.expect("an answer");
    assert_eq!(answer[..6], [0, 0, 0, 9, 0, 35]);
    // Kafka lists ApiVersions alone, which is all that the client needs to ask again.
    assert_eq!(answer[6..12], [0, 0, 0, 1, 0, 18]);
    assert_eq!(answer.len(), 16);
    for (what, bytes) in [
        ("unknown key", frame(4, 0, &header)),
        ("unknown large key", frame(9999, 0, &header)),
        ("version too new", frame(3, 90, &header)),
        ("version too old", frame(0, 2, &header)),
        ("negative version", frame(3, -1, &header)),
        ("broken body", frame(3, 12, &[0, 1, b'c', 0, 0xff, 0xff, 0xff, 0xff, 0x0f])),
        ("header cut", frame(3, 12, &[0, 9])),
        ("oversized", i32::MAX.to_be_bytes().to_vec()),
        ("negative size", (-5i32).to_be_bytes().to_vec()),
        ("size 0", 0i32.to_be_bytes().to_vec()),
        ("http", b"GET / HTTP/1.1\r\nHost: broker\r\n\r\n".to_vec()),
    ] {
        assert_eq!(raw(&bytes).await, None, "{what}");
    }
    let served = connect().await;
    assert!(served.served(3).is_some(), "it does not serve on");
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

#[tokio::test]
#[ignore = "needs ODRADEK_TEST_BROKER"]
async fn configuration_of_all_brokers_is_set_read_and_taken_back() {
    let admin = admin();
    let set = ConfigOp::Set { key: "log.cleaner.threads".to_owned(), value: "2".to_owned() };
    admin.alter_default_broker_configs(&[set]).await.expect("set");
    let mut found = BTreeMap::new();
    for _ in 0..50 {
        found = admin.describe_default_broker_configs().await.expect("an answer");
        if found.contains_key("log.cleaner.threads") {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(found, BTreeMap::from([("log.cleaner.threads".to_owned(), Some("2".to_owned()))]));
    let delete = ConfigOp::Delete { key: "log.cleaner.threads".to_owned() };
    admin.alter_default_broker_configs(&[delete]).await.expect("taken back");
    let wrong = ConfigOp::Set { key: "log.cleaner.threads".to_owned(), value: "none".to_owned() };
    assert!(matches!(admin.alter_default_broker_configs(&[wrong]).await, Err(Error::Kafka(_))));
}

#[tokio::test]
#[ignore = "needs ODRADEK_TEST_BROKER"]
async fn the_preferred_leader_of_one_broker_leads_already() {
    let admin = admin();
    fresh_topic(&admin, "client-elect", 1).await;
    let at = ("client-elect".to_owned(), 0);
    let results = admin.elect_preferred_leaders(std::slice::from_ref(&at)).await.expect("an answer");
    const ELECTION_NOT_NEEDED: i16 = 84;
    assert_eq!(results[&at].as_ref().unwrap_err().code, ELECTION_NOT_NEEDED);
}
