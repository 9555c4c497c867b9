//! What was acknowledged with acks=all is never lost (M7; ARCHITECTURE.md, "What is promised").

use super::Led;
use crate::client::Ledger;
use crate::world::World;

/// Holds each acknowledged value against the leaders' logs.
#[must_use]
pub fn acknowledged(world: &World, ledger: &Ledger, led: &Led) -> Vec<String> {
    let mut broken = Vec::new();
    for ((at, offset), value) in &ledger.acknowledged {
        let found = led.get(at).and_then(|values| values.get(offset));
        if found != Some(value) && !world.promise.is_excused(&world.plan, *at) {
            broken.push(format!(
                "{value} was acknowledged at offset {offset} of partition {at:?}; its leader has {found:?} there"
            ));
        }
    }
    broken
}
