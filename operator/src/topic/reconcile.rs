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
    plan::{Step, exists, plan, too_few},
    replicas::turn,
    status,
    validate::{Own, Validated, validate},
};
use crate::{
    backoff::jitter,
    failpoint,
    kafka::{KafkaAdmin, KafkaFailure, TOPIC_ALREADY_EXISTS, TopicView},
    names::MANAGER,
    refusal::Refusal,
};

/// When to look again at a topic that is as its spec says. What is changed in Kafka itself is found by
/// [`drift`](super::drift) long before.
const CALM: Duration = Duration::from_secs(1800);
/// When to look how far replicas are copied.
const COPYING: Duration = Duration::from_secs(1);
/// When to look whether replicas can be copied.
const PENDING: Duration = Duration::from_secs(5);
/// When to look again at what another resource or a cluster may heal.
const WAITING: Duration = Duration::from_secs(30);

/// Brings one topic to its spec.
pub async fn reconcile(topic: Arc<KafkaTopic>, ctx: Arc<TopicContext>) -> Result<Action, Error> {
    // Until it is known how this ends, no change in Kafka is news.
    ctx.index.left(&topic, None);
    let observed = observe(&topic, &ctx).await?;
    failpoint::part("topic/observed");
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
    if finalize::is_guarded(&topic) && !guards(&topic, &valid) {
        finalize::write(&topic, false, &ctx).await?;
    }
    if !serves(&valid.cluster) {
        let message = format!("No broker of the cluster {} serves yet", valid.cluster.name_any());
        write_status(&topic, &ctx, status::waiting(&topic, &message, Timestamp::now())).await?;
        return Ok(Action::requeue(jitter(WAITING)));
    }
    let admin = ctx.base.kafka.of(&valid.cluster);
    match bring(&topic, &valid, &*admin, &ctx).await {
        Ok(next) => Ok(next),
        Err(error) => {
            if let Error::Kafka { verb, failure, .. } = &error {
                write_status(&topic, &ctx, status::failed(&topic, verb, failure, Timestamp::now())).await?;
            }
            Err(error)
        }
    }
}

/// Whether the resource holds on to its topic while it is being deleted.
fn guards(topic: &KafkaTopic, valid: &Validated) -> bool {
    valid.managed && topic.spec.deletion_policy == DeletionPolicy::Delete
}

/// Whether a broker of the cluster can be asked.
pub fn serves(cluster: &KafkaCluster) -> bool {
    let status = cluster.status.as_ref();
    status.is_some_and(|status| status.node_pools.iter().any(|pool| pool.ready_replicas > 0))
}

/// Reads the topic, plans, carries the plan out, and writes the status.
async fn bring(
    topic: &KafkaTopic,
    valid: &Validated,
    admin: &dyn KafkaAdmin,
    ctx: &TopicContext,
) -> Result<Action, Error> {
    let failed =
        |verb: &'static str| move |failure: KafkaFailure| Error::Kafka { verb, topic: valid.topic.clone(), failure };
    let view = admin.topic(&valid.topic).await.map_err(failed("describe"))?;
    let steps = plan(valid, view.as_ref());
    if !valid.managed {
        let status = status::unmanaged(topic, valid, view.as_ref(), &steps, Timestamp::now());
        write_status(topic, ctx, status).await?;
        ctx.index.left(topic, view.as_ref().map(TopicView::digest));
        return Ok(Action::requeue(jitter(if view.is_some() { CALM } else { WAITING })));
    }
    let steps = match steps {
        Ok(steps) => steps,
        Err(refusal) => return refuse(topic, ctx, &[refusal]).await,
    };
    // Before the topic is made, so that it cannot be left behind; and for one that was there before.
    if guards(topic, valid) && !finalize::is_guarded(topic) {
        finalize::write(topic, true, ctx).await?;
    }
    failpoint::part("topic/guarded");
    let mut now = view;
    for step in &steps {
        failpoint::at(|| format!("topic/before/{}", step.verb()));
        let done = match step {
            Step::Create(new) => {
                // So that what is made is known for its own, whatever happens before its id is written.
                if valid.own == Own::None && !guards(topic, valid) {
                    write_status(topic, ctx, status::begun(topic, valid, Timestamp::now())).await?;
                }
                let made = admin.create(new).await;
                let exist = made.as_ref().is_err_and(|failure| failure.is(TOPIC_ALREADY_EXISTS));
                if exist && matches!(valid.own, Own::None | Own::Id(_)) {
                    return let_go(topic, valid, ctx).await;
                }
                made.map(|made| now = Some(made))
            }
            Step::Grow { to, .. } => admin.grow(&valid.topic, *to).await,
            Step::Configure(changes) => admin.configure(&valid.topic, changes).await,
            // The last of them.
            Step::Replicate { to, .. } => return replicate(topic, valid, *to, step, admin, ctx).await,
        };
        failpoint::at(|| format!("topic/after/{}", step.verb()));
        tell(topic, step, &done, ctx);
        done.map_err(failed(step.verb()))?;
        tracing::debug!(namespace = topic.namespace(), topic = valid.topic, "{}", step.describe());
    }
    // What a topic is that was just made is known from the answer.
    if !steps.is_empty() && !matches!(steps[..], [Step::Create(_)]) {
        now = admin.topic(&valid.topic).await.map_err(failed("describe"))?;
    }
    let Some(view) = now else {
        let unknown = KafkaFailure::Unreachable("the topic is not known to the brokers yet".to_owned());
        return Err(failed("describe")(unknown));
    };
    write_status(topic, ctx, status::ready(topic, valid, &view, Timestamp::now())).await?;
    failpoint::part("topic/told");
    ctx.index.left(topic, Some(view.digest()));
    Ok(Action::requeue(jitter(CALM)))
}

/// The next turn of a change of the number of replicas.
async fn replicate(
    topic: &KafkaTopic,
    valid: &Validated,
    to: i32,
    step: &Step,
    admin: &dyn KafkaAdmin,
    ctx: &TopicContext,
) -> Result<Action, Error> {
    let failed =
        |verb: &'static str| move |failure: KafkaFailure| Error::Kafka { verb, topic: valid.topic.clone(), failure };
    let turn_taken = admin.turn().await;
    let (view, mut loads) = tokio::try_join!(admin.topic(&valid.topic), admin.loads()).map_err(failed("describe"))?;
    // What would have to move again at once need not come.
    let leaving = leaving(&valid.cluster);
    loads.brokers.iter_mut().filter(|broker| leaving.contains(&broker.id)).for_each(|broker| broker.alive = false);
    let Some(view) = view else {
        let gone = KafkaFailure::Unreachable("the topic is not known to the brokers".to_owned());
        return Err(failed("describe")(gone));
    };
    // As its configuration is by now.
    if let Some(refusal) = too_few(to, valid, &view) {
        return refuse(topic, ctx, &[refusal]).await;
    }
    let wanted = usize::try_from(to).unwrap_or(0);
    let next = turn(wanted, &view, &loads);
    if !next.moves.is_empty() {
        let done = admin.reassign(&valid.topic, &next.moves).await;
        failpoint::at(|| format!("topic/after/{}", step.verb()));
        tell(topic, step, &done, ctx);
        done.map_err(failed(step.verb()))?;
        tracing::info!(
            namespace = topic.namespace(),
            topic = valid.topic,
            partitions = next.moves.len(),
            "{}",
            step.describe()
        );
    }
    drop(turn_taken);
    let status = status::changing(topic, valid, &view, next.change(wanted), Timestamp::now());
    write_status(topic, ctx, status).await?;
    Ok(Action::requeue(jitter(if next.moving > 0 || !next.moves.is_empty() { COPYING } else { PENDING })))
}

/// The brokers of a cluster that are being emptied.
fn leaving(cluster: &KafkaCluster) -> &[i32] {
    let rebalance = cluster.status.as_ref().and_then(|status| status.rebalance.as_ref());
    rebalance.map(|rebalance| rebalance.leaving.as_slice()).unwrap_or_default()
}

/// Tells people of a step. That a topic was made is in its status too, and is told only while there is little to tell.
fn tell(topic: &KafkaTopic, step: &Step, done: &Result<(), KafkaFailure>, ctx: &TopicContext) {
    let about = topic.object_ref(&());
    match done {
        Ok(()) if matches!(step, Step::Create(_)) => {
            ctx.base.events.mention(&about, "Changed", step.verb(), step.describe());
        }
        Ok(()) => ctx.base.events.tell(&about, true, "Changed", step.verb(), step.describe()),
        Err(failure) => {
            let note = format!("{}: {failure}", step.describe());
            ctx.base.events.tell(&about, false, "KafkaError", step.verb(), note);
        }
    }
}

/// Somebody else made the topic first, and it is not to be adopted.
async fn let_go(topic: &KafkaTopic, valid: &Validated, ctx: &TopicContext) -> Result<Action, Error> {
    write_status(topic, ctx, status::taken(topic, &exists(valid), Timestamp::now())).await?;
    if guards(topic, valid) {
        // The version that was read is an old one by now, if the finalizer was written just before.
        finalize::release(topic, ctx).await?;
    }
    Ok(Action::requeue(jitter(WAITING)))
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
