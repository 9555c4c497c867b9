//! An idempotent producer with acks=all: one batch at a time, sent again until it is acknowledged.

use std::collections::BTreeMap;

use odradek_node::event::{ProducePartition, ProduceRequest, Request};
use odradek_wire::batch::{BatchBuilder, RecordBatches};
use odradek_wire::messages::{InitProducerIdRequest, ProducerId, RequestKind, ResponseKind};
use uuid::Uuid;

use super::{Client, Common, Ledger, TOPIC};
use crate::world::{ClientAnswer, World};

const PRODUCE: (i16, i16) = (0, 9);
const INIT_PRODUCER_ID: (i16, i16) = (22, 4);
const ACKS_TIMEOUT_MS: i32 = 2_000;

const NOT_ENOUGH_REPLICAS: i16 = 19;
const NOT_ENOUGH_REPLICAS_AFTER_APPEND: i16 = 20;
/// Errors that end an idempotent producer; with promises kept none of them ever comes.
const FATAL: [i16; 5] = [45, 46, 47, 59, 2];

#[derive(Debug)]
struct Batch {
    partition: i32,
    sequence: i32,
    values: Vec<String>,
    tries: u32,
}

/// The producer.
#[derive(Debug)]
pub struct Producer {
    common: Common,
    id: Option<(i64, i16)>,
    sequences: BTreeMap<i32, i32>,
    left: u32,
    named: u32,
    current: Option<Batch>,
    call: Option<u64>,
}

impl Producer {
    /// A producer of `records` records.
    #[must_use]
    pub fn new(common: Common, records: u32) -> Producer {
        Producer { common, id: None, sequences: BTreeMap::new(), left: records, named: 0, current: None, call: None }
    }

    fn init(&mut self, world: &mut World) {
        let body = InitProducerIdRequest::default()
            .with_transactional_id(None)
            .with_transaction_timeout_ms(60_000)
            .with_producer_id(ProducerId(-1))
            .with_producer_epoch(-1);
        let to = self.common.any_broker(world);
        let body = Request::Kafka(Box::new(RequestKind::InitProducerId(body)));
        self.call = Some(self.common.call(world, to, INIT_PRODUCER_ID, body));
    }

    fn next_batch(&mut self, world: &World, ledger: &mut Ledger) {
        if self.current.is_some() || self.left == 0 {
            return;
        }
        let partition = self.common.rng.range(0, u64::from(world.plan.partitions.unsigned_abs()) - 1) as i32;
        let many = (self.common.rng.range(1, 4) as u32).min(self.left);
        let sequence = *self.sequences.entry(partition).or_insert(0);
        let mut values = Vec::new();
        for _ in 0..many {
            self.named += 1;
            let value = format!("{}-{}", self.common.place, self.named);
            ledger.sent.insert(value.clone(), partition);
            values.push(value);
        }
        self.left -= many;
        self.current = Some(Batch { partition, sequence, values, tries: 0 });
    }

    fn send(&mut self, world: &mut World, ledger: &mut Ledger) {
        let (Some(batch), Some((id, epoch))) = (&mut self.current, self.id) else { return };
        let Some((leader, _)) = self.common.leaders.by_partition.get(&batch.partition).copied() else {
            self.common.refresh(world);
            return;
        };
        batch.tries += 1;
        if batch.tries > 1 {
            world.counts.add("produce retried");
        }
        let mut builder = BatchBuilder::new(0).producer(id, epoch, batch.sequence);
        for value in &batch.values {
            builder.append(world.now().wall_ms, None, Some(value.as_bytes()), &[]);
        }
        let records = match builder.build().and_then(|bytes| RecordBatches::validate(bytes, 1 << 20)) {
            Ok(records) => records,
            Err(error) => return ledger.findings.push(format!("the producer's own batch: {error}")),
        };
        let partition = ProducePartition {
            topic: TOPIC.to_owned(),
            topic_id: Uuid::nil(),
            index: batch.partition,
            records: Ok(records),
        };
        let body = ProduceRequest {
            acks: -1,
            timeout_ms: ACKS_TIMEOUT_MS,
            transactional_id: None,
            partitions: vec![partition],
        };
        self.call = Some(self.common.call(world, leader, PRODUCE, Request::Produce(body)));
    }

    fn produced(&mut self, error: i16, base_offset: i64, world: &mut World, ledger: &mut Ledger) {
        if error == 0 {
            let Some(batch) = self.current.take() else { return };
            world.counts.add("produce acknowledged");
            for (offset, value) in (base_offset..).zip(&batch.values) {
                let at = (batch.partition, offset);
                if let Some(other) = ledger.acknowledged.insert(at, value.clone()) {
                    ledger.findings.push(format!("both {other} and {value} were acknowledged at {at:?}"));
                }
            }
            self.sequences.insert(batch.partition, batch.sequence + batch.values.len() as i32);
            self.wake(world, ledger);
            return;
        }
        tracing::debug!(producer = self.common.place, error, "produce");
        if error == NOT_ENOUGH_REPLICAS || error == NOT_ENOUGH_REPLICAS_AFTER_APPEND {
            world.counts.add("not enough replicas");
        }
        if FATAL.contains(&error) {
            let batch = self.current.take();
            ledger.findings.push(format!(
                "producer {} got error {error} for {batch:?}, which only a broken promise gives",
                self.common.place
            ));
            self.left = 0;
            return;
        }
        self.common.refresh(world);
    }
}

impl Client for Producer {
    fn wake(&mut self, world: &mut World, ledger: &mut Ledger) {
        if self.call.is_some() {
            return;
        }
        if self.id.is_none() {
            return self.init(world);
        }
        self.next_batch(world, ledger);
        self.send(world, ledger);
    }

    fn answer(&mut self, call: u64, answer: ClientAnswer, world: &mut World, ledger: &mut Ledger) {
        let Some(answer) = self.common.take_metadata(call, answer) else { return self.common.later(world) };
        if self.call != Some(call) {
            return;
        }
        self.call = None;
        tracing::trace!(producer = self.common.place, ?answer);
        let ClientAnswer::Kafka(kind) = answer else { return self.common.refresh(world) };
        match *kind {
            ResponseKind::InitProducerId(response) if response.error_code == 0 => {
                self.id = Some((response.producer_id.0, response.producer_epoch));
                self.wake(world, ledger);
            }
            ResponseKind::Produce(response) => {
                let partition = response.responses.first().and_then(|topic| topic.partition_responses.first());
                match partition {
                    Some(partition) => self.produced(partition.error_code, partition.base_offset, world, ledger),
                    None => ledger.findings.push("an empty answer to Produce".to_owned()),
                }
            }
            _ => self.common.later(world),
        }
    }

    fn is_done(&self) -> bool {
        self.left == 0 && self.current.is_none()
    }
}
