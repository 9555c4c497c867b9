//! `KafkaTopic`: from its spec to a topic in Kafka.

pub mod controller;
pub mod desired;
pub mod drift;
pub mod error;
pub mod export;
pub mod finalize;
#[cfg(test)]
pub(crate) mod fixtures;
pub mod index;
pub mod observe;
pub mod plan;
pub mod reconcile;
pub mod replicas;
pub mod status;
pub mod validate;
