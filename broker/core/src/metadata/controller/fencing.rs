//! Brokers that come and go: what becomes of their partitions.

use std::collections::BTreeSet;

use super::Controller;
use super::election::{Electorate, Loss, Next, Risk, with_leader, without};
use crate::metadata::image::{Partition, Topic, TopicPartition};
use crate::metadata::record::BrokerChange;

impl Controller {
    /// Fences those of `brokers` that are not fenced, all at once: a partition that loses its
    /// whole in-sync set keeps it, and any member may lead again.
    pub(super) fn fence(&mut self, brokers: &[i32]) {
        let mut fenced = BTreeSet::new();
        for id in brokers {
            let Some(broker) = self.image.broker(*id).filter(|broker| !broker.fenced) else {
                continue;
            };
            let epoch = broker.epoch;
            tracing::info!(broker = id, epoch, "fencing a broker");
            self.write(BrokerChange {
                broker_id: *id,
                broker_epoch: epoch,
                fenced: Some(true),
                in_controlled_shutdown: None,
            });
            fenced.insert(*id);
        }
        self.lose(&fenced, Loss::Fenced);
    }

    /// Unfences a broker, and lets it lead what has no leader.
    pub(super) fn unfence(&mut self, broker_id: i32, broker_epoch: i64) {
        tracing::info!(broker = broker_id, epoch = broker_epoch, "unfencing a broker");
        self.write(BrokerChange { broker_id, broker_epoch, fenced: Some(false), in_controlled_shutdown: None });
        self.elect_leaderless(|_, state| state.replicas.contains(&broker_id));
    }

    /// Takes brokers out of the in-sync sets and from the leadership.
    pub(super) fn lose(&mut self, brokers: &BTreeSet<i32>, loss: Loss) {
        let mut partitions: BTreeSet<TopicPartition> =
            brokers.iter().flat_map(|broker| self.index.in_sync(*broker).iter().copied()).collect();
        if matches!(loss, Loss::Unclean | Loss::Data) {
            partitions.extend(brokers.iter().flat_map(|broker| self.index.eligible(*broker).iter().copied()));
        }
        self.transition(partitions, |state, electorate| {
            without(state, &|broker| brokers.contains(&broker), loss, electorate)
        });
    }

    /// Elects leaders for the leaderless partitions that `wanted` picks.
    pub(super) fn elect_leaderless(&mut self, wanted: impl Fn(&Topic, &Partition) -> bool) {
        let partitions: Vec<TopicPartition> = self
            .index
            .leaderless()
            .iter()
            .filter(|at| {
                self.image
                    .topic_by_id(at.topic_id)
                    .is_some_and(|topic| topic.partitions.get(&at.partition).is_some_and(|state| wanted(topic, state)))
            })
            .copied()
            .collect();
        self.transition(partitions, with_leader);
    }

    /// Takes each of `partitions` to the state that `rule` gives.
    pub(super) fn transition(
        &mut self,
        partitions: impl IntoIterator<Item = TopicPartition>,
        rule: impl Fn(&Partition, &Electorate<'_>) -> Next,
    ) {
        for at in partitions {
            self.examined += 1;
            let next = self.image.topic_by_id(at.topic_id).and_then(|topic| {
                let state = topic.partitions.get(&at.partition)?;
                let electorate = Electorate {
                    active: &|broker| self.is_active(broker),
                    unclean: &|| self.topic_config(&topic.name).unclean_leader_election(),
                };
                Some(rule(state, &electorate))
            });
            if let Some(next) = next {
                self.write_next(at, &next);
            }
        }
    }

    /// Takes a partition to its next state, and reports what that may lose. False when it is there already.
    pub(super) fn write_next(&mut self, at: TopicPartition, next: &Next) -> bool {
        let Some(topic) = self.image.topic_by_id(at.topic_id) else { return false };
        let Some(state) = topic.partitions.get(&at.partition) else { return false };
        let Some(change) = next.change(at, state, self.topic_config(&topic.name).min_insync_replicas()) else {
            return false;
        };
        if let Some(risk) = next.risk {
            let known = |id: Option<i32>| id.map_or("none".to_owned(), |id| id.to_string());
            let what = match risk {
                Risk::LastKnownLeader => {
                    "the last known leader leads again after an unclean stop: what its disk had not taken is lost"
                }
                Risk::Unclean => {
                    "unclean leader election: what the new leader does not have is lost, acknowledged or not"
                }
            };
            tracing::warn!(
                topic = &*topic.name,
                partition = at.partition,
                leader = next.leader,
                leader_before = known(state.leader()),
                last_known_leader = known(state.last_known_leader),
                in_sync_before = ?state.isr,
                eligible_before = ?state.elr,
                leader_epoch = state.leader_epoch + 1,
                "{what}"
            );
            self.unclean_elections += 1;
        }
        self.write(change);
        true
    }

    /// `min.insync.replicas` changed, of one topic or (`None`) of all: who is eligible may change with it.
    pub(super) fn min_insync_changed(&mut self, topic: Option<uuid::Uuid>) {
        let of_topic = |at: &&TopicPartition| topic.is_none_or(|id| id == at.topic_id);
        let partitions: Vec<TopicPartition> = self.index.with_eligible().iter().filter(of_topic).copied().collect();
        self.transition(partitions, |state, _| Next::same(state));
    }
}
