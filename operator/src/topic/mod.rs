//! `KafkaTopic`: from its spec to a topic in Kafka.

pub mod controller;
pub mod desired;
pub mod error;
pub mod finalize;
pub mod observe;
pub mod plan;
pub mod reconcile;
pub mod status;
pub mod validate;
