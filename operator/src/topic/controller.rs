//! What brings a topic's reconcile about: the topic, and what matters to it of its cluster.

use std::{collections::HashMap, future::Future, sync::Arc};

use futures::{Stream, StreamExt};
use kube::ResourceExt;
use kube_runtime::{
    WatchStreamExt,
    controller::{Action, Config, Controller},
    reflector::{self, ObjectRef, Store, reflector, store::Writer},
    watcher::{self, Event, watcher},
};
use odradek_crds::{KafkaCluster, KafkaTopic};
use tokio::time::Instant;

use super::{
    error::Error,
    observe::{TopicContext, cluster_name},
    reconcile::{reconcile, serves},
};
use crate::context::Context;

/// Topics that are reconciled side by side.
const CONCURRENCY: u16 = 32;

/// Runs until the signal to stop, and lets the reconciles at work end.
pub async fn run(base: Arc<Context>, stop: impl Future<Output = ()> + Send + Sync + 'static) {
    let controller = Controller::new(base.scoped::<KafkaTopic>(), watcher::Config::default());
    let topics = controller.store();
    let (clusters, writer) = reflector::store();
    let triggers = cluster_triggers(&base, writer, topics.clone());
    let ctx = Arc::new(TopicContext { base, topics, clusters });
    controller
        .with_config(Config::default().concurrency(CONCURRENCY))
        .reconcile_on(triggers)
        .graceful_shutdown_on(stop)
        .run(timed, retry, ctx)
        .for_each(|result| async move {
            match result {
                Ok(_) | Err(kube_runtime::controller::Error::ObjectNotFound(_)) => {}
                Err(error) => tracing::warn!(%error, "topic"),
            }
        })
        .await;
}

/// The topics of a cluster, whenever something changed that matters to them. A status that is
/// written during a roll does not.
fn cluster_triggers(
    ctx: &Context,
    clusters: Writer<KafkaCluster>,
    topics: Store<KafkaTopic>,
) -> impl Stream<Item = ObjectRef<KafkaTopic>> + Send + 'static {
    let mut seen: HashMap<ObjectRef<KafkaCluster>, (Option<i64>, bool, bool)> = HashMap::new();
    let events = watcher(ctx.scoped::<KafkaCluster>(), watcher::Config::default()).default_backoff();
    // The store knows of a change before the topics are told to look.
    reflector(clusters, events)
        .filter_map(move |event| {
            let cluster = match event {
                Ok(Event::Apply(cluster) | Event::InitApply(cluster)) => {
                    let deleted = cluster.metadata.deletion_timestamp.is_some();
                    let facts = (cluster.metadata.generation, serves(&cluster), deleted);
                    let key = ObjectRef::from_obj(&cluster);
                    (seen.insert(key, facts) != Some(facts)).then_some(cluster)
                }
                Ok(Event::Delete(cluster)) => {
                    seen.remove(&ObjectRef::from_obj(&cluster));
                    Some(cluster)
                }
                Ok(Event::Init | Event::InitDone) => None,
                Err(error) => {
                    tracing::warn!(%error, "watch of clusters");
                    None
                }
            };
            let topics = topics.clone();
            async move { cluster.map(|cluster| futures::stream::iter(of_cluster(&topics, &cluster))) }
        })
        .flatten()
}

fn of_cluster(topics: &Store<KafkaTopic>, cluster: &KafkaCluster) -> Vec<ObjectRef<KafkaTopic>> {
    let name = cluster.name_any();
    topics
        .state()
        .iter()
        .filter(|topic| topic.namespace() == cluster.namespace() && cluster_name(topic).as_ref() == Some(&name))
        .map(|topic| ObjectRef::from_obj(&**topic))
        .collect()
}

async fn timed(topic: Arc<KafkaTopic>, ctx: Arc<TopicContext>) -> Result<Action, Error> {
    let start = Instant::now();
    let key = key(&topic);
    let result = reconcile(topic, ctx.clone()).await;
    let outcome = if result.is_ok() { "ok" } else { "error" };
    ctx.base.metrics.reconciled("KafkaTopic", outcome, start.elapsed());
    if result.is_ok() {
        ctx.base.backoff.succeeded(&key);
    }
    result
}

fn retry(topic: Arc<KafkaTopic>, _: &Error, ctx: Arc<TopicContext>) -> Action {
    Action::requeue(ctx.base.backoff.failed(&key(&topic)))
}

fn key(topic: &KafkaTopic) -> String {
    format!("KafkaTopic/{}/{}", topic.namespace().unwrap_or_default(), topic.name_any())
}
