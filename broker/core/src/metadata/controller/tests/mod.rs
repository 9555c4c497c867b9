//! The controller from outside, by its requests; one topic a file.

mod alter_partition;
mod cluster;
mod configs;
mod elections;
mod invariants;
mod offline_replicas;
mod reassignments;
mod registration;
mod restart_safety;
mod scale;
mod sessions;
mod shutdown;
mod simulation;
mod topics;
mod unregister;
mod update_features;

pub(super) use cluster::Cluster;
