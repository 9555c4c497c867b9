//! One look at what has to move: what is planned, what of it begins, and what it waits for.

use std::{collections::BTreeSet, sync::Arc};

use odradek_crds::{RebalanceState, RebalanceStatus};
use odradek_placement::plan::PlanError;

use super::{
    facts::Sizes,
    input::{Basis, Planned, planned},
    left::{Begun, Left, left, taken_back},
    need::{Need, laid_out, way},
    own::Own,
    status,
};
use crate::{
    cluster::{observe::Observed, safety::holder, validate::Validated},
    kafka::{KafkaView, ReplicaSizes},
    names::fnv1a,
};

/// What one look is about.
pub struct Turn<'a> {
    /// The cluster as its spec wants it.
    pub cluster: &'a Validated,
    /// What is there.
    pub observed: &'a Observed,
    /// What the brokers say.
    pub view: &'a KafkaView,
    /// What has to move.
    pub need: Need,
    /// The reassignments that the operator began.
    pub own: Own,
    /// Why nothing new may begin for pods that are made anew.
    pub rolls: Option<String>,
}

/// What replicas move for.
enum Errand {
    /// Brokers are emptied.
    Empty,
    /// Brokers get their share.
    Fill,
    /// Replicas get out of zones that they share.
    Align,
}

/// What comes of it.
#[derive(Default)]
pub struct Told {
    /// What begins.
    pub begun: Begun,
    /// Why.
    pub reason: String,
    /// What it waits for.
    pub blocked_by: Option<String>,
    /// What the status says.
    pub status: RebalanceStatus,
    /// The plan that it is by.
    pub planned: Option<Arc<Planned>>,
}

impl Turn<'_> {
    /// Whether anything of the operator's own moves, or is about to.
    pub fn moves(&self, begun: &Begun) -> bool {
        let copies = begun.moves.iter().any(|one| one.replicas.is_some());
        copies || self.view.moving.keys().any(|(topic, partition)| self.own.has(topic, *partition))
    }

    /// What is done now.
    pub fn next(&self) -> Told {
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
    fn planned(&self, sizes: &Arc<ReplicaSizes>) -> Result<Arc<Planned>, PlanError> {
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
        // Those of others that are under way hold the last of a broker that is emptied, or share a zone until they are done.
        let by_others = matches!(self.errand(), Errand::Align) && !self.view.moving.is_empty();
        if !self.need.emptied.is_empty() || by_others {
            status.state = RebalanceState::Moving;
            status.message = Some(self.purpose());
            return Told { status, ..Told::default() };
        }
        if matches!(self.errand(), Errand::Align) {
            let why = format!("{}, and no broker of another zone can take one", self.purpose());
            status.state = RebalanceState::Blocked;
            status.message = Some(why.clone());
            return Told { reason: self.purpose(), blocked_by: Some(why), status, ..Told::default() };
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
        let mut staying = laid_out(self.cluster).into_iter().filter(|id| !self.need.leaving.contains(id));
        if let Some(id) = staying.find(|id| !self.view.brokers.contains(id)) {
            return Some(format!("broker {id} does not serve"));
        }
        let behind = |p: &&crate::kafka::PartitionView| way(self.view, p).is_none() && !p.is_whole();
        let mut behind = self.view.partitions.iter().filter(behind);
        let first = behind.next()?;
        let more = behind.count() + 1;
        Some(format!("{more} partitions are not in sync, {}-{} among them", first.topic, first.partition))
    }

    /// One thing at a time, the most urgent first.
    fn errand(&self) -> Errand {
        match (self.need.emptied.is_empty(), self.need.filling.is_empty()) {
            (false, _) => Errand::Empty,
            (true, false) => Errand::Fill,
            (true, true) => Errand::Align,
        }
    }

    /// The zones that brokers count as.
    fn zones_of<'s>(&'s self, ids: &BTreeSet<i32>) -> impl Iterator<Item = (i32, &'s str)> {
        let racks = self.need.racks(self.cluster).into_iter();
        racks.filter(|(id, _)| ids.contains(id)).filter_map(|(id, zone)| Some((id, zone?)))
    }

    /// What it is for.
    fn purpose(&self) -> String {
        let Need { emptied, filling, aligned, crowded, .. } = &self.need;
        match self.errand() {
            Errand::Empty => format!("brokers {} are emptied", list(emptied)),
            Errand::Fill => format!("brokers {} get their share", list(filling)),
            Errand::Align => {
                let zones: Vec<String> = self.zones_of(aligned).map(|(id, zone)| format!("{id} in {zone}")).collect();
                format!("{crowded} partitions share a zone by where brokers run ({})", zones.join(", "))
            }
        }
    }

    /// It stays the same until the brokers have their share, whatever is left.
    fn hash(&self) -> String {
        let (what, which) = match self.errand() {
            Errand::Empty => ("empty", list(&self.need.emptied)),
            Errand::Fill => ("fill", list(&self.need.filling)),
            Errand::Align => {
                let drifted = self.need.settled(self.cluster);
                let zones: Vec<String> = self.zones_of(&drifted).map(|(id, zone)| format!("{id} {zone}")).collect();
                ("align", zones.join(", "))
            }
        };
        let brokers: BTreeSet<i32> = laid_out(self.cluster).difference(&self.need.leaving).copied().collect();
        format!("{:016x}", fnv1a(format!("{what} {which} of {}", list(&brokers)).as_bytes()))
    }
}

fn list(ids: &BTreeSet<i32>) -> String {
    ids.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
