//! May these pods stop? The roll and the PodDisruptionBudget ask here. Pure: what the active controller said was read
//! before.
//!
//! Two judges have to agree. The operator knows which pods there should be and which of them serve. The active
//! controller knows what is committed: in-sync sets, `min.insync.replicas`, the quorum, and who holds the lease.

use std::collections::{BTreeMap, BTreeSet};

use odradek_crds::Role;

use super::{
    observe::{KafkaState, Observed},
    pods::PodView,
    validate::Validated,
};
use crate::kafka::{
    KafkaView,
    restart::{Lease, NodeSet, RestartVerdict},
};

/// Whether pods may stop now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Safety {
    /// They may.
    Safe,
    /// They may not, and why.
    Unsafe(String),
}

impl Safety {
    /// Why no pod may stop.
    pub fn reason(&self) -> Option<&str> {
        match self {
            Safety::Safe => None,
            Safety::Unsafe(reason) => Some(reason),
        }
    }
}

/// What the active controller said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answers {
    /// Its verdicts, by what was asked.
    pub verdicts: BTreeMap<NodeSet, RestartVerdict>,
    /// Why it could not be asked.
    pub failure: Option<String>,
}

impl Answers {
    /// The lease that is held, by whomever.
    pub fn lease(&self) -> Option<&Lease> {
        self.verdicts.values().find_map(|verdict| verdict.lease.as_ref())
    }

    /// The active controller.
    pub fn active_controller(&self) -> Option<i32> {
        self.verdicts.values().map(|verdict| verdict.active_controller).next()
    }
}

/// The name under which the operator holds the lease: it outlives the process, so that the next one carries on.
pub fn holder(cluster: &Validated) -> String {
    format!("odradek-operator/{}/{}", cluster.namespace, cluster.name)
}

impl NodeSet {
    /// The set of these pods.
    pub fn of<'a>(pods: impl IntoIterator<Item = &'a PodView>, strict: bool) -> NodeSet {
        let mut set = NodeSet { strict, ..NodeSet::default() };
        for pod in pods {
            if pod.broker {
                set.brokers.insert(pod.id);
            }
            if pod.controller {
                set.controllers.insert(pod.id);
            }
        }
        set
    }

    fn has(&self, id: i32) -> bool {
        self.brokers.contains(&id) || self.controllers.contains(&id)
    }
}

/// What is asked at every look: each of two controllers, so that every controller is judged by the one or the other.
/// The answers tell the lease and the active controller too.
pub fn standing_questions(cluster: &Validated) -> Vec<NodeSet> {
    let pools = cluster.all_pools().filter(|pool| pool.has(Role::Controller));
    let ids = pools.flat_map(|pool| &pool.sets).flat_map(|set| set.ids());
    ids.take(2).map(|id| NodeSet { controllers: BTreeSet::from([id]), ..NodeSet::default() }).collect()
}

/// Whether any pod may stop: the question of an eviction, which does not say which one it will be. While a lease is
/// held, somebody is about to stop pods already.
pub fn judge_any(cluster: &Validated, observed: &Observed) -> Safety {
    if let Some(why) = not_serving(cluster, observed, &NodeSet::default()) {
        return Safety::Unsafe(why);
    }
    if let InSync::No(why) | InSync::Unknown(why) = in_sync(cluster, observed) {
        return Safety::Unsafe(why);
    }
    for set in standing_questions(cluster) {
        if let Some(why) = said(observed, &set) {
            return Safety::Unsafe(why);
        }
    }
    match observed.restart.lease() {
        Some(lease) => Safety::Unsafe(held(lease)),
        None => Safety::Safe,
    }
}

/// Whether these pods may stop together.
pub fn judge(cluster: &Validated, observed: &Observed, set: &NodeSet) -> Safety {
    let own = not_serving(cluster, observed, set).or_else(|| match view(cluster, observed) {
        Ok(view) => not_registered(cluster, view, set),
        // Pods that do not serve may be all that there are.
        Err(why) => serves(observed, set).then_some(why),
    });
    match own.or_else(|| said(observed, set)).or_else(|| held_by_others(cluster, observed)) {
        Some(why) => Safety::Unsafe(why),
        None => Safety::Safe,
    }
}

/// Who else is about to stop pods.
pub fn held_by_others(cluster: &Validated, observed: &Observed) -> Option<String> {
    observed.restart.lease().filter(|lease| lease.holder != holder(cluster)).map(held)
}

fn held(lease: &Lease) -> String {
    let ids = lease.brokers.iter().chain(&lease.controllers).map(ToString::to_string);
    format!("{} holds the lease to stop {}", lease.holder, ids.collect::<Vec<_>>().join(", "))
}

/// What the active controller has against it.
fn said(observed: &Observed, set: &NodeSet) -> Option<String> {
    match observed.restart.verdicts.get(set) {
        Some(verdict) => verdict.against(),
        None => Some(match &observed.restart.failure {
            Some(failure) => format!("the active controller cannot be asked: {failure}"),
            None => "the active controller was not asked yet".to_owned(),
        }),
    }
}

fn serves(observed: &Observed, set: &NodeSet) -> bool {
    observed.pods.iter().any(|pod| set.has(pod.id) && pod.ready())
}

fn not_serving(cluster: &Validated, observed: &Observed, except: &NodeSet) -> Option<String> {
    let ready: BTreeSet<&str> = observed.pods.iter().filter(|pod| pod.ready()).map(|pod| pod.name.as_str()).collect();
    let wanted = cluster.all_pools().flat_map(|pool| &pool.sets).flat_map(|set| set.pods());
    let mut waiting = wanted.filter(|(id, pod)| !except.has(*id) && !ready.contains(pod.as_str())).map(|(_, pod)| pod);
    let first = waiting.next()?;
    Some(match waiting.count() {
        0 => format!("{first} does not serve"),
        more => format!("{first} and {more} more pods do not serve"),
    })
}

/// The pods that should serve and do not, in the order of the spec.
pub fn waiting_pods(cluster: &Validated, observed: &Observed) -> Vec<String> {
    let ready: BTreeSet<&str> = observed.pods.iter().filter(|pod| pod.ready()).map(|pod| pod.name.as_str()).collect();
    let wanted = cluster.all_pools().flat_map(|pool| &pool.sets).flat_map(|set| set.pods());
    wanted.map(|(_, pod)| pod).filter(|pod| !ready.contains(pod.as_str())).collect()
}

/// Whether every replica is in sync.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InSync {
    /// All are.
    Yes,
    /// Some are not.
    No(String),
    /// The brokers cannot be asked.
    Unknown(String),
}

/// What the brokers of this cluster say, or why that is not known.
pub fn view<'a>(cluster: &Validated, observed: &'a Observed) -> Result<&'a KafkaView, String> {
    match &observed.kafka {
        KafkaState::NotServing => Err("no broker serves yet".to_owned()),
        KafkaState::Failed(failure) => Err(format!("the brokers cannot be asked: {failure}")),
        KafkaState::View(view) if view.cluster_id != cluster.cluster_id => {
            Err(format!("the brokers answer for another cluster ({}, not {})", view.cluster_id, cluster.cluster_id))
        }
        KafkaState::View(view) => Ok(view),
    }
}

fn not_registered(cluster: &Validated, view: &KafkaView, except: &NodeSet) -> Option<String> {
    let brokers = cluster.pools.iter().filter(|pool| pool.has(Role::Broker)).flat_map(|pool| &pool.sets);
    let mut ids = brokers.flat_map(|set| set.ids());
    let missing = ids.find(|id| !except.has(*id) && !view.brokers.contains(id))?;
    Some(format!("broker {missing} is not registered with the controllers"))
}

/// Judges the replicas alone.
pub fn in_sync(cluster: &Validated, observed: &Observed) -> InSync {
    let view = match view(cluster, observed) {
        Ok(view) => view,
        Err(why) => return InSync::Unknown(why),
    };
    if let Some(why) = not_registered(cluster, view, &NodeSet::default()) {
        return InSync::No(why);
    }
    let mut lagging = view.out_of_sync();
    match lagging.next() {
        None => InSync::Yes,
        Some(first) => {
            let missing: Vec<i32> = first.replicas.iter().filter(|r| !first.in_sync.contains(r)).copied().collect();
            InSync::No(format!(
                "{} partitions are not in sync, {}-{} among them ({})",
                lagging.count() + 1,
                first.topic,
                first.partition,
                match first.leader {
                    None => "it has no leader".to_owned(),
                    Some(_) => format!("missing brokers {missing:?}"),
                }
            ))
        }
    }
}
