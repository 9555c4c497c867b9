//! What a consumer saw never changes: it is in the leaders' logs at the end, where it was seen (KIP-101: consumers see
//! only what is below the high watermark, and that survives a change of leader).

use super::Led;
use crate::client::Ledger;
use crate::world::World;

/// Holds what was consumed against the leaders' logs.
#[must_use]
pub fn stable_reads(world: &World, ledger: &Ledger, led: &Led) -> Vec<String> {
    let mut broken = Vec::new();
    for ((at, offset), value) in &ledger.consumed {
        let found = led.get(at).and_then(|values| values.get(offset));
        if found != Some(value) && !world.promise.is_excused(&world.plan, *at) {
            broken.push(format!(
                "{value} was consumed from offset {offset} of partition {at:?}; its leader has {found:?} there"
            ));
        }
        match ledger.sent.get(value) {
            Some(sent_to) if sent_to == at => {}
            sent_to => broken.push(format!("{value} was consumed from partition {at:?}, sent to {sent_to:?}")),
        }
    }
    broken
}
