//! One leader an epoch (M2, M3; KIP-101): whoever acts as leader of a partition under an epoch is the only one who ever did.

use std::collections::BTreeMap;

use odradek_node::event::LogKey;

use crate::network::Place;
use crate::world::World;

/// Remembers all leaders that were seen.
#[derive(Debug, Default)]
pub struct OneLeader {
    seen: BTreeMap<(LogKey, i32), Place>,
    latest: BTreeMap<LogKey, i32>,
}

impl OneLeader {
    /// Looks at all brokers; counts the changes.
    pub fn look(&mut self, world: &mut World) -> Vec<String> {
        let mut broken = Vec::new();
        let mut changes = 0;
        for process in world.processes.values() {
            let Some(broker) = &process.broker else { continue };
            for hosted in broker.hosted().filter(|hosted| hosted.leads) {
                let at = (hosted.key, hosted.leader_epoch);
                let first = *self.seen.entry(at).or_insert(process.place);
                if first != process.place {
                    broken.push(format!(
                        "{}-{}: brokers {first} and {} both lead under epoch {}",
                        hosted.topic, hosted.key.partition, process.place, hosted.leader_epoch
                    ));
                }
                let latest = self.latest.entry(hosted.key).or_insert(hosted.leader_epoch);
                if hosted.leader_epoch > *latest {
                    *latest = hosted.leader_epoch;
                    changes += 1;
                }
            }
        }
        world.counts.add_many("leader changed", changes);
        broken
    }
}
