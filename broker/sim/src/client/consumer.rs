//! A consumer of one partition from its start on.

use odradek_node::event::Request;
use odradek_wire::batch::{RecordBatches, records};
use odradek_wire::messages::fetch_request::{FetchPartition, FetchTopic};
use odradek_wire::messages::{BrokerId, FetchRequest, FetchResponse, RequestKind, ResponseKind};
use odradek_wire::protocol::StrBytes;

use super::{Client, Common, Ledger};
use crate::network::Place;
use crate::world::{ClientAnswer, World};

const FETCH: (i16, i16) = (1, 17);

/// The consumer.
#[derive(Debug)]
pub struct Consumer {
    common: Common,
    partition: i32,
    position: i64,
    call: Option<u64>,
    /// The replica that the leader named (KIP-392).
    near: Option<Place>,
    last_high_watermark: i64,
}

impl Consumer {
    /// A consumer of `partition`.
    #[must_use]
    pub fn new(common: Common, partition: i32) -> Consumer {
        Consumer { common, partition, position: 0, call: None, near: None, last_high_watermark: -1 }
    }

    /// Where it is.
    #[must_use]
    pub fn position(&self) -> (i32, i64) {
        (self.partition, self.position)
    }

    fn fetched(&mut self, response: FetchResponse, world: &mut World, ledger: &mut Ledger) {
        let Some(data) = response.responses.into_iter().next().and_then(|topic| topic.partitions.into_iter().next())
        else {
            return self.common.refresh(world);
        };
        if data.preferred_read_replica.0 >= 0 {
            world.counts.add("consumer sent to a near replica");
            self.near = Some(data.preferred_read_replica.0);
            return self.wake(world, ledger);
        }
        let near = match data.error_code {
            0 => self.near,
            _ => self.near.take(),
        };
        if data.error_code != 0 {
            // A follower may not have it; the leader knows better.
            if data.error_code == 1 && near.is_none() {
                ledger.findings.push(format!(
                    "partition {}: offset {} was read up to before and is out of range now",
                    self.partition, self.position
                ));
            }
            return self.common.refresh(world);
        }
        if near.is_some() && data.records.as_ref().is_some_and(|bytes| !bytes.is_empty()) {
            world.counts.add("consumer read from a follower");
        }
        let before = self.position;
        if let Some(bytes) = data.records.filter(|bytes| !bytes.is_empty())
            && let Err(reason) = self.take(bytes, data.high_watermark, world, ledger)
        {
            ledger.findings.push(format!("partition {}: {reason}", self.partition));
        }
        self.last_high_watermark = data.high_watermark;
        if self.position == before { self.common.later(world) } else { self.wake(world, ledger) }
    }

    fn take(
        &mut self,
        bytes: bytes::Bytes,
        high_watermark: i64,
        world: &mut World,
        ledger: &mut Ledger,
    ) -> Result<(), String> {
        let batches = RecordBatches::parse_trailing(bytes).map_err(|error| error.to_string())?;
        for batch in &batches.batches {
            for record in records(&batches.batch_bytes(batch)).map_err(|error| error.to_string())? {
                let record = record.map_err(|error| error.to_string())?;
                if record.offset < self.position {
                    continue;
                }
                if record.offset >= high_watermark {
                    return Err(format!(
                        "offset {} was served above the high watermark {high_watermark}",
                        record.offset
                    ));
                }
                if record.offset != self.position {
                    return Err(format!("offset {} follows {}", record.offset, self.position - 1));
                }
                self.position = record.offset + 1;
                world.counts.add("records consumed");
                let value = String::from_utf8_lossy(record.value.as_deref().unwrap_or_default()).into_owned();
                let at = (self.partition, record.offset);
                if let Some(other) = ledger.consumed.get(&at).filter(|other| **other != value) {
                    return Err(format!("offset {} was {other} for one consumer and is {value} now", record.offset));
                }
                ledger.consumed.insert(at, value);
            }
        }
        Ok(())
    }
}

impl Client for Consumer {
    fn wake(&mut self, world: &mut World, _ledger: &mut Ledger) {
        if self.call.is_some() {
            return;
        }
        let Some((leader, epoch)) = self.common.leaders.by_partition.get(&self.partition).copied() else {
            return self.common.refresh(world);
        };
        let partition = FetchPartition::default()
            .with_partition(self.partition)
            .with_current_leader_epoch(epoch)
            .with_last_fetched_epoch(-1)
            .with_fetch_offset(self.position)
            .with_partition_max_bytes(1 << 20);
        let topic = FetchTopic::default().with_topic_id(self.common.leaders.topic_id).with_partitions(vec![partition]);
        let mut body = FetchRequest::default()
            .with_max_wait_ms(500)
            .with_min_bytes(1)
            .with_max_bytes(10 << 20)
            .with_session_epoch(-1)
            .with_topics(vec![topic]);
        body.replica_state.replica_id = BrokerId(-1);
        body.rack_id = StrBytes::from_string(format!("rack-{}", self.common.place % 3));
        let from = self.near.unwrap_or(leader);
        self.call = Some(self.common.call(world, from, FETCH, Request::Kafka(Box::new(RequestKind::Fetch(body)))));
    }

    fn answer(&mut self, call: u64, answer: ClientAnswer, world: &mut World, ledger: &mut Ledger) {
        let Some(answer) = self.common.take_metadata(call, answer) else { return self.common.later(world) };
        if self.call != Some(call) {
            return;
        }
        self.call = None;
        match answer {
            ClientAnswer::Kafka(kind) => match *kind {
                ResponseKind::Fetch(response) if response.error_code == 0 => self.fetched(response, world, ledger),
                _ => self.common.refresh(world),
            },
            ClientAnswer::Lost => {
                self.near = None;
                self.common.refresh(world);
            }
        }
    }

    fn is_done(&self) -> bool {
        true
    }
}
