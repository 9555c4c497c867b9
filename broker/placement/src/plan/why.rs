//! Why a partition moves.

use std::fmt;
use std::sync::Arc;

/// Why a partition moves. When there are several reasons, the first of this list that holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Why {
    /// A broker that holds it leaves.
    Leaves {
        /// The broker.
        broker: i32,
    },
    /// A broker that should hold it is not part of the cluster.
    Gone {
        /// The broker.
        broker: i32,
    },
    /// It shall have another number of replicas.
    ReplicationFactor {
        /// How many it has.
        from: usize,
        /// How many it shall have.
        to: usize,
    },
    /// Two replicas are in one rack, and another rack has fewer.
    SharedRack {
        /// The rack; `None` for the brokers without one.
        rack: Option<Arc<str>>,
        /// How many replicas are in it.
        replicas: usize,
    },
    /// A broker has less than its share.
    Share {
        /// The broker that gives a replica.
        from: i32,
        /// How many it has before anything moves.
        has: usize,
        /// The broker that gets it.
        to: i32,
        /// How many it has before anything moves.
        had: usize,
        /// How many it has in the end.
        share: usize,
    },
    /// Only the order changes, which copies nothing: another replica becomes the preferred leader.
    Leader {
        /// The broker that hands it over.
        from: i32,
        /// How many partitions it is the preferred leader of before anything moves.
        leads: usize,
        /// The broker that gets it.
        to: i32,
        /// How many that is the preferred leader of before anything moves.
        led: usize,
    },
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Why::Leaves { broker } => write!(f, "broker {broker} leaves"),
            Why::Gone { broker } => write!(f, "broker {broker} is not part of the cluster"),
            Why::ReplicationFactor { from, to } => write!(f, "it has {from} replicas and shall have {to}"),
            Why::SharedRack { rack: Some(rack), replicas } => write!(f, "{replicas} replicas are in rack {rack}"),
            Why::SharedRack { rack: None, replicas } => write!(f, "{replicas} replicas are on brokers without a rack"),
            Why::Share { from, has, to, had, share } => {
                write!(f, "broker {to} has {had} replicas and its share is {share}; broker {from} has {has}")
            }
            Why::Leader { from, leads, to, led } => write!(
                f,
                "broker {from} is the preferred leader of {leads} partitions and broker {to} of {led}; nothing is copied"
            ),
        }
    }
}
