//! Makes the topic, and asks again until it is there.

use odradek_node::event::Request;
use odradek_wire::messages::create_topics_request::{CreatableTopic, CreatableTopicConfig};
use odradek_wire::messages::{CreateTopicsRequest, RequestKind, ResponseKind, TopicName};
use odradek_wire::protocol::StrBytes;

use super::{Client, Common, Ledger, TOPIC};
use crate::world::{ClientAnswer, World};

const CREATE_TOPICS: (i16, i16) = (19, 7);
const TOPIC_ALREADY_EXISTS: i16 = 36;

/// The client that makes the topic.
#[derive(Debug)]
pub struct Setup {
    common: Common,
    done: bool,
}

impl Setup {
    /// Nothing asked yet.
    #[must_use]
    pub fn new(common: Common) -> Setup {
        Setup { common, done: false }
    }
}

impl Client for Setup {
    fn wake(&mut self, world: &mut World, _ledger: &mut Ledger) {
        if self.done {
            return;
        }
        let min_insync = CreatableTopicConfig::default()
            .with_name(StrBytes::from_static_str("min.insync.replicas"))
            .with_value(Some(StrBytes::from_string(world.plan.min_insync.to_string())));
        let topic = CreatableTopic::default()
            .with_name(TopicName(StrBytes::from_static_str(TOPIC)))
            .with_num_partitions(world.plan.partitions)
            .with_replication_factor(world.plan.replication_factor)
            .with_configs(vec![min_insync]);
        let body = CreateTopicsRequest::default().with_topics(vec![topic]).with_timeout_ms(5_000);
        let to = self.common.any_broker(world);
        self.common.call(world, to, CREATE_TOPICS, Request::Kafka(Box::new(RequestKind::CreateTopics(body))));
    }

    fn answer(&mut self, _call: u64, answer: ClientAnswer, world: &mut World, _ledger: &mut Ledger) {
        if let ClientAnswer::Kafka(kind) = answer
            && let ResponseKind::CreateTopics(response) = *kind
        {
            self.done = response.topics.iter().all(|topic| matches!(topic.error_code, 0 | TOPIC_ALREADY_EXISTS));
        }
        if !self.done {
            self.common.later(world);
        }
    }

    fn is_done(&self) -> bool {
        self.done
    }
}
