//! Once the faults stop, the cluster serves again: every partition has a leader and its whole replica set in sync, and
//! the clients finish.

use super::replicas;
use crate::client::Client;
use crate::world::World;

/// What is not back yet; empty when all is well.
#[must_use]
pub fn recovers(world: &World, clients: &[Box<dyn Client>]) -> Vec<String> {
    let mut missing = Vec::new();
    let all = replicas(world);
    for partition in 0..world.plan.partitions {
        let leader = all.get(&partition).and_then(|replicas| replicas.iter().find(|replica| replica.hosted.leads));
        match leader {
            None => missing.push(format!("partition {partition} has no leader")),
            Some(leader) if leader.hosted.isr.len() < world.plan.replication_factor as usize => {
                missing.push(format!("partition {partition} has only {:?} in sync", leader.hosted.isr));
            }
            Some(leader) if leader.hosted.high_watermark < leader.hosted.log_end => {
                missing.push(format!(
                    "partition {partition} is committed up to {} of {}",
                    leader.hosted.high_watermark, leader.hosted.log_end
                ));
            }
            Some(_) => {}
        }
    }
    let unfinished = clients.iter().filter(|client| !client.is_done()).count();
    if unfinished > 0 {
        missing.push(format!("{unfinished} clients have not finished"));
    }
    missing
}
