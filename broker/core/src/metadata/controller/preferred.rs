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
    /// Brokers that are in sync again with something that they should lead.
    returning: BTreeSet<i32>,
    /// When they get it back: once it was quiet for a while.
    return_due: Option<u64>,
    /// But not later than this.
    return_latest: u64,
}

/// When there is always something that is not quiet, leaders return after so many times the pause.
const MOST_PAUSES: u64 = 6;

impl Rebalance {
    pub(super) fn new(config: &ControllerConfig, now: Now) -> Rebalance {
        let first = now.mono_ms + config.leader_imbalance_check_ms;
        Rebalance {
            due: config.auto_leader_rebalance.then_some(first),
            open: BTreeSet::new(),
            returning: BTreeSet::new(),
            return_due: None,
            return_latest: 0,
        }
    }

    pub(super) fn due(&self) -> Option<u64> {
        self.due
    }

    pub(super) fn return_due(&self) -> Option<u64> {
        self.return_due
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

    /// A broker is in sync with a partition that it should lead: it gets its leaders back once no more such comes for
    /// a while.
    pub(super) fn leader_may_return(&mut self, broker: i32) {
        let pause = self.config.leader_return_ms;
        if !self.config.auto_leader_rebalance || pause == 0 {
            return;
        }
        if self.rebalance.returning.is_empty() {
            self.rebalance.return_latest = self.now_ms + pause * MOST_PAUSES;
        }
        self.rebalance.returning.insert(broker);
        self.rebalance.return_due = Some((self.now_ms + pause).min(self.rebalance.return_latest));
    }

    /// Gives leaders back to those that came back, a bounded number at a time.
    pub(super) fn return_leaders(&mut self, now: Now) {
        if self.rebalance.return_due.is_none_or(|due| now.mono_ms < due) {
            return;
        }
        let leased = self.leased_brokers();
        let mut held: BTreeSet<i32> = self.rebalance.returning.intersection(&leased).copied().collect();
        self.rebalance.returning.retain(|broker| !leased.contains(broker));
        let mut left = self.config.rebalance_step;
        while left > 0
            && let Some(broker) = self.rebalance.returning.pop_first()
        {
            let ready = self.can_be_given_back(broker, left + 1);
            for at in ready.iter().take(left) {
                self.elect_preferred(*at);
            }
            if ready.len() > left {
                self.rebalance.returning.insert(broker);
            }
            left = left.saturating_sub(ready.len());
        }
        let pause = match (self.rebalance.returning.is_empty(), held.is_empty()) {
            (false, _) => Some(self.config.rebalance_step_ms),
            (true, false) => Some(self.config.leader_return_ms),
            (true, true) => None,
        };
        self.rebalance.returning.append(&mut held);
        self.rebalance.return_due = pause.map(|pause| now.mono_ms + pause);
    }

    /// The brokers that somebody has a lease to restart: who has it knows when their clients have found them again, and
    /// asks for their leaders then. Once the lease is over they return by themselves.
    fn leased_brokers(&self) -> BTreeSet<i32> {
        self.image.restart_lease().into_iter().flat_map(|lease| lease.broker_ids.iter().copied()).collect()
    }

    /// The active brokers that lead too little of what they should.
    fn imbalanced_brokers(&self) -> BTreeSet<i32> {
        let percentage = self.config.leader_imbalance_percentage as usize;
        let leased = self.leased_brokers();
        self.image
            .brokers()
            .filter(|broker| broker.is_active() && !leased.contains(&broker.id))
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
