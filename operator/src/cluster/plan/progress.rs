//! How far a roll is.

use odradek_crds::{RebalanceState, RollingState, RollingUpdateStatus};

use super::{Action, Plan, Step};
use crate::cluster::{observe::Observed, safety::waiting_pods, target, validate::Validated};

impl Plan {
    /// The roll as the status shows it.
    pub fn rolling(&self, cluster: &Validated, observed: &Observed) -> RollingUpdateStatus {
        let all: usize = cluster.all_pools().flat_map(|pool| &pool.sets).map(|set| set.ids().count()).sum();
        let pending = self.pending.len().min(all);
        let first = self.steps.iter().find(|step| matches!(step.action, Action::Roll(_)));
        let number = |of: usize| i32::try_from(of).unwrap_or(i32::MAX);
        RollingUpdateStatus {
            hash: self.target.hash.clone(),
            state: self.rolling_state(cluster, observed),
            progress: format!("{}/{all}", all - pending),
            pending: number(pending),
            done: number(all - pending),
            message: first.and_then(|step| step.blocked_by.clone()),
        }
    }

    /// What the roll does.
    pub fn rolling_state(&self, cluster: &Validated, observed: &Observed) -> RollingState {
        let ready = || self.ready().any(|step| matches!(step.action, Action::Roll(_)));
        if self.pending.is_empty() {
            RollingState::UpToDate
        } else if ready() {
            RollingState::Rolling
        } else if target::not_approved(cluster, &self.target).is_some() {
            RollingState::WaitingForApproval
        } else if !waiting_pods(cluster, observed).is_empty() {
            RollingState::Rolling
        } else if target::outside_of_windows(cluster, observed.now).is_some() {
            RollingState::WaitingForWindow
        } else {
            RollingState::Waiting
        }
    }

    /// What a person or a maintenance window holds back, a roll or a rebalance, as the reason and the message of a condition; nothing while
    /// there is anything else to do. Such a one is no progress that anybody should wait for: it may be days away.
    pub fn held(&self, cluster: &Validated, observed: &Observed) -> Option<(&'static str, String)> {
        let moves = |step: &Step| matches!(step.action, Action::MoveReplicas(_)) && step.blocked_by.is_some();
        if self.rebalance.state == RebalanceState::WaitingForApproval && self.steps.iter().all(moves) {
            return Some(("WaitingForApproval", self.rebalance.message.clone().unwrap_or_default()));
        }
        let reason = match self.rolling_state(cluster, observed) {
            RollingState::WaitingForApproval => "WaitingForApproval",
            RollingState::WaitingForWindow => "WaitingForWindow",
            RollingState::UpToDate | RollingState::Waiting | RollingState::Rolling => return None,
        };
        let rolls = self.steps.iter().all(|step| matches!(step.action, Action::Roll(_)) && step.blocked_by.is_some());
        let why = self.steps.first().filter(|_| rolls)?.blocked_by.as_deref().unwrap_or_default();
        Some((reason, format!("{} pods have yet to be made anew; {why}", self.pending.len())))
    }
}
