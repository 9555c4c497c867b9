//! Decisions only: replicas, metadata, consumer groups, purgatory.
