//! Whole clusters in one thread: the server's own loops (odradek-node) over virtual time, a simulated network and
//! disks in memory, with faults drawn from one seed.
//!
//! The same seed gives the same run, to the last byte of every log; a failed run is repeated with
//! `cargo run -p odradek-sim -- --seed N`. Invariants are looked at while the run goes on and at its end, one file
//! each in [`invariants`]; what they may ask for is in [`promise`]. How often each fault and each rare path occurred is
//! counted ([`counts`], and the marks of odradek-probe in the broker's own code): over 500 seeds or more a zero is a
//! failure. `--mutation all` breaks one rule of the broker after the other, and each must be seen within 500 seeds.
//!
//! A seed ([`plan`]) has 3 to 7 brokers and 1 to 5 controllers, in processes of their own or shared, several topics,
//! producers as Kafka's are (idempotent, five batches on their way), others with acks 1 or 0, consumers that commit,
//! and an administrator. In most seeds with several controllers another administrator changes the voters: down to one
//! and back, the active controller too, with the disks that they had or with empty ones.
//!
//! Simulated are: the order and the delay of everything; requests that are lost, late or cut off with their connection
//! (those of one connection keep their order); consensus messages that are lost, late, doubled or out of order; links
//! that are cut one way or both; kills, which keep what was written; power losses, which keep what was synced and any
//! part of the rest, down to sectors of 512 bytes; disks that fail, are full, slow or replaced by empty ones; processes
//! that stand still; wall clocks that jump (the monotonic one never does).
//!
//! Not simulated are: threads (a turn of a loop is one step, and a blocking job is done at once or, as a sync, some time
//! later), sockets and the frames on them (requests are handed over decoded; only fetch answers are encoded and decoded
//! again), the kernel's own limits, and real disks with their own lies. `make chaos` is for those.

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
