//! The controllers' quorum: the Raft library behind a narrow interface, with its storage on odradek-log.
//!
//! A [`Quorum`] does no IO but on the [`odradek_log::Disk`] that it is opened with, reads no clock and draws nothing
//! at random: the caller counts its ticks, carries its messages and seeds its election time-outs. The same calls with
//! the same seed give the same answers, which a simulation relies on.
//!
//! Who votes: a voter is a node id and the id of its disk. The voters that the configuration names count until the
//! quorum has *formed*, with the first proposal that is committed; until then a leader needs the vote of every one of
//! them, so a disk that is replaced in that time cannot help to form a second quorum. Afterwards the members are what
//! committed entries say. A controller with an empty disk gets the log as an observer (a learner of the library, under
//! an id of its own) and is made a voter once it has caught up. One change at a time.
//!
//! What was looked for in raft 0.7.0, and what was found:
//!
//! - *Randomness.* `reset_randomized_election_timeout` draws from the thread's generator at each change of term or
//!   role. Nothing else does. The draw is replaced after each call (`election`).
//! - *Hash maps.* Progress, votes and voters are in hash maps and sets with the `fx` hasher, which has no random
//!   state: iteration order follows from what was inserted. `std`'s own hasher only serves the library's tests.
//!   Messages are sorted by receiver all the same (stably), so that nothing rests on it.
//! - *Time.* None but ticks.
//! - *Panics.* The library panics where a peer's message or the storage contradicts what it was told before: a leader
//!   that knows of acknowledged entries which the disk lost, an append that changes a committed entry, a read error
//!   for committed entries. `step` looks for the first two and gives an error that says what to do; the third cannot
//!   happen, since entries stay in memory until they are applied.
//! - *Snapshots.* A snapshot message that gets lost leaves its receiver unserved for good unless the caller reports
//!   back. Here every one is reported as arrived once it was handed over; a receiver that did not get it refuses the
//!   next append, and gets another.

mod config;
mod disk_log;
mod election;
mod entry;
mod error;
mod framed;
mod member;
mod quorum;
mod ready;
mod snapshot_file;
mod state_file;
mod status;
mod storage;
mod terms;

pub use config::QuorumConfig;
pub use error::{ChangeError, ProposeError, QuorumError, StepError};
pub use member::{Endpoint, Member};
pub use quorum::{Quorum, stored_directory_id};
pub use ready::{Entry, Ready, Snapshot};
pub use status::{QuorumStatus, Role, VoterStatus};
pub use storage::Recovered;
