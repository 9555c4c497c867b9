//! Decisions only: replicas, fetch sessions, metadata, consumer groups, purgatory.
//!
//! Nothing here reads a clock, a socket, a disk or a random number: time and seeds come in as
//! arguments, so that the simulator gets the same trace from the same seed.

pub mod fetch_session;
pub mod group;
pub mod log_dir;
pub mod metadata;
pub mod purgatory;
pub mod replica;
pub mod time;
