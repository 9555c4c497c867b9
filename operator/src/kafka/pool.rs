//! One admin client for each cluster, shared by the reconciles of the cluster and of its topics.

use std::{collections::HashMap, sync::Arc, time::Duration};

use kube::ResourceExt;
use odradek_client::{Admin, ClientConfig};
use odradek_crds::KafkaCluster;

use super::{KafkaAdmin, live::LiveAdmin};
use crate::names;

/// Bound on reaching a broker: a reconcile of one cluster should not wait long for brokers that are
/// gone, and is tried again anyway.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// Bound on each request.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

/// The clients, by namespace, name and bootstrap address.
#[derive(Clone, Default)]
pub struct AdminPool {
    clients: Arc<std::sync::Mutex<HashMap<Key, Arc<dyn KafkaAdmin>>>>,
}

#[derive(Clone, PartialEq, Eq, Hash)]
struct Key {
    namespace: String,
    name: String,
    bootstrap: String,
}

impl AdminPool {
    /// The client of a cluster. It connects when it is first used, through the bootstrap service,
    /// which only has brokers that serve.
    pub fn of(&self, cluster: &KafkaCluster) -> Arc<dyn KafkaAdmin> {
        let name = cluster.name_any();
        let namespace = cluster.namespace().unwrap_or_default();
        let host = names::service_host(&names::bootstrap_service(&name), &namespace);
        let port = cluster.spec.listeners.first().map_or(9092, |listener| listener.port);
        let key = Key { namespace, name, bootstrap: format!("{host}:{port}") };
        let mut clients = self.lock();
        if !clients.contains_key(&key) {
            // An address that is no longer the cluster's is not asked again.
            clients.retain(|other, _| (&other.namespace, &other.name) != (&key.namespace, &key.name));
        }
        clients
            .entry(key.clone())
            .or_insert_with(|| {
                Arc::new(LiveAdmin::new(Admin::new(ClientConfig {
                    bootstrap: vec![key.bootstrap.clone()],
                    client_id: names::MANAGER.to_owned(),
                    connect_timeout: CONNECT_TIMEOUT,
                    request_timeout: REQUEST_TIMEOUT,
                })))
            })
            .clone()
    }

    /// Lets the client of a cluster go that is gone.
    pub fn forget(&self, namespace: &str, name: &str) {
        self.lock().retain(|key, _| key.namespace != namespace || key.name != name);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<Key, Arc<dyn KafkaAdmin>>> {
        // A panic while it was held left a whole map: entries are only put in and taken out.
        self.clients.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}
