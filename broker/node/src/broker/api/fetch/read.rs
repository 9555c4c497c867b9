//! One partition of a fetch.

use odradek_core::fetch_session::Asked;
use odradek_core::replica::{Leader, ReadReplica, rack_aware};
use odradek_log::ReadError;
use odradek_probe::{Mutation, mutated};
use odradek_wire::fetch::FetchedPartition;

use super::super::super::partition::Role;
use super::super::super::{BrokerNode, codes};
use super::{DelayedFetch, Follower};
use crate::event::{FetchPayload, LogKey};

impl BrokerNode {
    /// `left` bytes are left for the whole answer, and one batch is given in any case when `at_least_one`.
    pub(super) fn read(
        &self,
        key: LogKey,
        asked: &Asked,
        wait: &DelayedFetch,
        left: usize,
        at_least_one: bool,
    ) -> FetchedPartition<FetchPayload> {
        let follower = wait.follower;
        let serves = self.partitions.get(&key).filter(|partition| match &partition.role {
            Role::Leader(_) => true,
            Role::Follower { .. } => wait.may_read_from_followers() && self.is_in_sync(key),
        });
        let Some(partition) = serves else {
            let mut answer = failed(key.partition, codes::NOT_LEADER_OR_FOLLOWER);
            answer.current_leader = self.leader_of(key);
            return answer;
        };
        let leader = partition.leader();
        let epoch = partition.leader_epoch();
        if asked.current_leader_epoch >= 0
            && asked.current_leader_epoch != epoch
            && !mutated(Mutation::IgnoreFetchEpoch)
        {
            let code = if asked.current_leader_epoch < epoch {
                codes::FENCED_LEADER_EPOCH
            } else {
                codes::UNKNOWN_LEADER_EPOCH
            };
            let mut answer = failed(key.partition, code);
            if code == codes::FENCED_LEADER_EPOCH {
                answer.current_leader = match leader {
                    Some(_) => Some((self.config.node_id, epoch)),
                    None => self.leader_of(key),
                };
            }
            return answer;
        }
        if let (Some(follower), Some(leader)) = (follower, leader)
            && !leader.replicas().contains(&follower.id)
        {
            return failed(key.partition, codes::NOT_LEADER_OR_FOLLOWER);
        }
        let log = &partition.log;
        let high_watermark = partition.high_watermark();
        let mut answer = FetchedPartition {
            high_watermark,
            last_stable_offset: high_watermark,
            log_start_offset: log.log_start_offset(),
            ..failed(key.partition, codes::NONE)
        };
        if asked.last_fetched_epoch >= 0 {
            match log.end_offset_for_epoch(asked.last_fetched_epoch) {
                None => {
                    answer.error_code = codes::OFFSET_OUT_OF_RANGE;
                    return answer;
                }
                Some((known, end)) if known < asked.last_fetched_epoch || end < asked.fetch_offset => {
                    answer.diverging_epoch = Some((known, end));
                    return answer;
                }
                Some(_) => {}
            }
        }
        let all = follower.is_some() || mutated(Mutation::ServeAboveHighWatermark);
        let upper = if all { log.log_end_offset() } else { high_watermark };
        if asked.fetch_offset > upper && asked.fetch_offset <= log.log_end_offset() {
            // Not committed yet: nothing to see, and nothing wrong.
            return answer;
        }
        if let Some(near) = leader.and_then(|leader| self.near(leader, asked.fetch_offset, wait)) {
            answer.preferred_read_replica = near;
            return answer;
        }
        let max = usize::try_from(asked.max_bytes).unwrap_or(0).min(left);
        match log.read(asked.fetch_offset, max, upper, at_least_one) {
            Ok(read) => answer.records = FetchPayload { ranges: read.ranges },
            Err(error) => {
                if !matches!(error, ReadError::OffsetOutOfRange { .. }) {
                    tracing::error!(topic = %partition.topic, partition = key.partition, %error, "read");
                }
                answer.error_code = error.code();
            }
        }
        answer
    }

    /// The replica that a consumer had better read from than this leader (KIP-392).
    fn near(&self, leader: &Leader, offset: i64, wait: &DelayedFetch) -> Option<i32> {
        if !self.config.rack_aware_reads || wait.follower.is_some() || !wait.may_read_from_followers() {
            return None;
        }
        let followers = leader.followers_with(offset).filter_map(|(id, log_end)| {
            let broker = self.image.broker(id).filter(|broker| broker.is_active())?;
            broker.listener(&wait.context.listener)?;
            Some(ReadReplica { id, rack: broker.rack.as_deref(), log_end })
        });
        rack_aware(wait.request.rack_id.as_str(), self.config.rack.as_deref(), followers)
    }

    /// Whether this broker is in the in-sync set that the controller committed: what it has is fresh enough to be read.
    fn is_in_sync(&self, key: LogKey) -> bool {
        let partition = self.image.partition(key.topic_id, key.partition);
        partition.is_some_and(|partition| partition.isr.contains(&self.config.node_id))
    }

    /// Whether `follower` is slowed down here: the replica is named for it, and it is not in sync.
    pub(super) fn slows(&self, key: LogKey, follower: Option<Follower>) -> bool {
        let Some(follower) = follower.filter(|_| self.leader_quota.is_bound()) else { return false };
        let Some(partition) = self.partitions.get(&key).filter(|partition| partition.leader_throttled) else {
            return false;
        };
        !partition.leader().is_some_and(|leader| leader.isr().any(|id| id == follower.id))
    }

    /// Whether what a follower gets of `key` counts for `leader.replication.throttled.rate`: in sync or not, as in Kafka.
    pub(super) fn counts_for_leader_quota(&self, key: LogKey, follower: Option<Follower>) -> bool {
        follower.is_some() && self.partitions.get(&key).is_some_and(|partition| partition.leader_throttled)
    }

    /// Whether a partition that gave no records this time is to be looked at again without anything new: it has some,
    /// and the answer was full; or the follower may come into the in-sync set.
    pub(super) fn has_more(&self, key: LogKey, asked: &Asked, follower: Option<Follower>) -> bool {
        let Some(partition) = self.partitions.get(&key) else { return false };
        match follower {
            Some(follower) => {
                asked.fetch_offset < partition.log.log_end_offset()
                    || !partition.leader().is_some_and(|leader| leader.isr().any(|id| id == follower.id))
            }
            None => asked.fetch_offset < partition.high_watermark(),
        }
    }
}

pub(super) fn failed(index: i32, error_code: i16) -> FetchedPartition<FetchPayload> {
    FetchedPartition {
        index,
        error_code,
        high_watermark: -1,
        last_stable_offset: -1,
        log_start_offset: -1,
        aborted: None,
        preferred_read_replica: -1,
        diverging_epoch: None,
        current_leader: None,
        records: FetchPayload::default(),
    }
}
