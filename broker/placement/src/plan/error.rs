//! Why there is no plan.

use std::fmt;

/// Why there is no plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PlanError {
    /// Two brokers share an id.
    DuplicateBroker {
        /// The id.
        id: i32,
    },
    /// The mode names a broker that is not there.
    UnknownBroker {
        /// The id.
        id: i32,
    },
    /// A topic shall have no replicas.
    ZeroReplicationFactor {
        /// The topic.
        topic: String,
    },
    /// A partition without replicas, or with a broker twice among them or among the target of its reassignment.
    BadReplicas {
        /// The topic.
        topic: String,
        /// The partition.
        partition: i32,
        /// The replicas.
        replicas: Vec<i32>,
    },
    /// A partition needs more brokers than can hold it.
    TooFewBrokers {
        /// The topic.
        topic: String,
        /// The partition.
        partition: i32,
        /// How many replicas it shall have.
        replicas: usize,
        /// How many brokers are up and stay.
        brokers: usize,
    },
    /// No disk has room for a replica that must move.
    NoRoom {
        /// The topic.
        topic: String,
        /// The partition.
        partition: i32,
        /// The bytes of the replica.
        bytes: u64,
        /// The broker that has the most room of those that could hold it.
        broker: i32,
        /// The bytes that are left there, after what is planned already and what stays free.
        free: u64,
        /// The bytes that must move in all.
        needed: u64,
        /// The bytes that are free in all on brokers that are up and stay, without what stays free.
        free_in_all: u64,
    },
}

impl fmt::Display for PlanError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PlanError::DuplicateBroker { id } => write!(f, "Broker {id} is listed more than once."),
            PlanError::UnknownBroker { id } => write!(f, "Broker {id} is not part of the cluster."),
            PlanError::ZeroReplicationFactor { topic } => {
                write!(f, "Invalid replication factor 0 for topic {topic}: the replication factor must be positive.")
            }
            PlanError::BadReplicas { topic, partition, replicas } => write!(
                f,
                "Partition {topic}-{partition} has the replicas {replicas:?}: there must be at least one, and each \
                 broker once."
            ),
            PlanError::TooFewBrokers { topic, partition, replicas, brokers } => write!(
                f,
                "Partition {topic}-{partition} needs {replicas} brokers for its replicas, and only {brokers} are up \
                 and stay. Keep more brokers, or lower the replication factor of {topic}."
            ),
            PlanError::NoRoom { topic, partition, bytes, broker, free, needed, free_in_all } => write!(
                f,
                "No disk has room for partition {topic}-{partition} of {bytes} bytes: the most is free on broker \
                 {broker}, {free} bytes. {needed} bytes must move in all, and {free_in_all} are free. Enlarge the \
                 disks, keep more brokers, or shorten the retention."
            ),
        }
    }
}

impl std::error::Error for PlanError {}
