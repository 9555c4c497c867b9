//! What has to be made or brought back into shape.

use kube::{ResourceExt, api::PropagationPolicy};
use serde_json::Value;

use super::{Action, Step};
use crate::{
    apply::{Object, contains},
    cluster::{observe::Observed, validate::Validated},
    drift::drift,
    quantity::milli_bytes,
};

/// What has to be made or changed.
pub(super) fn shape(cluster: &Validated, observed: &Observed, objects: &[Object]) -> Vec<Step> {
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
            let why = drift(object, live).unwrap_or_else(|| "it differs from the spec".to_owned());
            steps.push(Step::now(Action::Update(Box::new(object.clone())), why));
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
