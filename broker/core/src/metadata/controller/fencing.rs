//! Brokers that come and go: what becomes of their partitions.

use std::collections::BTreeSet;

use super::Controller;
use super::election::{Electorate, Loss, Next, with_leader, without};
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
        let partitions: BTreeSet<TopicPartition> =
            brokers.iter().flat_map(|broker| self.index.in_sync(*broker).iter().copied()).collect();
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
            let change = self.image.topic_by_id(at.topic_id).and_then(|topic| {
                let state = topic.partitions.get(&at.partition)?;
                let electorate = Electorate {
                    active: &|broker| self.is_active(broker),
                    unclean: &|| self.topic_config(&topic.name).unclean_leader_election(),
                };
                rule(state, &electorate).change(at, state)
            });
            self.write_change(change);
        }
    }
}
