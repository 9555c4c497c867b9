//! A broker cannot write replicas that it holds: their leadership goes to those who can, and they leave the in-sync
//! sets, so that nobody waits for them.
//!
//! They come back as any follower does: once they have caught up. The last in-sync replica stays what it is, as in a
//! controlled shutdown: nobody else has everything.

use odradek_probe::reached;
use uuid::Uuid;

use super::Controller;
use super::election::{Loss, without};
use crate::metadata::image::TopicPartition;
use crate::metadata::rpc::{OfflineReplicasRequest, OfflineReplicasResponse};

impl Controller {
    pub(super) fn offline_replicas(&mut self, request: &OfflineReplicasRequest) -> OfflineReplicasResponse {
        let id = request.broker_id;
        if let Err(error) = self.check_epoch(id, request.broker_epoch) {
            return OfflineReplicasResponse { error_code: i32::from(error.code()) };
        }
        let in_sync = self.index.in_sync(id);
        let partitions: Vec<TopicPartition> = request
            .partitions
            .iter()
            .filter_map(|of| {
                let topic_id = Uuid::from_slice(&of.topic_id).ok()?;
                Some(TopicPartition { topic_id, partition: of.partition })
            })
            .filter(|at| in_sync.contains(at))
            .collect();
        let records = self.records.len();
        self.transition(partitions, |state, electorate| {
            without(state, &|broker| broker == id, Loss::Stopping, electorate)
        });
        let moved = self.records.len() - records;
        if moved > 0 {
            tracing::warn!(broker = id, partitions = moved, "a broker cannot write; others take over");
            reached("replica that cannot be written given up");
        }
        OfflineReplicasResponse { error_code: 0 }
    }
}
