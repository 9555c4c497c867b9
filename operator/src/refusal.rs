//! Why a spec is refused.

use std::fmt;

/// One reason why a spec cannot be carried out. Nothing that runs is touched while there is one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The kind of refusal.
    pub reason: Reason,
    /// The field of the resource that is at fault, such as `spec.config[min.insync.replicas]`.
    pub field: String,
    /// What is wrong with which value, and what to do.
    pub message: String,
}

/// The kinds of refusals, which are the reasons of Ready=False.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// A value that can never work.
    InvalidSpec,
    /// A configuration key or value that can never work.
    InvalidConfig,
    /// A change that this release cannot carry out.
    NotSupported,
    /// Volumes of another cluster, or of several, carry this cluster's name.
    ClusterIdConflict,
    /// The zones of the nodes are not known.
    ZonesUnknown,
    /// Another resource stands for the same topic.
    ResourceConflict,
    /// The cluster that a topic names is not there.
    ClusterNotFound,
    /// The cluster takes no topics of this namespace.
    NotAllowed,
    /// The topic was there before the resource, which is not to adopt it.
    TopicExists,
}

impl Reason {
    /// The reason as the condition writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Reason::InvalidSpec => "InvalidSpec",
            Reason::InvalidConfig => "InvalidConfig",
            Reason::NotSupported => "NotSupported",
            Reason::ClusterIdConflict => "ClusterIdConflict",
            Reason::ZonesUnknown => "ZonesUnknown",
            Reason::ResourceConflict => "ResourceConflict",
            Reason::ClusterNotFound => "ClusterNotFound",
            Reason::NotAllowed => "NotAllowed",
            Reason::TopicExists => "TopicExists",
        }
    }
}

impl Refusal {
    /// A refusal from its parts.
    pub fn new(reason: Reason, field: impl Into<String>, message: impl Into<String>) -> Self {
        Refusal { reason, field: field.into(), message: message.into() }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.field, self.message)
    }
}
