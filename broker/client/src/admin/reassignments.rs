//! Reassignments of partitions (KIP-455).

use std::collections::BTreeMap;

use odradek_wire::messages::alter_partition_reassignments_request::{ReassignablePartition, ReassignableTopic};
use odradek_wire::messages::list_partition_reassignments_request::ListPartitionReassignmentsTopics;
use odradek_wire::messages::{
    AlterPartitionReassignmentsRequest, BrokerId, ListPartitionReassignmentsRequest, TopicName,
};

use super::types::{PartitionReassignment, Reassignment};
use super::{Admin, text};
use crate::{Error, KafkaError};

/// Version of AlterPartitionReassignments that can refuse to change the replication factor (KIP-860).
const KEEPS_FACTOR: i16 = 1;

impl Admin {
    /// Begins, replaces or cancels reassignments, each partition by itself. It is done once the new replicas have
    /// caught up: see [`Admin::list_partition_reassignments`]. With `may_change_factor` false a target with another
    /// number of replicas than the partition has (or is on its way to) is refused with INVALID_REPLICATION_FACTOR.
    pub async fn alter_partition_reassignments(
        &self,
        wanted: &[Reassignment],
        may_change_factor: bool,
    ) -> Result<BTreeMap<(String, i32), Result<(), KafkaError>>, Error> {
        if wanted.is_empty() {
            return Ok(BTreeMap::new());
        }
        let mut topics: BTreeMap<&str, Vec<ReassignablePartition>> = BTreeMap::new();
        for reassignment in wanted {
            let replicas = reassignment.replicas.as_ref().map(|ids| ids.iter().map(|id| BrokerId(*id)).collect());
            let partition = ReassignablePartition::default();
            topics
                .entry(&reassignment.topic)
                .or_default()
                .push(partition.with_partition_index(reassignment.partition).with_replicas(replicas));
        }
        let topics: Vec<ReassignableTopic> = topics
            .into_iter()
            .map(|(name, partitions)| {
                ReassignableTopic::default().with_name(TopicName(text(name))).with_partitions(partitions)
            })
            .collect();
        let timeout = self.inner.config.request_timeout_ms();
        let least = if may_change_factor { 0 } else { KEEPS_FACTOR };
        let (_, answer) = self
            .exchange(least, &|version| {
                let request = AlterPartitionReassignmentsRequest::default();
                let request = request.with_timeout_ms(timeout).with_topics(topics.clone());
                if version < KEEPS_FACTOR {
                    return request;
                }
                request.with_allow_replication_factor_change(may_change_factor)
            })
            .await?;
        KafkaError::check(answer.error_code, answer.error_message.as_deref())?;
        let results = answer.responses.iter().flat_map(|topic| {
            topic.partitions.iter().map(|partition| {
                let result = KafkaError::check(partition.error_code, partition.error_message.as_deref());
                ((topic.name.to_string(), partition.partition_index), result)
            })
        });
        Ok(results.collect())
    }

    /// The reassignments under way: of these partitions, or (`None`) of all.
    pub async fn list_partition_reassignments(
        &self,
        partitions: Option<&BTreeMap<String, Vec<i32>>>,
    ) -> Result<BTreeMap<(String, i32), PartitionReassignment>, Error> {
        let timeout = self.inner.config.request_timeout_ms();
        let (_, answer) = self
            .read(0, |_| {
                let topics = partitions.map(|topics| {
                    let topic = |(name, indexes): (&String, &Vec<i32>)| {
                        ListPartitionReassignmentsTopics::default()
                            .with_name(TopicName(text(name)))
                            .with_partition_indexes(indexes.clone())
                    };
                    topics.iter().map(topic).collect()
                });
                ListPartitionReassignmentsRequest::default().with_timeout_ms(timeout).with_topics(topics)
            })
            .await?;
        KafkaError::check(answer.error_code, answer.error_message.as_deref())?;
        let ids = |brokers: &[BrokerId]| brokers.iter().map(|broker| broker.0).collect();
        let found = answer.topics.iter().flat_map(|topic| {
            topic.partitions.iter().map(move |partition| {
                let reassignment = PartitionReassignment {
                    replicas: ids(&partition.replicas),
                    adding: ids(&partition.adding_replicas),
                    removing: ids(&partition.removing_replicas),
                };
                ((topic.name.to_string(), partition.partition_index), reassignment)
            })
        });
        Ok(found.collect())
    }
}
