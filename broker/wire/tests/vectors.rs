//! Frames of real clients and of a real broker decode, and encode to the same bytes again.

mod common;

use bytes::{Buf, BytesMut};
use common::{Vector, vectors};
use odradek_wire::batch::{Compression, RecordBatches, records};
use odradek_wire::messages::{self, ApiKey, RequestKind, ResponseKind};
use odradek_wire::protocol::Encodable;
use odradek_wire::request::{self, DecodeError, RequestBody};
use odradek_wire::response;
use odradek_wire::versions::{self, ListenerKind};

fn decode(vector: &Vector) -> Option<(request::RequestHeader, RequestKind)> {
    match request::decode(ListenerKind::Broker, vector.frame.clone()) {
        Ok(decoded) => {
            let RequestBody::Kafka(kind) = decoded.body else { panic!("{}: not Kafka's", vector.name) };
            Some((decoded.header, kind))
        }
        // Clients of Kafka 4.4 begin with a newer version than the definitions of 4.1 have.
        Err(error @ DecodeError::UnsupportedVersion { .. }) => {
            assert_eq!(vector.api(), "api_versions", "{}: {error}", vector.name);
            assert!(error.wants_api_versions().is_some());
            None
        }
        Err(error) => panic!("{}: {error}", vector.name),
    }
}

#[test]
fn requests_of_real_clients_encode_to_the_same_bytes() {
    let mut decoded = 0;
    for vector in vectors("requests") {
        let Some((header, kind)) = decode(&vector) else { continue };
        assert_eq!(header.api_version, vector.version());
        let mut out = BytesMut::new();
        messages::RequestHeader::default()
            .with_request_api_key(header.api_key)
            .with_request_api_version(header.api_version)
            .with_correlation_id(header.correlation_id)
            .with_client_id(header.client_id.clone())
            .encode(&mut out, request::header_version(header.api_key, header.api_version))
            .expect("a header");
        kind.encode(&mut out, header.api_version).expect("a body");
        assert_eq!(out, vector.frame, "{}", vector.name);
        decoded += 1;
    }
    assert!(decoded > 70, "only {decoded} vectors were decoded");
}

#[test]
fn every_served_api_was_seen_from_a_real_client() {
    // No tool that runs against one healthy broker sends these.
    let unseen = [ApiKey::AlterConfigs, ApiKey::OffsetForLeaderEpoch].map(|key| key as i16);
    let seen: Vec<i16> = vectors("requests").iter().map(|vector| vector.frame.clone().get_i16()).collect();
    for api in versions::served(ListenerKind::Broker) {
        if !unseen.contains(&api.key) {
            assert!(seen.contains(&api.key), "no vector of API key {}", api.key);
        }
    }
}

macro_rules! response_kind {
    ($vector:ident: $($api:literal $kind:ident,)*) => {{
        let version = $vector.version();
        match $vector.api() {
            $($api => {
                response::decode(ApiKey::$kind as i16, version, $vector.frame.clone()).map(ResponseKind::$kind)
            })*
            other => panic!("{other}: add it to the list"),
        }
    }};
}

#[test]
fn responses_of_apache_kafka_encode_to_the_same_bytes() {
    let mut decoded = 0;
    for vector in vectors("responses") {
        if vector.name.starts_with("api_versions_v5") {
            continue;
        }
        let result = response_kind! { vector:
            "produce" Produce, "fetch" Fetch, "list_offsets" ListOffsets, "metadata" Metadata,
            "offset_commit" OffsetCommit, "offset_fetch" OffsetFetch, "find_coordinator" FindCoordinator,
            "join_group" JoinGroup, "heartbeat" Heartbeat, "leave_group" LeaveGroup, "sync_group" SyncGroup,
            "describe_groups" DescribeGroups, "list_groups" ListGroups, "api_versions" ApiVersions,
            "create_topics" CreateTopics, "delete_topics" DeleteTopics, "delete_records" DeleteRecords,
            "init_producer_id" InitProducerId, "describe_configs" DescribeConfigs,
            "create_partitions" CreatePartitions, "delete_groups" DeleteGroups, "elect_leaders" ElectLeaders,
            "incremental_alter_configs" IncrementalAlterConfigs,
            "alter_partition_reassignments" AlterPartitionReassignments,
            "list_partition_reassignments" ListPartitionReassignments, "offset_delete" OffsetDelete,
            "describe_quorum" DescribeQuorum, "describe_cluster" DescribeCluster,
            "describe_producers" DescribeProducers, "describe_topic_partitions" DescribeTopicPartitions,
        };
        let kind = result.unwrap_or_else(|error| panic!("{}: {error}", vector.name));
        let correlation = response::correlation_id(&vector.frame).expect("a header");
        let encoded = response::encode(vector.version(), correlation, &kind).expect("it encodes");
        assert_eq!(encoded.slice(4..), vector.frame, "{}: {kind:#?}", vector.name);
        decoded += 1;
    }
    assert!(decoded > 60, "only {decoded} vectors were decoded");
}

#[test]
fn batches_of_real_producers_are_valid_and_readable() {
    let mut seen = Vec::new();
    for vector in vectors("requests").iter().filter(|vector| vector.api() == "produce") {
        let Some((header, RequestKind::Produce(request))) = decode(vector) else { panic!("{}", vector.name) };
        let mut partitions = 0;
        for partition in request.topic_data.iter().flat_map(|topic| &topic.partition_data) {
            let bytes = partition.records.clone().expect("records");
            let frame = vector.frame.as_ptr_range();
            assert!(frame.contains(&bytes.as_ptr()), "{}: records were copied", vector.name);
            let set = RecordBatches::validate_produced(bytes, header.api_version, 1 << 20)
                .unwrap_or_else(|error| panic!("{}: {error}", vector.name));
            let batch = set.batches[0];
            let list: Vec<_> =
                records(&set.bytes).expect("it decompresses").map(|record| record.expect("a whole record")).collect();
            assert_eq!(list.len(), batch.header.record_count as usize);
            assert_eq!(list.last().map(|record| record.offset), Some(batch.header.last_offset()));
            assert!(list.iter().all(|record| record.timestamp <= batch.header.max_timestamp));
            assert!(list.iter().all(|record| record.value.as_ref().is_some_and(|value| !value.is_empty())));
            seen.push((header.api_version, batch.header.compression().expect("a known one")));
            partitions += 1;
        }
        assert!(partitions > 0, "{}", vector.name);
    }
    // Java sends version 13, kcat 7, kafka-python 9; each with every compression.
    for version in [7, 9, 13] {
        for codec in [Compression::None, Compression::Gzip, Compression::Snappy, Compression::Lz4, Compression::Zstd] {
            assert!(seen.contains(&(version, codec)), "{codec:?} in version {version} is not among {seen:?}");
        }
    }
}
