//! DescribeLogDirs (KIP-113): what is in each log directory.

use std::collections::{BTreeMap, BTreeSet};

use odradek_wire::messages::describe_log_dirs_response::{
    DescribeLogDirsPartition, DescribeLogDirsResult, DescribeLogDirsTopic,
};
use odradek_wire::messages::{DescribeLogDirsRequest, DescribeLogDirsResponse, TopicName};

use super::super::BrokerNode;
use super::{reply, text};
use crate::event::{Command, RequestContext};

/// Not known, as Kafka says it.
const UNKNOWN_BYTES: i64 = -1;

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
            response.results.push(
                DescribeLogDirsResult::default()
                    .with_log_dir(text(&dir.path.display().to_string()))
                    .with_total_bytes(UNKNOWN_BYTES)
                    .with_usable_bytes(
                        self.disk
                            .free_bytes(&dir.path)
                            .map_or(UNKNOWN_BYTES, |bytes| i64::try_from(bytes).unwrap_or(i64::MAX)),
                    )
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
}
