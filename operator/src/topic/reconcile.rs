//! One reconcile of a topic: observe, validate, plan, apply, status.

use std::{sync::Arc, time::Duration};

use k8s_openapi::jiff::Timestamp;
use kube::{
    Api, Resource, ResourceExt,
    api::{Patch, PatchParams},
};
use kube_runtime::controller::Action;
use odradek_crds::{DeletionPolicy, KafkaCluster, KafkaTopic, KafkaTopicStatus};

use super::{
    error::Error,
    finalize,
    observe::{TopicContext, observe},
    plan::{Step, plan},
    status,
    validate::{Validated, validate},
};
use crate::{
    backoff::jitter,
    kafka::{KafkaAdmin, KafkaFailure, TopicView},
    names::MANAGER,
    refusal::Refusal,
};

/// When to look for drift: a topic that is changed in Kafka itself is no event here.
const CALM: Duration = Duration::from_secs(120);
/// When to look again at what another resource or a cluster may heal.
const WAITING: Duration = Duration::from_secs(30);

/// Brings one topic to its spec.
pub async fn reconcile(topic: Arc<KafkaTopic>, ctx: Arc<TopicContext>) -> Result<Action, Error> {
    let observed = observe(&topic, &ctx).await?;
    if topic.metadata.deletion_timestamp.is_some() {
        let done = finalize::finalize(&topic, &observed, &ctx).await;
        if let Err(Error::Kafka { verb, failure, .. }) = &done {
            write_status(&topic, &ctx, status::failed(&topic, verb, failure, Timestamp::now())).await?;
        }
        return done.map(|()| Action::await_change());
    }
    let valid = match validate(&topic, &observed) {
        Ok(valid) => valid,
        Err(refusals) => return refuse(&topic, &ctx, &refusals).await,
    };
    if !serves(&valid.cluster) {
        let message = format!("No broker of the cluster {} serves yet", valid.cluster.name_any());
        write_status(&topic, &ctx, status::waiting(&topic, &message, Timestamp::now())).await?;
        return Ok(Action::requeue(jitter(WAITING)));
    }
    let admin = ctx.base.kafka.of(&valid.cluster);
    match bring(&topic, &valid, &*admin, &ctx).await {
        Ok(Ok(view)) => {
            write_status(&topic, &ctx, status::ready(&topic, &valid, &view, Timestamp::now())).await?;
            Ok(Action::requeue(jitter(CALM)))
        }
        Ok(Err(refusal)) => refuse(&topic, &ctx, &[refusal]).await,
        Err(error) => {
            if let Error::Kafka { verb, failure, .. } = &error {
                write_status(&topic, &ctx, status::failed(&topic, verb, failure, Timestamp::now())).await?;
            }
            Err(error)
        }
    }
}

/// Whether a broker of the cluster can be asked.
pub fn serves(cluster: &KafkaCluster) -> bool {
    let status = cluster.status.as_ref();
    status.is_some_and(|status| status.node_pools.iter().any(|pool| pool.ready_replicas > 0))
}

/// Carries the plan out, and reads the topic again if it changed.
async fn bring(
    topic: &KafkaTopic,
    valid: &Validated,
    admin: &dyn KafkaAdmin,
    ctx: &TopicContext,
) -> Result<Result<TopicView, Refusal>, Error> {
    let failed =
        |verb: &'static str| move |failure: KafkaFailure| Error::Kafka { verb, topic: valid.topic.clone(), failure };
    let view = admin.topic(&valid.topic).await.map_err(failed("describe"))?;
    let steps = match plan(valid, view.as_ref()) {
        Ok(steps) => steps,
        Err(refusal) => return Ok(Err(refusal)),
    };
    // Before the topic is made, so that it cannot be left behind; and for one that was there before.
    let guarded = topic.spec.deletion_policy == DeletionPolicy::Delete;
    if guarded != finalize::is_guarded(topic) {
        finalize::write(topic, guarded, ctx).await?;
    }
    if let (Some(view), true) = (view, steps.is_empty()) {
        return Ok(Ok(view));
    }
    for step in &steps {
        let done = match step {
            Step::Create(new) => admin.create(new).await,
            Step::Grow { to, .. } => admin.grow(&valid.topic, *to).await,
            Step::Configure(changes) => admin.configure(&valid.topic, changes).await,
        };
        let about = topic.object_ref(&());
        match &done {
            Ok(()) => ctx.base.tell(&about, true, "Changed", step.verb(), step.describe()).await,
            Err(failure) => {
                let note = format!("{}: {failure}", step.describe());
                ctx.base.tell(&about, false, "KafkaError", step.verb(), note).await;
            }
        }
        done.map_err(failed(step.verb()))?;
        tracing::info!(namespace = topic.namespace(), topic = valid.topic, "{}", step.describe());
    }
    let view = admin.topic(&valid.topic).await.map_err(failed("describe"))?;
    view.map(Ok).ok_or_else(|| {
        failed("describe")(KafkaFailure::Unreachable("the topic is not known to the brokers yet".to_owned()))
    })
}

async fn refuse(topic: &KafkaTopic, ctx: &TopicContext, refusals: &[Refusal]) -> Result<Action, Error> {
    write_status(topic, ctx, status::refused(topic, refusals, Timestamp::now())).await?;
    Ok(Action::requeue(jitter(WAITING)))
}

/// Writes the status if it says anything new.
async fn write_status(topic: &KafkaTopic, ctx: &TopicContext, new: KafkaTopicStatus) -> Result<(), Error> {
    if topic.status.as_ref() == Some(&new) {
        return Ok(());
    }
    let api: Api<KafkaTopic> = Api::namespaced(ctx.base.client.clone(), &topic.namespace().unwrap_or_default());
    let patch = serde_json::json!({
        "apiVersion": KafkaTopic::api_version(&()),
        "kind": KafkaTopic::kind(&()),
        "metadata": { "name": topic.name_any(), "uid": topic.uid() },
        "status": new,
    });
    match api.patch_status(&topic.name_any(), &PatchParams::apply(MANAGER).force(), &Patch::Apply(&patch)).await {
        Ok(_) => Ok(()),
        // It was deleted meanwhile, and its namesake is another one's business.
        Err(kube::Error::Api(status)) if status.code == 404 || status.code == 409 => Ok(()),
        Err(error) => Err(Error::Status(error)),
    }
}
