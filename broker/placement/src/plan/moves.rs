//! What is planned.

use crate::Range;

use super::{InFlight, Why};

/// What is planned.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// The partitions that change, those first that must. None is among `cancels`; one that is being reassigned is
    /// here when its target is replaced by another.
    pub moves: Vec<Move>,
    /// The reassignments under way that are to be cancelled: what was before is what is wanted.
    pub cancels: Vec<Cancel>,
    /// The partitions that should move and cannot, since none of the brokers that hold them is up.
    pub stuck: Vec<Stuck>,
    /// The reassignments under way that still fit.
    pub in_flight: InFlight,
    /// How the cluster lies now; reassignments under way count as done.
    pub before: Balance,
    /// How it lies when all is done.
    pub after: Balance,
    /// What `moves` copy.
    pub copies: Copies,
    /// The least that any plan to this end copies: what must leave, and what brokers lack of their share beyond that,
    /// whose bytes are taken at the mean size of a replica: with sizes that differ they are no exact bound. Which racks a
    /// partition may be on can force more.
    pub least: Copies,
}

impl Plan {
    /// Whether there is nothing to do, and nothing under way.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.moves.is_empty() && self.cancels.is_empty() && self.in_flight.partitions == 0
    }
}

/// One partition that changes: from these replicas to those, in one reassignment. All of `from` stay until all of `to`
/// are in sync, so there are never fewer replicas nor racks on the way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Move {
    /// The topic, as [`super::Partitions::topic`] numbered it.
    pub topic: u32,
    /// The partition.
    pub partition: i32,
    /// Its replicas now, the preferred leader first.
    pub from: Vec<i32>,
    /// Its replicas then, the preferred leader first.
    pub to: Vec<i32>,
    /// The bytes that are copied: the partition's size for each replica that is new.
    pub bytes: u64,
    /// Why.
    pub why: Why,
    /// Whether a reassignment of it is under way, to something that is not wanted any more.
    pub replaces: bool,
}

impl Move {
    /// The brokers that get a copy.
    pub fn adding(&self) -> impl Iterator<Item = i32> + '_ {
        self.to.iter().copied().filter(|id| !self.from.contains(id))
    }

    /// The brokers that drop theirs.
    pub fn removing(&self) -> impl Iterator<Item = i32> + '_ {
        self.from.iter().copied().filter(|id| !self.to.contains(id))
    }
}

/// A reassignment to cancel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cancel {
    /// The topic, as [`super::Partitions::topic`] numbered it.
    pub topic: u32,
    /// The partition.
    pub partition: i32,
    /// Why.
    pub why: Why,
}

/// A partition that should move and cannot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stuck {
    /// The topic, as [`super::Partitions::topic`] numbered it.
    pub topic: u32,
    /// The partition.
    pub partition: i32,
    /// Its replicas: none of these brokers is up.
    pub replicas: Vec<i32>,
}

/// Replicas that are copied.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Copies {
    /// How many.
    pub replicas: usize,
    /// Their bytes.
    pub bytes: u64,
}

/// How replicas lie on the brokers. The ranges are over those that are up and stay.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Balance {
    /// What each broker carries, by id: also those that leave or that only the assignment names.
    pub brokers: Vec<Carried>,
    /// Replicas of a broker.
    pub replicas: Range,
    /// Partitions that a broker is the preferred leader of.
    pub leaders: Range,
    /// Bytes of a broker.
    pub bytes: Range,
    /// Partitions on fewer racks than they could be on, given their replicas and the racks with brokers that are up and stay.
    pub crowded: usize,
    /// Replicas on brokers that leave or are gone.
    pub misplaced: usize,
}

/// What a broker carries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Carried {
    /// The broker.
    pub id: i32,
    /// Replicas, preferred leaders included.
    pub replicas: usize,
    /// Partitions that it is the preferred leader of.
    pub leaders: usize,
    /// Bytes.
    pub bytes: u64,
}
