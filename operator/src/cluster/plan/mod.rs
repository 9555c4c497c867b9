//! The next safe steps from what is there to what should be. Pure.

use std::{fmt, sync::Arc};

use odradek_crds::{PlannedStep, RebalanceStatus};

use super::{
    desired,
    observe::Observed,
    rebalance,
    safety::{Safety, judge_any},
    target::{self, Target},
    validate::Validated,
};
use crate::{
    apply::{ApplyError, Object},
    kafka::restart::NodeSet,
};

mod action;
mod back;
mod dynamic;
mod features;
mod leave;
mod order;
mod progress;
mod prune;
mod quorum;
mod roll;
mod shape;

pub use action::{Action, Leave, RollSet};
pub use back::LEASE;

/// Steps in the order in which they are taken.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plan {
    /// The steps.
    pub steps: Vec<Step>,
    /// What the pods will be made from.
    pub target: Target,
    /// The pods that have yet to be made from it.
    pub pending: Vec<String>,
    /// What the status says of replicas that move.
    pub rebalance: RebalanceStatus,
    /// The moves of replicas that it is by.
    pub moves: Option<Arc<rebalance::Planned>>,
}

/// One step.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// What is done.
    pub action: Action,
    /// Why.
    pub reason: String,
    /// What it waits for. It is taken by a later reconcile.
    pub blocked_by: Option<String>,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.action.verb(), self.action.target(), self.reason)
    }
}

impl Step {
    /// A step that can be taken now.
    pub fn now(action: Action, reason: impl Into<String>) -> Step {
        Step { action, reason: reason.into(), blocked_by: None }
    }

    /// The step as the status shows it.
    pub fn shown(&self) -> PlannedStep {
        PlannedStep {
            step: self.action.verb().to_owned(),
            target: Some(self.action.target()),
            broker: self.action.node(),
            reason: self.reason.clone(),
            blocked_by: self.blocked_by.clone(),
        }
    }
}

impl Plan {
    /// The steps that can be taken now.
    pub fn ready(&self) -> impl Iterator<Item = &Step> {
        self.steps.iter().filter(|step| step.blocked_by.is_none())
    }

    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }
}

/// Plans the next steps.
pub fn plan(cluster: &Validated, observed: &Observed) -> Result<Plan, ApplyError> {
    let (objects, target) = wanted(cluster, observed)?;
    let mut steps = shape::shape(cluster, observed, &objects);
    steps.extend(prune::prune(cluster, observed, &objects));
    steps.extend(dynamic::dynamic(cluster, observed));
    steps.extend(quorum::quorum(cluster, observed));
    let (after, waits) = back::back(cluster, observed);
    steps.extend(after);
    let leaving = leave::leave(cluster, observed, &objects, waits.as_ref());
    let goes = leaving.iter().find(|step| step.blocked_by.is_none()).map(|step| step.action.target());
    // Pods stop for one reason at a time.
    let waits = waits.or_else(|| goes.map(|goes| format!("{goes} leaves first")));
    steps.extend(leaving);
    steps.extend(leave::leftovers(cluster, observed));
    let stale = order::stale(cluster, observed, &target);
    let pending: Vec<String> = stale.batches.iter().flat_map(|batch| &batch.pods).map(|pod| pod.name.clone()).collect();
    let moved = rebalance::rebalance(cluster, observed, before_moves(cluster, observed, &target, &pending));
    steps.extend(moved.steps);
    steps.extend(roll::roll(cluster, observed, &target, &stale, waits));
    steps.extend(features::raise(cluster, observed, &stale));
    Ok(Plan { steps, target, pending, rebalance: moved.status, moves: moved.planned })
}

/// Why no replicas begin to move for the sake of a roll: they would hold it up, and it them.
fn before_moves(cluster: &Validated, observed: &Observed, target: &Target, pending: &[String]) -> Option<String> {
    let first = pending.first()?;
    let waits = target::not_approved(cluster, target).or_else(|| target::outside_of_windows(cluster, observed.now));
    waits.is_none().then(|| format!("{first} and the other pods with an old template are made anew first"))
}

/// The objects that should be there now, and what pods will be made from.
fn wanted(cluster: &Validated, observed: &Observed) -> Result<(Vec<Object>, Target), ApplyError> {
    let allowed = if judge_any(cluster, observed) == Safety::Safe { cluster.max_unavailable } else { 0 };
    let mut objects = desired::objects(cluster, allowed)?;
    let target = target::target(&objects, observed);
    target::hold_back(&mut objects, cluster, observed, &target);
    Ok((objects, target))
}

/// What the active controller has to be asked before the plan can be made.
pub fn questions(cluster: &Validated, observed: &Observed) -> Vec<NodeSet> {
    let Ok((_, target)) = wanted(cluster, observed) else { return Vec::new() };
    let mut questions = order::questions(&order::stale(cluster, observed, &target));
    questions.extend(cluster.next_leaving().map(super::leave::question));
    questions
}

#[cfg(test)]
mod tests;

#[cfg(test)]
mod model;
#[cfg(test)]
mod rules;
#[cfg(test)]
mod scale_model;
#[cfg(test)]
mod scale_world;
#[cfg(test)]
mod whole_rolls;
#[cfg(test)]
mod world;
