//! Commits of one group with one member that assigns itself: what was committed never goes back (M20).

use odradek_core::group::partition_for;
use odradek_wire::messages::offset_commit_request::{OffsetCommitRequestPartition, OffsetCommitRequestTopic};
use odradek_wire::messages::offset_fetch_request::OffsetFetchRequestTopic;
use odradek_wire::messages::{
    FindCoordinatorRequest, GroupId, OffsetCommitRequest, OffsetFetchRequest, RequestKind, ResponseKind, TopicName,
};
use odradek_wire::protocol::StrBytes;

use super::{Common, Ledger, Tp};
use crate::network::Place;
use crate::world::{ClientAnswer, World};

const OFFSETS_TOPIC: &str = "__consumer_offsets";
const FIND_COORDINATOR: (i16, i16) = (10, 3);
const OFFSET_COMMIT: (i16, i16) = (8, 8);
const OFFSET_FETCH: (i16, i16) = (9, 7);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wanted {
    Commit(i64),
    ReadBack,
}

/// What an answer said.
#[derive(Debug)]
pub(super) enum Committed {
    /// Nothing that the consumer has to know.
    Nothing,
    /// This is committed.
    At(i64),
}

/// The group.
#[derive(Debug)]
pub(super) struct Commits {
    group: String,
    at: Tp,
    coordinator: Option<Place>,
    wanted: Option<Wanted>,
    call: Option<u64>,
    /// The largest offset whose commit was acknowledged.
    acknowledged: Option<i64>,
}

impl Commits {
    pub fn new(group: String, at: Tp) -> Commits {
        Commits { group, at, coordinator: None, wanted: None, call: None, acknowledged: None }
    }

    /// Whether an answer is still wanted.
    pub fn is_busy(&self) -> bool {
        self.wanted.is_some()
    }

    pub fn commit(&mut self, offset: i64, common: &mut Common, world: &mut World) {
        if self.wanted.is_none() && self.acknowledged.is_none_or(|before| offset > before) {
            self.wanted = Some(Wanted::Commit(offset));
            self.wake(common, world);
        }
    }

    pub fn read_back(&mut self, common: &mut Common, world: &mut World) {
        if self.wanted.is_none() {
            self.wanted = Some(Wanted::ReadBack);
            self.wake(common, world);
        }
    }

    /// Goes on with what is wanted.
    pub fn wake(&mut self, common: &mut Common, world: &mut World) {
        let (None, Some(wanted)) = (self.call, self.wanted) else { return };
        let group = StrBytes::from_string(self.group.clone());
        let Some(coordinator) = self.coordinator else {
            let to = common.any_broker(world);
            let body = FindCoordinatorRequest::default().with_key(group).with_key_type(0);
            self.call = Some(common.ask(world, to, FIND_COORDINATOR, RequestKind::FindCoordinator(body)));
            return;
        };
        let topic = TopicName(StrBytes::from_static_str(world.plan.topics[self.at.0].name));
        self.call = Some(match wanted {
            Wanted::Commit(offset) => {
                let partition = OffsetCommitRequestPartition::default()
                    .with_partition_index(self.at.1)
                    .with_committed_offset(offset)
                    .with_committed_leader_epoch(-1);
                let topic = OffsetCommitRequestTopic::default().with_name(topic).with_partitions(vec![partition]);
                let body = OffsetCommitRequest::default()
                    .with_group_id(GroupId(group))
                    .with_generation_id_or_member_epoch(-1)
                    .with_topics(vec![topic]);
                common.ask(world, coordinator, OFFSET_COMMIT, RequestKind::OffsetCommit(body))
            }
            Wanted::ReadBack => {
                let topic = OffsetFetchRequestTopic::default().with_name(topic).with_partition_indexes(vec![self.at.1]);
                let body = OffsetFetchRequest::default().with_group_id(GroupId(group)).with_topics(Some(vec![topic]));
                common.ask(world, coordinator, OFFSET_FETCH, RequestKind::OffsetFetch(body))
            }
        });
    }

    /// The broker that leads the group's partition of `__consumer_offsets`, by the newest metadata.
    fn leader(&self, world: &World) -> Option<Place> {
        let topic = world.known_image().topic(OFFSETS_TOPIC)?;
        let many = i32::try_from(topic.partitions.len()).ok()?;
        topic.partitions.get(&partition_for(&self.group, many))?.leader()
    }

    /// Takes an answer to a call of its own; gives back any other.
    pub fn answer(
        &mut self,
        call: u64,
        answer: ClientAnswer,
        common: &mut Common,
        world: &mut World,
        ledger: &mut Ledger,
    ) -> Result<Committed, ClientAnswer> {
        if self.call != Some(call) {
            return Err(answer);
        }
        self.call = None;
        let kind = match answer {
            ClientAnswer::Kafka(kind) => Some(*kind),
            ClientAnswer::Lost => None,
        };
        match kind {
            Some(ResponseKind::FindCoordinator(response)) if response.error_code == 0 => {
                self.coordinator = Some(response.node_id.0);
                self.wake(common, world);
                return Ok(Committed::Nothing);
            }
            Some(ResponseKind::OffsetCommit(response)) => {
                let error = response.topics.first().and_then(|topic| topic.partitions.first()).map(|it| it.error_code);
                if let (Some(0), Some(Wanted::Commit(offset))) = (error, self.wanted.take_if(|_| error == Some(0))) {
                    self.acknowledged = Some(offset);
                    ledger.operations += 1;
                    world.counts.add("offset committed");
                    return Ok(Committed::Nothing);
                }
            }
            Some(ResponseKind::OffsetFetch(response)) if response.error_code == 0 => {
                let found = response.topics.first().and_then(|topic| topic.partitions.first());
                if let Some(found) = found.filter(|found| found.error_code == 0) {
                    let offset = found.committed_offset;
                    let went_back = self.acknowledged.filter(|before| offset < *before);
                    // Who no longer coordinates the group and has yet to hear of it answers from what it has, as
                    // Kafka's brokers do.
                    if went_back.is_some() && self.coordinator != self.leader(world) {
                        world.counts.add("offset read from a coordinator of before");
                        self.coordinator = None;
                        common.later(world);
                        return Ok(Committed::Nothing);
                    }
                    self.wanted = None;
                    ledger.operations += 1;
                    world.counts.add("committed offset read back");
                    if let Some(before) = went_back
                        && !world.promise.offsets_excused()
                    {
                        ledger.findings.push(format!(
                            "{}: offset {before} was committed, and {offset} is read back (KIP-211; M20)",
                            self.group
                        ));
                    }
                    return Ok(Committed::At(offset));
                }
            }
            _ => {}
        }
        self.coordinator = None;
        common.later(world);
        Ok(Committed::Nothing)
    }
}
