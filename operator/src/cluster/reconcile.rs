//! One reconcile of a cluster: observe, validate, plan, apply, status.

use std::{sync::Arc, time::Duration};

use futures::future::{BoxFuture, try_join_all};
use k8s_openapi::jiff::Timestamp;
use kube::{
    Api, Resource, ResourceExt,
    api::{ApiResource, Patch, PatchParams, PropagationPolicy},
};
use kube_runtime::controller::Action as Next;
use odradek_crds::{KafkaCluster, KafkaClusterStatus};

use super::{
    error::Error,
    finalize,
    observe::{Observed, observe},
    plan::{Action, Plan, Step, plan},
    safety::{Safety, judge},
    status,
    validate::{Validated, validate},
};
use crate::{
    apply::{self, ApplyError},
    backoff::jitter,
    context::Context,
    names::MANAGER,
};

/// When to look again although nothing happened: the in-sync sets change without an event.
const CALM: Duration = Duration::from_secs(60);
/// The same while something is not in sync or a step waits.
const WATCHFUL: Duration = Duration::from_secs(2);
/// Objects that are applied side by side.
const APPLY_WIDTH: usize = 8;

/// Brings one cluster a step nearer to its spec.
pub async fn reconcile(cluster: Arc<KafkaCluster>, ctx: Arc<Context>) -> Result<Next, Error> {
    if cluster.metadata.deletion_timestamp.is_some() {
        return finalize::finalize(&cluster, &ctx).await;
    }
    let observed = observe(&cluster, &ctx).await?;
    let valid = match validate(&cluster, &observed, &ctx.broker_image) {
        Ok(valid) => valid,
        Err(refusals) => {
            write_status(&cluster, &ctx, status::refused(&cluster, &observed, &refusals, Timestamp::now())).await?;
            return Ok(Next::requeue(jitter(CALM)));
        }
    };
    finalize::guard(&cluster, &valid, &ctx).await?;
    let plan = plan(&valid, &observed)?;
    let said = status::status(&cluster, &valid, &observed, &plan, Timestamp::now());
    write_status(&cluster, &ctx, said).await?;
    carry_out(&cluster, &plan, &ctx).await?;
    Ok(Next::requeue(jitter(next_look(&valid, &observed, &plan))))
}

/// Events bring the next reconcile; this is for what has none.
fn next_look(valid: &Validated, observed: &Observed, plan: &Plan) -> Duration {
    let waits = plan.steps.iter().any(|step| step.blocked_by.is_some());
    match judge(valid, observed) {
        Safety::Safe if !waits => CALM,
        Safety::Safe | Safety::Unsafe(_) => WATCHFUL,
    }
}

/// Takes the steps that can be taken now: all that pods need first, then their sets, then the rest
/// one by one.
async fn carry_out(cluster: &KafkaCluster, plan: &Plan, ctx: &Context) -> Result<(), Error> {
    let is_set = |step: &&Step| step.action.target().starts_with("StatefulSet/");
    let is_apply = |step: &&Step| matches!(step.action, Action::Create(_) | Action::Update(_));
    let (applies, others): (Vec<&Step>, Vec<&Step>) = plan.ready().partition(is_apply);
    let (sets, first): (Vec<&Step>, Vec<&Step>) = applies.into_iter().partition(is_set);
    for group in [first, sets] {
        for batch in group.chunks(APPLY_WIDTH) {
            let mut taken: Vec<BoxFuture<'_, Result<(), Error>>> = Vec::new();
            for step in batch {
                taken.push(Box::pin(take(cluster, step, ctx)));
            }
            try_join_all(taken).await?;
        }
    }
    for step in others {
        take(cluster, step, ctx).await?;
    }
    Ok(())
}

async fn take(cluster: &KafkaCluster, step: &Step, ctx: &Context) -> Result<(), Error> {
    let namespace = cluster.namespace().unwrap_or_default();
    let client = &ctx.client;
    let done: Result<(), ApplyError> = match &step.action {
        Action::Create(object) | Action::Update(object) => apply::apply(client, &namespace, object).await,
        Action::Remove { api, name, uid, propagation } => {
            apply::delete(client, &namespace, api, name, uid, propagation.clone()).await
        }
        Action::ExpandClaim { claim, size } => apply::expand_claim(client, &namespace, claim, size).await,
        Action::Roll(pod) => {
            let api = ApiResource::erase::<k8s_openapi::api::core::v1::Pod>(&());
            apply::delete(client, &namespace, &api, &pod.name, &pod.uid, PropagationPolicy::Background).await
        }
    };
    let about = cluster.object_ref(&());
    let verb = step.action.verb();
    match done {
        Ok(()) => {
            tracing::info!(%namespace, cluster = cluster.name_any(), "{step}");
            ctx.tell(&about, true, verb, verb, format!("{}: {}", step.action.target(), step.reason)).await;
            Ok(())
        }
        Err(error) => {
            ctx.tell(&about, false, &format!("{verb}Failed"), verb, error.to_string()).await;
            let failed = status::failed(cluster, &error, Timestamp::now());
            write_status(cluster, ctx, failed).await?;
            Err(error.into())
        }
    }
}

/// Writes the status if it says anything new, and tells people when the cluster became ready or not.
async fn write_status(cluster: &KafkaCluster, ctx: &Context, new: KafkaClusterStatus) -> Result<(), Error> {
    if cluster.status.as_ref() == Some(&new) {
        return Ok(());
    }
    let namespace = cluster.namespace().unwrap_or_default();
    let api: Api<KafkaCluster> = Api::namespaced(ctx.client.clone(), &namespace);
    let changed = status::readiness_changed(cluster, &new);
    let patch = serde_json::json!({
        "apiVersion": KafkaCluster::api_version(&()),
        "kind": KafkaCluster::kind(&()),
        "metadata": { "name": cluster.name_any(), "uid": cluster.uid() },
        "status": new,
    });
    match api.patch_status(&cluster.name_any(), &PatchParams::apply(MANAGER).force(), &Patch::Apply(&patch)).await {
        Ok(_) => {}
        // It was deleted meanwhile, and its namesake is another one's business.
        Err(kube::Error::Api(status)) if status.code == 404 || status.code == 409 => return Ok(()),
        Err(error) => return Err(Error::Status(error)),
    }
    if let Some((reason, note, good)) = changed {
        ctx.tell(&cluster.object_ref(&()), good, &reason, "Reconcile", note).await;
    }
    Ok(())
}
