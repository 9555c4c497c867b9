//! The controlled shutdown of a broker: leadership leaves it before it stops (M22).
//!
//! A broker that leads many partitions gives them up step by step, one step with each of its heartbeats, so that no
//! entry of the metadata log grows without a bound and the others can take up what they got meanwhile.

use std::collections::BTreeSet;
use std::ops::Bound;

use super::Controller;
use super::election::{Loss, without};
use crate::metadata::image::TopicPartition;
use crate::metadata::record::BrokerChange;

/// How far a broker's controlled shutdown is. Soft state: a new controller begins again, which costs nothing for what
/// was moved already.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Progress {
    /// The last partition that was looked at.
    at: Option<TopicPartition>,
    /// Where the last records are, once all partitions were looked at: the others must know them first.
    done: Option<u64>,
}

impl Controller {
    /// Moves the leadership off a broker that wants to stop. True once it may: when it leads
    /// nothing that another could lead, and the others know it.
    pub(super) fn controlled_shutdown(&mut self, id: i32, epoch: i64) -> bool {
        if !self.image.broker(id).is_some_and(|broker| broker.in_controlled_shutdown) {
            tracing::info!(broker = id, leads = self.index.led(id).len(), "controlled shutdown");
            self.write(BrokerChange {
                broker_id: id,
                broker_epoch: epoch,
                fenced: None,
                in_controlled_shutdown: Some(true),
            });
        }
        let mut progress = self.sessions.get(id).and_then(|session| session.shutdown).unwrap_or_default();
        if progress.done.is_none() {
            self.shutdown_step(id, &mut progress);
            if let Some(session) = self.sessions.get_mut(id) {
                session.shutdown = Some(progress);
            }
        }
        let Some(needed) = progress.done else { return false };
        self.image
            .brokers()
            .filter(|other| other.id != id && other.is_active())
            .all(|other| self.sessions.get(other.id).is_some_and(|session| session.metadata_offset >= needed))
    }

    fn shutdown_step(&mut self, id: i32, progress: &mut Progress) {
        let from = progress.at.map_or(Bound::Unbounded, Bound::Excluded);
        let step = self.config.shutdown_step.max(1);
        let partitions: BTreeSet<TopicPartition> =
            self.index.in_sync(id).range((from, Bound::Unbounded)).take(step).copied().collect();
        progress.at = partitions.last().copied().or(progress.at);
        let last = partitions.len() < step;
        self.transition(partitions, |state, electorate| {
            without(state, &|broker| broker == id, Loss::Stopping, electorate)
        });
        if last {
            // The last thing that was decided, by this step or before it.
            progress.done = Some(self.image.offset());
        }
    }
}
