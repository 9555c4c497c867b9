//! ElectLeaders: the preferred ones, or any when there is no leader (KIP-460).

use odradek_wire::ResponseError;
use odradek_wire::messages::elect_leaders_response::{PartitionResult, ReplicaElectionResult};
use odradek_wire::messages::{ElectLeadersRequest, ElectLeadersResponse};
use odradek_wire::protocol::StrBytes;

use super::Controller;
use super::api_error::ApiError;
use super::election::{Electorate, with_leader};
use crate::metadata::image::TopicPartition;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Election {
    Preferred,
    Unclean,
}

impl Controller {
    pub(super) fn elect_leaders(&mut self, request: ElectLeadersRequest, version: i16) -> ElectLeadersResponse {
        let election = match request.election_type {
            0 => Election::Preferred,
            1 if version >= 1 => Election::Unclean,
            _ => {
                return ElectLeadersResponse::default().with_error_code(ResponseError::InvalidRequest.code());
            }
        };
        // Asked for all, those that need nothing are not told of.
        let (wanted, all) = match request.topic_partitions {
            Some(topics) => {
                (topics.into_iter().map(|topic| (topic.topic.to_string(), topic.partitions)).collect::<Vec<_>>(), false)
            }
            None => (
                self.image
                    .topics()
                    .map(|topic| (topic.name.to_string(), topic.partitions.keys().copied().collect()))
                    .collect(),
                true,
            ),
        };
        let mut results = Vec::new();
        for (topic, partitions) in wanted {
            let mut elected = Vec::new();
            for partition in partitions {
                let done = self.elect_one(&topic, partition, election);
                if all && done.as_ref().is_err_and(|it| it.error == ResponseError::ElectionNotNeeded) {
                    continue;
                }
                let (code, message) = ApiError::split(&done);
                elected.push(
                    PartitionResult::default()
                        .with_partition_id(partition)
                        .with_error_code(code)
                        .with_error_message(message),
                );
            }
            if !elected.is_empty() {
                results.push(
                    ReplicaElectionResult::default()
                        .with_topic(StrBytes::from_string(topic).into())
                        .with_partition_result(elected),
                );
            }
        }
        ElectLeadersResponse::default().with_replica_election_results(results)
    }

    fn elect_one(&mut self, topic: &str, partition: i32, election: Election) -> Result<(), ApiError> {
        let unknown = |message| ApiError::new(ResponseError::UnknownTopicOrPartition, message);
        let found = self.image.topic(topic).ok_or_else(|| unknown(format!("No such topic as {topic}")))?;
        let state = found
            .partitions
            .get(&partition)
            .cloned()
            .ok_or_else(|| unknown(format!("No such partition as {topic}-{partition}")))?;
        let at = TopicPartition { topic_id: found.id, partition };
        let needed = match election {
            Election::Preferred => state.leader() != state.preferred_leader(),
            Election::Unclean => state.leader().is_none(),
        };
        if !needed {
            return Err(ApiError::new(
                ResponseError::ElectionNotNeeded,
                "Leader election not needed for topic partition.",
            ));
        }
        match election {
            Election::Preferred if self.elect_preferred(at) => Ok(()),
            Election::Preferred => Err(ApiError::new(
                ResponseError::PreferredLeaderNotAvailable,
                "The preferred leader was not available.",
            )),
            Election::Unclean => {
                let electorate = Electorate { active: &|broker| self.is_active(broker), unclean: &|| true };
                let next = with_leader(&state, &electorate);
                if next.leader().is_none() {
                    return Err(ApiError::new(
                        ResponseError::EligibleLeadersNotAvailable,
                        "Eligible topic partition leaders are not available.",
                    ));
                }
                self.write_next(at, &next);
                Ok(())
            }
        }
    }
}
