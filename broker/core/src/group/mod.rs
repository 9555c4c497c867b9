//! The coordinator of consumer groups (M20), for the partitions of `__consumer_offsets` that this
//! broker leads: the classic protocol with static members (KIP-345) and required member ids
//! (KIP-394), and the offsets that groups commit.
//!
//! A pure state machine: requests, answers of the log and time come in, replies and appends go out.
//! What must outlive this broker is written to `__consumer_offsets` in Kafka's own format, and no
//! reply that depends on it leaves before it is committed. Membership between two generations is
//! soft, as in Kafka: after a fail-over clients join again.
//!
//! One step a file: `join`, `sync`, `heartbeat`, `leave` and `commit`, `fetch`, `delete`,
//! `describe` are the requests; `rebalance` goes from one generation to the next; `write` holds what
//! waits for the log; `load` reads it back; `expiry` forgets old offsets.

mod api;
mod commit;
mod config;
mod delete;
mod describe;
mod expiry;
mod fetch;
mod heartbeat;
mod io;
mod join;
mod leave;
mod load;
mod member;
mod member_id;
mod offsets;
mod partition;
mod rebalance;
mod record;
mod response;
mod shard;
mod state;
mod static_member;
mod subscription;
mod sync;
#[cfg(test)]
mod tests;
mod timers;
mod write;

pub use api::{Action, GroupRequest, GroupResponse, Loaded, LogRecord, RequestContext, Token, WriteId};
pub use config::GroupConfig;
pub use partition::partition_for;
pub use record::RecordError;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use odradek_wire::ResponseError;
use odradek_wire::messages::delete_groups_response::DeletableGroupResult;
use odradek_wire::messages::describe_groups_response::DescribedGroup;
use odradek_wire::messages::{
    DeleteGroupsRequest, DescribeGroupsRequest, DescribeGroupsResponse, GroupId, ListGroupsRequest, ListGroupsResponse,
    OffsetFetchRequest,
};

use crate::time::Now;
use io::{Gathers, Shared};
use member_id::MemberIds;
use shard::Shard;

/// A name that is kept in several places: copied out of its request once.
type Name = Arc<str>;

/// Coordinates the groups of the partitions of `__consumer_offsets` that it was given.
#[derive(Debug)]
pub struct GroupCoordinator {
    shared: Shared,
    shards: BTreeMap<i32, Shard>,
}

impl GroupCoordinator {
    /// A coordinator that owns no partition yet. `seed` feeds the member ids: it has to differ
    /// from start to start and from broker to broker.
    pub fn new(config: GroupConfig, seed: u64) -> Self {
        Self {
            shared: Shared { config, ids: MemberIds::new(seed), gathers: Gathers::default(), next_write: 0 },
            shards: BTreeMap::new(),
        }
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
        let version = context.api_version;
        let (group, needs_id) = match &request {
            GroupRequest::Join(request) => (&request.group_id, true),
            GroupRequest::Sync(request) => (&request.group_id, true),
            GroupRequest::Heartbeat(request) => (&request.group_id, true),
            GroupRequest::Leave(request) => (&request.group_id, true),
            GroupRequest::OffsetCommit(request) => (&request.group_id, false),
            GroupRequest::OffsetDelete(request) => (&request.group_id, false),
            GroupRequest::OffsetFetch(request) => {
                let response = self.fetch(request, version);
                return out.push(Action::Reply { token, response });
            }
            GroupRequest::DescribeGroups(request) => {
                let response = self.describe(request, version);
                return out.push(Action::Reply { token, response });
            }
            GroupRequest::ListGroups(request) => {
                let response = self.list(request);
                return out.push(Action::Reply { token, response });
            }
            GroupRequest::DeleteGroups(request) => return self.delete(now, token, request, out),
        };
        let is_heartbeat = matches!(request, GroupRequest::Heartbeat(_));
        let shard = if (needs_id && group.is_empty()) || group.len() > record::MAX_TEXT {
            Err(ResponseError::InvalidGroupId)
        } else {
            let partition = partition_for(group, self.shared.config.offsets_topic_partitions);
            ready(self.shards.get_mut(&partition))
        };
        let response = match shard {
            Ok(shard) => {
                return shard.handle(&mut self.shared, now, out, (token, context), &request);
            }
            // Members go on while their group is loaded: their sessions begin with its end.
            Err(ResponseError::CoordinatorLoadInProgress) if is_heartbeat => response::heartbeat(Ok(())),
            Err(error) => response::refused(&request, version, error),
        };
        out.push(Action::Reply { token, response });
    }

    /// Tells what became of an [`Action::Append`]: the base offset once the high watermark has
    /// passed the records, or Kafka's error code when they are not in the log.
    pub fn written(&mut self, now: Now, write: WriteId, result: Result<i64, i16>, out: &mut Vec<Action>) {
        if let Some(shard) = self.shards.get_mut(&write.partition) {
            shard.written(&mut self.shared, now, out, write.number, result);
        }
    }

    /// Does what is due: session and rebalance time-outs, delayed joins, expired offsets.
    pub fn tick(&mut self, now: Now, out: &mut Vec<Action>) {
        for shard in self.shards.values_mut() {
            shard.tick(&mut self.shared, now, out);
        }
    }

    /// When [`tick`](Self::tick) has something to do next, in monotonic milliseconds.
    pub fn next_deadline(&self) -> Option<u64> {
        self.shards.values().filter_map(Shard::next_deadline).min()
    }

    /// This broker became leader of `partition` of `__consumer_offsets`: until
    /// [`finish_loading`](Self::finish_loading) its groups answer COORDINATOR_LOAD_IN_PROGRESS.
    /// An older leadership is unloaded first; an older or equal epoch is ignored.
    pub fn start_loading(&mut self, partition: i32, leader_epoch: i32, out: &mut Vec<Action>) {
        let known = self.shards.get(&partition).map(|shard| shard.leader_epoch);
        if known.is_some_and(|known| known >= leader_epoch) {
            return;
        }
        self.unload(partition, out);
        self.shards.insert(partition, Shard::new(partition, leader_epoch));
    }

    /// Takes committed records (key, value, offset) of a partition that is loading, in the order of
    /// the log. May be called many times. Records of aborted transactions and control records are
    /// left out by the caller. Records for a partition that is not loading are ignored.
    pub fn load(&mut self, partition: i32, records: impl IntoIterator<Item = (Bytes, Option<Bytes>, i64)>) -> Loaded {
        match self.shards.get_mut(&partition) {
            Some(shard) if shard.is_loading => shard.load(records),
            _ => Loaded::default(),
        }
    }

    /// The whole partition up to the high watermark was given to [`load`](Self::load): its groups
    /// are served from here on.
    pub fn finish_loading(&mut self, now: Now, partition: i32, out: &mut Vec<Action>) {
        if let Some(shard) = self.shards.get_mut(&partition)
            && shard.is_loading
        {
            shard.finish_loading(&mut self.shared, now, out);
        }
    }

    /// Leadership of the partition is lost: who waits is told NOT_COORDINATOR, writes under way
    /// are forgotten.
    pub fn unload(&mut self, partition: i32, out: &mut Vec<Action>) {
        if let Some(shard) = self.shards.remove(&partition) {
            shard.unload(&mut self.shared, out);
        }
    }

    /// Topics were deleted: their committed offsets go, in every group that is loaded.
    pub fn topics_deleted(&mut self, now: Now, topics: &BTreeSet<String>, out: &mut Vec<Action>) {
        for shard in self.shards.values_mut().filter(|shard| !shard.is_loading) {
            shard.topics_deleted(&mut self.shared, now, out, topics);
        }
    }

    /// The partitions of `__consumer_offsets` that are served or loading, in order.
    pub fn partitions(&self) -> impl Iterator<Item = i32> {
        self.shards.keys().copied()
    }

    /// Replaces the settings; what is decided from here on follows them. The number of partitions
    /// must not change while any is served.
    pub fn set_config(&mut self, config: GroupConfig) {
        self.shared.config = config;
    }

    fn shard_of(&self, group: &str) -> Result<&Shard, ResponseError> {
        let partition = partition_for(group, self.shared.config.offsets_topic_partitions);
        let shard = self.shards.get(&partition);
        let shard = shard.ok_or(ResponseError::NotCoordinator)?;
        match shard.is_loading {
            true => Err(ResponseError::CoordinatorLoadInProgress),
            false => Ok(shard),
        }
    }

    fn fetch(&self, request: &OffsetFetchRequest, version: i16) -> GroupResponse {
        let groups = fetch::groups_of(request, version);
        let answers = groups.iter().map(|group| {
            self.shard_of(&group.group_id)
                .map_or_else(|error| fetch::refused_group(group, error), |shard| fetch::fetch(&shard.groups, group))
        });
        fetch::response(request, version, answers.collect())
    }

    fn describe(&self, request: &DescribeGroupsRequest, version: i16) -> GroupResponse {
        let describe = |id: &GroupId| match self.shard_of(id) {
            Ok(shard) => describe::describe(&shard.groups, id, version),
            Err(error) => DescribedGroup::default().with_group_id(id.clone()).with_error_code(error.code()),
        };
        let groups = request.groups.iter().map(describe).collect();
        GroupResponse::DescribeGroups(DescribeGroupsResponse::default().with_groups(groups))
    }

    fn list(&self, request: &ListGroupsRequest) -> GroupResponse {
        let response = ListGroupsResponse::default();
        GroupResponse::ListGroups(if self.shards.values().any(|shard| shard.is_loading) {
            // A list with holes would look complete.
            response.with_error_code(ResponseError::CoordinatorLoadInProgress.code())
        } else {
            let shards = self.shards.values();
            let lists = shards.flat_map(|shard| describe::list(&shard.groups, request));
            response.with_groups(lists.collect())
        })
    }

    fn delete(&mut self, now: Now, token: Token, request: &DeleteGroupsRequest, out: &mut Vec<Action>) {
        let ids = &request.groups_names;
        if ids.is_empty() {
            let nothing = GroupRequest::DeleteGroups(DeleteGroupsRequest::default());
            let response = response::refused(&nothing, 0, ResponseError::UnknownServerError);
            return out.push(Action::Reply { token, response });
        }
        let result = |id: &GroupId| DeletableGroupResult::default().with_group_id(id.clone());
        let results = ids.iter().map(result).collect();
        let slot = self.shared.gathers.open(token, results);
        for (index, id) in ids.iter().enumerate() {
            let partition = partition_for(id, self.shared.config.offsets_topic_partitions);
            match ready(self.shards.get_mut(&partition)) {
                Ok(shard) => {
                    let (groups, mut io) = shard.split(&mut self.shared, now, out);
                    delete::group(groups, &mut io, id, slot(index));
                }
                Err(error) => self.shared.gathers.fill(slot(index), Err(error), out),
            }
        }
    }
}

fn ready(shard: Option<&mut Shard>) -> Result<&mut Shard, ResponseError> {
    let shard = shard.ok_or(ResponseError::NotCoordinator)?;
    match shard.is_loading {
        true => Err(ResponseError::CoordinatorLoadInProgress),
        false => Ok(shard),
    }
}
