//! The Fetch response: own encoder, generic over what the records are, so that they can leave as
//! file ranges between the bytes around them.

use bytes::{BufMut, Bytes, BytesMut};
use kafka_protocol::messages::{ApiKey, FetchResponse as KafkaFetchResponse, TopicName};
use kafka_protocol::protocol::{Message, StrBytes};
use uuid::Uuid;

use crate::frame::PREFIX;
use crate::primitive::{put_uvarint, uvarint_len};
use crate::response::{EncodeError, put_header};

/// Least version where strings and arrays are compact and structs end in tagged fields.
const FLEXIBLE: i16 = 12;

/// Records of one partition, wherever their bytes are.
pub trait RecordsPayload {
    /// How many bytes they are.
    fn len(&self) -> usize;

    /// Whether there are none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl RecordsPayload for Bytes {
    fn len(&self) -> usize {
        Bytes::len(self)
    }
}

/// A piece of a response, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Chunk<R> {
    /// Bytes to send as they are; never empty.
    Bytes(Bytes),
    /// Records to send from wherever they are; never empty.
    Records(R),
}

/// A Fetch response. What the asked version does not have is left out when encoding, as Kafka
/// leaves it out.
#[derive(Debug, Clone, PartialEq)]
pub struct FetchResponse<R> {
    /// How long the client was throttled, ms.
    pub throttle_ms: i32,
    /// Error of the whole request (version 7 and later).
    pub error_code: i16,
    /// Id of the fetch session, 0 for none (version 7 and later).
    pub session_id: i32,
    /// The topics, in the order to send.
    pub topics: Vec<FetchedTopic<R>>,
    /// Where the leaders named in `current_leader` are (version 16 and later).
    pub node_endpoints: Vec<NodeEndpoint>,
}

/// A topic in a Fetch response.
#[derive(Debug, Clone, PartialEq)]
pub struct FetchedTopic<R> {
    /// Its name (up to version 12).
    pub name: TopicName,
    /// Its id (version 13 and later).
    pub id: Uuid,
    /// Its partitions, in the order to send.
    pub partitions: Vec<FetchedPartition<R>>,
}

/// A partition in a Fetch response.
#[derive(Debug, Clone, PartialEq)]
pub struct FetchedPartition<R> {
    /// Which partition.
    pub index: i32,
    /// Its error, 0 for none.
    pub error_code: i16,
    /// The high watermark; -1 with an error.
    pub high_watermark: i64,
    /// Offset below which all transactions are decided; -1 when not known.
    pub last_stable_offset: i64,
    /// First offset of the log (version 5 and later); -1 when not known.
    pub log_start_offset: i64,
    /// Aborted transactions, for readers of committed records only; `None` for the others.
    pub aborted: Option<Vec<AbortedTransaction>>,
    /// Replica that the consumer should rather read from (version 11 and later); -1 for none.
    pub preferred_read_replica: i32,
    /// Largest epoch below the fetcher's and its end offset, when the fetcher's log has diverged
    /// (KIP-595, version 12 and later).
    pub diverging_epoch: Option<(i32, i64)>,
    /// Leader and leader epoch, when the fetcher knows older ones (KIP-951, version 12 and
    /// later).
    pub current_leader: Option<(i32, i32)>,
    /// The records.
    pub records: R,
}

/// An aborted transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AbortedTransaction {
    /// Producer id of it.
    pub producer_id: i64,
    /// First offset of it.
    pub first_offset: i64,
}

/// Where a broker listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeEndpoint {
    /// Broker id.
    pub node_id: i32,
    /// Host name or address.
    pub host: StrBytes,
    /// Port.
    pub port: i32,
    /// Rack.
    pub rack: Option<StrBytes>,
}

impl<R: RecordsPayload> FetchResponse<R> {
    /// The whole frame, length and header included, as chunks in order. Errors: a version that is
    /// not known, a name above 32,767 bytes, a frame above 2 GiB.
    pub fn encode(self, version: i16, correlation_id: i32) -> Result<Vec<Chunk<R>>, EncodeError> {
        let failed = |reason: String| EncodeError { api_key: ApiKey::Fetch as i16, api_version: version, reason };
        let range = KafkaFetchResponse::VERSIONS;
        if !(range.min..=range.max).contains(&version) {
            return Err(failed(format!("versions {range} are known")));
        }
        let mut encoder = Encoder { version, out: BytesMut::with_capacity(128), records: Vec::new(), records_len: 0 };
        encoder.response(self, correlation_id).map_err(failed)?;
        encoder.finish().map_err(failed)
    }
}

struct Encoder<R> {
    version: i16,
    /// All bytes that are not records.
    out: BytesMut,
    /// Records, each with the position in `out` before which it goes.
    records: Vec<(usize, R)>,
    records_len: usize,
}

impl<R: RecordsPayload> Encoder<R> {
    fn response(&mut self, response: FetchResponse<R>, correlation_id: i32) -> Result<(), String> {
        self.out.put_u32(0);
        let header_version = i16::from(self.flexible());
        put_header(&mut self.out, header_version, correlation_id);
        self.out.put_i32(response.throttle_ms);
        if self.version >= 7 {
            self.out.put_i16(response.error_code);
            self.out.put_i32(response.session_id);
        }
        self.count(response.topics.len());
        for topic in response.topics {
            self.topic(topic)?;
        }
        if !self.flexible() {
            return Ok(());
        }
        if self.version < 16 || response.node_endpoints.is_empty() {
            self.no_tags();
            return Ok(());
        }
        put_uvarint(&mut self.out, 1);
        let mut tagged = BytesMut::new();
        put_uvarint(&mut tagged, response.node_endpoints.len() as u32 + 1);
        for endpoint in &response.node_endpoints {
            tagged.put_i32(endpoint.node_id);
            put_compact(&mut tagged, Some(&endpoint.host));
            tagged.put_i32(endpoint.port);
            put_compact(&mut tagged, endpoint.rack.as_deref());
            put_uvarint(&mut tagged, 0);
        }
        self.tag(0, &tagged);
        Ok(())
    }

    fn topic(&mut self, topic: FetchedTopic<R>) -> Result<(), String> {
        if self.version >= 13 {
            self.out.put_slice(topic.id.as_bytes());
        } else if self.flexible() {
            put_compact(&mut self.out, Some(&topic.name));
        } else {
            let length =
                i16::try_from(topic.name.len()).map_err(|_| format!("topic name of {} bytes", topic.name.len()))?;
            self.out.put_i16(length);
            self.out.put_slice(topic.name.as_bytes());
        }
        self.count(topic.partitions.len());
        for partition in topic.partitions {
            self.partition(partition)?;
        }
        if self.flexible() {
            self.no_tags();
        }
        Ok(())
    }

    fn partition(&mut self, partition: FetchedPartition<R>) -> Result<(), String> {
        self.out.put_i32(partition.index);
        self.out.put_i16(partition.error_code);
        self.out.put_i64(partition.high_watermark);
        self.out.put_i64(partition.last_stable_offset);
        if self.version >= 5 {
            self.out.put_i64(partition.log_start_offset);
        }
        match &partition.aborted {
            None if self.flexible() => put_uvarint(&mut self.out, 0),
            None => self.out.put_i32(-1),
            Some(aborted) => {
                self.count(aborted.len());
                for transaction in aborted {
                    self.out.put_i64(transaction.producer_id);
                    self.out.put_i64(transaction.first_offset);
                    if self.flexible() {
                        self.no_tags();
                    }
                }
            }
        }
        if self.version >= 11 {
            self.out.put_i32(partition.preferred_read_replica);
        }
        self.records(partition.records)?;
        if !self.flexible() {
            return Ok(());
        }
        let tags = u32::from(partition.diverging_epoch.is_some()) + u32::from(partition.current_leader.is_some());
        put_uvarint(&mut self.out, tags);
        if let Some((epoch, end_offset)) = partition.diverging_epoch {
            let mut tagged = BytesMut::with_capacity(13);
            tagged.put_i32(epoch);
            tagged.put_i64(end_offset);
            put_uvarint(&mut tagged, 0);
            self.tag(0, &tagged);
        }
        if let Some((leader_id, leader_epoch)) = partition.current_leader {
            let mut tagged = BytesMut::with_capacity(9);
            tagged.put_i32(leader_id);
            tagged.put_i32(leader_epoch);
            put_uvarint(&mut tagged, 0);
            self.tag(1, &tagged);
        }
        Ok(())
    }

    fn records(&mut self, records: R) -> Result<(), String> {
        let length = records.len();
        let wire = i32::try_from(length).map_err(|_| format!("records of {length} bytes"))?;
        if self.flexible() {
            put_uvarint(&mut self.out, wire as u32 + 1);
        } else {
            self.out.put_i32(wire);
        }
        if length > 0 {
            self.records_len += length;
            self.records.push((self.out.len(), records));
        }
        Ok(())
    }

    fn finish(mut self) -> Result<Vec<Chunk<R>>, String> {
        let size = self.out.len() - PREFIX + self.records_len;
        let wire = i32::try_from(size).map_err(|_| format!("{size} bytes are more than a frame can hold"))?;
        self.out[..PREFIX].copy_from_slice(&wire.to_be_bytes());
        let mut chunks = Vec::with_capacity(self.records.len() * 2 + 1);
        let bytes = self.out.freeze();
        let mut from = 0;
        for (position, records) in self.records {
            chunks.push(Chunk::Bytes(bytes.slice(from..position)));
            chunks.push(Chunk::Records(records));
            from = position;
        }
        if from < bytes.len() {
            chunks.push(Chunk::Bytes(bytes.slice(from..)));
        }
        Ok(chunks)
    }

    fn flexible(&self) -> bool {
        self.version >= FLEXIBLE
    }

    fn count(&mut self, count: usize) {
        if self.flexible() {
            put_uvarint(&mut self.out, count as u32 + 1);
        } else {
            self.out.put_i32(count as i32);
        }
    }

    fn no_tags(&mut self) {
        put_uvarint(&mut self.out, 0);
    }

    fn tag(&mut self, tag: u32, content: &[u8]) {
        self.out.reserve(uvarint_len(tag) + 5 + content.len());
        put_uvarint(&mut self.out, tag);
        put_uvarint(&mut self.out, content.len() as u32);
        self.out.put_slice(content);
    }
}

/// A compact nullable string.
fn put_compact(out: &mut BytesMut, text: Option<&str>) {
    match text {
        None => put_uvarint(out, 0),
        Some(text) => {
            put_uvarint(out, text.len() as u32 + 1);
            out.put_slice(text.as_bytes());
        }
    }
}
