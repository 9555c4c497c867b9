//! Pods go, so that their sets make them anew from the present template.

use std::time::Duration;

use futures::future::try_join_all;
use k8s_openapi::api::core::v1::Pod;
use kube::{
    Client,
    api::{ApiResource, PropagationPolicy},
};

use crate::{
    apply::{self, ApplyError},
    cluster::{
        ask,
        observe::Observed,
        plan::{LEASE, RollSet},
        safety::holder,
        validate::Validated,
    },
    failpoint,
    kafka::restart::{Ask, NodeSet},
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
        let refused = |why| ApplyError::NotGranted {
            pods: set.pods.iter().map(|pod| pod.name.as_str()).collect::<Vec<_>>().join(", "),
            why,
        };
        let verdict = ask::any(&ask::addresses(observed), Ask::Acquire, &nodes, &holder(valid), LEASE).await;
        let verdict = verdict.map_err(refused)?;
        // A lease that is ours already is prolonged whatever became of the cluster since.
        if !verdict.granted || !verdict.safe {
            let held = verdict.lease.as_ref().map(|lease| format!("{} holds it", lease.holder));
            let why = verdict.against().or(held).unwrap_or_else(|| "the active controller says no".to_owned());
            return Err(refused(why));
        }
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

/// Keeps the lease while what was stopped is not back. The active controller prolongs it for its holder whatever became of
/// the cluster; one that is over by now is not needed to wait.
pub(super) async fn renew(valid: &Validated, observed: &Observed, set: &NodeSet) -> Result<(), ApplyError> {
    if let Err(why) = ask::any(&ask::addresses(observed), Ask::Acquire, set, &holder(valid), LEASE).await {
        tracing::warn!(cluster = valid.name, why, "the lease to stop pods is not renewed");
    }
    Ok(())
}

/// Gives the lease back. If that fails it ends by itself.
pub(super) async fn release(valid: &Validated, observed: &Observed) -> Result<(), ApplyError> {
    let nothing = NodeSet::default();
    let released = ask::any(&ask::addresses(observed), Ask::Release, &nothing, &holder(valid), Duration::ZERO).await;
    if let Err(why) = released {
        tracing::warn!(cluster = valid.name, why, "the lease to stop pods is not given back, and ends by itself");
    }
    Ok(())
}
