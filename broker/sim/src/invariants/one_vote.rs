//! A controller votes once a term, whatever happens to it (Raft, 5.2 and 5.4; KIP-853 for the loss of its disk).

use std::collections::BTreeMap;

use crate::network::Place;

/// Remembers every vote.
#[derive(Debug, Clone, Default)]
pub struct OneVote {
    votes: BTreeMap<(Place, u64), u64>,
    latest: BTreeMap<Place, (u64, Option<u64>)>,
}

impl OneVote {
    /// A controller is in that term, and voted for that one.
    ///
    /// # Errors
    /// When it voted for another in that term.
    pub fn look(&mut self, place: Place, vote: (u64, Option<u64>)) -> Result<(), String> {
        if self.latest.insert(place, vote) == Some(vote) {
            return Ok(());
        }
        let (term, Some(voted)) = vote else { return Ok(()) };
        let first = *self.votes.entry((place, term)).or_insert(voted);
        if first != voted {
            return Err(format!("controller {place} voted for {first} and for {voted} in term {term}"));
        }
        Ok(())
    }
}
