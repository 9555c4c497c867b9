//! Changes of in-sync sets: proposed by leaders, decided by the controller (KIP-497).

use std::collections::BTreeMap;

use odradek_core::metadata::rpc::{AlterPartitionData, AlterPartitionRequest, AlterPartitionResponse, IsrMember};
use odradek_core::replica::IsrProposal;
use odradek_core::time::Now;

use super::BrokerNode;
use super::calls::Pending;
use super::codes;
use crate::event::{Command, LogKey};

/// How long to wait before a proposal is sent again after it got no answer.
const RETRY_MS: u64 = 100;

/// Proposals on their way.
#[derive(Debug, Default)]
pub(super) struct IsrChanges {
    /// Not sent, or to be sent again.
    waiting: BTreeMap<LogKey, IsrProposal>,
    in_flight: bool,
    not_before_ms: u64,
}

impl IsrChanges {
    /// When the next proposal may leave, if one waits for its time.
    pub fn next_deadline(&self) -> Option<u64> {
        (!self.waiting.is_empty() && !self.in_flight).then_some(self.not_before_ms)
    }
}

impl BrokerNode {
    pub(super) fn propose_isr(&mut self, key: LogKey, proposal: IsrProposal) {
        self.isr.waiting.insert(key, proposal);
    }

    /// One request at a time, with all that waits.
    pub(super) fn send_isr_changes(&mut self, now: Now, out: &mut Vec<Command>) {
        if self.isr.in_flight || self.isr.waiting.is_empty() || now.mono_ms < self.isr.not_before_ms {
            return;
        }
        let Some(broker_epoch) = self.lifecycle.broker_epoch() else {
            self.isr.not_before_ms = now.mono_ms + RETRY_MS;
            return;
        };
        let waiting = std::mem::take(&mut self.isr.waiting);
        let mut sent = BTreeMap::new();
        let mut partitions = Vec::with_capacity(waiting.len());
        for (key, proposal) in waiting {
            let current = self.partitions.get(&key).and_then(|partition| partition.leader());
            if !current.is_some_and(|leader| {
                leader.epoch() == proposal.leader_epoch && leader.partition_epoch() == proposal.partition_epoch
            }) {
                continue;
            }
            partitions.push(AlterPartitionData {
                topic_id: key.topic_id.as_bytes().to_vec(),
                partition: key.partition,
                leader_epoch: proposal.leader_epoch,
                partition_epoch: proposal.partition_epoch,
                new_isr: proposal
                    .isr
                    .iter()
                    .map(|(id, epoch)| IsrMember {
                        broker_id: *id,
                        broker_epoch: if *id == self.config.node_id { broker_epoch } else { *epoch },
                    })
                    .collect(),
            });
            sent.insert(key, proposal);
        }
        if partitions.is_empty() {
            return;
        }
        let request = AlterPartitionRequest { broker_id: self.config.node_id, broker_epoch, partitions };
        self.isr.in_flight = true;
        self.call_controller(now, request.into(), 5_000, Pending::AlterPartition(sent), out);
    }

    /// A lost answer is not a refusal: what was proposed stays counted, and is proposed again.
    pub(super) fn isr_changes_unanswered(&mut self, now: Now, sent: BTreeMap<LogKey, IsrProposal>) {
        self.isr.in_flight = false;
        self.isr.not_before_ms = now.mono_ms + RETRY_MS;
        for (key, proposal) in sent {
            self.isr.waiting.entry(key).or_insert(proposal);
        }
    }

    pub(super) fn isr_changes_answered(
        &mut self,
        now: Now,
        sent: BTreeMap<LogKey, IsrProposal>,
        response: AlterPartitionResponse,
    ) {
        if response.error_code != 0 {
            tracing::info!(error = response.error_code, "in-sync changes were not taken; proposing them again");
            self.isr_changes_unanswered(now, sent);
            return;
        }
        self.isr.in_flight = false;
        let mut touched = Vec::new();
        for answer in response.partitions {
            let Ok(topic_id) = uuid::Uuid::from_slice(&answer.topic_id) else { continue };
            let key = LogKey { topic_id, partition: answer.partition };
            let Some(proposal) = sent.get(&key) else { continue };
            let Some(assignment) = self.image.partition(topic_id, answer.partition) else { continue };
            let Some(topic) = self.partitions.get(&key).map(|partition| partition.topic.clone()) else { continue };
            let reassigning = assignment.is_reassigning();
            let config = self.leader_config(&topic, assignment);
            let Some(partition) = self.partitions.get_mut(&key) else { continue };
            let Some(leader) = partition.leader_mut() else { continue };
            if leader.epoch() != proposal.leader_epoch {
                continue;
            }
            // Another follower may have caught up meanwhile, or this one wants to come in again: its next fetch tells.
            touched.push(key);
            match answer.error_code as i16 {
                // It may have ended the reassignment, and other replicas count from now on. The metadata that say so
                // are on their way; until they come, the proposal stays counted.
                codes::NONE if reassigning => {}
                codes::NONE => {
                    let replicas = leader.replicas().to_vec();
                    if leader.committed(config, answer.partition_epoch, &replicas, &answer.isr, now.mono_ms) {
                        self.woken.insert(key);
                    }
                }
                // The metadata that made the proposal stale is on its way here; until it comes, the proposal may be
                // the very one that was accepted, so it stays counted.
                codes::INVALID_UPDATE_VERSION | codes::FENCED_LEADER_EPOCH | codes::NEW_LEADER_ELECTED => {}
                error => {
                    tracing::debug!(%topic, partition = key.partition, error, "in-sync change refused");
                    leader.proposal_failed();
                }
            }
        }
        for key in touched {
            self.fetch_later(key);
        }
    }

    /// Looks at the partitions whose in-sync followers were behind some time ago.
    pub(super) fn check_lagging(&mut self, now: Now) {
        let max = self.config.replica_lag_time_max_ms;
        while let Some((due, key)) = self.lag_checks.first().copied() {
            if due > now.mono_ms {
                break;
            }
            self.lag_checks.pop_first();
            let Some(partition) = self.partitions.get_mut(&key) else { continue };
            partition.lag_check_scheduled = false;
            let Some(leader) = partition.leader_mut() else { continue };
            if let Some(proposal) = leader.check_lag(now.mono_ms) {
                let left: Vec<i32> =
                    leader.isr().filter(|id| !proposal.isr.iter().any(|(kept, _)| kept == id)).collect();
                tracing::info!(topic = %partition.topic, partition = key.partition, ?left, "followers fell behind");
                self.isr.waiting.insert(key, proposal);
            }
            self.schedule_lag_check(now, key, max / 2);
        }
    }

    /// Asks for a look at `key` later, when an in-sync follower is behind now.
    pub(super) fn schedule_lag_check(&mut self, now: Now, key: LogKey, after_ms: u64) {
        let Some(partition) = self.partitions.get_mut(&key) else { return };
        if !partition.lag_check_scheduled && partition.leader().is_some_and(|leader| leader.has_lagging()) {
            partition.lag_check_scheduled = true;
            self.lag_checks.insert((now.mono_ms + after_ms.max(1), key));
        }
    }
}
