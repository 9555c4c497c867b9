//! Judges a spec against what is there, once, into a type that the builders can trust. Pure.

use kube::{Resource, ResourceExt};
use odradek_crds::{
    AutoRebalance, KafkaCluster, NodePool, RebalanceMode, Role, RollingStrategy, RollingUnit, RollingUpdate, Storage,
    StorageType,
};

pub use super::validated::{ClientListener, Pool, PoolStorage, Rebalancing, Rolling, Validated};
use super::{
    config,
    image::image,
    layout::{Layout, SetLayout, layout},
    observe::{KafkaState, Observed},
    pins::with_holders,
    quorum::{self, Course},
    removed::{self, removed_pools},
    version::level,
    zones::zones,
};
use crate::{
    names::{self, CONTROLLERS_POOL},
    quantity::milli_bytes,
    refusal::{Reason, Refusal},
};

/// Size of a broker's volume when the spec does not say.
const BROKER_SIZE: &str = "10Gi";
/// Size of a controller's volume when the spec does not say.
const CONTROLLER_SIZE: &str = "1Gi";

/// Judges the spec. All refusals are told at once.
pub fn validate(cluster: &KafkaCluster, observed: &Observed, default_image: &str) -> Result<Validated, Vec<Refusal>> {
    let spec = &cluster.spec;
    let name = cluster.name_any();
    let mut refusals = Vec::new();
    let cluster_id = keep(&mut refusals, cluster_id(cluster, observed).map_err(|r| vec![r]));
    let zones = keep(&mut refusals, zones(&spec.rack, observed).map_err(|r| vec![r]));
    let pins = match &observed.kafka {
        KafkaState::View(view) if cluster_id.as_ref() == Some(&view.cluster_id) => with_holders(&observed.pins, view),
        _ => observed.pins.clone(),
    };
    let wanted = spec.node_pools.iter().map(|pool| pool.replicas).sum();
    let there: i32 = pins.iter().filter(|pin| pin.identity.pool != CONTROLLERS_POOL).map(|pin| pin.replicas).sum();
    let config = keep(&mut refusals, config::effective(&spec.config, there.max(wanted), wanted));
    let windows = keep(&mut refusals, windows(&spec.maintenance_time_windows));
    refusals.extend(listeners(cluster));
    let (image, version) = image(cluster, default_image);
    let level = keep(&mut refusals, level(cluster, observed, &version));
    let wanted_controllers = spec.controllers.as_ref().and_then(|controllers| controllers.replicas);
    let declared: Vec<NodePool> =
        spec.node_pools.iter().cloned().chain(removed_pools(&spec.node_pools, &observed.sets)).collect();
    let laid = zones.as_ref().and_then(|zones| {
        let laid = layout(&name, &declared, wanted_controllers, zones, &pins);
        keep(&mut refusals, laid)
    });
    let mut course = Course::default();
    let laid = laid.map(|mut layout| {
        if let (Some(set), Some(cluster_id)) = (&mut layout.controllers, &cluster_id) {
            course = quorum::next(set, cluster_id, observed);
            set.replicas = course.replicas;
        }
        layout
    });
    let pools = laid.map(|layout| pools(cluster, &declared, layout));
    for pool in pools.iter().flat_map(|(pools, controllers)| pools.iter().chain(controllers)) {
        refusals.extend(shrunk(pool, observed));
    }
    let owner = cluster.controller_owner_ref(&());
    let judged = (cluster_id, zones, config, windows, pools, owner, level);
    let (Some(cluster_id), Some(zones), Some(config), Some(windows), Some(pools), Some(owner), Some(level)) = judged
    else {
        return Err(refusals);
    };
    if !refusals.is_empty() {
        return Err(refusals);
    }
    let (pools, controllers) = pools;
    let budget = spec.template.as_ref().and_then(|template| template.pod_disruption_budget.as_ref());
    Ok(Validated {
        namespace: cluster.namespace().unwrap_or_default(),
        owner,
        cluster_id,
        version,
        image,
        level,
        listeners: spec
            .listeners
            .iter()
            .map(|listener| ClientListener { name: listener.name.clone(), port: listener.port })
            .collect(),
        topology_key: spec.rack.topology_key.clone(),
        controller_zones: observed.controller_zones.clone().unwrap_or_else(|| zones.clone()),
        zones,
        config,
        pools,
        controllers,
        quorum: course,
        max_unavailable: budget.map_or(1, |budget| budget.max_unavailable),
        rolling: rolling(spec.rolling_update.as_ref()),
        rebalance: rebalancing(spec.auto_rebalance.clone().unwrap_or_default()),
        windows,
        name,
    })
}

/// The value of a step of the judgement, or its refusals kept for the end.
fn keep<T>(refusals: &mut Vec<Refusal>, step: Result<T, Vec<Refusal>>) -> Option<T> {
    step.map_err(|more| refusals.extend(more)).ok()
}

fn rolling(said: Option<&RollingUpdate>) -> Rolling {
    let said = said.cloned().unwrap_or_default();
    Rolling {
        supervised: said.strategy == RollingStrategy::Supervised,
        by_zone: said.max_unavailable == RollingUnit::Zone,
        approved: said.approved,
    }
}

fn rebalancing(said: AutoRebalance) -> Rebalancing {
    // `none` is no quantity, and the schema takes nothing else that is none.
    let bytes = milli_bytes(&said.throttle).map(|milli| i64::try_from(milli / 1000).unwrap_or(i64::MAX));
    Rebalancing {
        manual: said.mode == RebalanceMode::Manual,
        throttle: bytes,
        concurrent: usize::try_from(said.concurrent_moves).unwrap_or(1).max(1),
        approved: said.approved,
    }
}

/// The windows, read with the seconds first as in Quartz; five fields are taken as well, and mean the whole minute.
fn windows(said: &[String]) -> Result<Vec<croner::Cron>, Vec<Refusal>> {
    let mut windows = Vec::new();
    let mut refusals = Vec::new();
    for (index, text) in said.iter().enumerate() {
        let whole = if text.split_whitespace().count() == 5 { format!("* {text}") } else { text.clone() };
        match croner::parser::CronParser::builder().seconds(croner::parser::Seconds::Required).build().parse(&whole) {
            Ok(window) => windows.push(window),
            Err(error) => {
                let path = format!("spec.maintenanceTimeWindows[{index}]");
                let why =
                    format!("{text:?} is no cron expression (seconds, minutes, hours, day, month, weekday): {error}");
                refusals.push(Refusal::new(Reason::InvalidSpec, path, why));
            }
        }
    }
    if refusals.is_empty() { Ok(windows) } else { Err(refusals) }
}

/// The id that is written on sets and claims; else that of a new cluster.
fn cluster_id(cluster: &KafkaCluster, observed: &Observed) -> Result<String, Refusal> {
    let written = observed.cluster_ids();
    if written.len() > 1 {
        let places: Vec<String> = written.iter().map(|(id, set)| format!("{id} (claims or set {set})")).collect();
        return Err(Refusal::new(
            Reason::ClusterIdConflict,
            "metadata.name",
            format!(
                "volumes of several clusters carry this name: {}. Delete those that are no longer \
                 wanted, or give the cluster another name",
                places.join(", ")
            ),
        ));
    }
    let known = cluster.status.as_ref().and_then(|status| status.cluster_id.clone());
    written
        .keys()
        .next()
        .map(|id| (*id).to_owned())
        .or(known)
        .or_else(|| names::new_cluster_id(&cluster.uid().unwrap_or_default()))
        .ok_or_else(|| Refusal::new(Reason::InvalidSpec, "metadata.uid", "the resource has no UID"))
}

/// What the schema refuses too, in case that the resource is older than the schema.
fn listeners(cluster: &KafkaCluster) -> Vec<Refusal> {
    let refuse = |listener: &odradek_crds::Listener, message: &str| {
        Refusal::new(Reason::NotSupported, format!("spec.listeners[{}]", listener.name), message)
    };
    cluster
        .spec
        .listeners
        .iter()
        .filter_map(|listener| {
            if listener.tls {
                Some(refuse(listener, "tls: true is not supported yet"))
            } else if listener.type_ != "internal" {
                Some(refuse(listener, "only type internal is supported yet"))
            } else {
                None
            }
        })
        .collect()
}

fn pools(cluster: &KafkaCluster, declared: &[NodePool], layout: Layout) -> (Vec<Pool>, Option<Pool>) {
    let pool = |pool: &NodePool, sets: Vec<SetLayout>| {
        // In one order, so that the order in the spec changes nothing.
        let mut roles = pool.roles.clone();
        roles.sort_unstable_by(|a, b| b.cmp(a));
        Pool {
            name: pool.name.clone(),
            roles,
            sets,
            storage: storage(&pool.storage, BROKER_SIZE),
            resources: pool.resources.clone(),
            template: pool.template.clone().unwrap_or_default(),
            declared: Some(removed::declared(pool)),
        }
    };
    let pools = declared.iter().zip(layout.pools).map(|(p, sets)| pool(p, sets)).collect();
    let said = cluster.spec.controllers.clone().unwrap_or_default();
    let controllers = layout.controllers.map(|set| Pool {
        name: CONTROLLERS_POOL.to_owned(),
        roles: vec![Role::Controller],
        sets: vec![set],
        storage: storage(&said.storage, CONTROLLER_SIZE),
        resources: said.resources,
        template: said.template.unwrap_or_default(),
        declared: None,
    });
    (pools, controllers)
}

fn storage(storage: &Storage, size: &str) -> PoolStorage {
    PoolStorage {
        type_: storage.type_,
        size: storage.size.clone().unwrap_or_else(|| size.to_owned()),
        class: storage.class.clone(),
        delete_claim: storage.delete_claim,
    }
}

/// A volume that would shrink, or storage that would change its kind. The schema refuses both when
/// the spec itself says them; a size that was left out and is then given is only seen here.
fn shrunk(pool: &Pool, observed: &Observed) -> Option<Refusal> {
    let path = if pool.has(Role::Broker) {
        format!("spec.nodePools[{}].storage", pool.name)
    } else {
        "spec.controllers.storage".to_owned()
    };
    pool.sets.iter().find_map(|layout| {
        let spec = observed.set(&layout.name)?.spec.as_ref()?;
        let template = spec.volume_claim_templates.as_deref().unwrap_or_default().first();
        let was = if template.is_some() { StorageType::PersistentClaim } else { StorageType::Ephemeral };
        if was != pool.storage.type_ {
            return Some(Refusal::new(
                Reason::NotSupported,
                format!("{path}.type"),
                "the storage of a pool cannot change its type: add a pool with the other storage",
            ));
        }
        let size = template?.spec.as_ref()?.resources.as_ref()?.requests.as_ref()?.get("storage")?;
        (milli_bytes(&pool.storage.size)? < milli_bytes(&size.0)?).then(|| {
            Refusal::new(
                Reason::InvalidSpec,
                format!("{path}.size"),
                format!(
                    "{} is smaller than the {} that the volumes have, and volumes only grow: set it \
                     back to {}",
                    pool.storage.size, size.0, size.0
                ),
            )
        })
    })
}

#[cfg(test)]
#[path = "validate_tests.rs"]
mod tests;
