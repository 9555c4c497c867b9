//! The calls, each for many topics, over odradek-client.

use std::collections::BTreeMap;

use odradek_client::{Admin, ConfigEntry, ConfigOp, ConfigSource, KafkaError, Reassignment, TopicDescription};

use super::{BrokerLoad, ConfigChange, Loads, NewTopic, PartitionMove, Replicas, TopicView};
use crate::{
    kafka::{KafkaFailure, batch::Answers, failure::UNKNOWN_TOPIC},
    names::kafka_id,
};

const MIN_INSYNC: &str = "min.insync.replicas";

/// Describes topics, those that are not there as `None`.
pub(super) async fn describe(admin: &Admin, names: &[String]) -> Answers<Option<TopicView>> {
    let described = admin.describe_topics(names).await?;
    let there: Vec<String> =
        described.iter().filter(|(_, topic)| topic.is_ok()).map(|(name, _)| name.clone()).collect();
    let (mut configs, moves) = if there.is_empty() {
        Default::default()
    } else {
        tokio::try_join!(admin.describe_topic_configs(&there), admin.list_partition_reassignments(None))?
    };
    let view = |name: &str, topic: TopicDescription| {
        let missing = || KafkaFailure::Unreachable(format!("the brokers say nothing of the configuration of {name}"));
        // A topic may go between the two answers.
        let entries = match configs.remove(name).ok_or_else(missing)? {
            Ok(entries) => entries,
            Err(error) if error.code == UNKNOWN_TOPIC => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let assignment: Vec<Replicas> = topic
            .partitions
            .iter()
            .map(|partition| {
                let way = match moves.is_empty() {
                    true => None,
                    false => moves.get(&(topic.name.clone(), partition.partition)),
                };
                Replicas {
                    partition: partition.partition,
                    now: partition.replicas.clone(),
                    in_sync: partition.isr.clone(),
                    adding: way.map(|way| way.adding.clone()).unwrap_or_default(),
                    removing: way.map(|way| way.removing.clone()).unwrap_or_default(),
                }
            })
            .collect();
        let replicas = assignment.iter().map(|partition| partition.target().len()).min().unwrap_or(0);
        Ok(Some(TopicView {
            id: kafka_id(topic.topic_id),
            partitions: i32::try_from(topic.partitions.len()).unwrap_or(i32::MAX),
            replicas: i32::try_from(replicas).unwrap_or(i32::MAX),
            min_insync: in_force(&entries, MIN_INSYNC).and_then(|value| value.parse().ok()),
            config: set_on_topic(entries),
            assignment,
        }))
    };
    let mut view = view;
    let answer = |(name, topic): (String, Result<TopicDescription, KafkaError>)| {
        let answer = match topic {
            Ok(topic) => view(&name, topic),
            Err(error) if error.code == UNKNOWN_TOPIC => Ok(None),
            Err(error) => Err(error.into()),
        };
        (name, answer)
    };
    Ok(described.into_iter().map(answer).collect())
}

fn in_force<'a>(entries: &'a [ConfigEntry], key: &str) -> Option<&'a String> {
    entries.iter().find(|entry| entry.name == key)?.value.as_ref()
}

fn set_on_topic(entries: Vec<ConfigEntry>) -> BTreeMap<String, String> {
    entries
        .into_iter()
        .filter(|entry| entry.source == ConfigSource::DynamicTopic)
        .filter_map(|entry| Some((entry.name, entry.value?)))
        .collect()
}

/// Makes topics.
pub(super) async fn create(admin: &Admin, topics: BTreeMap<String, NewTopic>) -> Answers<TopicView> {
    let new = |topic: &NewTopic| odradek_client::NewTopic {
        name: topic.name.clone(),
        partitions: topic.partitions.unwrap_or(-1),
        replication_factor: topic.replicas.map_or(-1, |r| i16::try_from(r).unwrap_or(i16::MAX)),
        configs: topic.config.clone(),
    };
    let wanted: Vec<odradek_client::NewTopic> = topics.values().map(new).collect();
    let created = admin.create_topics(&wanted, false).await?;
    let mut topics = topics;
    let view = |(name, created): (String, Result<odradek_client::CreatedTopic, KafkaError>)| {
        let config = topics.remove(&name).map(|topic| topic.config).unwrap_or_default();
        let view = created.map_err(KafkaFailure::from).map(|created| TopicView {
            id: kafka_id(created.topic_id),
            partitions: created.partitions,
            replicas: i32::from(created.replication_factor),
            config,
            ..TopicView::default()
        });
        (name, view)
    };
    Ok(created.into_iter().map(view).collect())
}

fn plain(answers: BTreeMap<String, Result<(), KafkaError>>) -> Answers<()> {
    Ok(answers.into_iter().map(|(name, answer)| (name, answer.map_err(KafkaFailure::from))).collect())
}

/// Grows topics to numbers of partitions.
pub(super) async fn grow(admin: &Admin, totals: BTreeMap<String, i32>) -> Answers<()> {
    plain(admin.create_partitions(&totals.into_iter().collect::<Vec<_>>()).await?)
}

/// A change as the client takes it.
pub(in crate::kafka) fn config_op(change: ConfigChange) -> ConfigOp {
    match change {
        ConfigChange::Set(key, value) => ConfigOp::Set { key, value },
        ConfigChange::Delete(key) => ConfigOp::Delete { key },
    }
}

/// Changes the configuration of topics.
pub(super) async fn configure(admin: &Admin, changes: BTreeMap<String, Vec<ConfigChange>>) -> Answers<()> {
    let ops: Vec<(String, Vec<ConfigOp>)> =
        changes.into_iter().map(|(name, changes)| (name, changes.into_iter().map(config_op).collect())).collect();
    plain(admin.alter_topic_configs(&ops).await?)
}

/// Deletes topics. Those that are not there are deleted already.
pub(super) async fn delete(admin: &Admin, names: Vec<String>) -> Answers<()> {
    let mut answers = plain(admin.delete_topics(&names).await?)?;
    for answer in answers.values_mut() {
        if answer.as_ref().is_err_and(|failure| failure.is(UNKNOWN_TOPIC)) {
            *answer = Ok(());
        }
    }
    Ok(answers)
}

/// What the brokers carry.
pub(super) async fn loads(admin: &Admin) -> Result<Loads, KafkaFailure> {
    let (cluster, topics, moves) =
        tokio::try_join!(admin.describe_cluster(), admin.list_topics(), admin.list_partition_reassignments(None))?;
    let mut replicas: BTreeMap<i32, usize> = BTreeMap::new();
    for id in topics.iter().flat_map(|topic| &topic.partitions).flat_map(|partition| &partition.replicas) {
        *replicas.entry(*id).or_default() += 1;
    }
    let brokers = cluster.brokers.into_iter().map(|broker| BrokerLoad {
        id: broker.id,
        rack: broker.rack,
        alive: !broker.fenced,
        replicas: replicas.get(&broker.id).copied().unwrap_or(0),
    });
    Ok(Loads { brokers: brokers.collect(), reassigning: moves.len() })
}

/// Begins, replaces or cancels reassignments. The first partition that is refused is the answer.
pub(super) async fn reassign(admin: &Admin, name: &str, moves: &[PartitionMove]) -> Result<(), KafkaFailure> {
    let wanted: Vec<Reassignment> = moves
        .iter()
        .map(|way| Reassignment { topic: name.to_owned(), partition: way.partition, replicas: way.to.clone() })
        .collect();
    for answer in admin.alter_partition_reassignments(&wanted, true).await?.into_values() {
        match answer {
            // It was done before it could be cancelled.
            Err(error) if error.code == KafkaError::NO_REASSIGNMENT_IN_PROGRESS => {}
            other => other?,
        }
    }
    Ok(())
}
