//! What a step does: one variant for each thing that the operator can do. Who carries it out: `take`.

use kube::api::{ApiResource, PropagationPolicy};

use crate::{apply::Object, cluster::pods::PodView};

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
    /// Deletes a pod, so that its set makes it anew from the present template.
    Roll(PodView),
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
            Action::Roll(_) => "RollPod",
        }
    }

    /// What the action is done to.
    pub fn target(&self) -> String {
        match self {
            Action::Create(object) | Action::Update(object) => {
                format!("{}/{}", object.api.kind, object.name)
            }
            Action::Remove { api, name, .. } => format!("{}/{name}", api.kind),
            Action::ExpandClaim { claim, .. } => format!("PersistentVolumeClaim/{claim}"),
            Action::Roll(pod) => format!("Pod/{}", pod.name),
        }
    }

    /// The broker or controller that it concerns, by its id.
    pub fn node(&self) -> Option<i32> {
        match self {
            Action::Roll(pod) => Some(pod.id),
            Action::Create(_) | Action::Update(_) | Action::Remove { .. } | Action::ExpandClaim { .. } => None,
        }
    }

    /// Whether it makes or changes the object of this name, so that what is known of it will be old.
    pub fn changes(&self, object_name: &str) -> bool {
        match self {
            Action::Create(object) | Action::Update(object) => object.name == object_name,
            Action::Remove { name, .. } => name == object_name,
            Action::ExpandClaim { .. } | Action::Roll(_) => false,
        }
    }
}
