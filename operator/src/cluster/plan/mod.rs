//! The next safe steps from what is there to what should be. Pure.

use std::fmt;

use odradek_crds::PlannedStep;

use super::{
    desired,
    observe::Observed,
    safety::{Safety, judge},
    validate::Validated,
};
use crate::apply::ApplyError;

mod action;
mod prune;
mod roll;
mod shape;

pub use action::Action;

/// Steps in the order in which they are taken.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plan {
    /// The steps.
    pub steps: Vec<Step>,
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
    let safety = judge(cluster, observed);
    let allowed = if safety == Safety::Safe { cluster.max_unavailable } else { 0 };
    let objects = desired::objects(cluster, allowed)?;
    let mut steps = shape::shape(cluster, observed, &objects);
    steps.extend(prune::prune(cluster, observed, &objects));
    let roll = roll::roll(cluster, observed, &safety, &steps);
    steps.extend(roll);
    Ok(Plan { steps })
}

#[cfg(test)]
mod tests;
