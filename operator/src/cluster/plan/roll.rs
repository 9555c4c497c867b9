//! Pods that were made from an older template: which of them go now, and what the others wait for.

use super::{
    Action, RollSet, Step,
    back::own_lease,
    order::{Batch, Kind, Stale},
};
use crate::{
    cluster::{
        observe::Observed,
        pods::PodView,
        safety::judge,
        target::{self, Target},
        validate::Validated,
    },
    kafka::restart::NodeSet,
};

/// The steps of a roll. One set of pods goes at a time; `waits` says what the last one still lacks.
pub(super) fn roll(
    cluster: &Validated,
    observed: &Observed,
    target: &Target,
    stale: &Stale<'_>,
    waits: Option<String>,
) -> Vec<Step> {
    let held = target::not_approved(cluster, target);
    let before = held.clone().or_else(|| stale.unsettled.clone());
    let before = before.or_else(|| target::outside_of_windows(cluster, observed.now));
    // One that was stopped, does not serve, and is to be made from yet another template is what is waited for itself.
    let lease = own_lease(cluster, observed);
    let of_lease =
        |pod: &&PodView| lease.is_some_and(|l| l.brokers.contains(&pod.id) || l.controllers.contains(&pod.id));
    let mut first: Option<String> = None;
    let mut steps = Vec::new();
    for batch in &stale.batches {
        match batch.kind {
            Kind::Stuck => {
                let blocked_by =
                    target.changes(&batch.pods).then(|| held.clone().or(stale.unsettled.clone())).flatten();
                steps.extend(batch.pods.iter().map(|pod| step(&[pod], None, reason(pod), blocked_by.clone())));
            }
            Kind::Recovering => {
                let why = |pod: &PodView| pod.recovering.as_ref().map(|why| format!("it is left alone: {why}"));
                steps.extend(batch.pods.iter().map(|pod| step(&[pod], None, reason(pod), why(pod))));
            }
            Kind::Unready | Kind::Ready => match &first {
                Some(name) => steps.push(whole(batch, String::new(), Some(format!("{name} goes first")))),
                None => {
                    let again = batch.kind == Kind::Unready && batch.pods.iter().all(of_lease);
                    let before = if again { before.clone() } else { before.clone().or_else(|| waits.clone()) };
                    let next = next(cluster, observed, batch, before.as_ref());
                    first = next.first().map(|step| name(&step.action));
                    steps.extend(next);
                }
            },
        }
    }
    steps
}

/// The steps of the batch that goes next: all of it at once, or one pod after the other when that is not safe.
fn next(cluster: &Validated, observed: &Observed, batch: &Batch<'_>, before: Option<&String>) -> Vec<Step> {
    let together = batch.kind == Kind::Ready && batch.pods.len() > 1;
    let blocked = |set: NodeSet| before.cloned().or_else(|| judge(cluster, observed, &set).reason().map(str::to_owned));
    let Some(zone) = batch.zone.as_ref().filter(|_| together) else {
        return vec![whole(batch, String::new(), blocked(NodeSet::of(batch.pods.iter().copied(), false)))];
    };
    let zone_waits = judge(cluster, observed, &NodeSet::of(batch.pods.iter().copied(), true));
    let Some(why) = zone_waits.reason() else {
        return vec![whole(batch, format!(", and zone {zone} goes at once"), before.cloned())];
    };
    let why = format!(", and zone {zone} cannot go at once ({why})");
    let mut first: Option<&str> = None;
    let mut steps = Vec::new();
    for pod in &batch.pods {
        let blocked_by = match first {
            None => blocked(NodeSet::of([*pod], false)),
            Some(first) => Some(format!("{first} goes first")),
        };
        first.get_or_insert(&pod.name);
        steps.push(step(&[pod], None, format!("{}{why}", reason(pod)), blocked_by));
    }
    steps
}

fn whole(batch: &Batch<'_>, more: String, blocked_by: Option<String>) -> Step {
    let reason = batch.pods.first().map(|pod| reason(pod)).unwrap_or_default();
    // One pod alone is no zone at once, and is judged like every single pod.
    let zone = batch.zone.clone().filter(|_| batch.pods.len() > 1);
    step(&batch.pods, zone, format!("{reason}{more}"), blocked_by)
}

fn step(pods: &[&PodView], zone: Option<String>, reason: String, blocked_by: Option<String>) -> Step {
    let pods: Vec<PodView> = pods.iter().map(|pod| (*pod).clone()).collect();
    Step { action: Action::Roll(RollSet { pods, zone }), reason, blocked_by }
}

fn reason(pod: &PodView) -> String {
    match &pod.stuck {
        Some(stuck) => format!("its template changed, and it cannot run ({stuck})"),
        None if !pod.ready() => "its template changed, and it does not serve".to_owned(),
        None => "its template changed".to_owned(),
    }
}

fn name(action: &Action) -> String {
    let target = action.target();
    target.split_once('/').map_or(target.clone(), |(_, name)| name.to_owned())
}
