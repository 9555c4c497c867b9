//! The tokio shell and the broker's binary.
//!
//! `config` reads server.properties; `loops` runs the node's state machines on threads of their own; `net` (sockets)
//! and the disk pool (fsyncs) carry out what they decide; `http` and `metrics` tell how it goes. Nothing here decides
//! anything about replication, metadata or groups.

pub mod cli;
pub mod config;
pub mod health;
pub mod hostname;
pub mod http;
pub mod identity;
pub mod logging;
pub mod loops;
pub mod metrics;
pub mod net;
pub mod node_config;
pub mod print_config;
pub mod process;
pub mod recover_quorum;
pub mod recovery;
