//! Logs agree below the high watermark (M5; KIP-101): two replicas never have different records at an offset that both
//! count as committed.

use super::{replicas, values};
use crate::world::World;

/// Compares each replica with the first of its partition.
#[must_use]
pub fn logs_agree(world: &World) -> Vec<String> {
    let mut broken = Vec::new();
    for (at, replicas) in replicas(world) {
        if world.promise.is_excused(&world.plan, at) {
            continue;
        }
        let mut read = Vec::new();
        for replica in &replicas {
            match values(replica, replica.hosted.high_watermark) {
                Ok(values) => read.push((replica.place, values)),
                Err(_) if world.processes[&replica.place].disk_trouble => {}
                Err(reason) => broken.push(format!("partition {at:?} on broker {}: {reason}", replica.place)),
            }
        }
        let Some((first, rest)) = read.split_first() else { continue };
        for (place, values) in rest {
            for (offset, value) in values {
                if let Some(other) = first.1.get(offset).filter(|other| *other != value) {
                    broken.push(format!(
                        "partition {at:?}, offset {offset}: {other} on broker {}, {value} on broker {place}, both below \
                         the high watermark",
                        first.0
                    ));
                }
            }
        }
    }
    broken
}
