//! The next safe steps from what is there to what should be. Pure.

use std::fmt;

use k8s_openapi::api::apps::v1::StatefulSet;
use kube::{
    ResourceExt,
    api::{ApiResource, PropagationPolicy},
};
use odradek_crds::PlannedStep;
use serde_json::Value;

use super::{
    desired,
    observe::Observed,
    pods::PodView,
    safety::{Safety, judge, roll_order},
    validate::Validated,
};
use crate::{
    apply::{ApplyError, Object, contains},
    quantity::milli_bytes,
};

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

/// What a step does.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Makes an object.
    Create(Box<Object>),
    /// Brings an object back into shape.
    Update(Box<Object>),
    /// Deletes an object that is no longer wanted, or in the way.
    Remove {
        /// Its kind.
        api: Box<ApiResource>,
        /// Its name.
        name: String,
        /// Its UID.
        uid: String,
        /// What becomes of what it owns.
        propagation: PropagationPolicy,
    },
    /// Grows a claim.
    ExpandClaim {
        /// Its name.
        claim: String,
        /// Its new size.
        size: String,
    },
    /// Deletes a pod, so that its set makes it anew from the present template.
    Roll(PodView),
}

impl Action {
    /// The action in one word.
    pub fn verb(&self) -> &'static str {
        match self {
            Action::Create(_) => "Create",
            Action::Update(_) => "Update",
            Action::Remove { propagation: PropagationPolicy::Orphan, .. } => "Recreate",
            Action::Remove { .. } => "Remove",
            Action::ExpandClaim { .. } => "ExpandClaim",
            Action::Roll(_) => "RollPod",
        }
    }

    /// What the action is done to.
    pub fn target(&self) -> String {
        match self {
            Action::Create(object) | Action::Update(object) => {
                format!("{}/{}", object.api.kind, object.name)
            }
            Action::Remove { api, name, .. } => format!("{}/{name}", api.kind),
            Action::ExpandClaim { claim, .. } => format!("PersistentVolumeClaim/{claim}"),
            Action::Roll(pod) => format!("Pod/{}", pod.name),
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.action.verb(), self.action.target(), self.reason)
    }
}

impl Step {
    fn now(action: Action, reason: impl Into<String>) -> Step {
        Step { action, reason: reason.into(), blocked_by: None }
    }

    /// The step as the status shows it.
    pub fn shown(&self) -> PlannedStep {
        PlannedStep {
            step: self.action.verb().to_owned(),
            target: Some(self.action.target()),
            broker: match &self.action {
                Action::Roll(pod) => Some(pod.id),
                Action::Create(_) | Action::Update(_) | Action::Remove { .. } | Action::ExpandClaim { .. } => None,
            },
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

    /// Whether a step changes pods, so that people should see the cluster as at work.
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }
}

/// Plans the next steps.
pub fn plan(cluster: &Validated, observed: &Observed) -> Result<Plan, ApplyError> {
    let safety = judge(cluster, observed);
    let allowed = if safety == Safety::Safe { cluster.max_unavailable } else { 0 };
    let objects = desired::objects(cluster, allowed)?;
    let mut steps = shape(cluster, observed, &objects);
    steps.extend(prune(cluster, observed, &objects));
    let roll = roll(cluster, observed, &safety, &steps);
    steps.extend(roll);
    Ok(Plan { steps })
}

/// What has to be made or changed.
fn shape(cluster: &Validated, observed: &Observed, objects: &[Object]) -> Vec<Step> {
    let mut steps = Vec::new();
    for object in objects {
        let Some(live) = observed.live.get(&(object.api.kind.clone(), object.name.clone())) else {
            steps.push(Step::now(Action::Create(Box::new(object.clone())), "it is missing"));
            continue;
        };
        if let Some(owner) = foreign_owner(live, &cluster.owner.uid) {
            steps.push(Step {
                action: Action::Update(Box::new(object.clone())),
                reason: "it belongs to another resource".to_owned(),
                blocked_by: Some(format!("{owner}, which owns it, has to be gone first")),
            });
            continue;
        }
        let replaced = replace_for_volumes(object, live, observed);
        if !replaced.is_empty() {
            steps.extend(replaced);
        } else if object.differs_from(live) {
            steps.push(Step::now(Action::Update(Box::new(object.clone())), "it differs from the spec"));
        }
    }
    steps
}

/// The controller of an object, if it is another resource than the cluster.
fn foreign_owner(live: &Value, uid: &str) -> Option<String> {
    let owners = live["metadata"]["ownerReferences"].as_array()?;
    let other = owners.iter().find(|o| o["controller"] == Value::Bool(true) && o["uid"] != uid)?;
    Some(format!(
        "{} {} ({})",
        other["kind"].as_str().unwrap_or_default(),
        other["name"].as_str().unwrap_or_default(),
        other["uid"].as_str().unwrap_or_default()
    ))
}

/// The templates of claims cannot be changed in a StatefulSet: the claims themselves grow, and the
/// set is deleted without its pods and made again by the next reconcile.
fn replace_for_volumes(object: &Object, live: &Value, observed: &Observed) -> Vec<Step> {
    let template = "/spec/volumeClaimTemplates/0";
    let (Some(wanted), Some(had)) = (object.value.pointer(template), live.pointer(template)) else {
        return Vec::new();
    };
    if contains(had, wanted) {
        return Vec::new();
    }
    let storage = "/spec/resources/requests/storage";
    let size = wanted.pointer(storage).and_then(Value::as_str).unwrap_or_default();
    let smaller = |old: &str| milli_bytes(old) < milli_bytes(size);
    let mut steps = Vec::new();
    for claim in observed.claims_of(&object.name) {
        let spec = claim.spec.as_ref().and_then(|spec| spec.resources.as_ref());
        let old = spec.and_then(|resources| resources.requests.as_ref()?.get("storage"));
        if let Some(old) = old.filter(|old| smaller(&old.0)) {
            let action = Action::ExpandClaim { claim: claim.name_any(), size: size.to_owned() };
            steps.push(Step::now(action, format!("it grows from {} to {size}", old.0)));
        }
    }
    steps.push(Step::now(
        Action::Remove {
            api: Box::new(object.api.clone()),
            name: object.name.clone(),
            uid: live["metadata"]["uid"].as_str().unwrap_or_default().to_owned(),
            propagation: PropagationPolicy::Orphan,
        },
        "its claim template changes, which takes a new set around the same pods",
    ));
    steps
}

/// What is ours and no longer wanted. Never a StatefulSet: brokers do not go by being forgotten.
fn prune(cluster: &Validated, observed: &Observed, objects: &[Object]) -> Vec<Step> {
    let wanted = |kind: &str, name: &str| objects.iter().any(|o| o.api.kind == kind && o.name == name);
    let api = |kind: &str| match kind {
        "Service" => Some(ApiResource::erase::<k8s_openapi::api::core::v1::Service>(&())),
        "ConfigMap" => Some(ApiResource::erase::<k8s_openapi::api::core::v1::ConfigMap>(&())),
        "PodDisruptionBudget" => Some(ApiResource::erase::<k8s_openapi::api::policy::v1::PodDisruptionBudget>(&())),
        _ => None,
    };
    observed
        .live
        .iter()
        .filter(|((kind, name), live)| {
            let owners = live["metadata"]["ownerReferences"].as_array();
            let ours = owners.is_some_and(|o| o.iter().any(|o| o["uid"] == cluster.owner.uid.as_str()));
            ours && !wanted(kind, name)
        })
        .filter_map(|((kind, name), live)| {
            let action = Action::Remove {
                api: Box::new(api(kind)?),
                name: name.clone(),
                uid: live["metadata"]["uid"].as_str()?.to_owned(),
                propagation: PropagationPolicy::Background,
            };
            Some(Step::now(action, "it is no longer wanted"))
        })
        .collect()
}

/// Pods that were made from an older template, one at a time, and only while all else is whole.
fn roll(cluster: &Validated, observed: &Observed, safety: &Safety, changes: &[Step]) -> Vec<Step> {
    let changing = |name: &str| {
        changes.iter().any(|step| match &step.action {
            Action::Create(object) | Action::Update(object) => object.name == name,
            Action::Remove { name: removed, .. } => removed == name,
            Action::ExpandClaim { .. } | Action::Roll(_) => false,
        })
    };
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

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
