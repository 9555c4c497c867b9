//! DescribeLogDirs and AlterReplicaLogDirs (KIP-113): what is in each log directory, and moves between them.

use std::collections::{BTreeMap, BTreeSet};

use odradek_core::time::Now;
use odradek_wire::messages::alter_replica_log_dirs_response::{
    AlterReplicaLogDirPartitionResult, AlterReplicaLogDirTopicResult,
};
use odradek_wire::messages::describe_log_dirs_response::{
    DescribeLogDirsPartition, DescribeLogDirsResult, DescribeLogDirsTopic,
};
use odradek_wire::messages::{AlterReplicaLogDirsRequest, AlterReplicaLogDirsResponse};
use odradek_wire::messages::{DescribeLogDirsRequest, DescribeLogDirsResponse, TopicName};

use super::super::BrokerNode;
use super::{reply, text};
use crate::event::{Command, RequestContext};

/// Not known, as Kafka says it.
const UNKNOWN_BYTES: i64 = -1;

/// What a disk says of its room, as Kafka writes it (KIP-827).
fn told(bytes: std::io::Result<u64>) -> i64 {
    bytes.map_or(UNKNOWN_BYTES, |bytes| i64::try_from(bytes).unwrap_or(i64::MAX))
}

impl BrokerNode {
    pub(super) fn describe_log_dirs(
        &self,
        context: &RequestContext,
        request: DescribeLogDirsRequest,
        out: &mut Vec<Command>,
    ) {
        let wanted: Option<BTreeSet<(String, i32)>> = request.topics.map(|topics| {
            topics
                .iter()
                .flat_map(|topic| topic.partitions.iter().map(|partition| (topic.topic.to_string(), *partition)))
                .collect()
        });
        let mut response = DescribeLogDirsResponse::default();
        for (index, dir) in self.config.log_dirs.iter().enumerate() {
            let mut topics: BTreeMap<&str, Vec<DescribeLogDirsPartition>> = BTreeMap::new();
            for (key, partition) in self.partitions.iter().filter(|(_, partition)| partition.dir == index) {
                if wanted.as_ref().is_some_and(|wanted| !wanted.contains(&(partition.topic.to_string(), key.partition)))
                {
                    continue;
                }
                topics.entry(&partition.topic).or_default().push(
                    DescribeLogDirsPartition::default()
                        .with_partition_index(key.partition)
                        .with_partition_size(i64::try_from(partition.log.size_bytes()).unwrap_or(i64::MAX)),
                );
            }
            for (key, size, end) in self.moves.copies_in(index) {
                let Some(partition) = self.partitions.get(&key) else { continue };
                let name = partition.topic.to_string();
                if wanted.as_ref().is_some_and(|wanted| !wanted.contains(&(name, key.partition))) {
                    continue;
                }
                topics.entry(&partition.topic).or_default().push(
                    DescribeLogDirsPartition::default()
                        .with_partition_index(key.partition)
                        .with_partition_size(i64::try_from(size).unwrap_or(i64::MAX))
                        .with_offset_lag((partition.log.log_end_offset() - end).max(0))
                        .with_is_future_key(true),
                );
            }
            response.results.push(
                DescribeLogDirsResult::default()
                    .with_log_dir(text(&dir.path.display().to_string()))
                    .with_total_bytes(told(self.disk.total_bytes(&dir.path)))
                    .with_usable_bytes(told(self.disk.free_bytes(&dir.path)))
                    .with_topics(
                        topics
                            .into_iter()
                            .map(|(name, partitions)| {
                                DescribeLogDirsTopic::default()
                                    .with_name(TopicName(text(name)))
                                    .with_partitions(partitions)
                            })
                            .collect(),
                    ),
            );
        }
        reply(out, context, response);
    }

    /// Answered once the move has begun; how far it is, DescribeLogDirs tells.
    pub(super) fn alter_replica_log_dirs(
        &mut self,
        now: Now,
        context: &RequestContext,
        request: AlterReplicaLogDirsRequest,
        out: &mut Vec<Command>,
    ) {
        let mut results: BTreeMap<TopicName, Vec<AlterReplicaLogDirPartitionResult>> = BTreeMap::new();
        for dir in request.dirs {
            for topic in dir.topics {
                for partition in topic.partitions {
                    let error = self.move_replica(now, topic.name.as_str(), partition, dir.path.as_str(), out);
                    results.entry(topic.name.clone()).or_default().push(
                        AlterReplicaLogDirPartitionResult::default()
                            .with_partition_index(partition)
                            .with_error_code(error),
                    );
                }
            }
        }
        let results = results
            .into_iter()
            .map(|(name, partitions)| {
                AlterReplicaLogDirTopicResult::default().with_topic_name(name).with_partitions(partitions)
            })
            .collect();
        reply(out, context, AlterReplicaLogDirsResponse::default().with_results(results));
    }
}
