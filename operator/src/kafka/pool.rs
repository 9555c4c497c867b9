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

impl Key {
    fn of(cluster: &KafkaCluster) -> Key {
        let name = cluster.name_any();
        let namespace = cluster.namespace().unwrap_or_default();
        let host = names::service_host(&names::bootstrap_service(&name), &namespace);
        let port = client_port(cluster);
        Key { namespace, name, bootstrap: format!("{host}:{port}") }
    }
}

/// The port of the listener that the operator itself uses.
pub fn client_port(cluster: &KafkaCluster) -> u16 {
    cluster.spec.listeners.first().map_or(9092, |listener| listener.port)
}

fn client(bootstrap: String) -> Admin {
    Admin::new(ClientConfig {
        bootstrap: vec![bootstrap],
        client_id: names::MANAGER.to_owned(),
        connect_timeout: CONNECT_TIMEOUT,
        request_timeout: REQUEST_TIMEOUT,
    })
}

impl AdminPool {
    /// The client of a cluster. It connects when it is first used, through the bootstrap service,
    /// which only has brokers that serve.
    pub fn of(&self, cluster: &KafkaCluster) -> Arc<dyn KafkaAdmin> {
        let key = Key::of(cluster);
        let mut clients = self.lock();
        if !clients.contains_key(&key) {
            // An address that is no longer the cluster's is not asked again.
            clients.retain(|other, _| (&other.namespace, &other.name) != (&key.namespace, &key.name));
        }
        let connect = || Arc::new(LiveAdmin::new(client(key.bootstrap.clone()))) as Arc<dyn KafkaAdmin>;
        clients.entry(key.clone()).or_insert_with(connect).clone()
    }

    /// Asks the brokers of a cluster through another address from now on, as from outside of the Kubernetes cluster. Gives
    /// the client.
    pub fn through(&self, cluster: &KafkaCluster, bootstrap: String) -> Admin {
        let admin = client(bootstrap);
        self.lock().insert(Key::of(cluster), Arc::new(LiveAdmin::new(admin.clone())));
        admin
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
