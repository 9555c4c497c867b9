//! What the pods of the cluster will be made from, and whether people agreed to that. Pure.
//!
//! The hash is of the target, not of the steps that lead to it: it stays the same from the moment when the spec changes
//! until the roll is over, whichever pods are left.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::jiff::{Timestamp, tz::TimeZone};
use serde_json::Value;

use super::{
    desired::{config_map::SERVER_PROPERTIES, properties::with_voters_of},
    observe::Observed,
    pods::PodView,
    validate::Validated,
};
use crate::{
    apply::{Object, contains},
    names::{APPLIED_ANNOTATION, TEMPLATE_ANNOTATION, fnv1a},
};

/// What pods will be made from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Target {
    /// Hash of all templates.
    pub hash: String,
    /// StatefulSets that are there and have another template.
    pub changed: BTreeSet<String>,
}

impl Target {
    /// Whether the set of one of these pods has another template.
    pub fn changes(&self, pods: &[&PodView]) -> bool {
        pods.iter().any(|pod| self.changed.contains(&pod.set))
    }
}

/// The target that these objects describe.
pub fn target(objects: &[Object], observed: &Observed) -> Target {
    let mut templates = BTreeMap::new();
    let mut changed = BTreeSet::new();
    for object in objects.iter().filter(|object| object.api.kind == "StatefulSet") {
        let hash = object.value["metadata"]["annotations"][TEMPLATE_ANNOTATION].clone();
        if let Some(live) = live(observed, object) {
            let written = &live["metadata"]["annotations"][TEMPLATE_ANNOTATION];
            let taken_back = written.is_string() && *written != hash;
            if taken_back || !contains(&live["spec"]["template"], &object.value["spec"]["template"]) {
                changed.insert(object.name.clone());
            }
        }
        templates.insert(object.name.clone(), hash);
    }
    let text = serde_json::to_string(&templates).unwrap_or_default();
    Target { hash: format!("{:016x}", fnv1a(text.as_bytes())), changed }
}

fn live<'a>(observed: &'a Observed, object: &Object) -> Option<&'a Value> {
    observed.live.get(&(object.api.kind.clone(), object.name.clone()))
}

/// What a supervised roll waits for.
pub fn not_approved(cluster: &Validated, target: &Target) -> Option<String> {
    let approved = cluster.rolling.approved.as_ref();
    (cluster.rolling.supervised && approved != Some(&target.hash))
        .then(|| format!("spec.rollingUpdate.approved has to be {}", target.hash))
}

/// Keeps what is there where the target is not approved: a pod that dies by itself comes back as it was.
pub fn hold_back(objects: &mut [Object], cluster: &Validated, observed: &Observed, target: &Target) {
    if not_approved(cluster, target).is_none() || target.changed.is_empty() {
        return;
    }
    for object in objects.iter_mut() {
        let Some(live) = live(observed, object) else { continue };
        match object.api.kind.as_str() {
            "StatefulSet" if target.changed.contains(&object.name) => {
                object.value["spec"]["template"] = live["spec"]["template"].clone();
                object.value["metadata"]["annotations"][TEMPLATE_ANNOTATION] =
                    live["metadata"]["annotations"][TEMPLATE_ANNOTATION].clone();
            }
            "ConfigMap" => {
                let file = |value: &Value| value["data"][SERVER_PROPERTIES].as_str().map(str::to_owned);
                let (held, wanted) = (file(live), file(&object.value));
                object.value["data"] = live["data"].clone();
                if let (Some(held), Some(wanted)) = (held, wanted) {
                    object.value["data"][SERVER_PROPERTIES] = with_voters_of(&held, &wanted).into();
                }
            }
            _ => continue,
        }
        object.seal();
        // What differs in nothing but the template is left alone.
        let mut rest = object.value.clone();
        rest["metadata"]["annotations"][APPLIED_ANNOTATION] = Value::Null;
        if let Some(annotations) = rest["metadata"]["annotations"].as_object_mut() {
            annotations.retain(|_, value| !value.is_null());
        }
        if contains(live, &rest) {
            object.value["metadata"]["annotations"][APPLIED_ANNOTATION] =
                live["metadata"]["annotations"][APPLIED_ANNOTATION].clone();
        }
    }
}

/// Why no roll starts at this time.
pub fn outside_of_windows(cluster: &Validated, now: Timestamp) -> Option<String> {
    let now = now.to_zoned(TimeZone::UTC);
    let inside = |window: &croner::Cron| window.is_time_matching(&now).unwrap_or(false);
    if cluster.windows.is_empty() || cluster.windows.iter().any(inside) {
        return None;
    }
    let next = cluster.windows.iter().filter_map(|window| window.find_next_occurrence(&now, false).ok()).min();
    Some(match next {
        Some(next) => format!("spec.maintenanceTimeWindows: the next one begins at {}", next.timestamp()),
        None => "spec.maintenanceTimeWindows: none of them ever comes".to_owned(),
    })
}
