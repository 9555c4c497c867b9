//! The vectors were written by Kafka 4.4.0's own classes (`GroupCoordinatorRecordHelpers` and
//! `GroupCoordinatorRecordSerde` of kafka-group-coordinator, `MessageUtil` for older versions).

use bytes::Bytes;
use proptest::prelude::*;
use uuid::Uuid;

use super::*;

const OFFSET_KEY: &str = "0001000767726f75702d3100066f726465727300000007";
const OFFSET_V4: &str = "0004000000000012d68700000005086d65746120c3a90000018bcfe5687b00";
const OFFSET_V4_ID: &str = "0004000000000012d687ffffffff010000018bcfe5687b0100100102030405060708090a0b0c0d0e0f10";
const OFFSET_V1_EXPIRY: &str = "0001000000000012d68700016d0000018bcfe5687b0000018bcfe6ee9f";
const GROUP_KEY: &str = "0002000767726f75702d31";
const GROUP_V3: &str = "00030008636f6e73756d657200000003000572616e676500036d2d310000018bcfe569c8\
    0000000100036d2d31ffff0006636c69656e7400092f31302e302e302e310000ea600000afc800000003010203\
    000000020908";
const GROUP_V3_STATIC: &str = "00030008636f6e73756d657200000003000572616e676500036d2d310000018b\
    cfe569c80000000100036d2d310004696e73740006636c69656e7400092f31302e302e302e310000ea600000afc8\
    00000003010203000000020908";
const GROUP_V3_EMPTY: &str = "0003000000000000ffffffff0000018bcfe569c800000000";
const GROUP_V0: &str = "00000008636f6e73756d657200000003000572616e676500036d2d310000000100036d2d31\
    0006636c69656e7400092f31302e302e302e310000afc800000003010203000000020908";
const GROUP_V1: &str = "00010008636f6e73756d657200000003000572616e676500036d2d310000000100036d2d31\
    0006636c69656e7400092f31302e302e302e310000ea600000afc800000003010203000000020908";
const GROUP_V2: &str = "00020008636f6e73756d657200000003000572616e676500036d2d310000018bcfe569c8\
    0000000100036d2d310006636c69656e7400092f31302e302e302e310000ea600000afc800000003010203\
    000000020908";
const GROUP_V4: &str = "000409636f6e73756d6572000000030672616e6765046d2d310000018bcfe569c802046d2d\
    310007636c69656e740a2f31302e302e302e310000ea600000afc8040102030309080000";

fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex.chars().filter_map(|c| c.to_digit(16).map(|d| d as u8)).collect();
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

fn committed() -> CommittedOffset {
    CommittedOffset {
        offset: 1_234_567,
        leader_epoch: 5,
        metadata: "meta é".into(),
        committed_ms: 1_700_000_000_123,
        expires_ms: None,
        topic_id: Uuid::nil(),
    }
}

fn group() -> GroupValue {
    GroupValue {
        protocol_type: "consumer".into(),
        generation: 3,
        protocol: Some("range".into()),
        leader: Some("m-1".into()),
        state_since_ms: Some(1_700_000_000_456),
        members: vec![MemberValue {
            member_id: "m-1".into(),
            instance_id: None,
            client_id: "client".into(),
            client_host: "/10.0.0.1".into(),
            rebalance_timeout_ms: 60_000,
            session_timeout_ms: 45_000,
            subscription: Bytes::from_static(&[1, 2, 3]),
            assignment: Bytes::from_static(&[9, 8]),
        }],
    }
}

fn offset_record(value: &str) -> Result<Decoded, RecordError> {
    decode(&bytes(OFFSET_KEY), Some(&bytes(value)))
}

fn group_record(value: &str) -> Result<Decoded, RecordError> {
    decode(&bytes(GROUP_KEY), Some(&bytes(value)))
}

#[test]
fn offsets_are_written_as_kafka_writes_them() {
    assert_eq!(offset_key("group-1", "orders", 7), bytes(OFFSET_KEY));
    assert_eq!(offset_value(&committed()), bytes(OFFSET_V4));
    let with_id = CommittedOffset {
        leader_epoch: -1,
        metadata: String::new(),
        topic_id: Uuid::from_u128(0x0102030405060708090a0b0c0d0e0f10),
        ..committed()
    };
    assert_eq!(offset_value(&with_id), bytes(OFFSET_V4_ID));
    let with_expiry = CommittedOffset { metadata: "m".into(), expires_ms: Some(1_700_000_099_999), ..committed() };
    assert_eq!(offset_value(&with_expiry), bytes(OFFSET_V1_EXPIRY));
}

#[test]
fn offsets_of_every_version_are_read() {
    let read = |value: &str| match offset_record(value) {
        Ok(Decoded::Offset { group, topic, partition, value: Some(value) }) => {
            assert_eq!((&*group, &*topic, partition), ("group-1", "orders", 7));
            value
        }
        other => panic!("{other:?}"),
    };
    assert_eq!(read(OFFSET_V4), committed());
    assert_eq!(read(OFFSET_V4_ID).topic_id, Uuid::from_u128(0x0102030405060708090a0b0c0d0e0f10));
    // The version with an expiry has no room for the leader epoch.
    assert_eq!(read(OFFSET_V1_EXPIRY).expires_ms, Some(1_700_000_099_999));
    assert_eq!(read(OFFSET_V1_EXPIRY).leader_epoch, -1);
    let plain = CommittedOffset { offset: 42, leader_epoch: -1, metadata: "m".into(), ..committed() };
    assert_eq!(read("0000000000000000002a00016d0000018bcfe5687b"), plain);
    assert_eq!(read("0001000000000000002a00016d0000018bcfe5687bffffffffffffffff"), plain);
    assert_eq!(read("0002000000000000002a00016d0000018bcfe5687b"), plain);
    assert_eq!(
        read("0003000000000000002a0000000300016d0000018bcfe5687b"),
        CommittedOffset { leader_epoch: 3, ..plain }
    );
}

#[test]
fn groups_are_written_as_kafka_writes_them() {
    assert_eq!(group_key("group-1"), bytes(GROUP_KEY));
    assert_eq!(group_value(&group()), bytes(GROUP_V3));
    let mut with_instance = group();
    with_instance.members[0].instance_id = Some("inst".into());
    assert_eq!(group_value(&with_instance), bytes(GROUP_V3_STATIC));
    let empty = GroupValue {
        protocol_type: String::new(),
        generation: 0,
        protocol: None,
        leader: None,
        members: vec![],
        ..group()
    };
    assert_eq!(group_value(&empty), bytes(GROUP_V3_EMPTY));
}

#[test]
fn groups_of_every_version_are_read() {
    let read = |value: &str| match group_record(value) {
        Ok(Decoded::Group { group, value: Some(value) }) => {
            assert_eq!(group, "group-1");
            value
        }
        other => panic!("{other:?}"),
    };
    assert_eq!(read(GROUP_V4), group());
    assert_eq!(read(GROUP_V3), group());
    assert_eq!(read(GROUP_V2), group());
    let mut old = group();
    old.state_since_ms = None;
    assert_eq!(read(GROUP_V1), old);
    old.members[0].rebalance_timeout_ms = 45_000;
    assert_eq!(read(GROUP_V0), old);
    assert_eq!(read(GROUP_V3_STATIC).members[0].instance_id.as_deref(), Some("inst"));
    assert!(read(GROUP_V3_EMPTY).members.is_empty());
}

#[test]
fn tombstones_have_no_value() {
    assert_eq!(decode(&bytes(GROUP_KEY), None), Ok(Decoded::Group { group: "group-1".into(), value: None }));
    assert!(matches!(decode(&bytes(OFFSET_KEY), None), Ok(Decoded::Offset { value: None, .. })));
}

#[test]
fn broken_records_say_what_is_wrong() {
    assert_eq!(decode(&[], None), Err(RecordError::Cut("kind of key")));
    assert_eq!(decode(&bytes("0003000767726f75702d31"), None), Err(RecordError::UnknownKind(3)));
    assert_eq!(offset_record("0009"), Err(RecordError::UnknownVersion { value: "OffsetCommitValue", version: 9 }));
    assert_eq!(group_record("0003fffe"), Err(RecordError::Length { field: "protocolType", length: -2 }));
    assert_eq!(group_record("00030001ff"), Err(RecordError::Text("protocolType")));
    // A count of members that the bytes cannot hold.
    assert_eq!(group_record("0003000000000000ffffffff0000018bcfe569c87fffffff"), Err(RecordError::Cut("memberId")));
    for whole in [GROUP_V0, GROUP_V3, GROUP_V4] {
        let whole = bytes(whole);
        for end in 0..whole.len() {
            let cut = decode(&bytes(GROUP_KEY), Some(&whole[..end]));
            assert!(cut.is_err(), "cut at {end}");
        }
    }
    for whole in [OFFSET_V4, OFFSET_V4_ID, OFFSET_V1_EXPIRY] {
        let whole = bytes(whole);
        for end in 0..whole.len() {
            let cut = decode(&bytes(OFFSET_KEY), Some(&whole[..end]));
            assert!(cut.is_err(), "cut at {end}");
        }
    }
}

proptest! {
    #[test]
    fn any_bytes_are_an_error_or_a_record(
        key in prop::collection::vec(any::<u8>(), 0..40),
        kind in 0i16..4,
        value in prop::collection::vec(any::<u8>(), 0..80),
        version in 0i16..6,
    ) {
        let key = [&kind.to_be_bytes()[..], &key].concat();
        let value = [&version.to_be_bytes()[..], &value].concat();
        let _ = decode(&key, Some(&value));
        let _ = decode(&bytes(GROUP_KEY), Some(&value));
        let _ = decode(&bytes(OFFSET_KEY), Some(&value));
    }

    #[test]
    fn what_is_written_is_read_back(
        offset in any::<i64>(),
        leader_epoch in -1i32..100,
        metadata in ".{0,200}",
        committed_ms in any::<i64>(),
        id in any::<u128>(),
        partition in any::<i32>(),
    ) {
        let value = CommittedOffset {
            offset,
            leader_epoch,
            metadata,
            committed_ms,
            expires_ms: None,
            topic_id: Uuid::from_u128(id),
        };
        let key = offset_key("g", "t", partition);
        prop_assert_eq!(
            decode(&key, Some(&offset_value(&value))),
            Ok(Decoded::Offset {
                group: "g".into(),
                topic: "t".into(),
                partition,
                value: Some(value),
            })
        );
    }
}
