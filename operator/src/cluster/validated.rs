//! A spec that was judged: what the builders can trust. Pure.

use std::collections::BTreeSet;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use odradek_crds::{PodTemplate, Resources, Role, StorageType};

use super::{
    config::BrokerConfig,
    layout::{self, SetLayout},
    quorum::Course,
    version::Level,
};
use crate::names;

/// A cluster that can be built.
#[derive(Clone, Debug, PartialEq)]
pub struct Validated {
    /// Name of the resource.
    pub name: String,
    /// Its namespace.
    pub namespace: String,
    /// The owner of everything made.
    pub owner: OwnerReference,
    /// The id of the Kafka cluster.
    pub cluster_id: String,
    /// Release of the broker.
    pub version: String,
    /// Image of the broker.
    pub image: String,
    /// What the cluster's `metadata.version` is to be.
    pub level: Level,
    /// Where clients connect.
    pub listeners: Vec<ClientListener>,
    /// The label of the nodes that names their zone.
    pub topology_key: String,
    /// The zones that the cluster is pinned to.
    pub zones: Vec<String>,
    /// The zones of the controllers that are no brokers: those that the cluster had when they were made.
    pub controller_zones: Vec<String>,
    /// Configuration of brokers and controllers, defaults included.
    pub config: BrokerConfig,
    /// The pools of brokers: those of the spec, then those that were taken out of it and have yet to leave.
    pub pools: Vec<Pool>,
    /// The controllers that are no brokers.
    pub controllers: Option<Pool>,
    /// What is next for the controllers' quorum. Nothing while they are brokers too.
    pub quorum: Course,
    /// How many pods may be evicted at once while all is in sync.
    pub max_unavailable: i32,
    /// How pods are made anew.
    pub rolling: Rolling,
    /// How replicas move.
    pub rebalance: Rebalancing,
    /// When pods may be made anew; at any time when there is none.
    pub windows: Vec<croner::Cron>,
}

/// How pods are made anew.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rolling {
    /// Whether a person approves it.
    pub supervised: bool,
    /// Whether a zone goes at once where that is safe.
    pub by_zone: bool,
    /// The hash that was approved.
    pub approved: Option<String>,
}

/// How replicas move.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rebalancing {
    /// Whether a person approves that new brokers get their share.
    pub manual: bool,
    /// Bytes a second that each broker sends and receives for it at most; nothing for no bound.
    pub throttle: Option<i64>,
    /// Replicas that move at a time to a broker, and from it.
    pub concurrent: usize,
    /// The hash that was approved.
    pub approved: Option<String>,
}

/// A listener for clients.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientListener {
    /// Its name in the spec.
    pub name: String,
    /// Its port.
    pub port: u16,
}

impl ClientListener {
    /// Its name in Kafka's configuration.
    pub fn kafka_name(&self) -> String {
        self.name.to_ascii_uppercase()
    }
}

/// Nodes of the same shape.
#[derive(Clone, Debug, PartialEq)]
pub struct Pool {
    /// Name of the pool.
    pub name: String,
    /// What its nodes do.
    pub roles: Vec<Role>,
    /// Its StatefulSets.
    pub sets: Vec<SetLayout>,
    /// Where its nodes keep their data.
    pub storage: PoolStorage,
    /// CPU and memory.
    pub resources: Option<Resources>,
    /// Additions to its pods.
    pub template: PodTemplate,
    /// What the spec says of it, as it is written on its sets; nothing for the controllers.
    pub declared: Option<String>,
}

/// Where the nodes of a pool keep their data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolStorage {
    /// A claim or a volume that goes with the pod.
    pub type_: StorageType,
    /// Size of the volume.
    pub size: String,
    /// StorageClass of the claims.
    pub class: Option<String>,
    /// Whether claims go with the cluster, and with brokers that leave.
    pub delete_claim: bool,
}

impl Pool {
    /// Whether its nodes have a role.
    pub fn has(&self, role: Role) -> bool {
        self.roles.contains(&role)
    }

    /// How many nodes it has or should have now, those included that are leaving.
    pub fn replicas(&self) -> i32 {
        self.sets.iter().map(|set| set.replicas).sum()
    }
}

impl Validated {
    /// Every pool, that of the controllers last.
    pub fn all_pools(&self) -> impl Iterator<Item = &Pool> {
        self.pools.iter().chain(&self.controllers)
    }

    /// The ids of the brokers that have to go, all of them: nothing is moved onto these.
    pub fn leaving(&self) -> BTreeSet<i32> {
        layout::leaving(self.pools.iter().flat_map(|pool| &pool.sets))
    }

    /// The broker that has to go next, which is the only one of them that is emptied now.
    pub fn next_leaving(&self) -> Option<i32> {
        let of_pool = |pool: &Pool| layout::next_leaving(&pool.sets);
        self.pools.iter().find_map(of_pool)
    }

    /// The headless service that names the pods of a pool.
    pub fn headless(&self, pool: &Pool) -> String {
        if pool.has(Role::Broker) { names::brokers_service(&self.name) } else { names::controllers_service(&self.name) }
    }

    /// The headless service that names the controllers.
    pub fn controllers_headless(&self) -> String {
        match &self.controllers {
            Some(pool) => self.headless(pool),
            None => names::brokers_service(&self.name),
        }
    }

    /// Every controller with its host.
    pub fn voters(&self) -> Vec<(i32, String)> {
        let controllers = self.all_pools().filter(|pool| pool.has(Role::Controller));
        controllers
            .flat_map(|pool| {
                let service = names::service_host(&self.headless(pool), &self.namespace);
                pool.sets.iter().flat_map(SetLayout::pods).map(move |(id, pod)| (id, format!("{pod}.{service}")))
            })
            .collect()
    }
}
