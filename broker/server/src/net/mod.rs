//! Sockets: from bytes to events of a loop, and back.
//!
//! A [`Listeners`] accepts. Each connection is one task: it reads frames (a large one only while the [`Budget`] has
//! room for it), decodes them, checks the batches of produce requests, and hands the requests to a loop; while the
//! loop's queue is full, the socket is not read. Answers come back through [`Replies`] by request id and leave in the
//! order that the [`Service`] asks for; records leave by sendfile where that pays. [`Peers`] calls other brokers and
//! controllers.
//!
//! [`BrokerService`] and [`ControllerService`] know what the loops take and give; everything else here is the same for
//! both, and is tested with a service that echoes.

mod accept;
mod activity;
mod admin;
mod broker;
mod budget;
mod codes;
mod connection;
mod controller;
mod outgoing;
mod peers;
mod produce;
mod read;
mod replies;
mod send;
mod service;
mod socket;
mod write;

pub use accept::{Bound, Listeners, ListenersConfig};
pub use broker::{BrokerOut, BrokerService};
pub use budget::Budget;
pub use controller::{ControllerOut, ControllerService};
pub use peers::{Peers, PeersConfig, bootstrap_id};
pub use replies::Replies;
pub use service::{ConnectionInfo, Incoming, Outgoing, Part, Service};

#[cfg(test)]
mod tests;
