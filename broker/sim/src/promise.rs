//! What the design promises (ARCHITECTURE.md, "What is promised"), so that faults stay within it and invariants ask for
//! no more.
//!
//! acks=all survives any number of kills, and a power loss (or an empty disk) of fewer than `min.insync.replicas`
//! replicas before they caught up again. So at most one broker is in such a state at a time, and a partition that asks
//! for one in-sync replica only is excused from then on. So is one whose in-sync set consists of nobody else when that
//! broker comes back.
//!
//! The metadata log survives as long as a majority of the voters' disks does, whoever the voters are just then. So at
//! most one controller is without its former disk at a time, and only while the others are a majority without it.

use std::collections::BTreeSet;

use crate::client::Tp;
use crate::network::Place;
use crate::plan::Plan;
use crate::process::State;
use crate::world::World;

/// What was lost, and what that excuses.
#[derive(Debug, Clone, Default)]
pub struct Promise {
    /// A broker that lost what was not synced, or all, and the registration that it had then.
    lost: Option<(Place, i64)>,
    /// A controller that lost its disk and has not everything again.
    lost_controller: Option<Place>,
    excused: BTreeSet<(String, i32)>,
}

/// The topic of the groups' offsets.
const OFFSETS_TOPIC: &str = "__consumer_offsets";

impl Promise {
    /// Whether what was acknowledged in that partition may be lost.
    #[must_use]
    pub fn is_excused(&self, plan: &Plan, at: Tp) -> bool {
        !self.excused.is_empty() && self.excused.contains(&(plan.topics[at.0].name.to_owned(), at.1))
    }

    /// Whether commits of groups may be lost.
    #[must_use]
    pub fn offsets_excused(&self) -> bool {
        self.excused.iter().any(|(topic, _)| topic == OFFSETS_TOPIC)
    }

    /// Notes a finding, unless the partition is excused; true when it is.
    pub fn unless_excused(&self, plan: &Plan, at: Tp, finding: String, findings: &mut Vec<String>) -> bool {
        let excused = self.is_excused(plan, at);
        if !excused {
            findings.push(finding);
        }
        excused
    }

    /// Whether a broker may lose what it did not sync, or its whole disk, without breaking the promise.
    #[must_use]
    pub fn may_lose(&self, world: &World, place: Place) -> bool {
        if self.lost.is_some() {
            return false;
        }
        let image = world.known_image();
        let serves = |id: i32| {
            let up = world.processes.get(&id).is_some_and(|process| process.state == State::Up);
            up && image.broker(id).is_some_and(|broker| broker.is_active())
        };
        image.topics().flat_map(|topic| topic.partitions.values()).all(|partition| {
            let another = partition.isr.iter().any(|id| *id != place && serves(*id));
            !partition.isr.contains(&place) || another
        })
    }

    /// Notes that a broker lost something.
    pub fn lose(&mut self, world_plan: &Plan, image: &odradek_core::metadata::image::Image, place: Place) {
        self.lost = Some((place, image.broker(place).map_or(-1, |broker| broker.epoch)));
        for topic in image.topics() {
            for (partition, state) in &topic.partitions {
                if state.replicas.contains(&place) && world_plan.min_insync(&topic.name, state.replicas.len()) < 2 {
                    self.excused.insert((topic.name.to_string(), *partition));
                }
            }
        }
    }

    /// Whether a controller may lose its disk: no other one lost its own lately, and the voters that have theirs are a
    /// majority without it. Where the voters stay who they are, all others run and know that the quorum has formed.
    #[must_use]
    pub fn may_lose_controller(&self, world: &World, place: Place) -> bool {
        if self.lost_controller.is_some() {
            return false;
        }
        if world.plan.voter_changes > 0 {
            return world.settled_voters().is_some_and(|voters| world.may_empty(&voters, place));
        }
        let voters: Vec<&crate::process::Process> =
            world.processes.values().filter(|process| process.is_controller()).collect();
        let others_run = voters.iter().filter(|process| process.place != place).all(|process| {
            let formed = process.controller.as_ref().is_some_and(|controller| controller.image().offset() > 0);
            process.state == State::Up && formed
        });
        voters.len() >= 3 && others_run
    }

    /// A controller that lost its disk, and counts by its new one, or not at all, only later.
    #[must_use]
    pub fn lost_controller(&self) -> Option<Place> {
        self.lost_controller
    }

    /// Notes that a controller lost its disk.
    pub fn lose_controller(&mut self, place: Place) {
        self.lost_controller = Some(place);
    }

    /// Looks whether who lost something is whole again, and what is excused meanwhile.
    pub fn look(&mut self, world: &World) {
        let image = world.known_image();
        if let Some((place, epoch_before)) = self.lost {
            let registered = image.broker(place).is_some_and(|broker| broker.epoch > epoch_before);
            let mut whole = registered;
            for topic in image.topics() {
                for (partition, state) in topic.partitions.iter().filter(|(_, state)| state.replicas.contains(&place)) {
                    whole &= state.isr.contains(&place);
                    // Nobody else is in sync, so it leads again, with what it has left.
                    if state.isr.iter().all(|id| *id == place) && state.elr.is_empty() {
                        self.excused.insert((topic.name.to_string(), *partition));
                    }
                }
            }
            if whole {
                self.lost = None;
            }
        }
        // It is whole once the others count its new disk as a voter (KIP-853, KIP-1186) or have forgotten the former one,
        // and it has what they have.
        if let Some(process) = self.lost_controller.and_then(|place| world.processes.get(&place)) {
            let place = process.place;
            let counts = match world.voters().and_then(|voters| voters.get(&place).cloned()) {
                Some(directory) => world.has_its_disk(place, &directory),
                None => world.plan.voter_changes > 0 && world.settled_voters().is_some() && !world.is_remembered(place),
            };
            let has_all = process.controller.as_ref().is_some_and(|it| it.image().offset() >= image.offset());
            if counts && has_all {
                self.lost_controller = None;
            }
        }
    }

    /// Whether a broker lost something that it has not again.
    #[must_use]
    pub fn is_strained(&self) -> bool {
        self.lost.is_some()
    }

    /// A partition whose last in-sync replica came back without its data, though all replicas are there: only an
    /// unclean election helps.
    #[must_use]
    pub fn leaderless(&self, world: &World) -> Option<(String, i32)> {
        let image = world.newest_image()?;
        let active = |id: &i32| image.broker(*id).is_some_and(|broker| broker.is_active());
        image.topics().find_map(|topic| {
            let (partition, _) = topic.partitions.iter().find(|(_, state)| {
                let nobody = state.isr.is_empty() && state.elr.is_empty() && state.leader().is_none();
                nobody && state.replicas.iter().all(active)
            })?;
            Some((topic.name.to_string(), *partition))
        })
    }
}
