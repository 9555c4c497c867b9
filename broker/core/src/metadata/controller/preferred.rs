//! Leadership goes back to the preferred leaders by itself, step by step (M6).

use std::collections::BTreeSet;

use super::election::{Electorate, with_preferred};
use super::{Controller, ControllerConfig};
use crate::metadata::image::TopicPartition;
use crate::time::Now;

/// When the next step is due, and where the last one stopped.
#[derive(Clone, Debug)]
pub(super) struct Rebalance {
    due: Option<u64>,
    /// Brokers found above the percentage, that have not got all back yet.
    open: BTreeSet<i32>,
}

impl Rebalance {
    pub(super) fn new(config: &ControllerConfig, now: Now) -> Rebalance {
        let first = now.mono_ms + config.leader_imbalance_check_ms;
        Rebalance { due: config.auto_leader_rebalance.then_some(first), open: BTreeSet::new() }
    }

    pub(super) fn due(&self) -> Option<u64> {
        self.due
    }
}

impl Controller {
    pub(super) fn rebalance_leaders(&mut self, now: Now) {
        if self.rebalance.due.is_none_or(|due| now.mono_ms < due) {
            return;
        }
        if self.rebalance.open.is_empty() {
            self.rebalance.open = self.imbalanced_brokers();
        }
        let mut left = self.config.rebalance_step;
        while left > 0
            && let Some(broker) = self.rebalance.open.pop_first()
        {
            let ready = self.can_be_given_back(broker, left + 1);
            let more = ready.len() > left;
            for at in ready.iter().take(left) {
                self.elect_preferred(*at);
            }
            if more {
                self.rebalance.open.insert(broker);
            }
            left = left.saturating_sub(ready.len());
        }
        let pause = if self.rebalance.open.is_empty() {
            self.config.leader_imbalance_check_ms
        } else {
            self.config.rebalance_step_ms
        };
        self.rebalance.due = Some(now.mono_ms + pause);
    }

    /// The active brokers that lead too little of what they should.
    fn imbalanced_brokers(&self) -> BTreeSet<i32> {
        let percentage = self.config.leader_imbalance_percentage as usize;
        self.image
            .brokers()
            .filter(|broker| broker.is_active())
            .map(|broker| broker.id)
            .filter(|id| {
                let (displaced, all) = (self.index.displaced(*id).len(), self.index.load(*id).leaders);
                displaced * 100 > all * percentage
            })
            .collect()
    }

    /// Up to `most` partitions that the broker should lead and now can.
    fn can_be_given_back(&mut self, broker: i32, most: usize) -> Vec<TopicPartition> {
        if !self.is_active(broker) {
            return Vec::new();
        }
        let displaced = self.index.displaced(broker);
        self.examined += displaced.len() as u64;
        displaced
            .iter()
            .filter(|at| {
                self.image.partition(at.topic_id, at.partition).is_some_and(|state| state.isr.contains(&broker))
            })
            .copied()
            .take(most)
            .collect()
    }

    /// Elects a partition's preferred leader. False when it cannot lead now.
    pub(super) fn elect_preferred(&mut self, at: TopicPartition) -> bool {
        self.examined += 1;
        let Some(state) = self.image.partition(at.topic_id, at.partition) else {
            return false;
        };
        let electorate = Electorate { active: &|broker| self.is_active(broker), unclean: &|| false };
        let Some(next) = with_preferred(state, &electorate) else {
            return false;
        };
        self.write_next(at, &next);
        true
    }
}
