//! The topic as it should be. Pure.

use crate::{kafka::NewTopic, topic::validate::Validated};

/// The topic to make.
pub fn new_topic(topic: &Validated) -> NewTopic {
    NewTopic {
        name: topic.topic.clone(),
        partitions: topic.partitions,
        replicas: topic.replicas,
        config: topic.config.clone(),
    }
}
