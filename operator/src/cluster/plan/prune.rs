//! What is ours and no longer wanted.

use k8s_openapi::api::apps::v1::StatefulSet;
use kube::{
    ResourceExt,
    api::{ApiResource, PropagationPolicy},
};
use serde_json::Value;

use super::{Action, Step};
use crate::{
    apply::Object,
    cluster::{
        layout::BLOCK,
        observe::Observed,
        pins::{has_left, owner_of},
        safety::view,
        validate::Validated,
    },
};

/// What is ours and no longer wanted. A StatefulSet only once all of its brokers have left: they do not go by being
/// forgotten.
pub(super) fn prune(cluster: &Validated, observed: &Observed, objects: &[Object]) -> Vec<Step> {
    let wanted = |kind: &str, name: &str| objects.iter().any(|o| o.api.kind == kind && o.name == name);
    let api = |kind: &str| match kind {
        "Service" => Some(ApiResource::erase::<k8s_openapi::api::core::v1::Service>(&())),
        "ConfigMap" => Some(ApiResource::erase::<k8s_openapi::api::core::v1::ConfigMap>(&())),
        "PodDisruptionBudget" => Some(ApiResource::erase::<k8s_openapi::api::policy::v1::PodDisruptionBudget>(&())),
        "StatefulSet" => Some(ApiResource::erase::<StatefulSet>(&())),
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
            let blocked_by = if kind == "StatefulSet" { in_use(cluster, observed, name, live) } else { None };
            Some(Step { action, reason: "it is no longer wanted".to_owned(), blocked_by })
        })
        .collect()
}

/// What is left of the nodes of a set.
fn in_use(cluster: &Validated, observed: &Observed, name: &str, live: &Value) -> Option<String> {
    if let Some(pod) = observed.pods.iter().find(|pod| pod.set == name) {
        return Some(format!("{} has yet to be gone", pod.name));
    }
    let view = match view(cluster, observed) {
        Ok(view) => view,
        Err(why) => return Some(why),
    };
    let first = live["spec"]["ordinals"]["start"].as_i64().and_then(|first| i32::try_from(first).ok())?;
    let block = first..first.saturating_add(BLOCK);
    if let Some(broker) = view.registered.iter().find(|broker| block.contains(&broker.id)) {
        return Some(format!("broker {} has yet to be unregistered", broker.id));
    }
    // Its claims would count as nodes again.
    let counts =
        |claim: &&k8s_openapi::api::core::v1::PersistentVolumeClaim| owner_of(claim).is_some() && !has_left(claim);
    let claim = observed.claims_of(name).find(counts)?;
    Some(format!("{} has yet to be marked or deleted", claim.name_any()))
}
