//! Logs agree below the high watermark (M5): two replicas never have different records at an offset that both count as
//! committed.

use super::{Replica, replicas, values};
use crate::world::World;

/// Compares each replica with the first of its partition.
#[must_use]
pub fn logs_agree(world: &World) -> Vec<String> {
    let mut broken = Vec::new();
    for (partition, replicas) in replicas(world) {
        let mut read = Vec::new();
        for replica in &replicas {
            match values(replica, replica.hosted.high_watermark) {
                Ok(values) => read.push((replica.place, values)),
                Err(reason) => broken.push(why(replica, &reason)),
            }
        }
        let Some((first, rest)) = read.split_first() else { continue };
        for (place, values) in rest {
            for (offset, value) in values {
                if let Some(other) = first.1.get(offset).filter(|other| *other != value) {
                    broken.push(format!(
                        "partition {partition}, offset {offset}: {other} on broker {}, {value} on broker {place}, both \
                         below the high watermark",
                        first.0
                    ));
                }
            }
        }
    }
    broken
}

fn why(replica: &Replica<'_>, reason: &str) -> String {
    format!("partition {} on broker {}: {reason}", replica.hosted.key.partition, replica.place)
}
