//! The metadata log is one log (Raft, state machine safety; KIP-500): brokers and controllers at the same offset have the same image.

use std::collections::BTreeMap;

use odradek_core::metadata::image::Image;

use crate::network::Place;
use crate::world::World;

/// Compares all images of the same offset.
#[must_use]
pub fn metadata_agrees(world: &World) -> Vec<String> {
    let mut broken = Vec::new();
    let mut by_offset: BTreeMap<u64, (Place, &Image)> = BTreeMap::new();
    for process in world.processes.values() {
        let broker = process.broker.as_ref().map(|broker| broker.image());
        let controller = process.controller.as_ref().map(|controller| controller.image());
        for image in broker.into_iter().chain(controller) {
            let (place, first) = *by_offset.entry(image.offset()).or_insert((process.place, image));
            if first != image {
                broken.push(format!(
                    "processes {place} and {} have different metadata at offset {}",
                    process.place,
                    image.offset()
                ));
            }
        }
    }
    broken
}
