//! What a consumer saw never changes: it is in the leaders' logs at the end, where it was seen.

use std::collections::BTreeMap;

use crate::client::Ledger;

/// Holds what was consumed against the leaders' logs.
#[must_use]
pub fn stable_reads(ledger: &Ledger, led: &BTreeMap<i32, BTreeMap<i64, String>>) -> Vec<String> {
    let mut broken = Vec::new();
    for ((partition, offset), value) in &ledger.consumed {
        let found = led.get(partition).and_then(|values| values.get(offset));
        if found != Some(value) {
            broken.push(format!(
                "{value} was consumed from offset {offset} of partition {partition}; its leader has {found:?} there"
            ));
        }
        match ledger.sent.get(value) {
            Some(sent_to) if sent_to == partition => {}
            sent_to => broken.push(format!("{value} was consumed from partition {partition}, sent to {sent_to:?}")),
        }
    }
    broken
}
