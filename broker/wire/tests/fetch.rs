//! The own Fetch response encoder against the one of the `kafka-protocol` crate.

use bytes::Bytes;
use odradek_wire::fetch::{AbortedTransaction, Chunk, FetchResponse, FetchedPartition, FetchedTopic, NodeEndpoint};
use odradek_wire::messages::fetch_response::{self as kafka, FetchableTopicResponse, PartitionData};
use odradek_wire::messages::{self, ApiKey, BrokerId, TopicName};
use odradek_wire::protocol::StrBytes;
use odradek_wire::response;
use proptest::collection::vec;
use proptest::prelude::*;
use uuid::Uuid;

fn records() -> impl Strategy<Value = Bytes> {
    prop_oneof![
        2 => Just(Bytes::new()),
        3 => vec(any::<u8>(), 1..200).prop_map(Bytes::from),
        // Lengths whose varint takes two and three bytes.
        1 => (16_000usize..17_000).prop_map(|size| Bytes::from(vec![7; size])),
    ]
}

fn aborted() -> impl Strategy<Value = AbortedTransaction> {
    any::<(i64, i64)>().prop_map(|(producer_id, first_offset)| AbortedTransaction { producer_id, first_offset })
}

// -1 is what the default of a tagged field is made of; a field full of it is not sent.
fn tagged<A: Strategy, B: Strategy>(first: A, second: B) -> impl Strategy<Value = Option<(A::Value, B::Value)>> {
    proptest::option::of((first, second))
}

fn partition() -> impl Strategy<Value = FetchedPartition<Bytes>> {
    (
        any::<(i32, i16, i64, i64, i64, i32)>(),
        proptest::option::of(vec(aborted(), 0..4)),
        tagged(0i32.., any::<i64>()),
        tagged(0i32.., any::<i32>()),
        records(),
    )
        .prop_map(|(numbers, aborted, diverging_epoch, current_leader, records)| {
            let (index, error_code, high_watermark, last_stable_offset, log_start_offset, preferred) = numbers;
            FetchedPartition {
                index,
                error_code,
                high_watermark,
                last_stable_offset,
                log_start_offset,
                aborted,
                preferred_read_replica: preferred,
                diverging_epoch,
                current_leader,
                records,
            }
        })
}

fn text() -> impl Strategy<Value = StrBytes> {
    "[a-zA-Z0-9._é-]{0,140}".prop_map(StrBytes::from_string)
}

fn topic() -> impl Strategy<Value = FetchedTopic<Bytes>> {
    (text(), any::<u128>(), vec(partition(), 0..5)).prop_map(|(name, id, partitions)| FetchedTopic {
        name: TopicName(name),
        id: Uuid::from_u128(id),
        partitions,
    })
}

fn endpoint() -> impl Strategy<Value = NodeEndpoint> {
    (any::<(i32, i32)>(), text(), proptest::option::of(text())).prop_map(|((node_id, port), host, rack)| NodeEndpoint {
        node_id,
        host,
        port,
        rack,
    })
}

prop_compose! {
    fn response()(
        (throttle_ms, error_code, session_id) in any::<(i32, i16, i32)>(),
        topics in vec(topic(), 0..5),
        node_endpoints in vec(endpoint(), 0..4),
    ) -> FetchResponse<Bytes> {
        FetchResponse { throttle_ms, error_code, session_id, topics, node_endpoints }
    }
}

/// The same for the crate's encoder, which refuses fields that the version does not have.
fn as_kafka(ours: &FetchResponse<Bytes>, version: i16) -> messages::FetchResponse {
    let topics = ours.topics.iter().map(|topic| {
        FetchableTopicResponse::default()
            .with_topic(topic.name.clone())
            .with_topic_id(topic.id)
            .with_partitions(topic.partitions.iter().map(|partition| partition_as_kafka(partition, version)).collect())
    });
    let endpoints = ours.node_endpoints.iter().map(|endpoint| {
        kafka::NodeEndpoint::default()
            .with_node_id(BrokerId(endpoint.node_id))
            .with_host(endpoint.host.clone())
            .with_port(endpoint.port)
            .with_rack(endpoint.rack.clone())
    });
    let mut out = messages::FetchResponse::default()
        .with_throttle_time_ms(ours.throttle_ms)
        .with_error_code(ours.error_code)
        .with_responses(topics.collect())
        .with_node_endpoints(endpoints.collect());
    if version >= 7 {
        out.session_id = ours.session_id;
    }
    out
}

fn partition_as_kafka(ours: &FetchedPartition<Bytes>, version: i16) -> PartitionData {
    let aborted = ours.aborted.as_ref().map(|list| {
        list.iter()
            .map(|transaction| {
                kafka::AbortedTransaction::default()
                    .with_producer_id(transaction.producer_id.into())
                    .with_first_offset(transaction.first_offset)
            })
            .collect()
    });
    let mut out = PartitionData::default()
        .with_partition_index(ours.index)
        .with_error_code(ours.error_code)
        .with_high_watermark(ours.high_watermark)
        .with_last_stable_offset(ours.last_stable_offset)
        .with_log_start_offset(ours.log_start_offset)
        .with_aborted_transactions(aborted)
        .with_records(Some(ours.records.clone()));
    if version >= 11 {
        out.preferred_read_replica = BrokerId(ours.preferred_read_replica);
    }
    if version >= 12 {
        if let Some((epoch, end_offset)) = ours.diverging_epoch {
            out.diverging_epoch = kafka::EpochEndOffset::default().with_epoch(epoch).with_end_offset(end_offset);
        }
        if let Some((leader, epoch)) = ours.current_leader {
            out.current_leader =
                kafka::LeaderIdAndEpoch::default().with_leader_id(BrokerId(leader)).with_leader_epoch(epoch);
        }
    }
    out
}

fn joined(chunks: Vec<Chunk<Bytes>>) -> Vec<u8> {
    let mut out = Vec::new();
    for chunk in chunks {
        let (Chunk::Bytes(bytes) | Chunk::Records(bytes)) = chunk;
        assert!(!bytes.is_empty(), "an empty chunk");
        out.extend_from_slice(&bytes);
    }
    out
}

proptest! {
    #[test]
    fn encodes_as_the_crate_does(ours in response(), correlation_id: i32) {
        for version in 4..=18 {
            let theirs = as_kafka(&ours, version);
            let expected =
                response::encode_message(ApiKey::Fetch as i16, version, correlation_id, &theirs).expect("it encodes");
            let chunks = ours.clone().encode(version, correlation_id).expect("it encodes");
            prop_assert_eq!(&joined(chunks), &expected.to_vec(), "version {}", version);
        }
    }
}

#[test]
fn other_versions_and_endless_names_are_errors() {
    let empty = FetchResponse::<Bytes> {
        throttle_ms: 0,
        error_code: 0,
        session_id: 0,
        topics: Vec::new(),
        node_endpoints: Vec::new(),
    };
    for version in [-1, 3, 19] {
        let error = empty.clone().encode(version, 1).expect_err("it has no such version");
        assert_eq!(error.api_version, version);
    }
    let topic = FetchedTopic {
        name: TopicName(StrBytes::from_string("x".repeat(40_000))),
        id: Uuid::nil(),
        partitions: Vec::new(),
    };
    assert!(FetchResponse { topics: vec![topic], ..empty }.encode(11, 1).is_err());
}

#[test]
fn records_are_not_copied() {
    let records = Bytes::from(vec![1; 100]);
    let partition = FetchedPartition {
        index: 0,
        error_code: 0,
        high_watermark: 9,
        last_stable_offset: 9,
        log_start_offset: 0,
        aborted: None,
        preferred_read_replica: -1,
        diverging_epoch: None,
        current_leader: None,
        records: records.clone(),
    };
    let topic = FetchedTopic { name: TopicName::default(), id: Uuid::nil(), partitions: vec![partition] };
    let response =
        FetchResponse { throttle_ms: 0, error_code: 0, session_id: 0, topics: vec![topic], node_endpoints: Vec::new() };
    let chunks = response.encode(17, 3).expect("it encodes");
    assert_eq!(chunks.len(), 3);
    assert!(matches!(&chunks[1], Chunk::Records(sent) if sent.as_ptr() == records.as_ptr()));
}
