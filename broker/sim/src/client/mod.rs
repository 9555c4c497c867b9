//! Clients with retries, as real ones have them, and a ledger of what they were told.

mod admin;
mod commits;
mod consumer;
mod ledger;
mod producer;
mod setup;
mod voters;

pub use admin::{Admin, CONFIG_KEY};
pub use consumer::Consumer;
pub use ledger::{Expected, Ledger, Tp, Value};
pub use producer::{Acks, Producer};
pub use setup::Setup;
pub use voters::VoterAdmin;

use std::collections::BTreeMap;

use odradek_node::event::Request;
use odradek_wire::messages::metadata_request::MetadataRequestTopic;
use odradek_wire::messages::{MetadataRequest, MetadataResponse, RequestKind, ResponseKind, TopicName};
use odradek_wire::protocol::StrBytes;
use uuid::Uuid;

use crate::network::Place;
use crate::rng::Rng;
use crate::world::{ClientAnswer, World};

const METADATA: (i16, i16) = (3, 12);
const BACKOFF_US: u64 = 100_000;
/// Clients wait this long for an answer.
pub(crate) const CALL_TIMEOUT_MS: u64 = 3_000;

/// Where a client believes the leaders to be.
#[derive(Debug, Default, Clone)]
pub struct Leaders {
    /// The topics' ids.
    pub topic_ids: BTreeMap<usize, Uuid>,
    /// Leader by partition, with its epoch.
    pub by_partition: BTreeMap<Tp, (Place, i32)>,
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
        world.client_call(self.place, self.next_call, to, api, body, CALL_TIMEOUT_MS);
        self.next_call
    }

    /// As [`Common::call`], for what is not Produce.
    pub fn ask(&mut self, world: &mut World, to: Place, api: (i16, i16), body: RequestKind) -> u64 {
        self.call(world, to, api, Request::Kafka(Box::new(body)))
    }

    /// Any broker, as from a bootstrap list.
    pub fn any_broker(&mut self, world: &World) -> Place {
        self.rng.range(1, u64::from(world.plan.brokers.unsigned_abs())) as Place
    }

    /// Asks for the leaders, unless that is under way.
    pub fn refresh(&mut self, world: &mut World) {
        if self.metadata_call.is_some() {
            return;
        }
        let to = self.any_broker(world);
        let topic = |name: &'static str| {
            MetadataRequestTopic::default().with_name(Some(TopicName(StrBytes::from_static_str(name))))
        };
        let topics = world.plan.topics.iter().map(|plan| topic(plan.name)).collect();
        let body = MetadataRequest::default().with_topics(Some(topics));
        self.metadata_call = Some(self.ask(world, to, METADATA, RequestKind::Metadata(body)));
    }

    /// Takes the answer to [`Common::refresh`]; hands back any other.
    pub fn take_metadata(&mut self, call: u64, answer: ClientAnswer, world: &World) -> Option<ClientAnswer> {
        if self.metadata_call != Some(call) {
            return Some(answer);
        }
        self.metadata_call = None;
        if let ClientAnswer::Kafka(kind) = answer
            && let ResponseKind::Metadata(response) = *kind
        {
            self.learn(&response, world);
        }
        None
    }

    fn learn(&mut self, response: &MetadataResponse, world: &World) {
        for topic in response.topics.iter().filter(|topic| topic.error_code == 0) {
            let name = topic.name.as_ref().map(|name| name.as_str()).unwrap_or_default();
            let Some(index) = world.plan.topic_index(name) else { continue };
            self.leaders.topic_ids.insert(index, topic.topic_id);
            for partition in &topic.partitions {
                let (leader, epoch) = (partition.leader_id.0, partition.leader_epoch);
                let at = (index, partition.partition_index);
                let known = self.leaders.by_partition.get(&at);
                // As Kafka's clients do (KIP-320): what an older epoch says is of the past.
                if leader >= 0 && known.is_none_or(|(_, known)| epoch >= *known) {
                    self.leaders.by_partition.insert(at, (leader, epoch));
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
