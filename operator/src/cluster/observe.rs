//! Every read of a reconcile: what is there, before anything is judged.

use std::{collections::BTreeMap, time::Duration};

use k8s_openapi::api::{
    apps::v1::StatefulSet,
    core::v1::{ConfigMap, PersistentVolumeClaim, Pod, Service},
    policy::v1::PodDisruptionBudget,
};
use k8s_openapi::jiff::Timestamp;
use kube::{Api, Resource, ResourceExt, api::ListParams};
use odradek_crds::{CLUSTER_LABEL, KafkaCluster};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

pub use super::node_zones::NodeZones;
use super::{
    error::Error,
    layout::Pin,
    node_zones::node_zones,
    pins::{controller_zones, initial_level, pinned_zones, pins},
    pods::PodView,
    rebalance::Facts,
    safety::Answers,
};
use crate::{
    context::Context,
    kafka::{KafkaFailure, KafkaView},
    names,
    nodes::Nodes,
};

/// Bound on what the brokers say.
const BROKERS_TIMEOUT: Duration = Duration::from_secs(3);

/// What is there.
#[derive(Clone, Debug, Default)]
pub struct Observed {
    /// The StatefulSets of the cluster.
    pub sets: Vec<StatefulSet>,
    /// The pods of its sets.
    pub pods: Vec<PodView>,
    /// The claims that carry its name, those of a former life included.
    pub claims: Vec<PersistentVolumeClaim>,
    /// Every object that the operator keeps in shape, by kind and name.
    pub live: BTreeMap<(String, String), Value>,
    /// What is written on sets and claims.
    pub pins: Vec<Pin>,
    /// The zones that the cluster is pinned to, if it is.
    pub pinned_zones: Option<Vec<String>>,
    /// The zones that the controllers were made in, if they are there.
    pub controller_zones: Option<Vec<String>>,
    /// The level of `metadata.version` that the cluster was made with, if it is made: what its sets say, which may be
    /// nothing.
    pub initial_level: Option<Option<String>>,
    /// Whether the level may be raised to what the spec says. Only asked when it is not there.
    pub may_raise: Option<Result<(), String>>,
    /// The zones of the nodes. Only read while the cluster is not pinned.
    pub node_zones: NodeZones,
    /// The nodes of Kubernetes. Not read for a cluster that does not know zones.
    pub nodes: Nodes,
    /// What the brokers say.
    pub kafka: KafkaState,
    /// What the active controller says of the pods that may have to stop.
    pub restart: Answers,
    /// What moves of replicas take to be decided.
    pub moves: Facts,
    /// When all of this was read.
    pub now: Timestamp,
    /// The lease that the model of a controller has given.
    #[cfg(test)]
    pub(crate) lease_of_a_test: Option<crate::kafka::restart::Lease>,
}

/// What the brokers say of themselves.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum KafkaState {
    /// No broker can be asked yet.
    #[default]
    NotServing,
    /// The brokers were asked, and did not answer.
    Failed(KafkaFailure),
    /// Their answer.
    View(KafkaView),
}

/// Reads all that a reconcile of the cluster needs.
pub async fn observe(cluster: &KafkaCluster, ctx: &Context) -> Result<Observed, Error> {
    let (sets, pods, claims, services, config_maps, budgets) = tokio::try_join!(
        list::<StatefulSet>(cluster, ctx),
        list::<Pod>(cluster, ctx),
        list::<PersistentVolumeClaim>(cluster, ctx),
        list::<Service>(cluster, ctx),
        list::<ConfigMap>(cluster, ctx),
        list::<PodDisruptionBudget>(cluster, ctx),
    )?;
    let mut live = BTreeMap::new();
    remember(&mut live, &sets)?;
    remember(&mut live, &services)?;
    remember(&mut live, &config_maps)?;
    remember(&mut live, &budgets)?;
    let topology_key = &cluster.spec.rack.topology_key;
    let pods: Vec<PodView> = pods.iter().filter_map(|pod| PodView::of(pod, topology_key)).collect();
    let pinned_zones = pinned_zones(&sets);
    let initial_level = initial_level(&sets);
    let must_know = pinned_zones.is_none() && cluster.spec.rack.zones.is_empty();
    let knows_zones =
        pinned_zones.as_ref().is_none_or(|zones| !zones.is_empty()) || !cluster.spec.rack.zones.is_empty();
    let nodes = if knows_zones { ctx.nodes.read(&ctx.client).await } else { Ok(Nodes::NotRead) };
    let nodes = match nodes {
        Ok(nodes) => nodes,
        Err(source) if must_know => return Err(Error::Read { what: "nodes".to_owned(), source }),
        Err(error) => {
            tracing::warn!(%error, "the nodes cannot be read");
            Nodes::NotRead
        }
    };
    let node_zones = if must_know { node_zones(cluster, &nodes) } else { NodeZones::NotRead };
    let kafka = ask_brokers(cluster, &pods, ctx).await;
    Ok(Observed {
        pins: pins(&sets, &claims),
        controller_zones: controller_zones(&sets),
        sets,
        pods,
        claims,
        live,
        pinned_zones,
        initial_level,
        may_raise: None,
        node_zones,
        nodes,
        kafka,
        restart: Answers::default(),
        moves: Facts::default(),
        now: Timestamp::now(),
        #[cfg(test)]
        lease_of_a_test: None,
    })
}

async fn list<K>(cluster: &KafkaCluster, ctx: &Context) -> Result<Vec<K>, Error>
where
    K: Resource<DynamicType = (), Scope = k8s_openapi::NamespaceResourceScope>
        + Clone
        + DeserializeOwned
        + std::fmt::Debug,
{
    let namespace = cluster.namespace().unwrap_or_default();
    let api = Api::<K>::namespaced(ctx.client.clone(), &namespace);
    let ours = ListParams::default().labels(&format!("{CLUSTER_LABEL}={}", cluster.name_any()));
    let list = api.list(&ours).await.map_err(|source| Error::Read { what: K::plural(&()).into(), source })?;
    Ok(list.items)
}

fn remember<K>(live: &mut BTreeMap<(String, String), Value>, objects: &[K]) -> Result<(), Error>
where
    K: Resource<DynamicType = ()> + Serialize,
{
    for object in objects {
        let value = serde_json::to_value(object).map_err(Error::Serialise)?;
        live.insert((K::kind(&()).into_owned(), object.name_any()), value);
    }
    Ok(())
}

async fn ask_brokers(cluster: &KafkaCluster, pods: &[PodView], ctx: &Context) -> KafkaState {
    if !pods.iter().any(|pod| pod.broker && pod.ready()) {
        return KafkaState::NotServing;
    }
    let admin = ctx.kafka.of(cluster);
    // The rest of the reconcile need not wait long for brokers that do not answer.
    match tokio::time::timeout(BROKERS_TIMEOUT, admin.view()).await {
        Ok(Ok(view)) => KafkaState::View(view),
        Ok(Err(failure)) => KafkaState::Failed(failure),
        Err(_) => {
            let why = format!("no answer within {BROKERS_TIMEOUT:?}");
            KafkaState::Failed(KafkaFailure::Unreachable(why))
        }
    }
}

impl Observed {
    /// The cluster ids that are written on sets and claims, with one place of each.
    pub fn cluster_ids(&self) -> BTreeMap<&str, &str> {
        self.pins.iter().map(|p| (p.identity.cluster_id.as_str(), p.identity.set.as_str())).collect()
    }

    /// A set by its name.
    pub fn set(&self, name: &str) -> Option<&StatefulSet> {
        self.sets.iter().find(|set| set.name_any() == name)
    }

    /// The claims of a set.
    pub fn claims_of<'a>(&'a self, set: &'a str) -> impl Iterator<Item = &'a PersistentVolumeClaim> {
        self.claims.iter().filter(move |c| c.labels().get(names::SET_LABEL).is_some_and(|s| s == set))
    }
}
