//! A producer as Kafka's clients are: up to five batches of a partition on their way, sent again in their order until
//! they are acknowledged.

use std::collections::{BTreeMap, VecDeque};

use odradek_node::event::{ProducePartition, ProduceRequest, Request};
use odradek_wire::batch::{BatchBuilder, RecordBatches};
use odradek_wire::messages::{InitProducerIdRequest, ProducerId, RequestKind, ResponseKind};
use uuid::Uuid;

use super::{Client, Common, Ledger, Tp, Value};
use crate::network::Place;
use crate::world::{ClientAnswer, World};

const PRODUCE: (i16, i16) = (0, 9);
const INIT_PRODUCER_ID: (i16, i16) = (22, 4);
const ACKS_TIMEOUT_MS: i32 = 2_000;
/// `max.in.flight.requests.per.connection`: more would outlive what brokers remember of a producer.
const MAX_IN_FLIGHT: usize = 5;

const CORRUPT_MESSAGE: i16 = 2;
const NOT_ENOUGH_REPLICAS: i16 = 19;
const NOT_ENOUGH_REPLICAS_AFTER_APPEND: i16 = 20;
const OUT_OF_ORDER_SEQUENCE: i16 = 45;
const DUPLICATE_SEQUENCE: i16 = 46;
const INVALID_PRODUCER_EPOCH: i16 = 47;
const UNKNOWN_PRODUCER_ID: i16 = 59;

/// What a producer asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Acks {
    /// All, with idempotence.
    Idempotent,
    /// The leader's.
    Leader,
    /// None.
    None,
}

impl Acks {
    fn code(self) -> i16 {
        match self {
            Acks::Idempotent => -1,
            Acks::Leader => 1,
            Acks::None => 0,
        }
    }
}

#[derive(Debug)]
struct Batch {
    /// Which one of its lane.
    ordinal: usize,
    sequence: i32,
    values: Vec<Value>,
    padding: usize,
    tries: u32,
    call: Option<u64>,
    /// Whom it was sent to last.
    to: Place,
    /// How often in a row the leader said that something is missing before it, though all of that is acknowledged.
    gaps: u32,
}

/// The batches of one partition that are not acknowledged, in order.
#[derive(Debug, Default)]
struct Lane {
    next_ordinal: usize,
    next_sequence: i32,
    batches: VecDeque<Batch>,
    /// One failed: nothing is sent until all that are on their way came back.
    draining: bool,
    /// The first batch is acknowledged. A broker takes any sequence of a producer that it does not know, so nothing may
    /// overtake the first one.
    begun: bool,
}

/// The producer.
#[derive(Debug)]
pub struct Producer {
    common: Common,
    acks: Acks,
    topics: Vec<usize>,
    id: Option<(i64, i16)>,
    init_call: Option<u64>,
    lanes: BTreeMap<Tp, Lane>,
    left: u32,
    named: u32,
    /// When it has the next record.
    next_us: u64,
    pace_us: u64,
}

impl Producer {
    /// A producer of `records` records to these topics of the plan, at such a pace that they take `over_us` together.
    #[must_use]
    pub fn new(common: Common, acks: Acks, topics: Vec<usize>, records: u32, over_us: u64) -> Producer {
        Producer {
            common,
            acks,
            topics,
            id: None,
            init_call: None,
            lanes: BTreeMap::new(),
            left: records,
            named: 0,
            next_us: 0,
            pace_us: over_us / (u64::from(records) / 2).max(1),
        }
    }

    fn init(&mut self, world: &mut World) {
        if self.init_call.is_some() {
            return;
        }
        let body = InitProducerIdRequest::default()
            .with_transactional_id(None)
            .with_transaction_timeout_ms(60_000)
            .with_producer_id(ProducerId(-1))
            .with_producer_epoch(-1);
        let to = self.common.any_broker(world);
        self.init_call = Some(self.common.ask(world, to, INIT_PRODUCER_ID, RequestKind::InitProducerId(body)));
    }

    fn next_batch(&mut self, world: &mut World, ledger: &mut Ledger) {
        if self.left == 0 || world.now_us < self.next_us {
            return;
        }
        let topic = *self.common.rng.pick(&self.topics);
        let partitions = u64::from(world.plan.topics[topic].partitions.unsigned_abs());
        let at = (topic, self.common.rng.range(0, partitions - 1) as i32);
        let most = if self.acks == Acks::Idempotent { MAX_IN_FLIGHT } else { 1 };
        self.next_us = world.now_us + self.common.rng.range(self.pace_us / 2, self.pace_us * 3 / 2);
        world.schedule_client(self.next_us, self.common.place);
        let lane = self.lanes.entry(at).or_default();
        // Not more than the broker remembers may pass one whose answer was lost.
        if lane.batches.front().is_some_and(|oldest| lane.next_ordinal - oldest.ordinal >= most) {
            return;
        }
        let many = (self.common.rng.range(1, 4) as u32).min(self.left);
        let mut values = Vec::new();
        for _ in 0..many {
            self.named += 1;
            let value = Value { producer: self.common.place, number: self.named };
            ledger.sent.insert(value, at);
            values.push(value);
        }
        self.left -= many;
        // Large ones lie in several sectors of a disk, so that a power loss can tear them.
        let padding = if self.common.rng.chance(250) { self.common.rng.range(300, 1_500) as usize } else { 40 };
        let (ordinal, sequence) = (lane.next_ordinal, lane.next_sequence);
        lane.batches.push_back(Batch { ordinal, sequence, values, padding, tries: 0, call: None, to: -1, gaps: 0 });
        lane.next_ordinal += 1;
        lane.next_sequence += many as i32;
    }

    fn pump(&mut self, world: &mut World, ledger: &mut Ledger) {
        let mut unknown = false;
        for (at, lane) in &mut self.lanes {
            if lane.draining && lane.batches.iter().any(|batch| batch.call.is_some()) {
                continue;
            }
            lane.draining = false;
            // As Kafka's producer: while a batch is sent again, those behind it wait until it is through. Else more
            // could pass it than the broker remembers.
            let again = lane.batches.iter().any(|batch| batch.tries > 1 || (batch.tries == 1 && batch.call.is_none()));
            let most = if again || !lane.begun { 1 } else { lane.batches.len() };
            for batch in lane.batches.iter_mut().take(most).filter(|batch| batch.call.is_none()) {
                let Some((leader, _)) = self.common.leaders.by_partition.get(at).copied() else {
                    unknown = true;
                    break;
                };
                batch.tries += 1;
                batch.to = leader;
                if batch.tries > 1 {
                    world.counts.add("produce retried");
                }
                let mut builder = BatchBuilder::new(0);
                if let Some((id, epoch)) = self.id {
                    builder = builder.producer(id, epoch, batch.sequence);
                }
                for value in &batch.values {
                    builder.append(world.wall_ms(), None, Some(&value.bytes(batch.padding)), &[]);
                }
                let records = match builder.build().and_then(|bytes| RecordBatches::validate(bytes, 1 << 20)) {
                    Ok(records) => records,
                    Err(error) => return ledger.findings.push(format!("the producer's own batch: {error}")),
                };
                let partition = ProducePartition {
                    topic: world.plan.topics[at.0].name.to_owned(),
                    topic_id: Uuid::nil(),
                    index: at.1,
                    records: Ok(records),
                };
                let body = ProduceRequest {
                    acks: self.acks.code(),
                    timeout_ms: ACKS_TIMEOUT_MS,
                    transactional_id: None,
                    partitions: vec![partition],
                };
                batch.call = Some(self.common.call(world, leader, PRODUCE, Request::Produce(body)));
            }
        }
        if unknown {
            self.common.refresh(world);
        }
    }

    /// A batch came back: whether it is done with.
    fn came_back(&mut self, call: u64, result: Option<(i16, i64)>, world: &mut World, ledger: &mut Ledger) {
        let found = self.lanes.iter_mut().find_map(|(at, lane)| {
            let index = lane.batches.iter().position(|batch| batch.call == Some(call))?;
            Some((*at, lane, index))
        });
        let Some((at, lane, index)) = found else { return };
        lane.batches[index].call = None;
        let done = match result {
            Some((0, base_offset)) => {
                if self.acks == Acks::Idempotent {
                    for (offset, value) in (base_offset..).zip(&lane.batches[index].values) {
                        if let Some(other) = ledger.acknowledged.insert((at, offset), *value).filter(|it| it != value) {
                            let both = format!("both {other} and {value} were acknowledged at {at:?}, offset {offset}");
                            world.promise.unless_excused(&world.plan, at, both, &mut ledger.findings);
                        }
                    }
                }
                true
            }
            // Nothing is known of what was sent with acks=0.
            _ if self.acks == Acks::None => true,
            _ => false,
        };
        if done {
            ledger.operations += lane.batches[index].values.len() as u64;
            world.counts.add_many("records acknowledged", lane.batches[index].values.len() as u64);
            lane.batches.remove(index);
            lane.begun = true;
            return self.pump(world, ledger);
        }
        lane.draining = true;
        if let Some((error, _)) = result {
            tracing::debug!(producer = self.common.place, error, "produce");
            if matches!(error, NOT_ENOUGH_REPLICAS | NOT_ENOUGH_REPLICAS_AFTER_APPEND) {
                world.counts.add("not enough replicas");
            }
            // Behind another batch that did not arrive, a gap is what it has to be.
            let gap = error == OUT_OF_ORDER_SEQUENCE;
            if gap && index > 0 {
                world.counts.add("gap in the sequence refused");
            }
            let fatal =
                matches!(error, CORRUPT_MESSAGE | DUPLICATE_SEQUENCE | INVALID_PRODUCER_EPOCH | UNKNOWN_PRODUCER_ID);
            // One that leads no more and does not know it may miss what the next one acknowledged.
            let name = world.plan.topics[at.0].name;
            let partition = world.known_image().topic(name).and_then(|topic| topic.partitions.get(&at.1));
            let leads = partition.is_some_and(|state| state.leader == lane.batches[index].to);
            let batch = &mut lane.batches[index];
            batch.gaps = if gap && index == 0 && leads { batch.gaps + 1 } else { 0 };
            if fatal || batch.gaps > 1 {
                let why = format!(
                    "producer {} got error {error} for {:?} at {at:?}, which only a broken promise gives",
                    self.common.place, lane.batches[index]
                );
                if world.promise.unless_excused(&world.plan, at, why, &mut ledger.findings) {
                    // What was acknowledged there is gone: as an application would, it begins anew.
                    lane.batches.clear();
                    (self.id, self.lanes) = (None, BTreeMap::new());
                    return self.init(world);
                }
            }
        }
        self.common.refresh(world);
    }
}

impl Client for Producer {
    fn wake(&mut self, world: &mut World, ledger: &mut Ledger) {
        if self.acks == Acks::Idempotent {
            ledger.idempotent.insert(self.common.place);
            if self.id.is_none() {
                return self.init(world);
            }
        }
        self.next_batch(world, ledger);
        self.pump(world, ledger);
    }

    fn answer(&mut self, call: u64, answer: ClientAnswer, world: &mut World, ledger: &mut Ledger) {
        let Some(answer) = self.common.take_metadata(call, answer, world) else { return self.common.later(world) };
        tracing::trace!(producer = self.common.place, ?answer);
        let kind = match answer {
            ClientAnswer::Kafka(kind) => Some(*kind),
            ClientAnswer::Lost => None,
        };
        if self.init_call == Some(call) {
            self.init_call = None;
            if let Some(ResponseKind::InitProducerId(response)) = kind
                && response.error_code == 0
            {
                self.id = Some((response.producer_id.0, response.producer_epoch));
                ledger.operations += 1;
                return self.wake(world, ledger);
            }
            return self.common.later(world);
        }
        let result = match kind {
            Some(ResponseKind::Produce(response)) => {
                let partition = response.responses.first().and_then(|topic| topic.partition_responses.first());
                let Some(partition) = partition else {
                    return ledger.findings.push("an empty answer to Produce".to_owned());
                };
                Some((partition.error_code, partition.base_offset))
            }
            _ => None,
        };
        self.came_back(call, result, world, ledger);
    }

    fn is_done(&self) -> bool {
        self.left == 0 && self.lanes.values().all(|lane| lane.batches.is_empty())
    }
}
