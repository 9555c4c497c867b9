//! What every reconcile shares.

use std::{fmt, sync::Arc};

use k8s_openapi::{NamespaceResourceScope, api::core::v1::ObjectReference};
use kube::{Api, Client, Resource};

use crate::{
    backoff::{Backoff, Patience},
    cluster::rebalance::KeptPlans,
    events::Events,
    kafka::pool::AdminPool,
    metrics::Metrics,
    nodes::NodeReader,
};

/// What every reconcile shares.
#[derive(Clone)]
pub struct Context {
    /// The Kubernetes API.
    pub client: Client,
    /// The brokers of each cluster.
    pub kafka: AdminPool,
    /// The only namespace to look at, or all.
    pub namespace: Option<String>,
    /// The image of brokers whose spec names none.
    pub broker_image: String,
    /// The nodes of Kubernetes.
    pub nodes: NodeReader,
    /// Figures of the operator itself.
    pub metrics: Metrics,
    /// Failures in a row.
    pub backoff: Arc<Backoff>,
    /// The last plan of the moves of each cluster.
    pub plans: Arc<KeptPlans>,
    /// What is waited for.
    pub patience: Arc<Patience>,
    /// Where people are told what was done.
    pub events: Events,
}

impl Context {
    /// A context for one process.
    pub fn new(client: Client, namespace: Option<String>, broker_image: String, metrics: Metrics) -> Self {
        Context {
            events: Events::start(client.clone()),
            kafka: AdminPool::default(),
            nodes: NodeReader::default(),
            backoff: Arc::default(),
            plans: Arc::default(),
            patience: Arc::default(),
            client,
            namespace,
            broker_image,
            metrics,
        }
    }

    /// The API of a kind, in the namespaces that the operator looks at.
    pub fn scoped<K>(&self) -> Api<K>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>,
    {
        match &self.namespace {
            Some(namespace) => Api::namespaced(self.client.clone(), namespace),
            None => Api::all(self.client.clone()),
        }
    }

    /// Tells people what was done, or could not be.
    pub fn tell(&self, about: &ObjectReference, good: bool, reason: &str, action: &str, note: String) {
        self.events.tell(about, good, reason, action, note);
    }
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context").field("namespace", &self.namespace).finish_non_exhaustive()
    }
}
