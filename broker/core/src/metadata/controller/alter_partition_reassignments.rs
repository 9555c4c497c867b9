//! AlterPartitionReassignments (KIP-455, KIP-860), and the end of a reassignment.

use odradek_probe::reached;
use odradek_wire::ResponseError;
use odradek_wire::messages::alter_partition_reassignments_request::ReassignablePartition;
use odradek_wire::messages::alter_partition_reassignments_response::{
    ReassignablePartitionResponse, ReassignableTopicResponse,
};
use odradek_wire::messages::{AlterPartitionReassignmentsRequest, AlterPartitionReassignmentsResponse};

use super::Controller;
use super::api_error::ApiError;
use super::reassignment::{self, CancelRefused};
use crate::metadata::image::{Partition, TopicPartition};

impl Controller {
    /// Each partition is decided on by itself: one that is refused does not hold up the others. However many there
    /// are, all are taken, in entries of a bounded size.
    pub(super) fn alter_partition_reassignments(
        &mut self,
        request: AlterPartitionReassignmentsRequest,
        version: i16,
    ) -> AlterPartitionReassignmentsResponse {
        // Version 0 does not know the question: then any change is allowed.
        let may_change_factor = version < 1 || request.allow_replication_factor_change;
        let (mut altered, mut refused) = (0, 0);
        let mut topics = Vec::with_capacity(request.topics.len());
        for topic in &request.topics {
            let mut partitions = Vec::with_capacity(topic.partitions.len());
            for wanted in &topic.partitions {
                let done = self.alter_reassignment(topic.name.as_str(), wanted, may_change_factor);
                match &done {
                    Ok(()) => altered += 1,
                    Err(ApiError { message, .. }) => {
                        tracing::debug!(
                            topic = topic.name.as_str(),
                            partition = wanted.partition_index,
                            message,
                            "reassignment refused"
                        );
                        refused += 1;
                    }
                }
                let (code, message) = ApiError::split(&done);
                partitions.push(
                    ReassignablePartitionResponse::default()
                        .with_partition_index(wanted.partition_index)
                        .with_error_code(code)
                        .with_error_message(message),
                );
                self.end_full_entry();
            }
            topics.push(ReassignableTopicResponse::default().with_name(topic.name.clone()).with_partitions(partitions));
        }
        tracing::info!(altered, refused, "partition reassignments");
        let response = AlterPartitionReassignmentsResponse::default().with_error_message(None).with_responses(topics);
        if version < 1 {
            return response;
        }
        response.with_allow_replication_factor_change(request.allow_replication_factor_change)
    }

    fn alter_reassignment(
        &mut self,
        topic: &str,
        wanted: &ReassignablePartition,
        may_change_factor: bool,
    ) -> Result<(), ApiError> {
        self.examined += 1;
        let unknown = |message| ApiError::new(ResponseError::UnknownTopicOrPartition, message);
        let found = self.image.topic(topic).ok_or_else(|| unknown(format!("Unable to find a topic named {topic}.")))?;
        let index = wanted.partition_index;
        let state = found
            .partitions
            .get(&index)
            .cloned()
            .ok_or_else(|| unknown(format!("Unable to find partition {topic}:{index}.")))?;
        let at = TopicPartition { topic_id: found.id, partition: index };
        let Some(target) = &wanted.replicas else {
            return self.cancel_reassignment(topic, at, &state);
        };
        let target: Vec<i32> = target.iter().map(|broker| broker.0).collect();
        self.check_replicas(&target)?;
        let heads_for = state.target_replicas().count();
        if !may_change_factor && heads_for != target.len() {
            return Err(ApiError::new(
                ResponseError::InvalidReplicationFactor,
                format!("The replication factor is changed from {heads_for} to {}", target.len()),
            ));
        }
        // As in Kafka a broker that is away may be asked for: the reassignment goes on until it is back.
        let away: Vec<i32> = target.iter().copied().filter(|id| !self.is_active(*id)).collect();
        if !away.is_empty() {
            tracing::warn!(topic, partition = index, ?away, "reassigning to brokers that are fenced or about to stop");
        }
        reached(if state.is_reassigning() { "reassignment replaced" } else { "reassignment begun" });
        let min_insync = self.topic_config(topic).min_insync_replicas();
        let next = reassignment::begin(&state, &target, min_insync, &|broker| self.is_active(broker));
        if let Some(change) = next.change(at, &state) {
            self.write(change);
        }
        Ok(())
    }

    fn cancel_reassignment(&mut self, topic: &str, at: TopicPartition, state: &Partition) -> Result<(), ApiError> {
        let config = self.topic_config(topic);
        let cancelled =
            reassignment::cancelled(state, config.min_insync_replicas(), &|broker| self.is_active(broker), &|| {
                config.unclean_leader_election()
            });
        reached(if cancelled.is_ok() { "reassignment cancelled" } else { "reassignment not cancelled" });
        let next = cancelled.map_err(|refused| match refused {
            CancelRefused::NotReassigning => {
                ApiError::new(ResponseError::NoReassignmentInProgress, "No partition reassignment is in progress.")
            }
            CancelRefused::NeedsUncleanElection => ApiError::new(
                ResponseError::InvalidReplicaAssignment,
                format!(
                    "Unable to revert partition assignment for {topic}:{} because it would require an unclean leader \
                     election: none of the replicas {:?} has all records and is able to lead.",
                    at.partition,
                    state.original_replicas().collect::<Vec<_>>()
                ),
            ),
        })?;
        if next.unclean {
            tracing::warn!(
                topic,
                partition = at.partition,
                leader = next.leader,
                leader_before = state.leader,
                in_sync_before = ?state.isr,
                leader_epoch = state.leader_epoch + 1,
                "unclean leader election by a cancelled reassignment: what the new leader does not have is lost"
            );
            self.unclean_elections += 1;
        }
        if let Some(change) = next.change(at, state) {
            self.write(change);
        }
        Ok(())
    }

    /// Ends the partition's reassignment when nothing is missing any more. Called after each change of a partition,
    /// whatever made it.
    pub(super) fn complete_reassignment(&mut self, at: TopicPartition) {
        let Some(state) = self.image.partition(at.topic_id, at.partition) else { return };
        let Some(next) = reassignment::completed(state, &|broker| self.is_active(broker)) else { return };
        tracing::debug!(topic_id = %at.topic_id, partition = at.partition, "reassigned");
        if let Some(change) = next.change(at, state) {
            self.write(change);
        }
    }
}
