//! An idempotent producer's record is in the log once, and its records are in the order in which it sent them (KIP-98).

use std::collections::BTreeMap;

use super::Led;
use crate::client::{Ledger, Value};
use crate::network::Place;
use crate::world::World;

/// Looks through the leaders' logs.
#[must_use]
pub fn no_duplicates(world: &World, ledger: &Ledger, led: &Led) -> Vec<String> {
    let mut broken = Vec::new();
    for (at, values) in led.iter().filter(|(at, _)| !world.promise.is_excused(&world.plan, **at)) {
        let mut seen: BTreeMap<Value, i64> = BTreeMap::new();
        let mut last: BTreeMap<Place, u32> = BTreeMap::new();
        for (offset, value) in values.iter().filter(|(_, value)| ledger.idempotent.contains(&value.producer)) {
            if let Some(before) = seen.insert(*value, *offset) {
                broken.push(format!("{value} is at offsets {before} and {offset} of partition {at:?}"));
            }
            if let Some(before) = last.insert(value.producer, value.number).filter(|before| *before >= value.number) {
                broken.push(format!("partition {at:?}: {value} comes after the producer's number {before}"));
            }
        }
    }
    broken
}
