//! Every read of a reconcile: what is there, before anything is judged.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use k8s_openapi::api::{
    apps::v1::StatefulSet,
    core::v1::{ConfigMap, Node, PersistentVolumeClaim, Pod, Service, Taint},
    policy::v1::PodDisruptionBudget,
};
use k8s_openapi::jiff::Timestamp;
use kube::{Api, Resource, ResourceExt, api::ListParams};
use odradek_crds::{CLUSTER_LABEL, KafkaCluster};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

use super::{
    error::Error,
    layout::{Identity, Pin},
    pods::PodView,
    safety::Answers,
};
use crate::{
    context::Context,
    kafka::{KafkaFailure, KafkaView},
    names::{self, IDENTITY_ANNOTATION, REPLICAS_ANNOTATION, ZONES_ANNOTATION},
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
    /// The zones of the nodes. Only read while the cluster is not pinned.
    pub node_zones: NodeZones,
    /// What the brokers say.
    pub kafka: KafkaState,
    /// What the active controller says of the pods that may have to stop.
    pub restart: Answers,
    /// When all of this was read.
    pub now: Timestamp,
    /// The lease that the model of a controller has given.
    #[cfg(test)]
    pub(crate) lease_of_a_test: Option<crate::kafka::restart::Lease>,
}

/// The zones of the nodes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum NodeZones {
    /// There was no need to read them.
    #[default]
    NotRead,
    /// The operator may not list nodes.
    Forbidden,
    /// The zones, in order.
    Zones(Vec<String>),
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
    let pods: Vec<PodView> = pods.iter().filter_map(PodView::of).collect();
    let pinned_zones = pinned_zones(&sets);
    let node_zones = if pinned_zones.is_none() && cluster.spec.rack.zones.is_empty() {
        node_zones(cluster, ctx).await?
    } else {
        NodeZones::NotRead
    };
    let kafka = ask_brokers(cluster, &pods, ctx).await;
    Ok(Observed {
        pins: pins(&sets, &claims),
        sets,
        pods,
        claims,
        live,
        pinned_zones,
        node_zones,
        kafka,
        restart: Answers::default(),
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

async fn node_zones(cluster: &KafkaCluster, ctx: &Context) -> Result<NodeZones, Error> {
    match Api::<Node>::all(ctx.client.clone()).list(&ListParams::default()).await {
        Ok(nodes) => Ok(NodeZones::Zones(zones_of(cluster, &nodes.items))),
        Err(kube::Error::Api(status)) if status.code == 403 => Ok(NodeZones::Forbidden),
        Err(source) => Err(Error::Read { what: "nodes".to_owned(), source }),
    }
}

/// The zones of the nodes that may run brokers. Taints that Kubernetes itself sets come and go with
/// the state of a node, and say nothing about its zone.
fn zones_of(cluster: &KafkaCluster, nodes: &[Node]) -> Vec<String> {
    let tolerations = cluster.spec.node_pools.iter().flat_map(|p| &p.template).flat_map(|t| &t.tolerations);
    let tolerated = |taint: &Taint| {
        taint.effect == "PreferNoSchedule"
            || taint.key.starts_with("node.kubernetes.io/")
            || tolerations.clone().any(|toleration| {
                toleration.key.as_ref().is_none_or(|key| *key == taint.key)
                    && toleration.effect.as_ref().is_none_or(|effect| *effect == taint.effect)
                    && (toleration.operator.as_deref() == Some("Exists")
                        || toleration.value.as_deref().unwrap_or_default()
                            == taint.value.as_deref().unwrap_or_default())
            })
    };
    let zones: BTreeSet<String> = nodes
        .iter()
        .filter(|node| {
            let taints = node.spec.as_ref().and_then(|spec| spec.taints.as_deref());
            taints.unwrap_or_default().iter().all(tolerated)
        })
        .filter_map(|node| node.labels().get(&cluster.spec.rack.topology_key))
        .filter(|zone| !zone.is_empty())
        .cloned()
        .collect();
    zones.into_iter().collect()
}

fn pinned_zones(sets: &[StatefulSet]) -> Option<Vec<String>> {
    let written = sets.iter().find_map(|set| set.annotations().get(ZONES_ANNOTATION))?;
    Some(written.split(',').filter(|zone| !zone.is_empty()).map(str::to_owned).collect())
}

/// What is written on the sets, and on the claims of sets that are gone.
pub(super) fn pins(sets: &[StatefulSet], claims: &[PersistentVolumeClaim]) -> Vec<Pin> {
    let mut pins: BTreeMap<String, Pin> = BTreeMap::new();
    for set in sets {
        if let Some(identity) = identity(set.annotations()) {
            let replicas = given_replicas(set);
            pins.insert(identity.set.clone(), Pin { identity, replicas });
        }
    }
    let there: BTreeSet<String> = pins.keys().cloned().collect();
    for claim in claims.iter().filter(|claim| claim.metadata.deletion_timestamp.is_none()) {
        let Some(identity) = identity(claim.annotations()) else { continue };
        let Some(ordinal) = claim.name_any().rsplit('-').next().and_then(|o| o.parse::<i32>().ok()) else {
            continue;
        };
        if !there.contains(&identity.set) {
            let replicas = ordinal - identity.first_id + 1;
            let pin =
                pins.entry(identity.set.clone()).or_insert_with(|| Pin { identity: identity.clone(), replicas: 0 });
            pin.replicas = pin.replicas.max(replicas);
        }
    }
    let mut pins: Vec<Pin> = pins.into_values().collect();
    pins.sort_by_key(|pin| pin.identity.first_id);
    pins
}

/// How many nodes the operator gave a set. Somebody may have scaled it meanwhile: ids and voters do not follow that.
/// A set from before the number was written has what it says itself.
fn given_replicas(set: &StatefulSet) -> i32 {
    let written = set.annotations().get(REPLICAS_ANNOTATION).and_then(|replicas| replicas.parse().ok());
    let said = || set.spec.as_ref().and_then(|spec| spec.replicas);
    written.filter(|replicas| *replicas >= 0).or_else(said).unwrap_or(1)
}

fn identity(annotations: &BTreeMap<String, String>) -> Option<Identity> {
    serde_json::from_str(annotations.get(IDENTITY_ANNOTATION)?).ok()
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn zones_leave_out_nodes_that_brokers_cannot_use() {
        let node = |name: &str, zone: &str, taint: &str| -> Node {
            let taints = if taint.is_empty() { json!([]) } else { json!([{ "key": taint, "effect": "NoSchedule" }]) };
            serde_json::from_value(json!({
                "metadata": { "name": name, "labels": { "topology.kubernetes.io/zone": zone } },
                "spec": { "taints": taints },
            }))
            .expect("a node")
        };
        let nodes = [
            node("n1", "zone-b", ""),
            node("n2", "zone-a", "node.kubernetes.io/unreachable"),
            node("n3", "zone-a", ""),
            node("cp", "zone-c", "node-role.kubernetes.io/control-plane"),
            node("x", "", ""),
        ];
        assert_eq!(zones_of(&KafkaCluster::default(), &nodes), ["zone-a", "zone-b"]);
    }

    #[test]
    fn a_set_has_the_nodes_that_the_operator_gave_it() {
        let set = |annotations: serde_json::Value| -> StatefulSet {
            serde_json::from_value(json!({ "metadata": { "name": "s", "annotations": annotations }, "spec": {
                "replicas": 7, "selector": {}, "serviceName": "s", "template": {},
            }}))
            .expect("a set")
        };
        assert_eq!(given_replicas(&set(json!({ REPLICAS_ANNOTATION: "3" }))), 3);
        assert_eq!(given_replicas(&set(json!({ REPLICAS_ANNOTATION: "0" }))), 0);
        for unreadable in [json!({}), json!({ REPLICAS_ANNOTATION: "-1" }), json!({ REPLICAS_ANNOTATION: "three" })] {
            assert_eq!(given_replicas(&set(unreadable)), 7);
        }
    }

    #[test]
    fn claims_remember_sets_that_are_gone() {
        let claim = |name: &str| -> PersistentVolumeClaim {
            let identity = json!({ "clusterId": "id", "set": "s", "pool": "p", "zone": "z", "firstId": 1000 });
            serde_json::from_value(json!({ "metadata": {
                "name": name,
                "annotations": { IDENTITY_ANNOTATION: identity.to_string() },
            }}))
            .expect("a claim")
        };
        let found = pins(&[], &[claim("data-s-1000"), claim("data-s-1002")]);
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].identity.first_id, found[0].replicas), (1000, 3));
    }
}
