//! What brings a cluster's reconcile about: the cluster, everything that it owns, its pods and its
//! claims.

use std::{future::Future, sync::Arc};

use futures::StreamExt;
use k8s_openapi::api::{
    apps::v1::StatefulSet,
    core::v1::{ConfigMap, PersistentVolumeClaim, Pod, Service},
    policy::v1::PodDisruptionBudget,
};
use kube::{Resource, ResourceExt};
use kube_runtime::{
    controller::{Action, Config, Controller},
    reflector::ObjectRef,
    watcher,
};
use odradek_crds::{CLUSTER_LABEL, KafkaCluster};
use tokio::time::Instant;

use super::{error::Error, reconcile::reconcile};
use crate::{context::Context, names::MANAGER};

/// Clusters that are reconciled side by side: a slow one does not delay the others.
const CONCURRENCY: u16 = 32;

/// The controller, before it runs.
pub struct ClusterController(Controller<KafkaCluster>);

impl ClusterController {
    /// Sets up the watches.
    pub fn new(ctx: &Context) -> Self {
        let ours = || watcher::Config::default().labels(&format!("app.kubernetes.io/managed-by={MANAGER}"));
        let controller = Controller::new(ctx.scoped::<KafkaCluster>(), watcher::Config::default())
            .with_config(Config::default().concurrency(CONCURRENCY))
            .owns(ctx.scoped::<StatefulSet>(), ours())
            .owns(ctx.scoped::<Service>(), ours())
            .owns(ctx.scoped::<ConfigMap>(), ours())
            .owns(ctx.scoped::<PodDisruptionBudget>(), ours())
            .watches(ctx.scoped::<Pod>(), ours(), |pod| by_label(&pod))
            .watches(ctx.scoped::<PersistentVolumeClaim>(), ours(), |claim| by_label(&claim));
        ClusterController(controller)
    }

    /// Runs until the signal to stop, and lets the reconciles at work end.
    pub async fn run(self, ctx: Arc<Context>, stop: impl Future<Output = ()> + Send + Sync + 'static) {
        self.0
            .graceful_shutdown_on(stop)
            .run(timed, retry, ctx)
            .for_each(|result| async move {
                match result {
                    // A watch of something that belongs to a cluster which is gone.
                    Ok(_) | Err(kube_runtime::controller::Error::ObjectNotFound(_)) => {}
                    Err(error) => tracing::warn!(%error, "cluster"),
                }
            })
            .await;
    }
}

/// The cluster that an object's label names.
fn by_label<K: Resource>(object: &K) -> Option<ObjectRef<KafkaCluster>> {
    let cluster = object.labels().get(CLUSTER_LABEL)?;
    Some(ObjectRef::new(cluster).within(&object.namespace()?))
}

async fn timed(cluster: Arc<KafkaCluster>, ctx: Arc<Context>) -> Result<Action, Error> {
    let start = Instant::now();
    let key = key(&cluster);
    let result = reconcile(cluster, ctx.clone()).await;
    ctx.metrics.reconciled("KafkaCluster", if result.is_ok() { "ok" } else { "error" }, start.elapsed());
    if result.is_ok() {
        ctx.backoff.succeeded(&key);
    }
    result
}

fn retry(cluster: Arc<KafkaCluster>, _: &Error, ctx: Arc<Context>) -> Action {
    Action::requeue(ctx.backoff.failed(&key(&cluster)))
}

fn key(cluster: &KafkaCluster) -> String {
    format!("KafkaCluster/{}/{}", cluster.namespace().unwrap_or_default(), cluster.name_any())
}
