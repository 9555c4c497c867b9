//! Once the faults stop, the cluster serves again (mission M1 to M4, M16): every partition has a leader and its whole
//! replica set in sync, the voters have their disks, whoever does not vote follows, and the clients finish.

use odradek_node::event::LogKey;

use crate::client::Client;
use crate::world::World;

/// What is not back yet; empty when all is well.
#[must_use]
pub fn recovers(world: &World, clients: &[Box<dyn Client>]) -> Vec<String> {
    let mut missing = Vec::new();
    // What processes know that were just started says nothing: they have yet to hear how far it is committed.
    if world.active_controller().is_none() {
        return vec!["no controller is active".to_owned()];
    }
    let Some(image) = world.newest_image() else { return vec!["nobody has any metadata".to_owned()] };
    for topic in image.topics() {
        for (partition, state) in &topic.partitions {
            let name = format!("{}-{partition}", topic.name);
            if state.is_reassigning() {
                missing.push(format!("{name} is still being reassigned: {:?} are in sync, {state:?}", state.isr));
                continue;
            }
            if state.isr.len() < state.replicas.len() {
                missing.push(format!("{name} has only {:?} of {:?} in sync", state.isr, state.replicas));
                continue;
            }
            let key = LogKey { topic_id: topic.id, partition: *partition };
            let broker = |id: i32| world.processes.get(&id)?.broker.as_ref();
            let leader = state.leader().and_then(|id| broker(id)?.hosted_partition(key)).filter(|it| it.leads);
            match leader {
                None => missing.push(format!("{name} has no leader that leads")),
                Some(leader) if leader.high_watermark < leader.log_end => {
                    missing.push(format!("{name} is committed up to {} of {}", leader.high_watermark, leader.log_end));
                }
                Some(_) => {}
            }
        }
    }
    missing.extend(controllers(world, image.offset()));
    let unfinished: Vec<usize> = (0..clients.len()).filter(|at| !clients[*at].is_done()).collect();
    if !unfinished.is_empty() {
        missing.push(format!("clients {unfinished:?} have not finished"));
    }
    missing
}

/// What the controllers are missing, once the voters change (KIP-853).
fn controllers(world: &World, newest: u64) -> Vec<String> {
    let active = world.active_controller().and_then(|place| world.processes[&place].controller.as_ref());
    let Some(active) = active.filter(|_| world.plan.voter_changes > 0) else { return Vec::new() };
    let mut missing = Vec::new();
    for (place, directory) in world.voters().unwrap_or_default() {
        if !world.has_its_disk(place, &directory) {
            missing.push(format!("voter {place} lost its disk, and nobody put another in its place"));
        }
    }
    for process in world.processes.values().filter(|process| process.is_controller()) {
        let (place, own) = (process.place, process.metadata_dir());
        let id = u64::from(place.unsigned_abs());
        if !active.members().1.iter().any(|member| member.is(id, &own)) {
            missing.push(format!("controller {place} neither votes nor observes"));
        }
        let has = process.controller.as_ref().map_or(0, |controller| controller.image().offset());
        if has < newest {
            missing.push(format!("controller {place} has the metadata up to {has} of {newest}"));
        }
    }
    missing
}
