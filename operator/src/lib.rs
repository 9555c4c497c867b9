//! The operator: reconciles KafkaCluster and KafkaTopic.
//!
//! `cluster` and `topic` have the same shape: controller (watches), reconcile (observe, validate,
//! plan, apply, status), where validate, plan, desired and status are pure. `apply` writes, `kafka`
//! asks the brokers.

pub mod apply;
pub mod backoff;
pub mod cluster;
pub mod conditions;
pub mod context;
pub mod drift;
pub mod events;
pub mod failpoint;
pub mod http;
pub mod kafka;
pub mod leader;
pub mod metrics;
pub mod names;
pub mod nodes;
pub mod quantity;
pub mod refusal;
pub mod topic;
