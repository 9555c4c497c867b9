//! The admin calls over odradek-client.

use std::collections::BTreeMap;

use futures::future::BoxFuture;
use odradek_client::{Admin, ConfigOp, ConfigSource, Error, KafkaError, TopicDescription};

use super::{ConfigChange, KafkaAdmin, KafkaFailure, KafkaView, NewTopic, PartitionView, TopicView};
use crate::names::kafka_id;

/// Kafka's code of a topic that is not there.
const UNKNOWN_TOPIC: i16 = 3;

/// The admin calls of one cluster, over one shared connection.
#[derive(Clone, Debug)]
pub struct LiveAdmin(Admin);

impl LiveAdmin {
    /// Calls through a client.
    pub fn new(admin: Admin) -> Self {
        LiveAdmin(admin)
    }
}

fn failure(error: Error) -> KafkaFailure {
    match error {
        Error::Kafka(error) => refused(error),
        other => KafkaFailure::Unreachable(other.to_string()),
    }
}

fn refused(error: KafkaError) -> KafkaFailure {
    KafkaFailure::Refused { code: error.code, name: error.name.to_owned(), message: error.message }
}

/// The answer for one topic, out of an answer for several.
fn only<T>(name: &str, mut answers: BTreeMap<String, Result<T, KafkaError>>) -> Result<T, KafkaFailure> {
    match answers.remove(name) {
        Some(Ok(answer)) => Ok(answer),
        Some(Err(error)) => Err(refused(error)),
        None => Err(KafkaFailure::Unreachable(format!("the broker said nothing of topic {name}"))),
    }
}

fn partitions(topic: &TopicDescription) -> impl Iterator<Item = PartitionView> + '_ {
    topic.partitions.iter().map(|partition| PartitionView {
        topic: topic.name.clone(),
        partition: partition.partition,
        leader: partition.leader,
        replicas: partition.replicas.clone(),
        in_sync: partition.isr.clone(),
    })
}

impl KafkaAdmin for LiveAdmin {
    fn view(&self) -> BoxFuture<'_, Result<KafkaView, KafkaFailure>> {
        Box::pin(async move {
            let (cluster, topics) =
                tokio::try_join!(self.0.describe_cluster(), self.0.list_topics()).map_err(failure)?;
            let alive = cluster.brokers.iter().filter(|broker| !broker.fenced);
            Ok(KafkaView {
                cluster_id: cluster.cluster_id.clone(),
                brokers: alive.map(|broker| broker.id).collect(),
                partitions: topics.iter().flat_map(partitions).collect(),
            })
        })
    }

    fn topic<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Option<TopicView>, KafkaFailure>> {
        Box::pin(async move {
            let names = [name.to_owned()];
            let described = self.0.describe_topics(&names).await.map_err(failure)?;
            let topic = match only(name, described) {
                Ok(topic) => topic,
                Err(KafkaFailure::Refused { code: UNKNOWN_TOPIC, .. }) => return Ok(None),
                Err(other) => return Err(other),
            };
            let configs = self.0.describe_topic_configs(&names).await.map_err(failure)?;
            let config = only(name, configs)?
                .into_iter()
                .filter(|entry| entry.source == ConfigSource::DynamicTopic)
                .filter_map(|entry| Some((entry.name, entry.value?)))
                .collect();
            let replicas = topic.partitions.iter().map(|p| p.replicas.len()).min().unwrap_or(0);
            Ok(Some(TopicView {
                id: kafka_id(topic.topic_id),
                partitions: i32::try_from(topic.partitions.len()).unwrap_or(i32::MAX),
                replicas: i32::try_from(replicas).unwrap_or(i32::MAX),
                config,
            }))
        })
    }

    fn create<'a>(&'a self, topic: &'a NewTopic) -> BoxFuture<'a, Result<(), KafkaFailure>> {
        Box::pin(async move {
            let new = odradek_client::NewTopic {
                name: topic.name.clone(),
                partitions: topic.partitions.unwrap_or(-1),
                replication_factor: topic.replicas.map_or(-1, |r| i16::try_from(r).unwrap_or(i16::MAX)),
                configs: topic.config.clone(),
            };
            let created = self.0.create_topics(&[new], false).await.map_err(failure)?;
            only(&topic.name, created).map(drop)
        })
    }

    fn grow<'a>(&'a self, name: &'a str, partitions: i32) -> BoxFuture<'a, Result<(), KafkaFailure>> {
        Box::pin(async move {
            let grown = self.0.create_partitions(&[(name.to_owned(), partitions)]).await.map_err(failure)?;
            only(name, grown)
        })
    }

    fn configure<'a>(&'a self, name: &'a str, changes: &'a [ConfigChange]) -> BoxFuture<'a, Result<(), KafkaFailure>> {
        Box::pin(async move {
            let ops = changes
                .iter()
                .map(|change| match change {
                    ConfigChange::Set(key, value) => ConfigOp::Set { key: key.clone(), value: value.clone() },
                    ConfigChange::Delete(key) => ConfigOp::Delete { key: key.clone() },
                })
                .collect();
            let done = self.0.alter_topic_configs(&[(name.to_owned(), ops)]).await.map_err(failure)?;
            only(name, done)
        })
    }

    fn delete<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<(), KafkaFailure>> {
        Box::pin(async move {
            let deleted = self.0.delete_topics(&[name.to_owned()]).await.map_err(failure)?;
            match only(name, deleted) {
                Err(KafkaFailure::Refused { code: UNKNOWN_TOPIC, .. }) => Ok(()),
                other => other,
            }
        })
    }
}
