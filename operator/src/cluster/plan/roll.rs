//! Pods that were made from an older template: which of them goes next.

use k8s_openapi::api::apps::v1::StatefulSet;

use super::{Action, Step};
use crate::cluster::{
    observe::Observed,
    pods::PodView,
    safety::{Safety, roll_order},
    validate::Validated,
};

/// Pods that were made from an older template, one at a time, and only while all else is whole.
pub(super) fn roll(cluster: &Validated, observed: &Observed, safety: &Safety, changes: &[Step]) -> Vec<Step> {
    let changing = |name: &str| changes.iter().any(|step| step.action.changes(name));
    let mut stale: Vec<&PodView> = Vec::new();
    // The order is of all pods: it is only known once every set has told its revision.
    let mut unsettled: Option<String> = None;
    for layout in cluster.all_pools().flat_map(|pool| &pool.sets) {
        let revision = observed.set(&layout.name).and_then(settled_revision);
        let Some(revision) = revision.filter(|_| !changing(&layout.name)) else {
            unsettled.get_or_insert_with(|| format!("StatefulSet {} has yet to settle", layout.name));
            continue;
        };
        let pods = observed.pods.iter().filter(|pod| pod.set == layout.name);
        stale.extend(pods.filter(|pod| pod.revision != revision && !is_stopping(pod)));
    }
    stale.sort_by_key(|pod| roll_order(pod));
    let mut first: Option<&str> = None;
    stale
        .into_iter()
        .map(|pod| {
            let reason = match &pod.stuck {
                Some(stuck) => format!("its template changed, and it cannot run ({stuck})"),
                None => "its template changed".to_owned(),
            };
            // A pod that cannot run serves nobody: replacing it needs nobody's leave.
            let blocked_by = match (pod.stuck.is_some(), first, unsettled.as_deref().or(safety.reason())) {
                (true, _, _) => None,
                (false, Some(first), _) => Some(format!("{first} goes first")),
                (false, None, Some(why)) => Some(why.to_owned()),
                (false, None, None) => None,
            };
            if pod.stuck.is_none() {
                first.get_or_insert(&pod.name);
            }
            Step { action: Action::Roll(pod.clone()), reason, blocked_by }
        })
        .collect()
}

fn is_stopping(pod: &PodView) -> bool {
    pod.phase == odradek_crds::BrokerPhase::Stopping
}

/// The revision that the pods of a set should have, once its controller has seen the present spec.
fn settled_revision(set: &StatefulSet) -> Option<&str> {
    let status = set.status.as_ref()?;
    (status.observed_generation >= set.metadata.generation).then_some(())?;
    status.update_revision.as_deref()
}
