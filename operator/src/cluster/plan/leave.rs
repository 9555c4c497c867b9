//! Brokers go for good: stopped once they are empty, then unregistered, then their claims.

use k8s_openapi::api::core::v1::PersistentVolumeClaim;
use kube::api::PropagationPolicy;
use kube::{ResourceExt, api::ApiResource};
use odradek_crds::Role;

use super::{Action, Leave, Step};
use crate::{
    apply::Object,
    cluster::{
        leave,
        observe::Observed,
        pins::{has_left, owner_of},
        safety::view,
        validate::Validated,
    },
    names::{CONTROLLERS_POOL, REPLICAS_ANNOTATION},
};

/// The steps of the brokers that have to go, in the order in which they go. `waits` says what pods that were stopped before
/// still lack.
pub(super) fn leave(cluster: &Validated, observed: &Observed, objects: &[Object], waits: Option<&String>) -> Vec<Step> {
    let Some(next) = cluster.next_leaving() else { return Vec::new() };
    let blocked_by = leave::waits(cluster, observed, next).or_else(|| waits.cloned());
    let sets = || cluster.pools.iter().flat_map(|pool| pool.sets.iter().map(move |set| (pool, set)));
    let mut steps: Vec<Step> = Vec::new();
    let mut ids: Vec<i32> = cluster.leaving().into_iter().filter(|id| *id != next).rev().collect();
    ids.insert(0, next);
    for id in ids {
        let Some((pool, set)) = sets().find(|(_, set)| set.ids().any(|of| of == id)) else { continue };
        let Some(object) = objects.iter().find(|o| o.api.kind == "StatefulSet" && o.name == set.name) else { continue };
        let (pod, zone) = (format!("{}-{id}", set.name), set.zone.as_deref().unwrap_or("no zone"));
        let action = Action::Leave(Box::new(Leave { id, pod, set: lowered(object, set.replicas - 1) }));
        let reason = match pool.declared.is_some() && pool.sets.iter().all(|set| set.wanted == 0) {
            true => format!("pool {} is no longer in the spec", pool.name),
            false => format!("pool {} has {} nodes in {zone} and should have {}", pool.name, set.replicas, set.wanted),
        };
        let blocked_by = if id == next { blocked_by.clone() } else { Some(format!("broker {next} goes first")) };
        steps.push(Step { action, reason, blocked_by });
    }
    steps
}

/// The set with so many nodes.
fn lowered(set: &Object, replicas: i32) -> Object {
    let mut set = set.clone();
    set.value["spec"]["replicas"] = replicas.into();
    set.value["metadata"]["annotations"][REPLICAS_ANNOTATION] = replicas.to_string().into();
    set.seal();
    set
}

/// What is left of brokers that are gone: their registrations, then their claims.
pub(super) fn leftovers(cluster: &Validated, observed: &Observed) -> Vec<Step> {
    let Ok(view) = view(cluster, observed) else { return Vec::new() };
    let runs = |id: i32| observed.pods.iter().any(|pod| pod.broker && pod.id == id);
    let mut steps: Vec<Step> = leave::gone(cluster, view)
        .map(|id| {
            let alive = view.brokers.contains(&id).then(|| "its session has yet to end".to_owned());
            Step {
                action: Action::Unregister(id),
                reason: "it is none of the cluster's nodes any more".to_owned(),
                blocked_by: runs(id)
                    .then(|| "its pod has yet to be gone".to_owned())
                    .or(leave::holds(view, id))
                    .or(alive),
            }
        })
        .collect();
    let node = |id: i32| cluster.all_pools().flat_map(|pool| &pool.sets).any(|set| set.ids().any(|of| of == id));
    let registered = |id: i32| view.registered.iter().any(|broker| broker.id == id);
    for claim in observed.claims.iter().filter(|claim| claim.metadata.deletion_timestamp.is_none()) {
        let Some((identity, id)) = owner_of(claim) else { continue };
        if identity.pool == CONTROLLERS_POOL || identity.cluster_id != cluster.cluster_id {
            continue;
        }
        let name = claim.name_any();
        if node(id) {
            if has_left(claim) {
                let action = Action::MarkClaim { claim: name, left: false };
                steps.push(Step::now(action, format!("broker {id} is back")));
            }
        } else if !runs(id) && !registered(id) {
            steps.extend(claim_of_one_that_left(cluster, claim, &identity.pool, id));
        }
    }
    steps
}

fn claim_of_one_that_left(cluster: &Validated, claim: &PersistentVolumeClaim, pool: &str, id: i32) -> Option<Step> {
    let pool = cluster.pools.iter().find(|of| of.name == pool && of.has(Role::Broker));
    let (name, reason) = (claim.name_any(), format!("broker {id} has left"));
    if pool.is_some_and(|pool| pool.storage.delete_claim) {
        let action = Action::Remove {
            api: Box::new(ApiResource::erase::<PersistentVolumeClaim>(&())),
            name,
            uid: claim.uid()?,
            propagation: PropagationPolicy::Background,
        };
        return Some(Step::now(action, format!("{reason}, and its pool gives its claims up")));
    }
    (!has_left(claim)).then(|| {
        let action = Action::MarkClaim { claim: name, left: true };
        Step::now(action, format!("{reason}, and its volume is kept"))
    })
}
