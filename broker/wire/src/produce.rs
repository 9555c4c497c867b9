//! The Produce request: own decoder, so that record bytes are slices of the frame and lengths are
//! checked against what is there.

use bytes::{Buf, Bytes};
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::{ProduceRequest, TopicName, TransactionalId};
use kafka_protocol::protocol::{Message, StrBytes};
use uuid::Uuid;

use crate::primitive::{skip_tagged_fields, take_uvarint};

/// Least size of a topic entry (an empty name, an empty array): bounds the claimed count.
const MIN_TOPIC: usize = 2;
/// Least size of a partition entry: index and the length of its records.
const MIN_PARTITION: usize = 5;

/// A Produce body that cannot be read: which part of it is cut or contradicts itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ProduceError {
    /// A version that has no decoder.
    #[error("version {0} of Produce is not known")]
    Version(i16),
    /// A part that is cut, has an impossible length, or is not UTF-8.
    #[error("{0} is cut or has an impossible length")]
    Broken(&'static str),
}

/// Decodes the body of a Produce request of versions 3 to 13. Tagged fields are skipped: none is
/// defined.
pub fn decode(bytes: Bytes, version: i16) -> Result<ProduceRequest, ProduceError> {
    if !(ProduceRequest::VERSIONS.min..=ProduceRequest::VERSIONS.max).contains(&version) {
        return Err(ProduceError::Version(version));
    }
    let mut reader = Reader { bytes, flexible: version >= 9 };
    let transactional_id = reader.string().ok_or(ProduceError::Broken("transactional id"))?.map(TransactionalId);
    let acks = reader.i16().ok_or(ProduceError::Broken("acks"))?;
    let timeout_ms = reader.i32().ok_or(ProduceError::Broken("timeout"))?;
    let topics = reader.count(MIN_TOPIC).ok_or(ProduceError::Broken("number of topics"))?;
    let mut topic_data = Vec::with_capacity(topics);
    for _ in 0..topics {
        topic_data.push(topic(&mut reader, version)?);
    }
    reader.end().ok_or(ProduceError::Broken("end of the request"))?;
    Ok(ProduceRequest::default()
        .with_transactional_id(transactional_id)
        .with_acks(acks)
        .with_timeout_ms(timeout_ms)
        .with_topic_data(topic_data))
}

fn topic(reader: &mut Reader, version: i16) -> Result<TopicProduceData, ProduceError> {
    let mut topic = TopicProduceData::default();
    if version >= 13 {
        topic.topic_id = reader.uuid().ok_or(ProduceError::Broken("topic id"))?;
    } else {
        let name = reader.string().flatten().ok_or(ProduceError::Broken("topic name"))?;
        topic.name = TopicName(name);
    }
    let partitions = reader.count(MIN_PARTITION).ok_or(ProduceError::Broken("number of partitions"))?;
    topic.partition_data = Vec::with_capacity(partitions);
    for _ in 0..partitions {
        let index = reader.i32().ok_or(ProduceError::Broken("partition"))?;
        let records = reader.bytes().ok_or(ProduceError::Broken("records"))?;
        reader.end().ok_or(ProduceError::Broken("end of a partition"))?;
        topic.partition_data.push(PartitionProduceData::default().with_index(index).with_records(records));
    }
    reader.end().ok_or(ProduceError::Broken("end of a topic"))?;
    Ok(topic)
}

/// Reads fields in either encoding; `None` is a broken field.
struct Reader {
    bytes: Bytes,
    flexible: bool,
}

impl Reader {
    fn i16(&mut self) -> Option<i16> {
        self.bytes.try_get_i16().ok()
    }

    fn i32(&mut self) -> Option<i32> {
        self.bytes.try_get_i32().ok()
    }

    fn uuid(&mut self) -> Option<Uuid> {
        let bytes = self.take(16)?;
        Uuid::from_slice(&bytes).ok()
    }

    fn take(&mut self, length: usize) -> Option<Bytes> {
        (length <= self.bytes.len()).then(|| self.bytes.split_to(length))
    }

    /// `Some(None)` is a null.
    fn compact_length(&mut self) -> Option<Option<usize>> {
        let raw = take_uvarint(&mut self.bytes)?;
        Some(raw.checked_sub(1).map(|length| length as usize))
    }

    fn plain_length(raw: i32) -> Option<Option<usize>> {
        match usize::try_from(raw) {
            Ok(length) => Some(Some(length)),
            Err(_) if raw == -1 => Some(None),
            Err(_) => None,
        }
    }

    /// A nullable string.
    fn string(&mut self) -> Option<Option<StrBytes>> {
        let length = if self.flexible {
            self.compact_length()?
        } else {
            let raw = self.i16()?;
            Self::plain_length(i32::from(raw))?
        };
        match length {
            None => Some(None),
            Some(length) => StrBytes::from_utf8(self.take(length)?).ok().map(Some),
        }
    }

    /// A nullable byte string.
    fn bytes(&mut self) -> Option<Option<Bytes>> {
        let length = if self.flexible {
            self.compact_length()?
        } else {
            let raw = self.i32()?;
            Self::plain_length(raw)?
        };
        match length {
            None => Some(None),
            Some(length) => self.take(length).map(Some),
        }
    }

    /// The length of an array whose elements take `least` bytes or more.
    fn count(&mut self, least: usize) -> Option<usize> {
        let count = if self.flexible {
            self.compact_length()??
        } else {
            let raw = self.i32()?;
            Self::plain_length(raw)??
        };
        (count <= self.bytes.len() / least).then_some(count)
    }

    /// The tagged fields at the end of a struct.
    fn end(&mut self) -> Option<()> {
        if !self.flexible {
            return Some(());
        }
        skip_tagged_fields(&mut self.bytes)
    }
}
