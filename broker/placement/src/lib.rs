//! Where replicas live: pure, and without dependencies.
//!
//! [`place`] spreads the replicas of new partitions over brokers: on distinct brokers always, on
//! distinct racks as far as they go, then evenly, and with leaders (the first replica of each
//! list) spread evenly too, and so that each broker shares its partitions with many others. Racks
//! come before evenness: in a rack with fewer brokers each of them carries more. The same input
//! gives the same answer.
//!
//! [`plan::plan`] says which replicas move when brokers come, leave, or carry unequal loads.
//!
//! [`spread`] says how an assignment that is there lies on brokers and racks, as numbers.

mod balance;
mod error;
mod leaders;
mod pairs;
pub mod plan;
mod replicas;
mod spread;

pub use error::PlacementError;
pub use spread::{Range, Spread, spread};

/// How much a broker carries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Load {
    /// Replicas that it holds, leaders included.
    pub replicas: usize,
    /// Partitions whose preferred leader it is.
    pub leaders: usize,
}

/// A broker that replicas can be placed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BrokerInfo<'a> {
    /// Its id.
    pub id: i32,
    /// Its rack; brokers without one count as being in one rack together.
    pub rack: Option<&'a str>,
    /// Whether it is alive and not about to stop. Others get replicas only when there are not
    /// enough usable ones, and never the leadership.
    pub usable: bool,
    /// What it carries of the topic that gets partitions: zero for a new topic.
    pub topic: Load,
    /// What it carries in all. It decides only between brokers that carry the same of the topic.
    pub total: Load,
}

impl BrokerInfo<'_> {
    /// A usable broker that carries nothing.
    #[must_use]
    pub fn new(id: i32, rack: Option<&str>) -> BrokerInfo<'_> {
        BrokerInfo { id, rack, usable: true, topic: Load::default(), total: Load::default() }
    }
}

/// The replicas of `partitions` new partitions of one topic, the preferred leader first.
///
/// `start` turns the order in which equal brokers are taken, so that topics of one partition do
/// not all begin at the same broker. Any number will do; the same one gives the same answer.
///
/// # Errors
///
/// When the replication factor is 0 or above the number of brokers, when no broker is usable,
/// or when two brokers share an id.
pub fn place(
    brokers: &[BrokerInfo<'_>],
    partitions: usize,
    replication_factor: usize,
    start: u64,
) -> Result<Vec<Vec<i32>>, PlacementError> {
    let candidates = replicas::Candidates::new(brokers, replication_factor, start)?;
    let mut sets = replicas::choose(&candidates, partitions, replication_factor);
    balance::even_out(&candidates, &mut sets);
    pairs::spread_out(&candidates, &mut sets);
    // On other racks than before, some may have better places.
    balance::even_out(&candidates, &mut sets);
    leaders::order(&candidates, &mut sets);
    Ok(sets.into_iter().map(|set| set.into_iter().map(|at| candidates.brokers[at].id).collect()).collect())
}
