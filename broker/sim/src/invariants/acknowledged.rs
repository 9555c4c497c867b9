//! What was acknowledged with acks=all is never lost (M7; design: what is promised).

use std::collections::BTreeMap;

use crate::client::Ledger;

/// Holds each acknowledged value against the leaders' logs.
#[must_use]
pub fn acknowledged(ledger: &Ledger, led: &BTreeMap<i32, BTreeMap<i64, String>>) -> Vec<String> {
    let mut broken = Vec::new();
    for ((partition, offset), value) in &ledger.acknowledged {
        let found = led.get(partition).and_then(|values| values.get(offset));
        if found != Some(value) {
            broken.push(format!(
                "{value} was acknowledged at offset {offset} of partition {partition}; its leader has {found:?} there"
            ));
        }
    }
    broken
}
