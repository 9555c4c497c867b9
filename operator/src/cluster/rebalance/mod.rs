//! Moves of replicas: off brokers that have to go, and onto brokers that came. Pure but for [`facts`], which reads.
//!
//! Nothing is carried from one reconcile to the next but what the status holds: which reassignments the operator began
//! itself, the rate that it set for them, and which brokers it gives their share. All else is planned anew from where
//! the replicas are. [`need`] says in every reconcile whether anything has to move; only then are sizes read and is
//! `odradek_placement::plan` asked, and not again while [`left`] finds that its plan holds. A plan that is lost is made
//! again.

use std::{collections::BTreeSet, sync::Arc};

use odradek_crds::{RebalanceState, RebalanceStatus};
use odradek_placement::plan::PlanError;

use super::{
    observe::Observed,
    plan::{Action, Step},
    safety::{holder, view},
    validate::Validated,
};
use crate::{
    kafka::{ConfigChange, KafkaView},
    names::fnv1a,
};

pub mod facts;
mod input;
mod kept;
mod left;
mod need;
mod own;
mod settle;
mod status;
mod throttle;

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

use input::{Basis, planned};
use left::{Left, left, taken_back};
use need::{Need, needed};
use own::Own;

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
        in_flight: (!view.moving.is_empty()).then(|| i32::try_from(view.moving.len()).unwrap_or(i32::MAX)),
        ..told.status
    };
    Rebalance { steps, status, planned: told.planned }
}

/// What one look is about.
struct Turn<'a> {
    cluster: &'a Validated,
    observed: &'a Observed,
    view: &'a KafkaView,
    need: Need,
    own: Own,
    rolls: Option<String>,
}

/// What comes of it.
#[derive(Default)]
struct Told {
    begun: Begun,
    reason: String,
    blocked_by: Option<String>,
    status: RebalanceStatus,
    planned: Option<Arc<Planned>>,
}

impl Turn<'_> {
    /// Whether anything of the operator's own moves, or is about to.
    fn moves(&self, begun: &Begun) -> bool {
        let copies = begun.moves.iter().any(|one| one.replicas.is_some());
        copies || self.view.moving.keys().any(|(topic, partition)| self.own.has(topic, *partition))
    }

    fn next(&self) -> Told {
        if self.need.is_empty() {
            let begun = taken_back(self.view, &self.own);
            let reason = "the spec no longer wants what is under way".to_owned();
            let state = if begun.moves.is_empty() { RebalanceState::None } else { RebalanceState::Moving };
            return Told {
                begun,
                reason,
                status: RebalanceStatus { state, ..RebalanceStatus::default() },
                ..Told::default()
            };
        }
        let hash = self.hash();
        let blank = RebalanceStatus {
            hash: Some(hash.clone()),
            filling: self.need.filling.iter().copied().collect(),
            ..RebalanceStatus::default()
        };
        let blocked = |why: String| Told {
            reason: self.purpose(),
            blocked_by: Some(why.clone()),
            status: RebalanceStatus { state: RebalanceState::Blocked, message: Some(why), ..blank.clone() },
            ..Told::default()
        };
        let sizes = match &self.observed.moves.sizes {
            Sizes::Known(sizes) => sizes,
            Sizes::NotAsked => return blocked("the brokers were not asked yet what they hold".to_owned()),
            Sizes::Failed(failure) => return blocked(format!("the brokers do not tell what they hold: {failure}")),
        };
        match self.planned(sizes) {
            Ok(planned) => match left(&planned, self.view) {
                Some(left) => Told { planned: Some(planned.clone()), ..self.of_plan(&left, blank) },
                // What was planned just now is of what is there.
                None => blocked("the plan is made again".to_owned()),
            },
            Err(error) => blocked(error.to_string()),
        }
    }

    /// The plan of before as long as it holds; else a new one.
    fn planned(&self, sizes: &Arc<crate::kafka::ReplicaSizes>) -> Result<Arc<Planned>, PlanError> {
        let basis = Basis::of(self.cluster, self.view, &self.need);
        let kept = self.observed.moves.kept.as_ref().filter(|kept| kept.basis == basis);
        // New sizes only matter to what would begin by them.
        let holds = |kept: &&Arc<Planned>| {
            left(kept, self.view).is_some_and(|left| Arc::ptr_eq(&kept.sizes, sizes) || self.rests(&left))
        };
        match kept.filter(holds) {
            Some(kept) => Ok(kept.clone()),
            None => planned(self.cluster, self.view, &self.need, sizes, &self.own).map(Arc::new),
        }
    }

    /// Whether nothing of a plan can begin now, and not for being over.
    fn rests(&self, left: &Left<'_>) -> bool {
        !left.is_over() && left.next(self.cluster, self.view, self.held().is_some()).moves.is_empty()
    }

    fn of_plan(&self, left: &Left<'_>, mut status: RebalanceStatus) -> Told {
        let held = self.held();
        let begun = left.next(self.cluster, self.view, held.is_some());
        status::progress(&mut status, left, &self.own, self.view, &self.observed.moves);
        let under_way = self.moves(&begun);
        if left.moves.is_empty() && !under_way && begun.moves.is_empty() {
            return self.nothing_left(left.planned, status);
        }
        let waits = held.filter(|_| !left.moves.is_empty());
        status.state = match &waits {
            Some(_) if under_way => RebalanceState::Moving,
            Some(_) if self.unapproved().is_some() => RebalanceState::WaitingForApproval,
            Some(_) => RebalanceState::Waiting,
            None => RebalanceState::Moving,
        };
        let first = left.moves.first().map(|one| one.why.to_string());
        let purpose = self.purpose();
        status.message = Some(match &waits {
            Some(why) => format!("{purpose}; {why}"),
            None => purpose.clone(),
        });
        let reason = match first {
            Some(first) => format!("{purpose}: {} partitions are left ({first})", left.moves.len()),
            None => purpose,
        };
        // What is cancelled does not wait for what new moves wait for.
        let blocked_by = waits.filter(|_| begun.moves.is_empty());
        Told { begun, reason, blocked_by, status, planned: None }
    }

    /// Nothing of it can move, or everything did.
    fn nothing_left(&self, planned: &Planned, mut status: RebalanceStatus) -> Told {
        if let Some(stuck) = planned.plan.stuck.first() {
            let why = format!(
                "{} partitions have no replica on a broker that serves, {}-{} among them (brokers {:?}): they move once \
                 one of these is back",
                planned.plan.stuck.len(),
                planned.partitions.topic_name(stuck.topic),
                stuck.partition,
                stuck.replicas
            );
            status.state = RebalanceState::Blocked;
            status.message = Some(why.clone());
            return Told { reason: self.purpose(), blocked_by: Some(why), status, ..Told::default() };
        }
        // Those of others that are under way hold the last of a broker that is emptied.
        if !self.need.emptied.is_empty() {
            status.state = RebalanceState::Moving;
            status.message = Some(self.purpose());
            return Told { status, ..Told::default() };
        }
        Told { status: RebalanceStatus::default(), ..Told::default() }
    }

    /// Why nothing new begins now.
    fn held(&self) -> Option<String> {
        if let Some(why) = self.rolls.as_ref().or(self.need.held.as_ref()) {
            return Some(why.clone());
        }
        if let Some(lease) = self.observed.restart.lease() {
            let whose = if lease.holder == holder(self.cluster) { "the operator" } else { &lease.holder };
            return Some(format!("{whose} holds the lease to stop pods"));
        }
        if self.need.emptied.is_empty() { self.unapproved().or_else(|| self.not_calm()) } else { None }
    }

    fn unapproved(&self) -> Option<String> {
        let spec = &self.cluster.rebalance;
        let hash = self.hash();
        let waits = self.need.emptied.is_empty() && spec.manual && spec.approved.as_ref() != Some(&hash);
        waits.then(|| format!("spec.autoRebalance.approved has to be {hash}"))
    }

    /// A rebalance begins on a cluster that is whole: all that is to come is there, and in sync.
    fn not_calm(&self) -> Option<String> {
        let mut staying = need::laid_out(self.cluster).into_iter().filter(|id| !self.need.leaving.contains(id));
        if let Some(id) = staying.find(|id| !self.view.brokers.contains(id)) {
            return Some(format!("broker {id} does not serve"));
        }
        let behind = |p: &&crate::kafka::PartitionView| need::way(self.view, p).is_none() && !p.is_whole();
        let mut behind = self.view.partitions.iter().filter(behind);
        let first = behind.next()?;
        let more = behind.count() + 1;
        Some(format!("{more} partitions are not in sync, {}-{} among them", first.topic, first.partition))
    }

    /// What it is for.
    fn purpose(&self) -> String {
        match self.need.emptied.is_empty() {
            true => format!("brokers {} get their share", list(&self.need.filling)),
            false => format!("brokers {} are emptied", list(&self.need.emptied)),
        }
    }

    /// It stays the same until the brokers have their share, whatever is left.
    fn hash(&self) -> String {
        let (what, which) = match self.need.emptied.is_empty() {
            true => ("fill", &self.need.filling),
            false => ("empty", &self.need.emptied),
        };
        let brokers: BTreeSet<i32> = need::laid_out(self.cluster).difference(&self.need.leaving).copied().collect();
        format!("{:016x}", fnv1a(format!("{what} {} of {}", list(which), list(&brokers)).as_bytes()))
    }
}

fn list(ids: &BTreeSet<i32>) -> String {
    ids.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
