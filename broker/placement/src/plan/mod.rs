//! Which replicas move, so that the brokers that are there hold what is there.
//!
//! [`plan`] takes the assignment as it is and gives the moves that make of it one that
//!
//! - holds nothing on brokers that leave or are gone,
//! - has the replicas of each partition on distinct racks as far as they go,
//! - is even in replicas, rack by rack, and then in leaders,
//!
//! in this order, with as few copies as it finds. It knows no clock and remembers nothing: planning again from wherever
//! the moves got to goes on with what is left. The same input gives the same plan.
//!
//! What is not there: weights by traffic, and moves between directories of one broker.

mod batch;
mod bucket;
mod error;
mod evacuate;
mod even;
mod finish;
mod leaders;
mod moves;
mod partitions;
mod racks;
mod share;
mod start;
mod state;
mod why;

pub use batch::{BatchLimits, InFlight, next_batch};
pub use error::PlanError;
pub use moves::{Balance, Cancel, Carried, Copies, Move, Plan, Stuck};
pub use partitions::Partitions;
pub use why::Why;

use state::State;

/// A broker as the planner sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Broker<'a> {
    /// Its id.
    pub id: i32,
    /// Its rack; brokers without one count as being in one rack together.
    pub rack: Option<&'a str>,
    /// Whether it is up. One that is not keeps what it has, since it will come back, and gets nothing.
    pub alive: bool,
    /// Whether it must hold nothing in the end.
    pub leaving: bool,
    /// Its disk; without it, room is not looked at.
    pub disk: Option<Disk>,
}

impl Broker<'_> {
    /// A broker that is up, stays, and whose disk is not known.
    #[must_use]
    pub fn new(id: i32, rack: Option<&str>) -> Broker<'_> {
        Broker { id, rack, alive: true, leaving: false, disk: None }
    }
}

/// The disk of a broker: all of its log directories together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Disk {
    /// Its size, in bytes.
    pub size: u64,
    /// What is used of it, in bytes.
    pub used: u64,
}

/// What is planned. Whatever the mode, the partitions that it is about leave the brokers that leave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Everything: racks, replicas and leaders.
    Full,
    /// These brokers get their share; nothing is moved between the others.
    AddBrokers(Vec<i32>),
    /// These brokers leave, as those that are marked as leaving; nothing else is moved.
    RemoveBrokers(Vec<i32>),
    /// The replication factor of these topics, and their racks; other topics are left alone.
    Topics(Vec<TopicGoal>),
}

/// What a topic shall have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TopicGoal {
    /// The topic, as [`Partitions::topic`] numbered it.
    pub topic: u32,
    /// How many replicas each of its partitions shall have; as many as it has, when not given.
    pub replication_factor: Option<usize>,
}

/// How to plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// What is planned.
    pub mode: Mode,
    /// Bytes that stay free on each disk.
    pub keep_free: u64,
}

impl Options {
    /// Plans for this, and fills disks to the end.
    #[must_use]
    pub fn new(mode: Mode) -> Options {
        Options { mode, keep_free: 0 }
    }
}

/// Plans the moves.
///
/// Reassignments under way are taken as done where they still fit, and cancelled or replaced where they do not. Copies
/// must fit beside what is on a disk now: room that other moves will make is not counted on, so that the moves can run
/// in any order.
///
/// # Errors
///
/// When a partition needs more brokers than there are, when what must move (off brokers that leave, or for a larger
/// replication factor) has no disk with room, or when the input contradicts itself. Then nothing should be started.
/// A disk that is too small for what would only even the load gets less, and that is no error.
pub fn plan(brokers: &[Broker<'_>], partitions: &Partitions, options: &Options) -> Result<Plan, PlanError> {
    let mut state = State::new(brokers, partitions, options)?;
    let before = finish::balance(&state);
    let least = share::least(&state);
    if let Err(error) = evacuate::evacuate(&mut state) {
        if !matches!(error, PlanError::NoRoom { .. }) {
            return Err(error);
        }
        // Even load may have filled the wrong disk: once more, where most room is.
        state = State::new(brokers, partitions, options)?;
        state.roomiest_first = true;
        evacuate::evacuate(&mut state)?;
    }
    racks::repair(&mut state);
    even::even_out(&mut state);
    leaders::even_out(&mut state);
    Ok(finish::finish(&state, before, least))
}
