//! What must hold, one invariant a file. Each gives the reasons why it does not.

mod acknowledged;
mod logs_agree;
mod metadata_agrees;
mod no_duplicates;
mod one_leader;
mod recovers;
mod stable_reads;

pub use acknowledged::acknowledged;
pub use logs_agree::logs_agree;
pub use metadata_agrees::metadata_agrees;
pub use no_duplicates::no_duplicates;
pub use one_leader::OneLeader;
pub use recovers::recovers;
pub use stable_reads::stable_reads;

use std::collections::BTreeMap;

use odradek_node::broker::{BrokerNode, HostedPartition};
use odradek_wire::batch::{RecordBatches, records};

use crate::client::TOPIC;
use crate::network::Place;
use crate::world::World;

/// A replica of the topic under load.
pub struct Replica<'a> {
    /// Whose.
    pub place: Place,
    /// As it is now.
    pub hosted: HostedPartition,
    /// The broker.
    pub broker: &'a BrokerNode,
}

/// The replicas of the topic under load on brokers that run, by partition.
#[must_use]
pub fn replicas(world: &World) -> BTreeMap<i32, Vec<Replica<'_>>> {
    let mut all: BTreeMap<i32, Vec<Replica<'_>>> = BTreeMap::new();
    for process in world.processes.values() {
        let Some(broker) = &process.broker else { continue };
        for hosted in broker.hosted().filter(|hosted| hosted.topic == TOPIC) {
            all.entry(hosted.key.partition).or_default().push(Replica { place: process.place, hosted, broker });
        }
    }
    all
}

/// The values of a replica's log below `upper`, by offset.
///
/// # Errors
/// When its log cannot be read.
pub fn values(replica: &Replica<'_>, upper: i64) -> Result<BTreeMap<i64, String>, String> {
    let log = replica.broker.log(replica.hosted.key).ok_or("the log is gone")?;
    let mut values = BTreeMap::new();
    let mut next = log.log_start_offset();
    while next < upper.min(log.log_end_offset()) {
        let read = log.read(next, 1 << 20, upper, true).map_err(|error| error.to_string())?;
        let before = next;
        for range in &read.ranges {
            let bytes = range.read().map_err(|error| error.to_string())?;
            let batches = RecordBatches::parse_trailing(bytes).map_err(|error| error.to_string())?;
            for batch in &batches.batches {
                next = batch.header.last_offset() + 1;
                for record in records(&batches.batch_bytes(batch)).map_err(|error| error.to_string())? {
                    let record = record.map_err(|error| error.to_string())?;
                    let value = String::from_utf8_lossy(record.value.as_deref().unwrap_or_default()).into_owned();
                    values.insert(record.offset, value);
                }
            }
        }
        if next == before {
            return Err(format!("nothing to read at offset {next}, below {upper}"));
        }
    }
    Ok(values)
}

/// The leader's values, by partition; without those that nobody leads.
///
/// # Errors
/// When a log cannot be read.
pub fn led_values(world: &World) -> Result<BTreeMap<i32, BTreeMap<i64, String>>, String> {
    let mut led = BTreeMap::new();
    for (partition, replicas) in replicas(world) {
        let leader = replicas.into_iter().filter(|replica| replica.hosted.leads).max_by_key(|r| r.hosted.leader_epoch);
        if let Some(leader) = leader {
            let end = leader.hosted.log_end;
            led.insert(partition, values(&leader, end)?);
        }
    }
    Ok(led)
}
