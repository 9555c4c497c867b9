//! Where the replicas of new partitions go: as the request says, or as placement says.

use std::collections::{BTreeMap, BTreeSet};

use odradek_placement::{BrokerInfo, Load, place};
use odradek_wire::ResponseError;
use uuid::Uuid;

use super::Controller;
use super::api_error::ApiError;
use crate::metadata::image::Topic;
use crate::metadata::record;

/// What the topics planned earlier in the same request will put on the brokers.
pub(super) type Planned = BTreeMap<i32, Load>;

/// Notes the replicas of planned partitions.
pub(super) fn note_planned(planned: &mut Planned, partitions: &[Vec<i32>]) {
    for replicas in partitions {
        for broker in replicas {
            planned.entry(*broker).or_default().replicas += 1;
        }
        if let Some(leader) = replicas.first() {
            planned.entry(*leader).or_default().leaders += 1;
        }
    }
}

impl Controller {
    /// Replicas for `count` partitions more; `topic` is `None` for a new one.
    pub(super) fn place_partitions(
        &mut self,
        topic: Option<&Topic>,
        count: usize,
        replication_factor: usize,
        planned: &Planned,
    ) -> Result<Vec<Vec<i32>>, ApiError> {
        let mut of_topic = Planned::new();
        if let Some(topic) = topic {
            let existing: Vec<Vec<i32>> =
                topic.partitions.values().map(|state| state.target_replicas().collect()).collect();
            note_planned(&mut of_topic, &existing);
        }
        let start = self.random.next_u64();
        let brokers: Vec<BrokerInfo<'_>> = self
            .image
            .brokers()
            .map(|broker| {
                let mut total = self.index.load(broker.id);
                let more = planned.get(&broker.id).copied().unwrap_or_default();
                total.replicas += more.replicas;
                total.leaders += more.leaders;
                BrokerInfo {
                    id: broker.id,
                    rack: broker.rack.as_deref(),
                    usable: broker.is_active(),
                    topic: of_topic.get(&broker.id).copied().unwrap_or_default(),
                    total,
                }
            })
            .collect();
        place(&brokers, count, replication_factor, start).map_err(|error| {
            ApiError::new(
                ResponseError::InvalidReplicationFactor,
                format!("Unable to replicate the partition {replication_factor} time(s): {error}"),
            )
        })
    }

    /// Checks the replicas that a request gives for one partition. `replication_factor` is what
    /// the partitions before have.
    pub(super) fn check_manual(
        &self,
        partition: i32,
        replicas: &[i32],
        replication_factor: Option<usize>,
    ) -> Result<(), ApiError> {
        let refuse = |message: String| Err(ApiError::new(ResponseError::InvalidReplicaAssignment, message));
        self.check_replicas(replicas)?;
        if let Some(expected) = replication_factor
            && expected != replicas.len()
        {
            return refuse(format!(
                "The manual partition assignment includes a partition with {} replica(s), but \
                 this is not consistent with previous partitions, which have {expected} \
                 replica(s).",
                replicas.len()
            ));
        }
        if !replicas.iter().any(|broker| self.is_active(*broker)) {
            return refuse(format!(
                "All brokers specified in the manual partition assignment for partition \
                 {partition} are fenced or in controlled shutdown."
            ));
        }
        Ok(())
    }

    /// Checks replicas that a request gives: at least one, each once, all registered.
    pub(super) fn check_replicas(&self, replicas: &[i32]) -> Result<(), ApiError> {
        let refuse = |message: String| Err(ApiError::new(ResponseError::InvalidReplicaAssignment, message));
        if replicas.is_empty() {
            return refuse("The manual partition assignment includes an empty replica list.".into());
        }
        let mut seen = BTreeSet::new();
        for broker in replicas {
            if self.image.broker(*broker).is_none() {
                return refuse(format!(
                    "The manual partition assignment includes broker {broker}, but no such broker \
                     is registered."
                ));
            }
            if !seen.insert(broker) {
                return refuse(format!("The manual partition assignment includes the broker {broker} more than once."));
            }
        }
        Ok(())
    }

    /// A new partition: all its active replicas are in sync, since there is nothing to copy.
    pub(super) fn new_partition(&self, topic_id: Uuid, partition: i32, replicas: &[i32]) -> record::Partition {
        let isr: Vec<i32> = replicas.iter().copied().filter(|broker| self.is_active(*broker)).collect();
        record::Partition {
            topic_id: topic_id.as_bytes().to_vec(),
            partition,
            replicas: replicas.to_vec(),
            leader: isr.first().copied().unwrap_or(record::NO_LEADER),
            isr,
            ..record::Partition::default()
        }
    }
}
