//! `KafkaCluster`: from its spec to StatefulSets, services and all that brokers need.

pub mod ask;
pub mod config;
pub mod controller;
pub mod desired;
pub mod error;
pub mod finalize;
pub mod image;
pub mod layout;
pub mod leave;
mod node_zones;
pub mod observe;
mod pins;
pub mod plan;
pub mod pods;
pub mod quorum;
pub mod rack;
pub mod rebalance;
pub mod reconcile;
mod removed;
pub mod safety;
pub mod status;
pub mod take;
pub mod target;
pub mod validate;
mod validated;
pub mod version;
pub mod zones;

#[cfg(test)]
pub(crate) mod dice;
#[cfg(test)]
pub(crate) mod fixtures;
#[cfg(test)]
mod scaled_tests;
