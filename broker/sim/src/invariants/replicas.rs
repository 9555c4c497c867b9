//! The replicas of the topics under load, as they are on the brokers' disks.

use std::collections::BTreeMap;

use odradek_node::broker::{BrokerNode, HostedPartition};
use odradek_wire::batch::{RecordBatches, records};

use crate::client::{Tp, Value};
use crate::network::Place;
use crate::world::World;

/// The values of leaders' logs, by partition and offset.
pub type Led = BTreeMap<Tp, BTreeMap<i64, Value>>;

/// A replica of a topic under load.
pub struct Replica<'a> {
    /// Whose.
    pub place: Place,
    /// As it is now.
    pub hosted: HostedPartition,
    /// The broker.
    pub broker: &'a BrokerNode,
}

/// The replicas of the topics under load on brokers that run, by partition.
#[must_use]
pub fn replicas(world: &World) -> BTreeMap<Tp, Vec<Replica<'_>>> {
    let mut all: BTreeMap<Tp, Vec<Replica<'_>>> = BTreeMap::new();
    for process in world.processes.values() {
        let Some(broker) = &process.broker else { continue };
        for hosted in broker.hosted() {
            let Some(index) = world.plan.topic_index(&hosted.topic) else { continue };
            let replica = Replica { place: process.place, hosted, broker };
            all.entry((index, replica.hosted.key.partition)).or_default().push(replica);
        }
    }
    all
}

/// The values of a replica's log below `upper`, by offset.
///
/// # Errors
/// When its log cannot be read, or holds what nobody sent.
pub fn values(replica: &Replica<'_>, upper: i64) -> Result<BTreeMap<i64, Value>, String> {
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
                    let value = Value::parse(record.value.as_deref().unwrap_or_default())?;
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

/// The leaders' values; without partitions that nobody leads.
///
/// # Errors
/// When a log cannot be read.
pub fn led_values(world: &World) -> Result<Led, String> {
    let mut led = BTreeMap::new();
    for (at, replicas) in replicas(world) {
        let leader = replicas.into_iter().filter(|replica| replica.hosted.leads).max_by_key(|r| r.hosted.leader_epoch);
        if let Some(leader) = leader {
            let end = leader.hosted.log_end;
            let values = values(&leader, end).map_err(|reason| format!("partition {at:?}: {reason}"))?;
            led.insert(at, values);
        }
    }
    Ok(led)
}
