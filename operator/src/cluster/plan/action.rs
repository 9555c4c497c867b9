//! What a step does: one variant for each thing that the operator can do. Who carries it out: `take`.

use kube::api::{ApiResource, PropagationPolicy};
use odradek_client::features::MetadataVersion;

use crate::{
    apply::Object,
    cluster::{
        pods::PodView,
        rebalance::{MoveBatch, Unthrottle},
    },
    kafka::{ConfigChange, restart::NodeSet},
};

/// What a step does.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Makes an object.
    Create(Box<Object>),
    /// Brings an object back into shape.
    Update(Box<Object>),
    /// Deletes an object that is no longer wanted, or in the way.
    Remove {
        /// Its kind.
        api: Box<ApiResource>,
        /// Its name.
        name: String,
        /// Its UID.
        uid: String,
        /// What becomes of what it owns.
        propagation: PropagationPolicy,
    },
    /// Grows a claim.
    ExpandClaim {
        /// Its name.
        claim: String,
        /// Its new size.
        size: String,
    },
    /// Deletes pods, so that their sets make them anew from the present template.
    Roll(RollSet),
    /// Stops a broker for good.
    Leave(Box<Leave>),
    /// Takes the registration of a broker away that is gone.
    Unregister(i32),
    /// Writes on a claim whether its broker has left.
    MarkClaim {
        /// Its name.
        claim: String,
        /// Whether it has.
        left: bool,
    },
    /// Makes the preferred replicas of these partitions their leaders.
    ElectLeaders(Vec<(String, i32)>),
    /// Keeps the lease to stop these pods.
    RenewLease(NodeSet),
    /// Begins, replaces or cancels moves of replicas, with their throttles first.
    MoveReplicas(MoveBatch),
    /// Takes throttles of moves back that are over.
    Unthrottle(Unthrottle),
    /// Gives the lease to stop pods back.
    ReleaseLease,
    /// Makes this controller a voter of the quorum.
    AddVoter(i32),
    /// Takes this controller out of the quorum.
    RemoveVoter(i32),
    /// Changes keys of the configuration that the brokers take while they run.
    ConfigureBrokers(Vec<ConfigChange>),
    /// Raises `metadata.version`.
    UpdateFeatures(MetadataVersion),
}

/// Pods that are made anew together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RollSet {
    /// The pods.
    pub pods: Vec<PodView>,
    /// Their zone, when it goes at once.
    pub zone: Option<String>,
}

/// A broker that goes for good.
#[derive(Clone, Debug, PartialEq)]
pub struct Leave {
    /// Its id.
    pub id: i32,
    /// Its pod, which is the last one of its set.
    pub pod: String,
    /// Its set with one node fewer.
    pub set: Object,
}

impl Action {
    /// The action in one word.
    pub fn verb(&self) -> &'static str {
        match self {
            Action::Create(_) => "Create",
            Action::Update(_) => "Update",
            Action::Remove { propagation: PropagationPolicy::Orphan, .. } => "Recreate",
            Action::Remove { .. } => "Remove",
            Action::ExpandClaim { .. } => "ExpandClaim",
            Action::Roll(set) if set.zone.is_some() => "RollZone",
            Action::Roll(_) => "RollPod",
            Action::Leave(_) => "Leave",
            Action::Unregister(_) => "Unregister",
            Action::MarkClaim { .. } => "MarkClaim",
            Action::ElectLeaders(_) => "ElectLeaders",
            Action::RenewLease(_) => "RenewLease",
            Action::MoveReplicas(_) => "MoveReplicas",
            Action::Unthrottle(_) => "Unthrottle",
            Action::ReleaseLease => "ReleaseLease",
            Action::AddVoter(_) => "AddVoter",
            Action::RemoveVoter(_) => "RemoveVoter",
            Action::ConfigureBrokers(_) => "ConfigureBrokers",
            Action::UpdateFeatures(_) => "UpdateFeatures",
        }
    }

    /// Whether it changes who votes among the controllers.
    pub fn changes_quorum(&self) -> bool {
        matches!(self, Action::AddVoter(_) | Action::RemoveVoter(_))
    }

    /// What the action is done to.
    pub fn target(&self) -> String {
        match self {
            Action::Create(object) | Action::Update(object) => {
                format!("{}/{}", object.api.kind, object.name)
            }
            Action::Remove { api, name, .. } => format!("{}/{name}", api.kind),
            Action::ExpandClaim { claim, .. } => format!("PersistentVolumeClaim/{claim}"),
            Action::Roll(set) => {
                let names: Vec<&str> = set.pods.iter().map(|pod| pod.name.as_str()).collect();
                format!("Pod/{}", names.join(","))
            }
            Action::Leave(leave) => format!("Pod/{}", leave.pod),
            Action::Unregister(id) => format!("Broker/{id}"),
            Action::MarkClaim { claim, .. } => format!("PersistentVolumeClaim/{claim}"),
            Action::ElectLeaders(partitions) => format!("Partitions/{}", partitions.len()),
            Action::RenewLease(_) | Action::ReleaseLease => "Lease/restart".to_owned(),
            Action::AddVoter(id) | Action::RemoveVoter(id) => format!("Controller/{id}"),
            Action::MoveReplicas(batch) => format!("Partitions/{}", batch.begun.moves.len()),
            Action::Unthrottle(over) => format!("Topics/{}", over.topics.len()),
            Action::ConfigureBrokers(changes) => {
                let keys: Vec<&str> = changes.iter().map(ConfigChange::key).collect();
                format!("Config/{}", keys.join(","))
            }
            Action::UpdateFeatures(level) => format!("MetadataVersion/{level}"),
        }
    }

    /// The broker or controller that it concerns, by its id.
    pub fn node(&self) -> Option<i32> {
        match self {
            Action::Roll(set) => match &set.pods[..] {
                [pod] => Some(pod.id),
                _ => None,
            },
            Action::Leave(leave) => Some(leave.id),
            Action::Unregister(id) => Some(*id),
            Action::AddVoter(id) | Action::RemoveVoter(id) => Some(*id),
            Action::Create(_)
            | Action::Update(_)
            | Action::Remove { .. }
            | Action::ExpandClaim { .. }
            | Action::MarkClaim { .. }
            | Action::ElectLeaders(_)
            | Action::RenewLease(_)
            | Action::MoveReplicas(_)
            | Action::Unthrottle(_)
            | Action::ReleaseLease
            | Action::ConfigureBrokers(_)
            | Action::UpdateFeatures(_) => None,
        }
    }
}
