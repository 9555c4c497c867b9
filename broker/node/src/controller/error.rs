//! Why a controller cannot start, or cannot go on.

use odradek_core::metadata::image::ApplyError;
use odradek_quorum::QuorumError;

/// Why a controller cannot start, or cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum ControllerError {
    /// The quorum failed: configuration, disk, or damage.
    #[error(transparent)]
    Quorum(#[from] QuorumError),
    /// An entry cannot be read.
    #[error("entry {index} of the metadata log cannot be read: {reason}")]
    Entry {
        /// Which one.
        index: u64,
        /// Why.
        reason: String,
    },
    /// A committed entry contradicts what was committed before it, or a newer release wrote it.
    #[error("entry {index} of the metadata log cannot be applied: {source}")]
    Apply {
        /// Which one.
        index: u64,
        /// Why.
        source: ApplyError,
    },
    /// Two clusters are mixed up.
    #[error(
        "the metadata log is of cluster {stored}, and this controller is configured for cluster {configured}: \
             check cluster.id and metadata.log.dir"
    )]
    InconsistentClusterId {
        /// In the log.
        stored: String,
        /// In the configuration.
        configured: String,
    },
}

impl ControllerError {
    /// The exit status of the process: 2 for identity and configuration, 1 for the rest.
    #[must_use]
    pub fn exit_code(&self) -> i32 {
        match self {
            ControllerError::InconsistentClusterId { .. }
            | ControllerError::Quorum(
                QuorumError::Config(_)
                | QuorumError::OtherNode { .. }
                | QuorumError::OtherDirectory { .. }
                | QuorumError::Superseded { .. },
            ) => 2,
            _ => 1,
        }
    }
}
