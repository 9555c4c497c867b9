//! What every reconcile shares.

use std::{fmt, sync::Arc};

use k8s_openapi::{NamespaceResourceScope, api::core::v1::ObjectReference};
use kube::{Api, Client, Resource};
use kube_runtime::events::{Event, EventType, Recorder, Reporter};

use crate::{backoff::Backoff, kafka::pool::AdminPool, metrics::Metrics, names::MANAGER};

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
    /// Figures of the operator itself.
    pub metrics: Metrics,
    /// Failures in a row.
    pub backoff: Arc<Backoff>,
    recorder: Recorder,
}

impl Context {
    /// A context for one process.
    pub fn new(client: Client, namespace: Option<String>, broker_image: String, metrics: Metrics) -> Self {
        let reporter = Reporter { controller: MANAGER.to_owned(), instance: None };
        Context {
            recorder: Recorder::new(client.clone(), reporter),
            kafka: AdminPool::default(),
            backoff: Arc::default(),
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

    /// Tells people what was done, or could not be. An Event that cannot be written stops nothing.
    pub async fn tell(&self, about: &ObjectReference, good: bool, reason: &str, action: &str, note: String) {
        let event = Event {
            type_: if good { EventType::Normal } else { EventType::Warning },
            reason: reason.to_owned(),
            note: Some(cut(note)),
            action: action.to_owned(),
            secondary: None,
        };
        if let Err(error) = self.recorder.publish(&event, about).await {
            tracing::warn!(%error, reason, "cannot write an Event");
        }
    }
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context").field("namespace", &self.namespace).finish_non_exhaustive()
    }
}

/// The API takes notes of up to 1 KiB.
fn cut(mut note: String) -> String {
    if note.len() > 1000 {
        let end = (0..=1000).rev().find(|i| note.is_char_boundary(*i)).unwrap_or(0);
        note.truncate(end);
        note.push('…');
    }
    note
}
