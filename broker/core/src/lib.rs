//! Decisions only: replicas, metadata, consumer groups, purgatory.

pub mod purgatory;
