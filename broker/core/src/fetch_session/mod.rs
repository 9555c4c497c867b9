//! Fetch sessions (KIP-227, M10): a fetcher names its partitions once, and from then on only what changed.
//!
//! [`SessionCache`] is the leader's side, for followers and consumers alike; [`FetchSessionHandler`] is the follower's.
//! Neither knows what a partition is: `K` names one as the fetcher does, `W` as the broker does.

mod cache;
mod handler;
mod session;
#[cfg(test)]
mod tests;

pub use cache::{EVICTION_MS, Opened, SessionCache, SessionError, SessionRequest};
pub use handler::{Built, FetchSessionHandler};
pub use session::{Asked, Next, Told};

/// Asks for no session, or names none.
pub const NO_SESSION: i32 = 0;
/// Of a full fetch that asks for a session.
pub const INITIAL_EPOCH: i32 = 0;
/// Of a full fetch that closes its session, if it has one, and asks for none.
pub const FINAL_EPOCH: i32 = -1;

/// The epoch of the request that follows one with `epoch`.
#[must_use]
pub fn next_epoch(epoch: i32) -> i32 {
    match epoch {
        FINAL_EPOCH => FINAL_EPOCH,
        i32::MAX => 1,
        epoch => epoch + 1,
    }
}
