//! Topics: list, describe, create, delete, more partitions.

use std::collections::BTreeMap;

use odradek_wire::messages::create_partitions_request::CreatePartitionsTopic;
use odradek_wire::messages::create_topics_request::{CreatableTopic, CreatableTopicConfig};
use odradek_wire::messages::delete_topics_request::DeleteTopicState;
use odradek_wire::messages::metadata_request::MetadataRequestTopic;
use odradek_wire::messages::metadata_response::{MetadataResponsePartition, MetadataResponseTopic};
use odradek_wire::messages::{
    BrokerId, CreatePartitionsRequest, CreateTopicsRequest, DeleteTopicsRequest, MetadataRequest, TopicName,
};

use super::types::{CreatedTopic, NewTopic, PartitionDescription, TopicDescription};
use super::{Admin, text};
use crate::{Error, KafkaError};

/// Least version of Metadata that does not create the topics it is asked for.
const NO_AUTO_CREATE: i16 = 4;
/// Version of CreateTopics that answers with the number of partitions and replicas (KIP-525).
const CREATED_WITH_DETAILS: i16 = 5;
/// Version of DeleteTopics that takes names and ids side by side (KIP-516).
const DELETE_STATES: i16 = 6;

impl Admin {
    /// All topics by name, internal ones included.
    pub async fn list_topics(&self) -> Result<Vec<TopicDescription>, Error> {
        let (_, answer) = self.read(NO_AUTO_CREATE, |_| metadata(None)).await?;
        let mut topics = Vec::with_capacity(answer.topics.len());
        for topic in &answer.topics {
            // A topic that is being created or deleted may carry an error here; it is no topic
            // to count on yet, or any more.
            if topic.error_code == 0 {
                topics.push(describe(topic));
            }
        }
        topics.sort_by(|left, right| left.name.cmp(&right.name));
        Ok(topics)
    }

    /// The topics of these names, each with its own error (UNKNOWN_TOPIC_OR_PARTITION when there
    /// is none). Creates nothing, whatever the broker's `auto.create.topics.enable` says.
    pub async fn describe_topics(
        &self,
        names: &[String],
    ) -> Result<BTreeMap<String, Result<TopicDescription, KafkaError>>, Error> {
        if names.is_empty() {
            return Ok(BTreeMap::new());
        }
        let (_, answer) = self.read(NO_AUTO_CREATE, |_| metadata(Some(names))).await?;
        let topics = answer.topics.iter().map(|topic| {
            let name = topic.name.as_ref().map(|name| name.to_string());
            let result = KafkaError::check(topic.error_code, None).map(|()| describe(topic));
            (name.unwrap_or_default(), result)
        });
        Ok(topics.collect())
    }

    /// Creates topics, or only checks whether they could be.
    pub async fn create_topics(
        &self,
        topics: &[NewTopic],
        validate_only: bool,
    ) -> Result<BTreeMap<String, Result<CreatedTopic, KafkaError>>, Error> {
        if topics.is_empty() {
            return Ok(BTreeMap::new());
        }
        let timeout = self.inner.config.request_timeout_ms();
        let (_, answer) = self
            .exchange(CREATED_WITH_DETAILS, &|_| {
                CreateTopicsRequest::default()
                    .with_topics(topics.iter().map(creatable).collect())
                    .with_timeout_ms(timeout)
                    .with_validate_only(validate_only)
            })
            .await?;
        let results = answer.topics.iter().map(|topic| {
            let result = KafkaError::check(topic.error_code, topic.error_message.as_deref());
            let created = result.map(|()| CreatedTopic {
                topic_id: topic.topic_id,
                partitions: topic.num_partitions,
                replication_factor: topic.replication_factor,
            });
            (topic.name.to_string(), created)
        });
        Ok(results.collect())
    }

    /// Deletes topics.
    pub async fn delete_topics(&self, names: &[String]) -> Result<BTreeMap<String, Result<(), KafkaError>>, Error> {
        if names.is_empty() {
            return Ok(BTreeMap::new());
        }
        let timeout = self.inner.config.request_timeout_ms();
        let (_, answer) = self
            .exchange(1, &|version| {
                let request = DeleteTopicsRequest::default().with_timeout_ms(timeout);
                let topic_names = names.iter().map(|name| TopicName(text(name)));
                if version >= DELETE_STATES {
                    let states = topic_names.map(|name| DeleteTopicState::default().with_name(Some(name))).collect();
                    request.with_topics(states)
                } else {
                    request.with_topic_names(topic_names.collect())
                }
            })
            .await?;
        let results = answer.responses.iter().map(|topic| {
            let name = topic.name.as_ref().map(|name| name.to_string());
            let result = KafkaError::check(topic.error_code, topic.error_message.as_deref());
            (name.unwrap_or_default(), result)
        });
        Ok(results.collect())
    }

    /// Raises the number of partitions of topics to the totals that are given.
    pub async fn create_partitions(
        &self,
        totals: &[(String, i32)],
    ) -> Result<BTreeMap<String, Result<(), KafkaError>>, Error> {
        if totals.is_empty() {
            return Ok(BTreeMap::new());
        }
        let timeout = self.inner.config.request_timeout_ms();
        let (_, answer) = self
            .exchange(0, &|_| {
                let topics = totals.iter().map(|(name, total)| {
                    CreatePartitionsTopic::default()
                        .with_name(TopicName(text(name)))
                        .with_count(*total)
                        .with_assignments(None)
                });
                CreatePartitionsRequest::default()
                    .with_topics(topics.collect())
                    .with_timeout_ms(timeout)
                    .with_validate_only(false)
            })
            .await?;
        let results = answer.results.iter().map(|topic| {
            let result = KafkaError::check(topic.error_code, topic.error_message.as_deref());
            (topic.name.to_string(), result)
        });
        Ok(results.collect())
    }
}

/// `None` asks for all topics.
fn metadata(names: Option<&[String]>) -> MetadataRequest {
    let topics = names.map(|names| {
        names.iter().map(|name| MetadataRequestTopic::default().with_name(Some(TopicName(text(name))))).collect()
    });
    MetadataRequest::default().with_topics(topics).with_allow_auto_topic_creation(false)
}

fn creatable(topic: &NewTopic) -> CreatableTopic {
    let configs = topic
        .configs
        .iter()
        .map(|(key, value)| CreatableTopicConfig::default().with_name(text(key)).with_value(Some(text(value))));
    CreatableTopic::default()
        .with_name(TopicName(text(&topic.name)))
        .with_num_partitions(topic.partitions)
        .with_replication_factor(topic.replication_factor)
        .with_configs(configs.collect())
}

fn describe(topic: &MetadataResponseTopic) -> TopicDescription {
    let mut partitions: Vec<_> = topic.partitions.iter().map(describe_partition).collect();
    partitions.sort_by_key(|partition| partition.partition);
    TopicDescription {
        name: topic.name.as_ref().map(|name| name.to_string()).unwrap_or_default(),
        topic_id: topic.topic_id,
        internal: topic.is_internal,
        partitions,
    }
}

fn describe_partition(partition: &MetadataResponsePartition) -> PartitionDescription {
    let ids = |brokers: &[BrokerId]| brokers.iter().map(|broker| broker.0).collect();
    PartitionDescription {
        partition: partition.partition_index,
        leader: Some(partition.leader_id.0).filter(|id| *id >= 0),
        leader_epoch: partition.leader_epoch,
        replicas: ids(&partition.replica_nodes),
        isr: ids(&partition.isr_nodes),
        offline: ids(&partition.offline_replicas),
    }
}
