//! A partition's replica: what its leader and its followers decide (M3, M4, M5).

mod follower;
mod leader;
mod selector;
mod throttle;

pub use follower::{Divergence, first_fetch_epoch, truncation_for};
pub use leader::{FetchOutcome, IsrProposal, Leader, LeaderConfig};
pub use selector::{ReadReplica, rack_aware};
pub use throttle::{ReplicationQuota, ThrottledReplicas};
