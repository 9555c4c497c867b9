//! Takes the steps of a plan. The only place that changes anything; each kind of step that is more than one call has
//! a file of its own.

use futures::future::{BoxFuture, try_join_all};
use k8s_openapi::jiff::Timestamp;
use kube::{Resource, ResourceExt};
use odradek_crds::KafkaCluster;

use super::{
    error::Error,
    observe::Observed,
    plan::{Action, Plan, Step},
    reconcile::write_status,
    status,
    validate::Validated,
};
use crate::{
    apply::{self, ApplyError},
    context::Context,
    failpoint,
    kafka::KafkaFailure,
    names::LEFT_ANNOTATION,
};

mod lease;
mod leave;
mod moves;
mod quorum;
mod roll;

/// Objects that are applied side by side.
const APPLY_WIDTH: usize = 8;

/// The cluster whose steps are taken.
#[derive(Clone, Copy, Debug)]
pub struct At<'a> {
    /// The resource.
    pub cluster: &'a KafkaCluster,
    /// What it should be.
    pub valid: &'a Validated,
    /// What it is.
    pub observed: &'a Observed,
}

/// Takes the steps that can be taken now: all that pods need first, then their sets, then the rest
/// one by one.
pub async fn carry_out(at: &At<'_>, plan: &Plan, ctx: &Context) -> Result<(), Error> {
    let is_set = |step: &&Step| step.action.target().starts_with("StatefulSet/");
    let is_apply = |step: &&Step| matches!(step.action, Action::Create(_) | Action::Update(_));
    let (applies, others): (Vec<&Step>, Vec<&Step>) = plan.ready().partition(is_apply);
    let (sets, first): (Vec<&Step>, Vec<&Step>) = applies.into_iter().partition(is_set);
    for group in [first, sets] {
        for batch in group.chunks(APPLY_WIDTH) {
            let mut taken: Vec<BoxFuture<'_, Result<(), Error>>> = Vec::new();
            for step in batch {
                taken.push(Box::pin(take(at, step, ctx)));
            }
            try_join_all(taken).await?;
        }
    }
    // One that fails holds the others back no more than it has to.
    let mut failure = None;
    for step in others {
        if let Err(error) = take(at, step, ctx).await {
            failure.get_or_insert(error);
        }
    }
    failure.map_or(Ok(()), Err)
}

fn kafka(verb: &'static str, done: Result<(), KafkaFailure>) -> Result<(), ApplyError> {
    done.map_err(|source| ApplyError::Kafka { verb, source })
}

async fn take(at: &At<'_>, step: &Step, ctx: &Context) -> Result<(), Error> {
    let At { cluster, valid, observed } = *at;
    let namespace = cluster.namespace().unwrap_or_default();
    let client = &ctx.client;
    let verb = step.action.verb();
    failpoint::at(|| format!("step/before/{verb}"));
    let done: Result<(), ApplyError> = match &step.action {
        Action::Create(object) | Action::Update(object) => apply::apply(client, &namespace, object).await,
        Action::Remove { api, name, uid, propagation } => {
            apply::delete(client, &namespace, api, name, uid, propagation.clone()).await
        }
        Action::ExpandClaim { claim, size } => apply::expand_claim(client, &namespace, claim, size).await,
        Action::Roll(set) => roll::roll(client, valid, observed, set).await,
        Action::RenewLease(set) => lease::renew(valid, observed, set).await,
        Action::Leave(leave) => leave::leave(client, valid, observed, leave).await,
        Action::Unregister(id) => kafka("unregister a broker", ctx.kafka.of(cluster).unregister(*id).await),
        Action::MarkClaim { claim, left } => {
            let value = left.then_some("true");
            apply::annotate_claim(client, &namespace, claim, LEFT_ANNOTATION, value).await
        }
        Action::ReleaseLease => lease::release(valid, observed).await,
        Action::ElectLeaders(partitions) => {
            kafka("elect preferred leaders", ctx.kafka.of(cluster).elect_preferred(partitions).await)
        }
        Action::AddVoter(id) => {
            let added = quorum::add(&*ctx.kafka.of(cluster), valid, observed, *id).await;
            kafka("make the controller a voter", added)
        }
        Action::RemoveVoter(id) => {
            let removed = quorum::remove(&*ctx.kafka.of(cluster), valid, observed, *id).await;
            kafka("take the controller out of the quorum", removed)
        }
        Action::UpdateFeatures(level) => {
            let raised = ctx.kafka.of(cluster).raise_metadata_version(level.level(), false).await;
            kafka("raise metadata.version", raised)
        }
        Action::MoveReplicas(batch) => kafka("move replicas", moves::begin(&*ctx.kafka.of(cluster), batch).await),
        Action::Unthrottle(over) => {
            kafka("take throttles of moves back", moves::unthrottle(&*ctx.kafka.of(cluster), over).await)
        }
        Action::ConfigureBrokers(changes) => {
            kafka("configure the brokers", ctx.kafka.of(cluster).configure_brokers(changes).await)
        }
    };
    if done.is_ok() {
        failpoint::at(|| format!("step/after/{verb}"));
    }
    let about = cluster.object_ref(&());
    match done {
        Ok(()) => {
            tracing::info!(%namespace, cluster = cluster.name_any(), "{step}");
            ctx.tell(&about, true, verb, verb, format!("{}: {}", step.action.target(), step.reason));
            Ok(())
        }
        Err(error) => {
            ctx.tell(&about, false, &format!("{verb}Failed"), verb, error.to_string());
            let failed = status::failed(cluster, &error, Timestamp::now());
            write_status(cluster, ctx, failed).await?;
            Err(error.into())
        }
    }
}
