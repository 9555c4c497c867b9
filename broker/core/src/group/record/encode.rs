//! Records of `__consumer_offsets` to bytes.

use bytes::{BufMut, Bytes, BytesMut};

use super::{CommittedOffset, GroupValue, MAX_TEXT};

const OFFSET_KEY: i16 = 1;
const GROUP_KEY: i16 = 2;
/// The only version with a field for the retention that a client asked for.
const OFFSET_VALUE_WITH_EXPIRY: i16 = 1;
const OFFSET_VALUE: i16 = 4;
const GROUP_VALUE: i16 = 3;

pub(in crate::group) fn offset_key(group: &str, topic: &str, partition: i32) -> Bytes {
    let mut key = BytesMut::with_capacity(10 + group.len() + topic.len());
    key.put_i16(OFFSET_KEY);
    put_text(&mut key, group);
    put_text(&mut key, topic);
    key.put_i32(partition);
    key.freeze()
}

pub(in crate::group) fn offset_value(value: &CommittedOffset) -> Bytes {
    let mut bytes = BytesMut::with_capacity(48 + value.metadata.len());
    match value.expires_ms {
        Some(expires_ms) => {
            bytes.put_i16(OFFSET_VALUE_WITH_EXPIRY);
            bytes.put_i64(value.offset);
            put_text(&mut bytes, &value.metadata);
            bytes.put_i64(value.committed_ms);
            bytes.put_i64(expires_ms);
        }
        None => {
            bytes.put_i16(OFFSET_VALUE);
            bytes.put_i64(value.offset);
            bytes.put_i32(value.leader_epoch);
            put_varint(&mut bytes, value.metadata.len() as u32 + 1);
            bytes.put_slice(value.metadata.as_bytes());
            bytes.put_i64(value.committed_ms);
            if value.topic_id.is_nil() {
                put_varint(&mut bytes, 0);
            } else {
                // One tagged field: tag 0, 16 bytes.
                bytes.put_slice(&[1, 0, 16]);
                bytes.put_slice(value.topic_id.as_bytes());
            }
        }
    }
    bytes.freeze()
}

pub(in crate::group) fn group_key(group: &str) -> Bytes {
    let mut key = BytesMut::with_capacity(4 + group.len());
    key.put_i16(GROUP_KEY);
    put_text(&mut key, group);
    key.freeze()
}

pub(in crate::group) fn group_value(value: &GroupValue) -> Bytes {
    let mut bytes = BytesMut::with_capacity(128 + 256 * value.members.len());
    bytes.put_i16(GROUP_VALUE);
    put_text(&mut bytes, &value.protocol_type);
    bytes.put_i32(value.generation);
    put_nullable(&mut bytes, value.protocol.as_deref());
    put_nullable(&mut bytes, value.leader.as_deref());
    bytes.put_i64(value.state_since_ms.unwrap_or(-1));
    bytes.put_i32(value.members.len() as i32);
    for member in &value.members {
        put_text(&mut bytes, &member.member_id);
        put_nullable(&mut bytes, member.instance_id.as_deref());
        put_text(&mut bytes, &member.client_id);
        put_text(&mut bytes, &member.client_host);
        bytes.put_i32(member.rebalance_timeout_ms);
        bytes.put_i32(member.session_timeout_ms);
        put_bytes(&mut bytes, &member.subscription);
        put_bytes(&mut bytes, &member.assignment);
    }
    bytes.freeze()
}

/// Texts that are too long for the format are refused where they enter; cutting one here at a
/// character keeps the record readable whatever happens.
fn put_text(bytes: &mut BytesMut, text: &str) {
    let mut end = text.len().min(MAX_TEXT);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    bytes.put_i16(end as i16);
    bytes.put_slice(&text.as_bytes()[..end]);
}

fn put_nullable(bytes: &mut BytesMut, text: Option<&str>) {
    match text {
        Some(text) => put_text(bytes, text),
        None => bytes.put_i16(-1),
    }
}

fn put_bytes(bytes: &mut BytesMut, field: &Bytes) {
    bytes.put_i32(field.len() as i32);
    bytes.put_slice(field);
}

fn put_varint(bytes: &mut BytesMut, mut value: u32) {
    while value >= 0x80 {
        bytes.put_u8((value as u8 & 0x7f) | 0x80);
        value >>= 7;
    }
    bytes.put_u8(value as u8);
}
