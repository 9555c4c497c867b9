//! Makes the topics under load, and asks again until they are there.

use odradek_wire::messages::create_topics_request::{CreatableTopic, CreatableTopicConfig};
use odradek_wire::messages::{CreateTopicsRequest, RequestKind, ResponseKind, TopicName};
use odradek_wire::protocol::StrBytes;

use super::{Client, Common, Ledger};
use crate::plan::TopicPlan;
use crate::world::{ClientAnswer, World};

const CREATE_TOPICS: (i16, i16) = (19, 7);
const TOPIC_ALREADY_EXISTS: i16 = 36;

/// The client that makes the topics.
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

fn creatable(plan: &TopicPlan) -> CreatableTopic {
    let min_insync = CreatableTopicConfig::default()
        .with_name(StrBytes::from_static_str("min.insync.replicas"))
        .with_value(Some(StrBytes::from_string(plan.min_insync.to_string())));
    CreatableTopic::default()
        .with_name(TopicName(StrBytes::from_static_str(plan.name)))
        .with_num_partitions(plan.partitions)
        .with_replication_factor(plan.replication_factor)
        .with_configs(vec![min_insync])
}

impl Client for Setup {
    fn wake(&mut self, world: &mut World, _ledger: &mut Ledger) {
        if self.done {
            return;
        }
        let topics = world.plan.topics.iter().map(creatable).collect();
        let body = CreateTopicsRequest::default().with_topics(topics).with_timeout_ms(2_500);
        let to = self.common.any_broker(world);
        self.common.ask(world, to, CREATE_TOPICS, RequestKind::CreateTopics(body));
    }

    fn answer(&mut self, _call: u64, answer: ClientAnswer, world: &mut World, ledger: &mut Ledger) {
        if let ClientAnswer::Kafka(kind) = answer
            && let ResponseKind::CreateTopics(response) = *kind
        {
            self.done = response.topics.iter().all(|topic| matches!(topic.error_code, 0 | TOPIC_ALREADY_EXISTS));
        }
        if self.done {
            ledger.operations += 1;
        } else {
            self.common.later(world);
        }
    }

    fn is_done(&self) -> bool {
        self.done
    }
}
