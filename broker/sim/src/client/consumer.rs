//! A consumer of one partition from its start on, which commits its position now and then, and begins again from there.

use odradek_wire::batch::{RecordBatches, records};
use odradek_wire::messages::fetch_request::{FetchPartition, FetchTopic};
use odradek_wire::messages::{BrokerId, FetchRequest, FetchResponse, RequestKind, ResponseKind};
use odradek_wire::protocol::StrBytes;

use super::commits::{Commits, Committed};
use super::{Client, Common, Ledger, Tp, Value};
use crate::network::Place;
use crate::world::{ClientAnswer, World};

const FETCH: (i16, i16) = (1, 17);
const OFFSET_OUT_OF_RANGE: i16 = 1;

/// The consumer.
#[derive(Debug)]
pub struct Consumer {
    common: Common,
    commits: Commits,
    at: Tp,
    position: i64,
    call: Option<u64>,
    /// The replica that the leader named (KIP-392).
    near: Option<Place>,
}

impl Consumer {
    /// A consumer of that partition.
    #[must_use]
    pub fn new(common: Common, at: Tp) -> Consumer {
        let commits = Commits::new(format!("group-{}", common.place), at);
        Consumer { common, commits, at, position: 0, call: None, near: None }
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
        if near.is_some() && data.records.as_ref().is_some_and(|bytes| !bytes.is_empty()) {
            world.counts.add("consumer read from a follower");
        }
        if data.error_code != 0 {
            // A follower may not have it; the leader knows better.
            if data.error_code == OFFSET_OUT_OF_RANGE && near.is_none() {
                let why = format!("{:?}: offset {} was read before and is out of range now", self.at, self.position);
                if world.promise.unless_excused(&world.plan, self.at, why, &mut ledger.findings) {
                    self.position = 0;
                }
            }
            return self.common.refresh(world);
        }
        let before = self.position;
        if let Some(bytes) = data.records.filter(|bytes| !bytes.is_empty())
            && let Err(reason) = self.take(bytes, data.high_watermark, world, ledger)
        {
            let why = format!("{:?}: {reason}", self.at);
            world.promise.unless_excused(&world.plan, self.at, why, &mut ledger.findings);
        }
        if self.position == before {
            return self.common.later(world);
        }
        if self.common.rng.chance(150) {
            self.commits.commit(self.position, &mut self.common, world);
        } else if self.common.rng.chance(20) {
            self.commits.read_back(&mut self.common, world);
        }
        self.wake(world, ledger);
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
                let offset = record.offset;
                if offset < self.position {
                    continue;
                }
                if offset >= high_watermark {
                    return Err(format!("offset {offset} was served above the high watermark {high_watermark}"));
                }
                if offset != self.position {
                    return Err(format!("offset {offset} follows {}", self.position - 1));
                }
                self.position = offset + 1;
                ledger.operations += 1;
                world.counts.add("records consumed");
                let value = Value::parse(record.value.as_deref().unwrap_or_default())?;
                if let Some(other) = ledger.consumed.insert((self.at, offset), value).filter(|other| *other != value) {
                    return Err(format!("offset {offset} was {other} for one consumer and is {value} now"));
                }
            }
        }
        Ok(())
    }
}

impl Client for Consumer {
    fn wake(&mut self, world: &mut World, _ledger: &mut Ledger) {
        self.commits.wake(&mut self.common, world);
        if self.call.is_some() {
            return;
        }
        let leader = self.common.leaders.by_partition.get(&self.at).copied();
        let topic_id = self.common.leaders.topic_ids.get(&self.at.0).copied();
        let (Some((leader, epoch)), Some(topic_id)) = (leader, topic_id) else { return self.common.refresh(world) };
        let partition = FetchPartition::default()
            .with_partition(self.at.1)
            .with_current_leader_epoch(epoch)
            .with_last_fetched_epoch(-1)
            .with_fetch_offset(self.position)
            .with_partition_max_bytes(1 << 20);
        let topic = FetchTopic::default().with_topic_id(topic_id).with_partitions(vec![partition]);
        let mut body = FetchRequest::default()
            .with_max_wait_ms(500)
            .with_min_bytes(1)
            .with_max_bytes(10 << 20)
            .with_session_epoch(-1)
            .with_topics(vec![topic]);
        body.replica_state.replica_id = BrokerId(-1);
        body.rack_id = StrBytes::from_string(format!("rack-{}", self.common.place % 3));
        let from = self.near.unwrap_or(leader);
        self.call = Some(self.common.ask(world, from, FETCH, RequestKind::Fetch(body)));
    }

    fn answer(&mut self, call: u64, answer: ClientAnswer, world: &mut World, ledger: &mut Ledger) {
        let Some(answer) = self.common.take_metadata(call, answer, world) else { return self.common.later(world) };
        let answer = match self.commits.answer(call, answer, &mut self.common, world, ledger) {
            Ok(Committed::Nothing) => return,
            // A consumer that begins again does so from what is committed.
            Ok(Committed::At(offset)) => {
                self.position = self.position.min(offset.max(0));
                // What is on its way was asked from where it was.
                self.call = None;
                return self.wake(world, ledger);
            }
            Err(answer) => answer,
        };
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
        !self.commits.is_busy()
    }
}
