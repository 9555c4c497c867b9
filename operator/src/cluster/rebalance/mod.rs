//! Moves of replicas: off brokers that have to go, onto brokers that came, and out of zones that they share. Pure but for
//! [`facts`], which reads.
//!
//! Nothing is carried from one reconcile to the next but what the status holds: which reassignments the operator began
//! itself, the rate that it set for them, and which brokers it gives their share. All else is planned anew from where
//! the replicas are. [`need`] says in every reconcile whether anything has to move; only then are sizes read and is
//! `odradek_placement::plan` asked, and not again while [`left`] finds that its plan holds. A plan that is lost is made
//! again.

use std::sync::Arc;

use odradek_crds::RebalanceStatus;

use super::{
    observe::Observed,
    plan::{Action, Step},
    safety::view,
    validate::Validated,
};
use crate::kafka::ConfigChange;

pub mod facts;
mod input;
mod kept;
mod left;
mod need;
mod own;
mod settle;
mod status;
mod throttle;
mod turn;
pub mod zones;

#[cfg(test)]
mod drift_tests;
#[cfg(test)]
mod kept_tests;
#[cfg(test)]
mod model;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod world;

pub use facts::{Facts, Sizes};
pub use input::Planned;
pub use kept::KeptPlans;
pub use left::Begun;

use need::needed;
use own::Own;
use turn::Turn;

/// Moves that begin, with their throttles first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MoveBatch {
    /// Changes of the rate.
    pub rate: Vec<ConfigChange>,
    /// What begins.
    pub begun: Begun,
}

impl MoveBatch {
    /// The changes of a topic that name the replicas of these moves as throttled.
    pub fn named(&self, topic: &str, set: &crate::kafka::ThrottledReplicas) -> Vec<ConfigChange> {
        self.begun.throttled.get(topic).map(|parts| throttle::named(set, parts)).unwrap_or_default()
    }
}

/// Throttles that are over.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unthrottle {
    /// Changes of the rate.
    pub rate: Vec<ConfigChange>,
    /// Changes of topics.
    pub topics: Vec<(String, Vec<ConfigChange>)>,
}

/// What is done, and what the status says of it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rebalance {
    /// The steps.
    pub steps: Vec<Step>,
    /// The status.
    pub status: RebalanceStatus,
    /// The plan that it is by, which may hold at the next look as well.
    pub planned: Option<Arc<Planned>>,
}

/// The next steps. `rolls` says why nothing new may begin for the sake of pods that are made anew.
pub fn rebalance(cluster: &Validated, observed: &Observed, rolls: Option<String>) -> Rebalance {
    let facts = &observed.moves;
    let view = match view(cluster, observed) {
        Ok(view) => view,
        // What was begun is not forgotten.
        Err(_) => return Rebalance { status: facts.remembered.clone(), ..Rebalance::default() },
    };
    let need = needed(cluster, observed);
    let mut own = Own::read(&facts.remembered.own);
    let settled = settle::settle(view, facts, &mut own);
    let mut turn = Turn { cluster, observed, view, need, own, rolls };
    let told = turn.next();
    let rate = throttle::rate(cluster, view, facts.remembered.throttle, turn.moves(&told.begun));
    let mut steps = Vec::new();
    let mut unthrottle = Unthrottle { rate: Vec::new(), topics: settled.over };
    let mut batch = MoveBatch { rate: Vec::new(), begun: told.begun };
    if batch.begun.moves.is_empty() {
        unthrottle.rate = rate.changes
    } else {
        batch.rate = rate.changes
    }
    for one in batch.begun.moves.iter().filter(|one| one.replicas.is_some()) {
        turn.own.insert(&one.topic, one.partition);
    }
    if !unthrottle.rate.is_empty() || !unthrottle.topics.is_empty() {
        steps.push(Step::now(Action::Unthrottle(unthrottle), "what it was set for is over, or the spec has another"));
    }
    if !settled.elect.is_empty() {
        steps
            .push(Step::now(Action::ElectLeaders(settled.elect), "their replicas were moved, and the first one leads"));
    }
    if !batch.begun.moves.is_empty() || told.blocked_by.is_some() {
        let step = Step { action: Action::MoveReplicas(batch), reason: told.reason, blocked_by: told.blocked_by };
        steps.push(step);
    }
    let status = RebalanceStatus {
        own: turn.own.written(),
        throttle: rate.set,
        leaders: status::leaders(cluster, view),
        leaving: turn.need.leaving.iter().copied().collect(),
        zones: turn.need.zones.clone(),
        in_flight: (!view.moving.is_empty()).then(|| i32::try_from(view.moving.len()).unwrap_or(i32::MAX)),
        ..told.status
    };
    Rebalance { steps, status, planned: told.planned }
}
