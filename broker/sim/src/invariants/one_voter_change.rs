//! The voters change one at a time (KIP-853), and everybody has the same at the same entry: so the majorities of two
//! sets that follow each other overlap, and no two leaders can be elected side by side.

use std::collections::{BTreeMap, BTreeSet};

use odradek_node::controller::Member;

use crate::network::Place;

type Voters = BTreeSet<(u64, Vec<u8>)>;

/// Remembers the voters by the entry that named them.
#[derive(Debug, Clone, Default)]
pub struct OneVoterChange {
    by_entry: BTreeMap<u64, (Place, Voters)>,
    latest: BTreeMap<Place, u64>,
}

impl OneVoterChange {
    /// A controller has these members by that entry.
    ///
    /// # Errors
    /// When another one had other voters by it, or more than one voter came or went since the entry before.
    pub fn look(&mut self, place: Place, (entry, members): (u64, &[Member])) -> Result<(), String> {
        if self.latest.insert(place, entry) == Some(entry) || entry == 0 {
            return Ok(());
        }
        let voters = members.iter().filter(|member| !member.observer);
        let voters: Voters = voters.map(|member| (member.id, member.directory_id.to_vec())).collect();
        if let Some((first, known)) = self.by_entry.get(&entry) {
            if *known == voters {
                return Ok(());
            }
            return Err(format!("controllers {first} and {place} have other voters by entry {entry}"));
        }
        let before = self.by_entry.range(..entry).next_back();
        let after = self.by_entry.range(entry..).next();
        for (neighbour, (_, known)) in before.into_iter().chain(after) {
            let changed = known.symmetric_difference(&voters).count();
            if changed > 1 {
                return Err(format!(
                    "controller {place}: {changed} voters came or went between the entries {neighbour} and {entry}"
                ));
            }
        }
        self.by_entry.insert(entry, (place, voters));
        Ok(())
    }
}
