//! What brings a topic's reconcile about: the topic, what matters to it of its cluster, and what was changed in Kafka.

use std::{collections::HashMap, future::Future, sync::Arc};

use futures::{Stream, StreamExt, channel::mpsc};
use kube::ResourceExt;
use kube_runtime::{
    WatchStreamExt,
    controller::{Action, Config, Controller},
    reflector::{self, ObjectRef, reflector, store::Writer},
    watcher::{self, Event, watcher},
};
use odradek_crds::{KafkaCluster, KafkaTopic};
use tokio::time::Instant;

use super::{
    drift,
    error::Error,
    index::{Index, TopicRef},
    observe::{ClusterRef, TopicContext},
    reconcile::{reconcile, serves},
};
use crate::context::Context;

/// Topics that are reconciled side by side: their calls to the brokers share requests.
const CONCURRENCY: u16 = 256;

/// Runs until the signal to stop, and lets the reconciles at work end.
pub async fn run(base: Arc<Context>, stop: impl Future<Output = ()> + Send + Sync + 'static) {
    let index = Arc::new(Index::default());
    let (triggers, triggered) = Triggers::new();
    let (reader, writer) = reflector::store();
    let touched = topic_events(&base, writer, index.clone(), triggers.clone());
    let (clusters, writer) = reflector::store();
    let of_clusters = cluster_triggers(&base, writer, index.clone());
    let ctx = Arc::new(TopicContext { base, index, clusters });
    let controller = Controller::for_stream(touched, reader)
        .with_config(Config::default().concurrency(CONCURRENCY))
        .reconcile_on(of_clusters)
        .reconcile_on(triggered)
        .graceful_shutdown_on(stop)
        .run(timed, retry, ctx.clone())
        .for_each(|result| async move {
            match result {
                Ok(_) | Err(kube_runtime::controller::Error::ObjectNotFound(_)) => {}
                Err(error) => tracing::warn!(%error, "topic"),
            }
        });
    tokio::select! {
        () = controller => {}
        () = drift::watch(ctx, triggers) => {}
    }
}

/// Asks for reconciles of topics.
#[derive(Clone, Debug)]
pub struct Triggers(mpsc::UnboundedSender<ObjectRef<KafkaTopic>>);

impl Triggers {
    fn new() -> (Self, impl Stream<Item = ObjectRef<KafkaTopic>> + Send) {
        let (sender, receiver) = mpsc::unbounded();
        (Triggers(sender), receiver)
    }

    /// Asks for one.
    pub fn send(&self, (namespace, name): TopicRef) {
        // The controller has ended when it no longer listens.
        let _ = self.0.unbounded_send(ObjectRef::new(&name).within(&namespace));
    }
}

/// The topics that were made or changed by others than the operator. The index and the store know of a change before
/// anybody is told to look.
fn topic_events(
    ctx: &Arc<Context>,
    writer: Writer<KafkaTopic>,
    index: Arc<Index>,
    triggers: Triggers,
) -> impl Stream<Item = watcher::Result<KafkaTopic>> + Send + 'static {
    let events = watcher(ctx.scoped::<KafkaTopic>(), watcher::Config::default()).default_backoff();
    let base = ctx.clone();
    reflector(writer, events).filter_map(move |event| {
        let (others, touched) = match event {
            Ok(Event::Apply(topic) | Event::InitApply(topic)) => {
                let stir = index.apply(&topic);
                (stir.others, stir.itself.then_some(Ok(topic)))
            }
            Ok(Event::Delete(topic)) => {
                base.backoff.succeeded(&key(&topic));
                (index.remove(&topic), None)
            }
            Ok(Event::Init) => {
                index.list_begins();
                (Vec::new(), None)
            }
            Ok(Event::InitDone) => (index.list_ends(), None),
            Err(error) => (Vec::new(), Some(Err(error))),
        };
        others.into_iter().for_each(|other| triggers.send(other));
        std::future::ready(touched)
    })
}

/// The topics of a cluster, whenever something changed that matters to them. A status that is
/// written during a roll does not.
fn cluster_triggers(
    ctx: &Arc<Context>,
    clusters: Writer<KafkaCluster>,
    index: Arc<Index>,
) -> impl Stream<Item = ObjectRef<KafkaTopic>> + Send + 'static {
    let mut seen: HashMap<ObjectRef<KafkaCluster>, (Option<i64>, bool, bool)> = HashMap::new();
    let events = watcher(ctx.scoped::<KafkaCluster>(), watcher::Config::default()).default_backoff();
    let base = ctx.clone();
    // The store knows of a change before the topics are told to look.
    reflector(clusters, events)
        .map(move |event| {
            let cluster = match event {
                Ok(Event::Apply(cluster) | Event::InitApply(cluster)) => {
                    let deleted = cluster.metadata.deletion_timestamp.is_some();
                    let facts = (cluster.metadata.generation, serves(&cluster), deleted);
                    let key = ObjectRef::from_obj(&cluster);
                    (seen.insert(key, facts) != Some(facts)).then_some(cluster)
                }
                Ok(Event::Delete(cluster)) => {
                    seen.remove(&ObjectRef::from_obj(&cluster));
                    base.kafka.forget(&cluster.namespace().unwrap_or_default(), &cluster.name_any());
                    Some(cluster)
                }
                Ok(Event::Init | Event::InitDone) => None,
                Err(error) => {
                    tracing::warn!(%error, "watch of clusters");
                    None
                }
            };
            let topics = cluster.map(|cluster| index.of_cluster(&ClusterRef::of(&cluster))).unwrap_or_default();
            futures::stream::iter(topics.into_iter().map(|(namespace, name)| ObjectRef::new(&name).within(&namespace)))
        })
        .flatten()
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
