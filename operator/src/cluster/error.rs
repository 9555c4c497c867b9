//! What can go wrong in a reconcile of a cluster. What a person must change is no error but a
//! [`Refusal`](crate::refusal::Refusal).

use crate::apply::ApplyError;

/// A reconcile failed, and will be tried again.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Kubernetes did not answer a read.
    #[error("cannot read {what}: {source}")]
    Read {
        /// What was read.
        what: String,
        /// Why not.
        source: kube::Error,
    },
    /// Kubernetes did not take a change.
    #[error(transparent)]
    Apply(#[from] ApplyError),
    /// The status could not be written.
    #[error("cannot write the status: {0}")]
    Status(#[source] kube::Error),
    /// The finalizer could not be written.
    #[error("cannot write the finalizer: {0}")]
    Finalizer(#[source] kube::Error),
    /// An object could not be turned into JSON.
    #[error("cannot serialise an object: {0}")]
    Serialise(#[source] serde_json::Error),
}
