//! One reconcile of a cluster: observe, validate, plan, apply, status.

use std::{sync::Arc, time::Duration};

use k8s_openapi::jiff::Timestamp;
use kube::{
    Api, Resource, ResourceExt,
    api::{Patch, PatchParams},
};
use kube_runtime::controller::Action as Next;
use odradek_crds::{KafkaCluster, KafkaClusterStatus, RebalanceState, RollingState};

use super::{
    ask::{ask, may_raise},
    error::Error,
    finalize,
    observe::{Observed, observe},
    plan::{Action, Plan, plan},
    rebalance,
    safety::judge_any,
    status,
    take::{At, carry_out},
    validate::{Validated, validate},
};
use crate::{backoff::jitter, context::Context, failpoint, names::MANAGER};

/// When to look again although nothing happened: the in-sync sets change without an event.
const CALM: Duration = Duration::from_secs(60);
/// The same after a step was taken of which more follow.
const WATCHFUL: Duration = Duration::from_secs(1);

/// Brings one cluster a step nearer to its spec.
pub async fn reconcile(cluster: Arc<KafkaCluster>, ctx: Arc<Context>) -> Result<Next, Error> {
    if cluster.metadata.deletion_timestamp.is_some() {
        return finalize::finalize(&cluster, &ctx).await;
    }
    let mut observed = observe(&cluster, &ctx).await?;
    failpoint::part("cluster/observed");
    let valid = match validate(&cluster, &observed, &ctx.broker_image) {
        Ok(valid) => valid,
        Err(refusals) => {
            write_status(&cluster, &ctx, status::refused(&cluster, &observed, &refusals, Timestamp::now())).await?;
            return Ok(Next::requeue(jitter(CALM)));
        }
    };
    finalize::guard(&cluster, &valid, &ctx).await?;
    failpoint::part("cluster/guarded");
    may_raise(&valid, &mut observed, &*ctx.kafka.of(&cluster)).await;
    ask(&valid, &mut observed).await;
    rebalance::facts::read(&cluster, &valid, &mut observed, &ctx).await?;
    let plan = plan(&valid, &observed)?;
    ctx.plans.keep(&cluster.uid().unwrap_or_default(), plan.moves.clone());
    let said = status::status(&cluster, &valid, &observed, &plan, Timestamp::now());
    let before = status::before_steps(&cluster, &plan, said.clone());
    write_status(&cluster, &ctx, before.clone()).await?;
    // A step that fails writes what the status says by now, and not what it said before.
    let cluster = KafkaCluster { status: Some(before), ..(*cluster).clone() };
    failpoint::part("cluster/told");
    carry_out(&At { cluster: &cluster, valid: &valid, observed: &observed }, &plan, &ctx).await?;
    write_status(&cluster, &ctx, said).await?;
    failpoint::part("cluster/carried-out");
    Ok(Next::requeue(jitter(next_look(&valid, &observed, &plan, &ctx))))
}

/// Events bring the next reconcile; this is for what has none. While the same thing is waited for, the waits grow.
fn next_look(valid: &Validated, observed: &Observed, plan: &Plan, ctx: &Context) -> Duration {
    let key = format!("{}/{}", valid.namespace, valid.name);
    let waits = plan.steps.iter().find_map(|step| step.blocked_by.clone());
    let unsafe_now = || judge_any(valid, observed).reason().map(str::to_owned);
    let state = plan.rolling_state(valid, observed);
    let held = matches!(plan.rebalance.state, RebalanceState::WaitingForApproval | RebalanceState::Blocked);
    match waits.or_else(unsafe_now) {
        // What begins so brings no event, and makes nothing unsafe before it did.
        _ if plan.ready().any(|step| is_of_moves(&step.action)) => WATCHFUL,
        Some(_) if held && plan.ready().next().is_none() && plan.rebalance.in_flight.is_none() => CALM,
        Some(_) if matches!(state, RollingState::WaitingForApproval | RollingState::WaitingForWindow) => CALM,
        Some(_) if plan.ready().next().is_some() => WATCHFUL,
        Some(why) => ctx.patience.wait(&key, &why),
        // What Kafka did brings no event.
        None if plan.ready().any(|step| step.action.changes_quorum()) => WATCHFUL,
        None => {
            ctx.patience.over(&key);
            CALM
        }
    }
}

fn is_of_moves(action: &Action) -> bool {
    matches!(action, Action::MoveReplicas(_) | Action::Unthrottle(_) | Action::ElectLeaders(_))
}

/// Writes the status if it says anything new, and tells people when the cluster became ready or not.
pub(super) async fn write_status(cluster: &KafkaCluster, ctx: &Context, new: KafkaClusterStatus) -> Result<(), Error> {
    if cluster.status.as_ref() == Some(&new) {
        return Ok(());
    }
    let namespace = cluster.namespace().unwrap_or_default();
    let api: Api<KafkaCluster> = Api::namespaced(ctx.client.clone(), &namespace);
    let news = status::news(cluster, &new);
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
    for (reason, note, good) in news {
        ctx.tell(&cluster.object_ref(&()), good, &reason, "Reconcile", note);
    }
    Ok(())
}
