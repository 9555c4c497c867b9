//! Which pods have to be made anew, and in which order they go: what cannot run, what does not serve, brokers, controllers,
//! the active controller last.

use std::collections::BTreeMap;

use k8s_openapi::api::apps::v1::StatefulSet;
use odradek_crds::BrokerPhase;

use crate::{
    cluster::{observe::Observed, pods::PodView, target::Target, validate::Validated},
    kafka::restart::NodeSet,
};

/// How the pods of a batch are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    /// They cannot run at all, and serve nobody: they need nobody's leave.
    Stuck,
    /// They recover their logs, and are left alone.
    Recovering,
    /// They run and do not serve.
    Unready,
    /// They serve.
    Ready,
}

/// Pods that may go together.
#[derive(Debug)]
pub(super) struct Batch<'a> {
    pub kind: Kind,
    pub pods: Vec<&'a PodView>,
    /// The zone of which they are all, when a zone goes at once.
    pub zone: Option<String>,
}

/// The pods whose template changed.
#[derive(Debug)]
pub(super) struct Stale<'a> {
    /// In the order in which they go.
    pub batches: Vec<Batch<'a>>,
    /// Why the order is not known yet: it is of all pods.
    pub unsettled: Option<String>,
}

/// The pods that have to be made anew.
pub(super) fn stale<'a>(cluster: &Validated, observed: &'a Observed, target: &Target) -> Stale<'a> {
    let mut pods: Vec<(&PodView, Option<&String>)> = Vec::new();
    let mut unsettled: Option<String> = None;
    for layout in cluster.all_pools().flat_map(|pool| &pool.sets) {
        let of_set = observed.pods.iter().filter(|pod| pod.set == layout.name && !is_stopping(pod));
        let of_set = of_set.map(|pod| (pod, layout.zone.as_ref()));
        if target.changed.contains(&layout.name) {
            unsettled.get_or_insert_with(|| format!("StatefulSet {} is changed first", layout.name));
            pods.extend(of_set);
        } else if let Some(revision) = observed.set(&layout.name).and_then(settled_revision) {
            pods.extend(of_set.filter(|(pod, _)| pod.revision != revision));
        } else {
            unsettled.get_or_insert_with(|| format!("StatefulSet {} has yet to settle", layout.name));
        }
    }
    let active = observed.restart.active_controller();
    pods.sort_by_key(|(pod, _)| place(pod, active));
    let mut batches: Vec<Batch<'a>> = Vec::new();
    let mut zones: BTreeMap<&String, usize> = BTreeMap::new();
    for (pod, zone) in pods {
        let kind = kind(pod);
        let goes_with = match (kind, zone) {
            // Those that do not serve are judged together: each would wait for the others else.
            (Kind::Unready, _) => batches.iter().position(|batch| batch.kind == Kind::Unready),
            (Kind::Ready, Some(zone)) if cluster.rolling.by_zone && pod.broker && Some(pod.id) != active => {
                Some(*zones.entry(zone).or_insert(batches.len()))
            }
            _ => None,
        };
        match goes_with.and_then(|at| batches.get_mut(at)) {
            Some(batch) => batch.pods.push(pod),
            None => {
                let zone = goes_with.and(zone).filter(|_| kind == Kind::Ready).cloned();
                batches.push(Batch { kind, pods: vec![pod], zone });
            }
        }
    }
    Stale { batches, unsettled }
}

/// What the active controller has to be asked: of the pods that go next, and of the first of them alone when they may
/// not go together.
pub(super) fn questions(stale: &Stale<'_>) -> Vec<NodeSet> {
    let Some(next) = stale.batches.iter().find(|batch| matches!(batch.kind, Kind::Unready | Kind::Ready)) else {
        return Vec::new();
    };
    match &next.pods[..] {
        [first, _, ..] if next.kind == Kind::Ready => {
            vec![NodeSet::of(next.pods.iter().copied(), true), NodeSet::of([*first], false)]
        }
        pods => vec![NodeSet::of(pods.iter().copied(), false)],
    }
}

/// A pod's place: what cannot run, what recovers, what does not serve; then brokers, controllers, the active one.
fn place(pod: &PodView, active: Option<i32>) -> (Kind, u8, i32) {
    let role = match (pod.controller && Some(pod.id) == active, pod.broker) {
        (true, _) => 2,
        (false, true) => 0,
        (false, false) => 1,
    };
    (kind(pod), role, pod.id)
}

fn kind(pod: &PodView) -> Kind {
    if pod.stuck.is_some() {
        Kind::Stuck
    } else if pod.ready() {
        Kind::Ready
    } else if pod.recovering.is_some() {
        Kind::Recovering
    } else {
        Kind::Unready
    }
}

fn is_stopping(pod: &PodView) -> bool {
    pod.phase == BrokerPhase::Stopping
}

/// The revision that the pods of a set should have, once its controller has seen the present spec.
fn settled_revision(set: &StatefulSet) -> Option<&str> {
    let status = set.status.as_ref()?;
    (status.observed_generation >= set.metadata.generation).then_some(())?;
    status.update_revision.as_deref()
}
