//! An idempotent producer's record is in the log once, and its records are in the order in which it sent them (KIP-98).

use std::collections::BTreeMap;

/// Looks through the leaders' logs.
#[must_use]
pub fn no_duplicates(led: &BTreeMap<i32, BTreeMap<i64, String>>) -> Vec<String> {
    let mut broken = Vec::new();
    for (partition, values) in led {
        let mut seen: BTreeMap<&str, i64> = BTreeMap::new();
        let mut last: BTreeMap<&str, u64> = BTreeMap::new();
        for (offset, value) in values {
            if let Some(before) = seen.insert(value, *offset) {
                broken.push(format!("{value} is at offsets {before} and {offset} of partition {partition}"));
            }
            let Some((producer, number)) = value.split_once('-') else { continue };
            let number: u64 = number.parse().unwrap_or(0);
            if let Some(before) = last.insert(producer, number).filter(|before| *before >= number) {
                broken.push(format!("partition {partition}: producer {producer}'s {number} comes after {before}"));
            }
        }
    }
    broken
}
