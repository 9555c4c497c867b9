//! What metrics and readiness probes show of a controller.

use odradek_quorum::QuorumStatus;

/// A controller from outside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ControllerStatus {
    /// The quorum from its view.
    pub quorum: QuorumStatus,
    /// It decides: it leads, and its image is complete.
    pub active: bool,
    /// The cluster's id, once it is in the log.
    pub cluster_id: Option<String>,
    /// The last entry that its image holds.
    pub applied: u64,
    /// Answers that wait for their entry to be committed.
    pub pending_replies: usize,
    /// Brokers that wait for new entries.
    pub waiting_fetches: usize,
    /// Leaders that this controller elected from outside of the in-sync and the eligible sets, since it started.
    pub unclean_elections: u64,
    /// Snapshots written since the start.
    pub snapshots_written: u64,
}
