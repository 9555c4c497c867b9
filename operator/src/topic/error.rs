//! What can go wrong in a reconcile of a topic. What a person must change is no error but a
//! [`Refusal`](crate::refusal::Refusal).

use crate::kafka::KafkaFailure;

/// A reconcile failed, and will be tried again.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Kubernetes did not answer a read.
    #[error("cannot read the KafkaCluster: {0}")]
    Read(#[source] kube::Error),
    /// The status could not be written.
    #[error("cannot write the status: {0}")]
    Status(#[source] kube::Error),
    /// The finalizer could not be written.
    #[error("cannot write the finalizer: {0}")]
    Finalizer(#[source] kube::Error),
    /// Kafka did not do it.
    #[error("cannot {verb} topic {topic}: {failure}")]
    Kafka {
        /// What was tried.
        verb: &'static str,
        /// Name of the topic in Kafka.
        topic: String,
        /// Why it failed.
        failure: KafkaFailure,
    },
}
