//! Why replicas could not be placed.

use std::fmt;

/// Why replicas could not be placed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PlacementError {
    /// A replication factor of 0.
    ZeroReplicationFactor,
    /// More replicas than brokers.
    TooFewBrokers {
        /// The replication factor asked for.
        replication_factor: usize,
        /// The brokers there are, usable or not.
        brokers: usize,
    },
    /// There are brokers, but none of them is usable.
    NoneUsable {
        /// The brokers there are.
        brokers: usize,
    },
    /// Two brokers share an id.
    DuplicateBroker {
        /// The id.
        id: i32,
    },
}

impl fmt::Display for PlacementError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PlacementError::ZeroReplicationFactor => {
                f.write_str("Invalid replication factor 0: the replication factor must be positive.")
            }
            PlacementError::TooFewBrokers { replication_factor, brokers } => write!(
                f,
                "The target replication factor of {replication_factor} cannot be reached because \
                 only {brokers} broker(s) are registered."
            ),
            PlacementError::NoneUsable { brokers } => {
                write!(f, "All brokers ({brokers} registered) are currently fenced or in controlled shutdown.")
            }
            PlacementError::DuplicateBroker { id } => {
                write!(f, "Broker {id} is listed more than once.")
            }
        }
    }
}

impl std::error::Error for PlacementError {}
