//! Elections of leaders.

use std::collections::BTreeMap;

use odradek_wire::messages::elect_leaders_request::TopicPartitions;
use odradek_wire::messages::{ElectLeadersRequest, TopicName};

use super::{Admin, text};
use crate::{Error, KafkaError};

/// Kafka's number of an election of the preferred leader.
const PREFERRED: i8 = 0;

impl Admin {
    /// Makes the first replica of each partition its leader, each by itself. A partition whose first replica leads
    /// already answers ELECTION_NOT_NEEDED; one whose first replica cannot lead, PREFERRED_LEADER_NOT_AVAILABLE.
    pub async fn elect_preferred_leaders(
        &self,
        partitions: &[(String, i32)],
    ) -> Result<BTreeMap<(String, i32), Result<(), KafkaError>>, Error> {
        if partitions.is_empty() {
            return Ok(BTreeMap::new());
        }
        let mut topics: BTreeMap<&str, Vec<i32>> = BTreeMap::new();
        for (topic, partition) in partitions {
            topics.entry(topic).or_default().push(*partition);
        }
        let topics: Vec<TopicPartitions> = topics
            .into_iter()
            .map(|(name, indexes)| {
                TopicPartitions::default().with_topic(TopicName(text(name))).with_partitions(indexes)
            })
            .collect();
        let timeout = self.inner.config.request_timeout_ms();
        let (_, answer) = self
            .exchange(1, &|_| {
                let request = ElectLeadersRequest::default().with_election_type(PREFERRED);
                request.with_timeout_ms(timeout).with_topic_partitions(Some(topics.clone()))
            })
            .await?;
        KafkaError::check(answer.error_code, None)?;
        let results = answer.replica_election_results.iter().flat_map(|topic| {
            topic.partition_result.iter().map(|partition| {
                let result = KafkaError::check(partition.error_code, partition.error_message.as_deref());
                ((topic.topic.to_string(), partition.partition_id), result)
            })
        });
        Ok(results.collect())
    }
}
