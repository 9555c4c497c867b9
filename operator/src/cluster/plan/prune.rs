//! What is ours and no longer wanted.

use kube::api::{ApiResource, PropagationPolicy};

use super::{Action, Step};
use crate::{
    apply::Object,
    cluster::{observe::Observed, validate::Validated},
};

/// What is ours and no longer wanted. Never a StatefulSet: brokers do not go by being forgotten.
pub(super) fn prune(cluster: &Validated, observed: &Observed, objects: &[Object]) -> Vec<Step> {
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
