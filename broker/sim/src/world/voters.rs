//! Who votes among the controllers, seen from outside: what faults and administrators have to know before they take
//! something away (docs/quorum.md).

use std::collections::BTreeMap;

use super::World;
use crate::network::Place;
use crate::plan::AutoJoin;

/// The voters, each with the id of its metadata volume.
pub type Voters = BTreeMap<Place, Vec<u8>>;

impl World {
    /// The voters as the active controller has them committed; `None` without one, and before the quorum has formed.
    #[must_use]
    pub fn voters(&self) -> Option<Voters> {
        let active = self.processes[&self.active_controller()?].controller.as_ref()?;
        let (index, members) = active.members();
        let voters = members.iter().filter(|member| !member.observer);
        let voters = voters.filter_map(|it| Some((Place::try_from(it.id).ok()?, it.directory_id.to_vec())));
        (index > 0).then(|| voters.collect())
    }

    /// The voters, when nothing is under way that could make them others: no request that somebody may yet carry out,
    /// no entry that may yet be committed. `None` while that is not sure.
    ///
    /// A majority of them is in the active controller's term: nobody was elected after it. It has committed in its
    /// term, as it is active, so no entry of an older term that it does not have will ever count.
    #[must_use]
    pub fn settled_voters(&self) -> Option<Voters> {
        let active = self.processes[&self.active_controller()?].controller.as_ref()?;
        if self.network.may_change_voters() || active.is_changing_members() {
            return None;
        }
        let voters = self.voters()?;
        let term = active.vote().0;
        let with = voters.iter().filter(|(place, directory)| {
            let controller = self.processes.get(place).and_then(|process| process.controller.as_ref());
            controller.is_some_and(|it| it.directory_id() == **directory && it.vote().0 == term)
        });
        (2 * with.count() > voters.len()).then_some(voters)
    }

    /// Whether the active controller counts a former disk of that controller among the members.
    #[must_use]
    pub fn is_remembered(&self, place: Place) -> bool {
        let active = self.active_controller().and_then(|active| self.processes[&active].controller.as_ref());
        active.is_some_and(|active| {
            let of_it = active.members().1.iter().filter(|member| Place::try_from(member.id) == Ok(place));
            of_it.into_iter().any(|member| !self.has_its_disk(place, &member.directory_id))
        })
    }

    /// Whether a voter's disk is there still.
    #[must_use]
    pub fn has_its_disk(&self, place: Place, directory: &[u8]) -> bool {
        self.processes.get(&place).is_some_and(|process| process.metadata_dir() == directory)
    }

    /// Whether the metadata volume of a controller may be taken away while the voters are those: who is left and knows
    /// that the quorum has formed (before its first commit an empty disk is as good as any: KIP-853) is a majority, also
    /// when the one that goes is made a voter just now.
    #[must_use]
    pub fn may_empty(&self, voters: &Voters, place: Place) -> bool {
        let (mut many, mut left) = (voters.len(), 0);
        for (voter, directory) in voters {
            let controller = self.processes.get(voter).and_then(|process| process.controller.as_ref());
            let formed = controller.is_some_and(|it| it.directory_id() == *directory && it.members().0 > 0);
            left += usize::from(*voter != place && formed);
        }
        if !voters.contains_key(&place) && self.plan.auto_join != AutoJoin::Never {
            many += 1;
        }
        2 * left > many
    }

    /// Whether a voter may be taken out while the voters are those: who is left, with disks, is a majority of the rest.
    #[must_use]
    pub fn may_remove(&self, voters: &Voters, place: Place) -> bool {
        let rest = voters.iter().filter(|(voter, _)| **voter != place);
        let left = rest.clone().filter(|(voter, directory)| self.has_its_disk(**voter, directory)).count();
        2 * left > rest.count()
    }
}
