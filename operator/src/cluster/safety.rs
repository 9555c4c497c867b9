//! Whether one more pod may stop. The roll and the PodDisruptionBudget ask the same question. Pure.

use std::collections::BTreeSet;

use odradek_crds::Role;

use super::{
    observe::{KafkaState, Observed},
    pods::PodView,
    validate::Validated,
};

/// Whether one more pod may stop now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Safety {
    /// Every pod serves and every replica is in sync.
    Safe,
    /// It may not, and why.
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

/// Judges the cluster as a whole.
pub fn judge(cluster: &Validated, observed: &Observed) -> Safety {
    let waiting = waiting_pods(cluster, observed);
    if let Some(first) = waiting.first() {
        return Safety::Unsafe(match waiting.len() {
            1 => format!("{first} does not serve"),
            n => format!("{first} and {} more pods do not serve", n - 1),
        });
    }
    match in_sync(cluster, observed) {
        InSync::Yes => Safety::Safe,
        InSync::No(why) | InSync::Unknown(why) => Safety::Unsafe(why),
    }
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

/// Judges the replicas alone.
pub fn in_sync(cluster: &Validated, observed: &Observed) -> InSync {
    let view = match &observed.kafka {
        KafkaState::NotServing => return InSync::Unknown("no broker serves yet".to_owned()),
        KafkaState::Failed(failure) => {
            return InSync::Unknown(format!("the brokers cannot be asked: {failure}"));
        }
        KafkaState::View(view) => view,
    };
    if view.cluster_id != cluster.cluster_id {
        return InSync::Unknown(format!(
            "the brokers answer for another cluster ({}, not {})",
            view.cluster_id, cluster.cluster_id
        ));
    }
    let brokers = cluster.pools.iter().filter(|pool| pool.has(Role::Broker)).flat_map(|pool| &pool.sets);
    if let Some(id) = brokers.flat_map(|set| set.ids()).find(|id| !view.brokers.contains(id)) {
        return InSync::No(format!("broker {id} is not registered with the controllers"));
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

/// A pod's place in the order of a roll: what cannot run first, then brokers, controllers last.
pub fn roll_order(pod: &PodView) -> (bool, bool, i32) {
    (pod.stuck.is_none(), !pod.broker, pod.id)
}
