//! The coordinator of consumer groups (M20), for the partitions of `__consumer_offsets` that this
//! broker leads.

mod api;
mod config;
mod partition;
mod record;

pub use api::{
    Action, GroupRequest, GroupResponse, Loaded, LogRecord, RequestContext, Token, WriteId,
};
pub use config::GroupConfig;
pub use partition::partition_for;
pub use record::RecordError;

use std::collections::BTreeSet;

use bytes::Bytes;

use crate::time::Now;

/// Coordinates the groups of the partitions of `__consumer_offsets` that it was given.
#[derive(Debug)]
pub struct GroupCoordinator {
    config: GroupConfig,
}

impl GroupCoordinator {
    /// A coordinator that owns no partition yet. `seed` feeds the member ids: it has to differ
    /// from start to start and from broker to broker.
    pub fn new(config: GroupConfig, seed: u64) -> Self {
        let _ = seed;
        Self { config }
    }

    /// Takes a request. Its reply comes in an [`Action::Reply`] with `token`, at once or in a later
    /// call, and exactly once.
    pub fn handle(
        &mut self,
        now: Now,
        token: Token,
        context: &RequestContext,
        request: GroupRequest,
        out: &mut Vec<Action>,
    ) {
        let _ = (now, token, context, request, out);
    }

    /// Tells what became of an [`Action::Append`]: the base offset once the high watermark has
    /// passed the records, or Kafka's error code when they are not in the log.
    pub fn written(
        &mut self,
        now: Now,
        write: WriteId,
        result: Result<i64, i16>,
        out: &mut Vec<Action>,
    ) {
        let _ = (now, write, result, out);
    }

    /// Does what is due: session and rebalance time-outs, delayed joins, expired offsets.
    pub fn tick(&mut self, now: Now, out: &mut Vec<Action>) {
        let _ = (now, out);
    }

    /// When [`tick`](Self::tick) has something to do next, in monotonic milliseconds.
    pub fn next_deadline(&self) -> Option<u64> {
        None
    }

    /// This broker became leader of `partition` of `__consumer_offsets`: until
    /// [`finish_loading`](Self::finish_loading) its groups answer COORDINATOR_LOAD_IN_PROGRESS.
    /// An older leadership is unloaded; an older or equal epoch is ignored.
    pub fn start_loading(&mut self, partition: i32, leader_epoch: i32, out: &mut Vec<Action>) {
        let _ = (partition, leader_epoch, out);
    }

    /// Takes committed records of a partition that is loading, in the order of the log. May be
    /// called many times. Records of aborted transactions and control records are left out by the
    /// caller.
    pub fn load(
        &mut self,
        partition: i32,
        records: impl IntoIterator<Item = (Bytes, Option<Bytes>, i64)>,
    ) -> Loaded {
        let _ = (partition, records);
        Loaded::default()
    }

    /// The whole partition up to the high watermark was given to [`load`](Self::load): its groups
    /// are served from here on.
    pub fn finish_loading(&mut self, now: Now, partition: i32, out: &mut Vec<Action>) {
        let _ = (now, partition, out);
    }

    /// Leadership of the partition is lost: who waits is told NOT_COORDINATOR, writes under way
    /// are forgotten.
    pub fn unload(&mut self, partition: i32, out: &mut Vec<Action>) {
        let _ = (partition, out);
    }

    /// Topics were deleted: their committed offsets go, in every group.
    pub fn topics_deleted(&mut self, now: Now, topics: &BTreeSet<String>, out: &mut Vec<Action>) {
        let _ = (now, topics, out);
    }

    /// The partitions of `__consumer_offsets` that are served or loading.
    pub fn partitions(&self) -> Vec<i32> {
        Vec::new()
    }

    /// Replaces the settings; requests that come from here on see them.
    pub fn set_config(&mut self, config: GroupConfig) {
        self.config = config;
    }
}
