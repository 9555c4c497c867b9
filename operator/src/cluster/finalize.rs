//! Deleting a cluster. Owner references take what was made; only claims that `deleteClaim` gives up
//! need a hand, after the pods that use them.

use k8s_openapi::api::{apps::v1::StatefulSet, core::v1::PersistentVolumeClaim};
use kube::{
    Api, ResourceExt,
    api::{ApiResource, Patch, PatchParams, PropagationPolicy},
};
use kube_runtime::controller::Action as Next;
use odradek_crds::{KafkaCluster, StorageType};

use super::{
    error::Error,
    observe::{Observed, observe},
    validate::Validated,
};
use crate::{
    apply,
    context::Context,
    failpoint,
    names::{CONTROLLERS_POOL, POOL_LABEL},
};

/// Holds a cluster until the claims that go with it are gone.
pub const FINALIZER: &str = "odradek.dev/claims";

/// Puts the finalizer on while a pool gives its claims up, and takes it off when none does.
pub async fn guard(cluster: &KafkaCluster, valid: &Validated, ctx: &Context) -> Result<(), Error> {
    let wanted =
        valid.all_pools().any(|pool| pool.storage.delete_claim && pool.storage.type_ == StorageType::PersistentClaim);
    let has = cluster.finalizers().iter().any(|finalizer| finalizer == FINALIZER);
    if wanted != has { write(cluster, wanted, ctx).await } else { Ok(()) }
}

/// Deletes the sets, waits for their pods to be gone, deletes the claims, and lets go.
pub async fn finalize(cluster: &KafkaCluster, ctx: &Context) -> Result<Next, Error> {
    let (namespace, name) = (cluster.namespace().unwrap_or_default(), cluster.name_any());
    ctx.kafka.forget(&namespace, &name);
    ctx.plans.keep(&cluster.uid().unwrap_or_default(), None);
    if !cluster.finalizers().iter().any(|finalizer| finalizer == FINALIZER) {
        return Ok(Next::await_change());
    }
    let observed = observe(cluster, ctx).await?;
    let set_api = ApiResource::erase::<StatefulSet>(&());
    for set in &observed.sets {
        let uid = set.uid().unwrap_or_default();
        let name = set.name_any();
        apply::delete(&ctx.client, &namespace, &set_api, &name, &uid, PropagationPolicy::Background).await?;
    }
    failpoint::part("finalize/sets-deleted");
    if !observed.sets.is_empty() || !observed.pods.is_empty() {
        // Their deletion is an event, and brings the next reconcile.
        return Ok(Next::await_change());
    }
    let claim_api = ApiResource::erase::<PersistentVolumeClaim>(&());
    for claim in given_up(cluster, &observed) {
        let uid = claim.uid().unwrap_or_default();
        let name = claim.name_any();
        apply::delete(&ctx.client, &namespace, &claim_api, &name, &uid, PropagationPolicy::Background).await?;
        tracing::info!(%namespace, cluster = cluster.name_any(), claim = name, "deleted as deleteClaim says");
    }
    failpoint::part("finalize/claims-deleted");
    write(cluster, false, ctx).await?;
    Ok(Next::await_change())
}

/// The claims of the pools that give them up.
fn given_up<'a>(cluster: &'a KafkaCluster, observed: &'a Observed) -> impl Iterator<Item = &'a PersistentVolumeClaim> {
    let spec = &cluster.spec;
    observed.claims.iter().filter(move |claim| {
        let pool = claim.labels().get(POOL_LABEL).map(String::as_str).unwrap_or_default();
        if pool == CONTROLLERS_POOL {
            return spec.controllers.as_ref().is_some_and(|c| c.storage.delete_claim);
        }
        spec.node_pools.iter().any(|p| p.name == pool && p.storage.delete_claim)
    })
}

async fn write(cluster: &KafkaCluster, on: bool, ctx: &Context) -> Result<(), Error> {
    let mut finalizers: Vec<String> = cluster.finalizers().iter().filter(|f| *f != FINALIZER).cloned().collect();
    if on {
        finalizers.push(FINALIZER.to_owned());
    }
    let api: Api<KafkaCluster> = Api::namespaced(ctx.client.clone(), &cluster.namespace().unwrap_or_default());
    // The resource version makes a change by somebody else a conflict, and not a loss.
    let patch = serde_json::json!({
        "metadata": { "finalizers": finalizers, "resourceVersion": cluster.resource_version() },
    });
    match api.patch_metadata(&cluster.name_any(), &PatchParams::default(), &Patch::Merge(&patch)).await {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
        Err(error) => Err(Error::Finalizer(error)),
    }
}
