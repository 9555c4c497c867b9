//! Bytes of `__consumer_offsets` to records. The bytes may be anything: another writer's, a newer
//! release's, damaged.

use bytes::{Buf, Bytes};
use uuid::Uuid;

use super::{CommittedOffset, Decoded, GroupValue, MemberValue, RecordError};

/// Takes one record apart; a record without a value deletes its key.
pub(in crate::group) fn decode(key: &[u8], value: Option<&[u8]>) -> Result<Decoded, RecordError> {
    let mut key = Reader { rest: key };
    match key.i16("kind of key")? {
        0 | 1 => Ok(Decoded::Offset {
            group: key.text("group", false)?,
            topic: key.text("topic", false)?,
            partition: key.i32("partition")?,
            value: value.map(offset_value).transpose()?,
        }),
        2 => Ok(Decoded::Group { group: key.text("group", false)?, value: value.map(group_value).transpose()? }),
        kind => Err(RecordError::UnknownKind(kind)),
    }
}

fn offset_value(bytes: &[u8]) -> Result<CommittedOffset, RecordError> {
    let mut value = Reader { rest: bytes };
    let version = value.i16("value version")?;
    if !(0..=4).contains(&version) {
        return Err(RecordError::UnknownVersion { value: "OffsetCommitValue", version });
    }
    let flexible = version >= 4;
    let offset = value.i64("offset")?;
    let leader_epoch = if version >= 3 { value.i32("leaderEpoch")? } else { -1 };
    let metadata = value.text("metadata", flexible)?;
    let committed_ms = value.i64("commitTimestamp")?;
    let expires_ms = if version == 1 { Some(value.i64("expireTimestamp")?).filter(|&at| at != -1) } else { None };
    let mut topic_id = Uuid::nil();
    if flexible {
        value.tags(|tag, field| {
            if tag == 0 {
                topic_id = Uuid::from_slice(field)
                    .map_err(|_| RecordError::Length { field: "topicId", length: field.len() as i64 })?;
            }
            Ok(())
        })?;
    }
    Ok(CommittedOffset { offset, leader_epoch, metadata, committed_ms, expires_ms, topic_id })
}

fn group_value(bytes: &[u8]) -> Result<GroupValue, RecordError> {
    let mut value = Reader { rest: bytes };
    let version = value.i16("value version")?;
    if !(0..=4).contains(&version) {
        return Err(RecordError::UnknownVersion { value: "GroupMetadataValue", version });
    }
    let flexible = version >= 4;
    let protocol_type = value.text("protocolType", flexible)?;
    let generation = value.i32("generation")?;
    let protocol = value.nullable("protocol", flexible)?;
    let leader = value.nullable("leader", flexible)?;
    let state_since_ms =
        if version >= 2 { Some(value.i64("currentStateTimestamp")?).filter(|&at| at != -1) } else { None };
    let count = value.length("members", flexible, 4)?.unwrap_or(0);
    // Nothing is reserved by the count: it may be damaged.
    let mut members = Vec::new();
    for _ in 0..count {
        members.push(member_value(&mut value, version)?);
    }
    if flexible {
        value.tags(|_, _| Ok(()))?;
    }
    Ok(GroupValue { protocol_type, generation, protocol, leader, state_since_ms, members })
}

fn member_value(value: &mut Reader<'_>, version: i16) -> Result<MemberValue, RecordError> {
    let flexible = version >= 4;
    let member_id = value.text("memberId", flexible)?;
    let instance_id = if version >= 3 { value.nullable("groupInstanceId", flexible)? } else { None };
    let client_id = value.text("clientId", flexible)?;
    let client_host = value.text("clientHost", flexible)?;
    let rebalance_timeout_ms = if version >= 1 { value.i32("rebalanceTimeout")? } else { -1 };
    let session_timeout_ms = value.i32("sessionTimeout")?;
    let subscription = value.bytes("subscription", flexible)?;
    let assignment = value.bytes("assignment", flexible)?;
    if flexible {
        value.tags(|_, _| Ok(()))?;
    }
    Ok(MemberValue {
        member_id,
        instance_id,
        client_id,
        client_host,
        // Before version 1 the session time-out was the rebalance time-out, too.
        rebalance_timeout_ms: if rebalance_timeout_ms == -1 { session_timeout_ms } else { rebalance_timeout_ms },
        session_timeout_ms,
        subscription,
        assignment,
    })
}

/// Reads fields, and names the one that is missing.
struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    fn i16(&mut self, field: &'static str) -> Result<i16, RecordError> {
        self.rest.try_get_i16().map_err(|_| RecordError::Cut(field))
    }

    fn i32(&mut self, field: &'static str) -> Result<i32, RecordError> {
        self.rest.try_get_i32().map_err(|_| RecordError::Cut(field))
    }

    fn i64(&mut self, field: &'static str) -> Result<i64, RecordError> {
        self.rest.try_get_i64().map_err(|_| RecordError::Cut(field))
    }

    fn varint(&mut self, field: &'static str) -> Result<u32, RecordError> {
        let mut value = 0u64;
        for shift in [0, 7, 14, 21, 28] {
            let byte = self.rest.try_get_u8().map_err(|_| RecordError::Cut(field))?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return u32::try_from(value).map_err(|_| RecordError::Length { field, length: value as i64 });
            }
        }
        Err(RecordError::Length { field, length: value as i64 })
    }

    /// A length or a count, `None` for null. Outside of the flexible format it has `width` bytes.
    fn length(&mut self, field: &'static str, flexible: bool, width: usize) -> Result<Option<usize>, RecordError> {
        let length = if flexible {
            i64::from(self.varint(field)?) - 1
        } else if width == 2 {
            i64::from(self.i16(field)?)
        } else {
            i64::from(self.i32(field)?)
        };
        match length {
            -1 => Ok(None),
            _ => usize::try_from(length).map(Some).map_err(|_| RecordError::Length { field, length }),
        }
    }

    fn take(&mut self, field: &'static str, length: usize) -> Result<&'a [u8], RecordError> {
        let (taken, rest) = self.rest.split_at_checked(length).ok_or(RecordError::Cut(field))?;
        self.rest = rest;
        Ok(taken)
    }

    fn nullable(&mut self, field: &'static str, flexible: bool) -> Result<Option<String>, RecordError> {
        let Some(length) = self.length(field, flexible, 2)? else {
            return Ok(None);
        };
        let bytes = self.take(field, length)?;
        match std::str::from_utf8(bytes) {
            Ok(text) => Ok(Some(text.to_owned())),
            Err(_) => Err(RecordError::Text(field)),
        }
    }

    fn text(&mut self, field: &'static str, flexible: bool) -> Result<String, RecordError> {
        self.nullable(field, flexible)?.ok_or(RecordError::Length { field, length: -1 })
    }

    fn bytes(&mut self, field: &'static str, flexible: bool) -> Result<Bytes, RecordError> {
        let length = self.length(field, flexible, 4)?.unwrap_or(0);
        Ok(Bytes::copy_from_slice(self.take(field, length)?))
    }

    /// The tagged fields at the end of a flexible structure; unknown ones are passed over.
    fn tags(&mut self, mut each: impl FnMut(u32, &'a [u8]) -> Result<(), RecordError>) -> Result<(), RecordError> {
        for _ in 0..self.varint("tagged fields")? {
            let tag = self.varint("tag")?;
            let length = self.varint("tagged field")? as usize;
            each(tag, self.take("tagged field", length)?)?;
        }
        Ok(())
    }
}
