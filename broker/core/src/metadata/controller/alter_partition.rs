//! A leader wants to change its partition's in-sync set (KIP-497, KIP-841, KIP-903).

use std::cmp::Ordering;
use std::collections::BTreeSet;

use odradek_probe::{Mutation, mutated, reached};
use odradek_wire::ResponseError;
use uuid::Uuid;

use super::Controller;
use super::election::{Loss, Next, without};
use crate::metadata::image::{Partition, TopicPartition};
use crate::metadata::rpc::{AlterPartitionData, AlterPartitionRequest, AlterPartitionResponse, AlterPartitionResult};

impl Controller {
    pub(super) fn alter_partition(&mut self, request: &AlterPartitionRequest) -> AlterPartitionResponse {
        if let Err(error) = self.check_epoch(request.broker_id, request.broker_epoch) {
            return AlterPartitionResponse { error_code: i32::from(error.code()), partitions: Vec::new() };
        }
        AlterPartitionResponse {
            error_code: 0,
            partitions: request.partitions.iter().map(|data| self.alter_one(request.broker_id, data)).collect(),
        }
    }

    fn alter_one(&mut self, broker_id: i32, data: &AlterPartitionData) -> AlterPartitionResult {
        self.examined += 1;
        let decided = self.decide(broker_id, data);
        let error = match decided {
            Ok((at, next)) => {
                let joined = self.write_next(at, &next).then_some(());
                if let Some(state) = joined.and_then(|()| self.image.partition(at.topic_id, at.partition))
                    && let Some(preferred) = state.preferred_leader()
                    && state.leader != preferred
                    && state.isr.contains(&preferred)
                {
                    self.leader_may_return(preferred);
                }
                self.hand_over(at, broker_id);
                let state = self.image.partition(at.topic_id, at.partition);
                let leads = state.is_some_and(|state| state.leader == broker_id);
                (!leads).then_some(ResponseError::NewLeaderElected)
            }
            Err(error) => Some(error),
        };
        let mut result = AlterPartitionResult {
            topic_id: data.topic_id.clone(),
            partition: data.partition,
            error_code: error.map_or(0, |error| i32::from(error.code())),
            leader: -1,
            ..AlterPartitionResult::default()
        };
        let state =
            Uuid::from_slice(&data.topic_id).ok().and_then(|topic_id| self.image.partition(topic_id, data.partition));
        if let Some(state) = state {
            result.leader = state.leader;
            result.leader_epoch = state.leader_epoch;
            result.partition_epoch = state.partition_epoch;
            result.isr.clone_from(&state.isr);
        }
        result
    }

    fn decide(&self, broker_id: i32, data: &AlterPartitionData) -> Result<(TopicPartition, Next), ResponseError> {
        let topic = Uuid::from_slice(&data.topic_id)
            .ok()
            .and_then(|id| self.image.topic_by_id(id))
            .ok_or(ResponseError::UnknownTopicId)?;
        let state = topic.partitions.get(&data.partition).ok_or(ResponseError::UnknownTopicOrPartition)?;
        let at = TopicPartition { topic_id: topic.id, partition: data.partition };
        self.check(broker_id, data, state)?;
        let wanted: BTreeSet<i32> = data.new_isr.iter().map(|member| member.broker_id).collect();
        // In the order of preference, so that the same set is always written the same way.
        let isr: Vec<i32> = state.replicas.iter().copied().filter(|id| wanted.contains(id)).collect();
        match isr.len().cmp(&state.isr.len()) {
            Ordering::Less => reached("in-sync set shrunk by its leader"),
            Ordering::Greater => reached("in-sync set expanded by its leader"),
            Ordering::Equal => {}
        }
        Ok((at, Next { isr, ..Next::same(state) }))
    }

    /// The leader is about to stop, and led on because nobody else could. Now somebody can.
    fn hand_over(&mut self, at: TopicPartition, broker_id: i32) {
        if !self.is_active(broker_id) {
            self.transition([at], |state, electorate| {
                without(state, &|id| id == broker_id, Loss::Stopping, electorate)
            });
        }
    }

    fn check(&self, broker_id: i32, data: &AlterPartitionData, state: &Partition) -> Result<(), ResponseError> {
        if data.leader_epoch > state.leader_epoch || data.partition_epoch > state.partition_epoch {
            // The leader knows of decisions that this controller does not: it is not the active
            // one any more.
            return Err(ResponseError::NotController);
        }
        if data.leader_epoch < state.leader_epoch {
            reached("in-sync change under a stale leader epoch");
            return Err(ResponseError::FencedLeaderEpoch);
        }
        if broker_id != state.leader {
            return Err(ResponseError::InvalidRequest);
        }
        if data.partition_epoch < state.partition_epoch && !mutated(Mutation::IgnorePartitionEpoch) {
            reached("in-sync change on a stale partition epoch");
            return Err(ResponseError::InvalidUpdateVersion);
        }
        let mut seen = BTreeSet::new();
        for member in &data.new_isr {
            if !state.replicas.contains(&member.broker_id) || !seen.insert(member.broker_id) {
                return Err(ResponseError::InvalidRequest);
            }
        }
        if !seen.contains(&broker_id) {
            return Err(ResponseError::InvalidRequest);
        }
        let ineligible = data.new_isr.iter().filter(|member| member.broker_id != broker_id).any(|member| {
            let broker = self.image.broker(member.broker_id);
            !broker.is_some_and(|broker| {
                let epoch_fits = member.broker_epoch == -1
                    || member.broker_epoch == broker.epoch
                    || mutated(Mutation::IgnoreBrokerEpoch);
                broker.is_active() && epoch_fits
            })
        });
        if ineligible {
            reached("in-sync change with an ineligible replica");
            return Err(ResponseError::IneligibleReplica);
        }
        Ok(())
    }
}
