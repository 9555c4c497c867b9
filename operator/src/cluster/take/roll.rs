//! Pods go, so that their sets make them anew from the present template.

use futures::future::try_join_all;
use k8s_openapi::api::core::v1::Pod;
use kube::{
    Client,
    api::{ApiResource, PropagationPolicy},
};

use super::lease;
use crate::{
    apply::{self, ApplyError},
    cluster::{observe::Observed, plan::RollSet, validate::Validated},
    failpoint,
    kafka::restart::NodeSet,
};

/// Deletes the pods that were judged, and none of the same name, under a lease of the active controller: it judges once
/// more, and lets nobody else stop anything meanwhile. A pod that cannot run serves nobody, and needs no leave.
pub(super) async fn roll(
    client: &Client,
    valid: &Validated,
    observed: &Observed,
    set: &RollSet,
) -> Result<(), ApplyError> {
    if set.pods.iter().any(|pod| pod.stuck.is_none()) {
        let nodes = NodeSet::of(&set.pods, set.zone.is_some());
        let names: Vec<&str> = set.pods.iter().map(|pod| pod.name.as_str()).collect();
        lease::acquire(valid, observed, &nodes, &names.join(", ")).await?;
    }
    failpoint::part("roll/leased");
    let api = ApiResource::erase::<Pod>(&());
    let namespace = &valid.namespace;
    let deleted = set
        .pods
        .iter()
        .map(|pod| apply::delete(client, namespace, &api, &pod.name, &pod.uid, PropagationPolicy::Background));
    try_join_all(deleted).await.map(drop)
}
