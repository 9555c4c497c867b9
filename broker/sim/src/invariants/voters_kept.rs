//! What an administrator was told about the voters stays so (Raft: a committed entry is never lost), as far as
//! controllers do not join by themselves.

use crate::client::{Expected, Ledger};
use crate::plan::AutoJoin;
use crate::world::World;

/// Holds the ledger against the active controller's voters.
#[must_use]
pub fn voters_kept(world: &World, ledger: &Ledger) -> Vec<String> {
    let Some(voters) = world.voters() else { return vec!["no controller knows the voters".to_owned()] };
    let mut broken = Vec::new();
    for (place, (directory, expected)) in &ledger.voters {
        let votes = voters.get(place) == Some(directory);
        let Expected::Known(expected) = expected else { continue };
        // A disk that was lost is taken out by itself.
        let excused = match expected {
            true => !world.has_its_disk(*place, directory),
            false => world.plan.auto_join == AutoJoin::Always,
        };
        if *expected != votes && !excused {
            broken.push(format!("controller {place}: it must be a voter: {expected}; it is one: {votes}"));
        }
    }
    broken
}
