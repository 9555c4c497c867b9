//! Whole clusters in one thread: the server's own loops (odradek-node) over virtual time, a simulated network and
//! disks in memory, with faults drawn from one seed.
//!
//! The same seed gives the same run, to the last byte of every log; a failed run is repeated with
//! `cargo run -p odradek-sim -- --seed N`. Invariants are looked at while the run goes on and at its end, one file
//! each in [`invariants`].

pub mod client;
mod commands;
pub mod counts;
pub mod faults;
pub mod invariants;
pub mod network;
pub mod plan;
pub mod process;
pub mod promise;
pub mod rng;
pub mod run;
pub mod trace;
pub mod world;
