//! What the status says. Pure.

use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt;
use odradek_client::features::MetadataVersion;
use odradek_crds::{
    BrokerStatus, ControllerStatus, KafkaCluster, KafkaClusterStatus, ListenerAddress, ListenerStatus, NodePoolStatus,
    QuorumStatus, RebalanceState, Role,
};

use super::{
    layout::SetLayout,
    leave,
    observe::{KafkaState, Observed},
    plan::{Action, Plan},
    pods::PodView,
    rack,
    safety::{self, InSync},
    validate::{Pool, Validated},
};
use crate::{
    conditions::{Truth, Verdict, merge},
    kafka::KafkaView,
    names,
    refusal::Refusal,
};

/// Steps that a status lists.
const SHOWN_STEPS: usize = 50;
/// Brokers that a status lists.
const SHOWN_BROKERS: usize = 100;

/// The status of a cluster whose spec can be carried out.
pub fn status(
    cluster: &KafkaCluster,
    valid: &Validated,
    observed: &Observed,
    plan: &Plan,
    now: Timestamp,
) -> KafkaClusterStatus {
    let old = cluster.status.clone().unwrap_or_default();
    let generation = cluster.metadata.generation;
    let brokers = brokers(valid, observed);
    let controllers = controllers(valid, observed);
    let shown: Vec<_> = plan.steps.iter().take(SHOWN_STEPS).map(super::plan::Step::shown).collect();
    let omitted = plan.steps.len() - shown.len();
    let zones = valid.pools.iter().flat_map(|pool| &pool.sets).filter(|set| set.replicas > 0);
    let mut zones: Vec<&String> = zones.filter_map(|set| set.zone.as_ref()).collect();
    zones.sort();
    zones.dedup();
    KafkaClusterStatus {
        conditions: merge(&old.conditions, verdicts(valid, observed, plan), generation, now),
        observed_generation: generation,
        cluster_id: Some(valid.cluster_id.clone()),
        version: Some(valid.version.clone()),
        metadata_version: metadata_version(observed, &old),
        brokers_ready: Some(count(observed, valid, Role::Broker)),
        controllers_ready: Some(count(observed, valid, Role::Controller)),
        listeners: valid.listeners.iter().map(|l| listener(valid, l)).collect(),
        zones: valid.zones.clone(),
        zone_count: Some(i32::try_from(zones.len()).unwrap_or(i32::MAX)),
        node_pools: valid.pools.iter().map(|pool| node_pool(pool, observed)).collect(),
        brokers: brokers.into_iter().take(SHOWN_BROKERS).collect(),
        quorum: quorum(valid, observed),
        controllers,
        rolling_update: Some(plan.rolling(valid, observed)),
        rebalance: Some(plan.rebalance.clone()),
        plan: shown,
        plan_omitted: (omitted > 0).then(|| i32::try_from(omitted).unwrap_or(i32::MAX)),
    }
}

/// What the brokers say now, or said last. A level that is newer than this operator has its number only.
fn metadata_version(observed: &Observed, old: &KafkaClusterStatus) -> Option<String> {
    let KafkaState::View(view) = &observed.kafka else { return old.metadata_version.clone() };
    let name = |level| MetadataVersion::from_level(level).map_or_else(|| level.to_string(), |known| known.to_string());
    view.metadata_version.map(name).or_else(|| old.metadata_version.clone())
}

/// The status of a cluster whose spec is refused. What runs goes on running, and is counted.
pub fn refused(
    cluster: &KafkaCluster,
    observed: &Observed,
    refusals: &[Refusal],
    now: Timestamp,
) -> KafkaClusterStatus {
    let old = cluster.status.clone().unwrap_or_default();
    let generation = cluster.metadata.generation;
    let reason = refusals.first().map_or("InvalidSpec", |refusal| refusal.reason.as_str());
    let message: Vec<String> = refusals.iter().map(ToString::to_string).collect();
    let message = message.join("; ");
    let verdicts = vec![
        Verdict::new("Ready", false, reason, message.clone()),
        Verdict::new("Reconciling", false, reason, "Nothing is changed until the spec is"),
        Verdict::new("Stalled", true, reason, message),
    ];
    let mut conditions = merge(&old.conditions, verdicts, generation, now);
    let kept = ["InSync", rack::ALIGNED, rack::PRESENT];
    conditions.extend(old.conditions.iter().filter(|c| kept.contains(&c.type_.as_str())).cloned());
    let recount = |old: &Option<String>, role: Role| {
        let wanted = old.as_ref()?.split_once('/')?.1.to_owned();
        Some(format!("{}/{wanted}", serving(observed, role)))
    };
    KafkaClusterStatus {
        conditions,
        observed_generation: generation,
        brokers_ready: recount(&old.brokers_ready, Role::Broker),
        controllers_ready: recount(&old.controllers_ready, Role::Controller),
        plan: Vec::new(),
        plan_omitted: None,
        ..old
    }
}

const STEP_FAILED: &str = "StepFailed";

/// The status before the steps are tried: while they may fail as they did the last time, that stays told. A status that
/// said otherwise for the blink of an eye would bring the next reconcile at once, whatever the wait after a failure is.
pub fn before_steps(cluster: &KafkaCluster, plan: &Plan, mut status: KafkaClusterStatus) -> KafkaClusterStatus {
    let told = cluster.status.iter().flat_map(|old| &old.conditions);
    let failed = told.into_iter().find(|c| {
        c.type_ == "Reconciling" && c.reason == STEP_FAILED && c.observed_generation == cluster.metadata.generation
    });
    if let Some(failed) = failed.filter(|_| plan.ready().next().is_some()) {
        status.conditions.iter_mut().filter(|c| c.type_ == failed.type_).for_each(|c| *c = failed.clone());
    }
    status
}

/// The status of a cluster of which a step failed. It is tried again.
pub fn failed(cluster: &KafkaCluster, error: &dyn std::error::Error, now: Timestamp) -> KafkaClusterStatus {
    let mut old = cluster.status.clone().unwrap_or_default();
    let verdict = Verdict::new("Reconciling", true, STEP_FAILED, error.to_string());
    for told in merge(&old.conditions, vec![verdict], cluster.metadata.generation, now) {
        // In its place: the same conditions in another order would be another status.
        match old.conditions.iter_mut().find(|c| c.type_ == told.type_) {
            Some(place) => *place = told,
            None => old.conditions.push(told),
        }
    }
    old
}

fn verdicts(valid: &Validated, observed: &Observed, plan: &Plan) -> Vec<Verdict> {
    let waiting = safety::waiting_pods(valid, observed);
    let brokers = count(observed, valid, Role::Broker);
    let controllers = count(observed, valid, Role::Controller);
    let ready = match waiting.first() {
        None => {
            Verdict::new("Ready", true, "Serving", format!("{brokers} brokers and {controllers} controllers serve"))
        }
        Some(first) => {
            let stuck = observed.pods.iter().find(|pod| pod.stuck.is_some());
            let (reason, why) = match stuck {
                Some(pod) => ("PodsFailing", format!("{}: {}", pod.name, pod.stuck.as_deref().unwrap_or_default())),
                None => ("PodsNotReady", format!("waiting for {first}")),
            };
            let message = format!("{brokers} brokers and {controllers} controllers serve; {why}");
            Verdict::new("Ready", false, reason, message)
        }
    };
    let in_sync = match safety::in_sync(valid, observed) {
        InSync::Yes => Verdict::new("InSync", true, "AllInSync", "Every replica is in sync"),
        InSync::No(why) => Verdict::new("InSync", false, "NotInSync", why),
        InSync::Unknown(why) => Verdict::new("InSync", Truth::Unknown, "Unknown", why),
    };
    let rolling = plan.steps.iter().find(|step| matches!(step.action, Action::Roll(_)));
    let leaving = plan.steps.iter().find(|step| matches!(step.action, Action::Leave(_)));
    let reconciling = match (plan.steps.first(), waiting.first()) {
        (Some(_), None) if let Some((reason, why)) = plan.held(valid, observed) => {
            Verdict::new("Reconciling", false, reason, why)
        }
        (None, None) if plan.rebalance.state != RebalanceState::None => {
            let told = [&plan.rebalance.message, &plan.rebalance.progress].map(|text| text.clone().unwrap_or_default());
            Verdict::new("Reconciling", true, "Rebalancing", format!("{}: {} partitions are there", told[0], told[1]))
        }
        (None, None) => Verdict::new("Reconciling", false, "UpToDate", "Everything is as the spec says"),
        (None, Some(first)) => Verdict::new("Reconciling", true, "WaitingForPods", format!("Waiting for {first}")),
        (Some(_), _) => {
            let step = rolling.or(leaving).or(plan.steps.first());
            let text = step.map(|step| match &step.blocked_by {
                Some(why) => format!("{step}; waits: {why}"),
                None => step.to_string(),
            });
            let reason = match (rolling, leaving) {
                (Some(_), _) => "Rolling",
                (None, Some(_)) => "ScalingDown",
                (None, None) => "Applying",
            };
            Verdict::new("Reconciling", true, reason, text.unwrap_or_default())
        }
    };
    let stalled = match leave::never(valid, observed) {
        Some(why) => Verdict::new("Stalled", true, "ScaleDownBlocked", why),
        None => Verdict::new("Stalled", false, "Progressing", "Nothing needs a person"),
    };
    let mut verdicts = vec![ready, in_sync, reconciling, stalled];
    verdicts.extend(rack::verdicts(valid, observed));
    verdicts
}

/// Pods of a role that serve, of those wanted.
fn count(observed: &Observed, valid: &Validated, role: Role) -> String {
    let wanted: i32 = valid.all_pools().filter(|pool| pool.has(role)).map(Pool::replicas).sum();
    format!("{}/{wanted}", serving(observed, role))
}

/// Pods of a role that serve.
fn serving(observed: &Observed, role: Role) -> usize {
    let of_role = |pod: &&PodView| match role {
        Role::Broker => pod.broker,
        Role::Controller => pod.controller,
    };
    observed.pods.iter().filter(of_role).filter(|pod| pod.ready()).count()
}

fn listener(valid: &Validated, listener: &super::validate::ClientListener) -> ListenerStatus {
    let host = names::service_host(&names::bootstrap_service(&valid.name), &valid.namespace);
    ListenerStatus {
        name: listener.name.clone(),
        bootstrap_servers: format!("{host}:{}", listener.port),
        addresses: vec![ListenerAddress { host, port: i32::from(listener.port) }],
    }
}

fn node_pool(pool: &Pool, observed: &Observed) -> NodePoolStatus {
    let of_pool = |pod: &&PodView| pool.sets.iter().any(|set| set.name == pod.set);
    let ready = observed.pods.iter().filter(of_pool).filter(|pod| pod.ready()).count();
    let ranges = pool.sets.iter().filter(|set| set.replicas > 0).map(|set| match set.replicas {
        1 => set.first_id.to_string(),
        n => format!("{}-{}", set.first_id, set.first_id + n - 1),
    });
    NodePoolStatus {
        name: pool.name.clone(),
        replicas: pool.replicas(),
        ready_replicas: i32::try_from(ready).unwrap_or(i32::MAX),
        node_ids: Some(ranges.collect::<Vec<_>>().join(",")),
    }
}

fn brokers(valid: &Validated, observed: &Observed) -> Vec<BrokerStatus> {
    let view = match &observed.kafka {
        KafkaState::View(view) if view.cluster_id == valid.cluster_id => Some(view),
        KafkaState::View(_) | KafkaState::NotServing | KafkaState::Failed(_) => None,
    };
    let pools = valid.pools.iter().filter(|pool| pool.has(Role::Broker));
    pools.flat_map(|pool| &pool.sets).flat_map(|set| of_set(set, observed, view)).collect()
}

fn of_set(set: &SetLayout, observed: &Observed, view: Option<&KafkaView>) -> Vec<BrokerStatus> {
    set.pods()
        .map(|(id, name)| {
            let pod = observed.pods.iter().find(|pod| pod.name == name);
            let leads = |view: &KafkaView| view.partitions.iter().filter(|p| p.leader == Some(id)).count();
            let lags =
                |view: &KafkaView| view.partitions.iter().any(|p| p.replicas.contains(&id) && !p.in_sync.contains(&id));
            BrokerStatus {
                id,
                rack: set.zone.clone(),
                node: pod.and_then(|pod| pod.node.clone()),
                in_sync: view.map(|view| view.brokers.contains(&id) && !lags(view)),
                leaders: view.map(|view| i32::try_from(leads(view)).unwrap_or(i32::MAX)),
                phase: pod.map(|pod| pod.phase).unwrap_or_default(),
                pod: name,
            }
        })
        .collect()
}

fn controllers(valid: &Validated, observed: &Observed) -> Vec<ControllerStatus> {
    let pools = valid.all_pools().filter(|pool| pool.has(Role::Controller));
    pools
        .flat_map(|pool| &pool.sets)
        .flat_map(SetLayout::pods)
        .map(|(id, name)| {
            let pod = observed.pods.iter().find(|pod| pod.name == name);
            ControllerStatus {
                id,
                node: pod.and_then(|pod| pod.node.clone()),
                ready: pod.is_some_and(PodView::ready),
                pod: name,
            }
        })
        .collect()
}

fn quorum(valid: &Validated, observed: &Observed) -> Option<QuorumStatus> {
    let quorum = safety::view(valid, observed).ok()?.quorum.as_ref()?;
    // Brokers follow without a vote too, and are none of these.
    let controllers = quorum.observers.iter().filter(|observer| !observer.endpoints.is_empty());
    Some(QuorumStatus {
        leader: quorum.leader,
        voters: quorum.voters.iter().map(|voter| voter.id).collect(),
        observers: controllers.map(|observer| observer.id).collect(),
    })
}

/// What of the conditions is worth an Event: its reason, a sentence, and whether it is good news.
pub fn news(cluster: &KafkaCluster, new: &KafkaClusterStatus) -> Vec<(String, String, bool)> {
    let old = cluster.status.as_ref().map(|status| status.conditions.as_slice()).unwrap_or_default();
    let told = new.conditions.iter().filter(|new| {
        let old = old.iter().find(|old| old.type_ == new.type_);
        match new.type_.as_str() {
            "Ready" => old.is_none_or(|old| (&old.status, &old.reason) != (&new.status, &new.reason)),
            // That all is well with them is told after it was not.
            rack::ALIGNED | rack::PRESENT if new.status == "True" => old.is_some_and(|old| old.status == "False"),
            rack::ALIGNED | rack::PRESENT if new.status == "False" => {
                old.is_none_or(|old| (&old.status, &old.message) != (&new.status, &new.message))
            }
            _ => false,
        }
    });
    told.map(|c| (c.reason.clone(), format!("{}: {}", cluster.name_any(), c.message), c.status == "True")).collect()
}

#[cfg(test)]
#[path = "status_tests.rs"]
mod tests;
