//! Clients with retries, as real ones have them, and a ledger of what they were told.

mod consumer;
mod producer;
mod setup;

pub use consumer::Consumer;
pub use producer::Producer;
pub use setup::Setup;

use std::collections::BTreeMap;

use odradek_node::event::Request;
use odradek_wire::messages::metadata_request::MetadataRequestTopic;
use odradek_wire::messages::{MetadataRequest, MetadataResponse, RequestKind, ResponseKind, TopicName};
use odradek_wire::protocol::StrBytes;
use uuid::Uuid;

use crate::network::Place;
use crate::rng::Rng;
use crate::world::{ClientAnswer, World};

/// The topic under load.
pub const TOPIC: &str = "ledger";
const METADATA: (i16, i16) = (3, 12);
const BACKOFF_US: u64 = 100_000;

/// What clients sent, were told and saw.
#[derive(Debug, Default)]
pub struct Ledger {
    /// Every value that left a producer, with its partition.
    pub sent: BTreeMap<String, i32>,
    /// What was acknowledged with acks=all: where, and the value.
    pub acknowledged: BTreeMap<(i32, i64), String>,
    /// What consumers saw: where, and the value.
    pub consumed: BTreeMap<(i32, i64), String>,
    /// Broken promises that a client saw by itself.
    pub findings: Vec<String>,
}

/// Where a client believes the leaders to be.
#[derive(Debug, Default, Clone)]
pub struct Leaders {
    /// The topic's id.
    pub topic_id: Uuid,
    /// Leader by partition, with its epoch.
    pub by_partition: BTreeMap<i32, (Place, i32)>,
}

/// What every client has.
#[derive(Debug)]
pub struct Common {
    /// Its place in the network.
    pub place: Place,
    /// Its own chance.
    pub rng: Rng,
    next_call: u64,
    metadata_call: Option<u64>,
    /// What it believes.
    pub leaders: Leaders,
}

impl Common {
    /// A client that knows nothing yet.
    #[must_use]
    pub fn new(place: Place, rng: Rng) -> Common {
        Common { place, rng, next_call: 0, metadata_call: None, leaders: Leaders::default() }
    }

    /// Sends a request and names the call.
    pub fn call(&mut self, world: &mut World, to: Place, api: (i16, i16), body: Request) -> u64 {
        self.next_call += 1;
        world.client_call(self.place, self.next_call, to, api, body, 3_000);
        self.next_call
    }

    /// Any broker, as from a bootstrap list.
    pub fn any_broker(&mut self, world: &World) -> Place {
        let brokers = world.plan.broker_ids();
        *self.rng.pick(&brokers)
    }

    /// Asks for the leaders.
    pub fn refresh(&mut self, world: &mut World) {
        let to = self.any_broker(world);
        let topic = MetadataRequestTopic::default().with_name(Some(TopicName(StrBytes::from_static_str(TOPIC))));
        let body = MetadataRequest::default().with_topics(Some(vec![topic]));
        let call = self.call(world, to, METADATA, Request::Kafka(Box::new(RequestKind::Metadata(body))));
        self.metadata_call = Some(call);
    }

    /// Takes the answer to [`Common::refresh`]; hands back any other.
    pub fn take_metadata(&mut self, call: u64, answer: ClientAnswer) -> Option<ClientAnswer> {
        if self.metadata_call != Some(call) {
            return Some(answer);
        }
        self.metadata_call = None;
        if let ClientAnswer::Kafka(kind) = answer
            && let ResponseKind::Metadata(response) = *kind
        {
            self.learn(&response);
        }
        None
    }

    fn learn(&mut self, response: &MetadataResponse) {
        for topic in &response.topics {
            if topic.error_code != 0 {
                continue;
            }
            self.leaders.topic_id = topic.topic_id;
            for partition in &topic.partitions {
                let (leader, epoch) = (partition.leader_id.0, partition.leader_epoch);
                let known = self.leaders.by_partition.get(&partition.partition_index);
                // As Kafka's clients do (KIP-320): what an older epoch says is of the past.
                if leader >= 0 && known.is_none_or(|(_, known)| epoch >= *known) {
                    self.leaders.by_partition.insert(partition.partition_index, (leader, epoch));
                }
            }
        }
    }

    /// Wakes this client again after a while.
    pub fn later(&mut self, world: &mut World) {
        let jitter = self.rng.range(0, 50_000);
        world.schedule_client(world.now_us + BACKOFF_US + jitter, self.place);
    }
}

/// A client of any kind.
pub trait Client {
    /// It asked to be woken, or starts.
    fn wake(&mut self, world: &mut World, ledger: &mut Ledger);
    /// A call of its ended.
    fn answer(&mut self, call: u64, answer: ClientAnswer, world: &mut World, ledger: &mut Ledger);
    /// Whether it has done all it had to do.
    fn is_done(&self) -> bool;
}
