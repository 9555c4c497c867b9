//! Record batches: what goes in comes out, and what a broken one is answered with.

use bytes::{Bytes, BytesMut};
use odradek_client::conn::Connection;
use odradek_wire::batch::{BatchBuilder, Compression, RecordBatches, records};
use odradek_wire::messages::fetch_request::{FetchPartition, FetchTopic};
use odradek_wire::messages::produce_request::{PartitionProduceData, TopicProduceData};
use odradek_wire::messages::{FetchRequest, ProduceRequest, TopicName};
use odradek_wire::protocol::StrBytes;
use uuid::Uuid;

use super::{admin, await_leaders, connect, fresh_topic};

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
