//! In-sync sets, and sets of eligible replicas, hold only the caught-up (M4; KIP-497, KIP-966): each member that runs
//! has all that its leader counts as committed.

use odradek_node::event::LogKey;
use uuid::Uuid;

use crate::world::World;

/// Looks at one partition, as the newest committed metadata has it.
#[must_use]
pub fn in_sync(world: &World, topic_id: Uuid, partition: i32) -> Option<String> {
    let image = world.newest_image()?;
    let state = image.partition(topic_id, partition)?;
    let key = LogKey { topic_id, partition };
    let hosted = |id: i32| world.processes.get(&id)?.broker.as_ref()?.hosted_partition(key);
    let leader = hosted(state.leader()?).filter(|it| it.leads && it.leader_epoch == state.leader_epoch)?;
    state.isr.iter().chain(&state.elr).find_map(|member| {
        let replica = hosted(*member)?;
        (replica.log_end < leader.high_watermark).then(|| {
            format!(
                "{}-{partition}: broker {member} is in sync {:?} or eligible {:?} and has only {} of the {} committed \
                 offsets",
                leader.topic, state.isr, state.elr, replica.log_end, leader.high_watermark
            )
        })
    })
}

/// Looks at all partitions.
#[must_use]
pub fn all_in_sync(world: &World) -> Vec<String> {
    let Some(image) = world.newest_image() else { return Vec::new() };
    let all = image.topics().flat_map(|topic| topic.partitions.keys().map(|partition| (topic.id, *partition)));
    all.filter_map(|(topic_id, partition)| in_sync(world, topic_id, partition)).collect()
}
