//! The tokio shell and the broker's binary.

pub mod config;
