//! A coordinator with a log that commits when it is told to, and short ways to ask.

use std::collections::{BTreeMap, VecDeque};

use bytes::{Bytes, BytesMut};
use odradek_wire::ResponseError;
use odradek_wire::messages::join_group_request::JoinGroupRequestProtocol;
use odradek_wire::messages::leave_group_request::MemberIdentity;
use odradek_wire::messages::offset_commit_request::{OffsetCommitRequestPartition, OffsetCommitRequestTopic};
use odradek_wire::messages::offset_fetch_request::{OffsetFetchRequestGroup, OffsetFetchRequestTopics};
use odradek_wire::messages::sync_group_request::SyncGroupRequestAssignment;
use odradek_wire::messages::*;
use odradek_wire::protocol::{Encodable, StrBytes};

use crate::group::record::{Decoded, decode};
use crate::group::*;
use crate::time::Now;

pub(super) const GROUP: &str = "group";

pub(super) fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

pub(super) fn group_id(id: &str) -> GroupId {
    GroupId(text(id))
}

/// Metadata of a consumer that reads these topics.
pub(super) fn subscription(topics: &[&str]) -> Bytes {
    let mut bytes = BytesMut::from(&[0, 3][..]);
    ConsumerProtocolSubscription::default()
        .with_topics(topics.iter().map(|topic| text(topic)).collect())
        .encode(&mut bytes, 3)
        .expect("encodes");
    bytes.freeze()
}

pub(super) struct Bench {
    pub(super) coordinator: GroupCoordinator,
    pub(super) now: Now,
    /// All records that were appended, with their partitions; the index is the offset.
    pub(super) log: Vec<(i32, LogRecord)>,
    /// Appends that are not committed, with their first offsets.
    pub(super) pending: VecDeque<(WriteId, i64)>,
    pub(super) commits_at_once: bool,
    /// The next append is refused by the log.
    pub(super) fails_next: bool,
    /// The log does not know that the group is empty: that write was refused, which is only logged.
    pub(super) lacks_empty: bool,
    replies: BTreeMap<Token, GroupResponse>,
    next_token: Token,
}

impl Bench {
    pub(super) fn new() -> Self {
        Self::with_config(GroupConfig::default())
    }

    pub(super) fn with_config(config: GroupConfig) -> Self {
        let partitions = config.offsets_topic_partitions;
        let mut bench = Self {
            coordinator: GroupCoordinator::new(config, 1),
            now: Now::new(1_000, 1_700_000_000_000),
            log: Vec::new(),
            pending: VecDeque::new(),
            commits_at_once: true,
            fails_next: false,
            lacks_empty: false,
            replies: BTreeMap::new(),
            next_token: 0,
        };
        let mut out = Vec::new();
        for partition in 0..partitions {
            bench.coordinator.start_loading(partition, 1, &mut out);
            let now = bench.now;
            bench.coordinator.finish_loading(now, partition, &mut out);
        }
        assert!(out.is_empty());
        bench
    }

    pub(super) fn ask(&mut self, api_version: i16, request: GroupRequest) -> Token {
        self.ask_as("client", api_version, request)
    }

    pub(super) fn ask_as(&mut self, client: &str, api_version: i16, request: GroupRequest) -> Token {
        let token = self.next_token;
        self.next_token += 1;
        let context = RequestContext { api_version, client_id: text(client), client_host: text("/127.0.0.1") };
        let mut out = Vec::new();
        self.coordinator.handle(self.now, token, &context, request, &mut out);
        self.take(out);
        token
    }

    pub(super) fn take(&mut self, actions: Vec<Action>) {
        for action in actions {
            match action {
                Action::Reply { token, response } => {
                    assert!(token < self.next_token, "reply to an unknown token");
                    let before = self.replies.insert(token, response);
                    assert!(before.is_none(), "second reply to {token}: {before:?}");
                }
                Action::Append { partition, records, write } => {
                    assert!(!records.is_empty());
                    assert_eq!(partition, write.partition);
                    let fails = std::mem::take(&mut self.fails_next);
                    let tells_empty = records.iter().any(is_empty_group);
                    self.lacks_empty = match fails {
                        true => self.lacks_empty || tells_empty,
                        false => self.lacks_empty && !records.iter().any(is_group),
                    };
                    if fails {
                        self.written(write, Err(ResponseError::NotEnoughReplicas.code()));
                        continue;
                    }
                    self.pending.push_back((write, self.log.len() as i64));
                    self.log.extend(records.into_iter().map(|record| (partition, record)));
                }
            }
        }
        if self.commits_at_once {
            self.commit_all();
        }
    }

    pub(super) fn commit_all(&mut self) {
        while let Some((write, offset)) = self.pending.pop_front() {
            self.written(write, Ok(offset));
        }
    }

    /// The log as far as it is committed.
    pub(super) fn committed_log(&self) -> &[(i32, LogRecord)] {
        let end = self.pending.front().map(|&(_, offset)| offset as usize);
        &self.log[..end.unwrap_or(self.log.len())]
    }

    /// The oldest append fails: its records, the last ones, are taken out of the log again.
    pub(super) fn fail_one(&mut self, error: ResponseError) {
        let (write, offset) = self.pending.pop_front().expect("a write is under way");
        assert!(self.pending.is_empty(), "only the last one can be undone");
        self.log.truncate(offset as usize);
        self.written(write, Err(error.code()));
    }

    pub(super) fn written(&mut self, write: WriteId, result: Result<i64, i16>) {
        let mut out = Vec::new();
        self.coordinator.written(self.now, write, result, &mut out);
        self.take(out);
    }

    /// Lets time pass, stopping at each deadline as a shell does.
    pub(super) fn pass(&mut self, ms: u64) {
        let end = self.now.mono_ms + ms;
        loop {
            let next = self.coordinator.next_deadline().unwrap_or(u64::MAX);
            let at = next.clamp(self.now.mono_ms, end);
            self.now.wall_ms += (at - self.now.mono_ms) as i64;
            self.now.mono_ms = at;
            let mut out = Vec::new();
            self.coordinator.tick(self.now, &mut out);
            self.take(out);
            if at == end {
                break;
            }
        }
    }

    pub(super) fn reply(&mut self, token: Token) -> Option<GroupResponse> {
        self.replies.remove(&token)
    }

    pub(super) fn is_waiting(&self, token: Token) -> bool {
        !self.replies.contains_key(&token)
    }

    pub(super) fn joined(&mut self, token: Token) -> JoinGroupResponse {
        match self.reply(token) {
            Some(GroupResponse::Join(response)) => response,
            other => panic!("no reply to the join: {other:?}"),
        }
    }

    pub(super) fn synced(&mut self, token: Token) -> SyncGroupResponse {
        match self.reply(token) {
            Some(GroupResponse::Sync(response)) => response,
            other => panic!("no reply to the sync: {other:?}"),
        }
    }

    pub(super) fn heartbeat(&mut self, member: &str, generation: i32) -> i16 {
        let request = HeartbeatRequest::default()
            .with_group_id(group_id(GROUP))
            .with_member_id(text(member))
            .with_generation_id(generation);
        let token = self.ask(4, GroupRequest::Heartbeat(request));
        match self.reply(token) {
            Some(GroupResponse::Heartbeat(response)) => response.error_code,
            other => panic!("no reply to the heartbeat: {other:?}"),
        }
    }

    pub(super) fn join(&mut self, join: &Join<'_>) -> Token {
        self.ask_as(join.client, join.version, GroupRequest::Join(join.request()))
    }

    /// A dynamic member joins as today's clients do: it asks for its id, then joins with it.
    pub(super) fn join_twice(&mut self, join: &Join<'_>) -> (String, Token) {
        let token = self.join(join);
        let first = self.joined(token);
        assert_eq!(first.error_code, ResponseError::MemberIdRequired.code());
        let id = first.member_id.to_string();
        let token = self.join(&Join { member: &id, ..join.clone() });
        (id, token)
    }

    pub(super) fn sync(&mut self, member: &str, generation: i32, assignments: &[(&str, &'static [u8])]) -> Token {
        let request = SyncGroupRequest::default()
            .with_group_id(group_id(GROUP))
            .with_member_id(text(member))
            .with_generation_id(generation)
            .with_protocol_type(Some(text("consumer")))
            .with_assignments(
                assignments
                    .iter()
                    .map(|(member, bytes)| {
                        SyncGroupRequestAssignment::default()
                            .with_member_id(text(member))
                            .with_assignment(Bytes::from_static(bytes))
                    })
                    .collect(),
            );
        self.ask(5, GroupRequest::Sync(request))
    }

    pub(super) fn leave(&mut self, members: &[(&str, Option<&str>)]) -> Token {
        let request = LeaveGroupRequest::default().with_group_id(group_id(GROUP)).with_members(
            members
                .iter()
                .map(|(member, instance)| {
                    MemberIdentity::default().with_member_id(text(member)).with_group_instance_id(instance.map(text))
                })
                .collect(),
        );
        self.ask(5, GroupRequest::Leave(request))
    }

    pub(super) fn commit(&mut self, member: &str, generation: i32, offset: i64) -> Token {
        self.commit_to(GROUP, member, generation, ("topic", 0), offset)
    }

    pub(super) fn commit_to(
        &mut self,
        group: &str,
        member: &str,
        generation: i32,
        (topic, partition): (&str, i32),
        offset: i64,
    ) -> Token {
        let partition = OffsetCommitRequestPartition::default()
            .with_partition_index(partition)
            .with_committed_offset(offset)
            .with_committed_leader_epoch(3)
            .with_committed_metadata(Some(text("meta")));
        let topic =
            OffsetCommitRequestTopic::default().with_name(TopicName(text(topic))).with_partitions(vec![partition]);
        let request = OffsetCommitRequest::default()
            .with_group_id(group_id(group))
            .with_member_id(text(member))
            .with_generation_id_or_member_epoch(generation)
            .with_retention_time_ms(-1)
            .with_topics(vec![topic]);
        self.ask(9, GroupRequest::OffsetCommit(request))
    }

    /// The error of a commit of one partition; `None` while it waits.
    pub(super) fn committed(&mut self, token: Token) -> Option<i16> {
        match self.reply(token)? {
            GroupResponse::OffsetCommit(response) => Some(response.topics[0].partitions[0].error_code),
            other => panic!("{other:?}"),
        }
    }

    /// The committed offset, or -1.
    pub(super) fn fetch(&mut self, group: &str, topic: &str, partition: i32) -> i64 {
        let topic = OffsetFetchRequestTopics::default()
            .with_name(TopicName(text(topic)))
            .with_partition_indexes(vec![partition]);
        let group = OffsetFetchRequestGroup::default().with_group_id(group_id(group)).with_topics(Some(vec![topic]));
        let request = OffsetFetchRequest::default().with_groups(vec![group]);
        let token = self.ask(9, GroupRequest::OffsetFetch(request));
        match self.reply(token) {
            Some(GroupResponse::OffsetFetch(response)) => {
                assert_eq!(response.groups[0].error_code, 0);
                response.groups[0].topics[0].partitions[0].committed_offset
            }
            other => panic!("{other:?}"),
        }
    }

    pub(super) fn describe(&mut self, group: &str) -> describe_groups_response::DescribedGroup {
        let request = DescribeGroupsRequest::default().with_groups(vec![group_id(group)]);
        let token = self.ask(6, GroupRequest::DescribeGroups(request));
        match self.reply(token) {
            Some(GroupResponse::DescribeGroups(mut response)) => response.groups.remove(0),
            other => panic!("{other:?}"),
        }
    }

    pub(super) fn state(&mut self) -> String {
        self.describe(GROUP).group_state.to_string()
    }

    pub(super) fn delete_group(&mut self, group: &str) -> Token {
        let request = DeleteGroupsRequest::default().with_groups_names(vec![group_id(group)]);
        self.ask(2, GroupRequest::DeleteGroups(request))
    }

    pub(super) fn deleted(&mut self, token: Token) -> Option<i16> {
        match self.reply(token)? {
            GroupResponse::DeleteGroups(response) => Some(response.results[0].error_code),
            other => panic!("{other:?}"),
        }
    }

    /// A stable group of `count` dynamic members; the ids, the leader first.
    pub(super) fn stable(&mut self, count: usize) -> Vec<String> {
        let join = Join::default();
        let joins: Vec<_> = (0..count).map(|_| self.join_twice(&join)).collect();
        self.pass(3_000 * (count as u64 + 1));
        let responses: Vec<_> = joins.iter().map(|(_, token)| self.joined(*token)).collect();
        let leader = responses[0].leader.to_string();
        let mut ids: Vec<_> = joins.into_iter().map(|(id, _)| id).collect();
        ids.sort_by_key(|id| *id != leader);
        let generation = responses[0].generation_id;
        let tokens: Vec<_> = ids.clone().iter().map(|id| self.sync(id, generation, &[(id, b"work")])).collect();
        for token in tokens {
            assert_eq!(self.synced(token).error_code, 0);
        }
        assert_eq!(self.state(), "Stable");
        ids
    }

    /// Another coordinator that has read this one's log.
    pub(super) fn reload(&self, config: GroupConfig) -> Bench {
        let mut other = Bench::with_config(config.clone());
        other.now = self.now;
        // Another broker makes other member ids.
        let seed = 2 + self.next_token;
        other.coordinator = GroupCoordinator::new(config.clone(), seed);
        let mut out = Vec::new();
        for partition in 0..config.offsets_topic_partitions {
            other.coordinator.start_loading(partition, 2, &mut out);
            let records = self.log.iter().enumerate().filter(|(_, r)| r.0 == partition);
            let records = records.map(|(at, (_, r))| (r.key.clone(), r.value.clone(), at as i64));
            let loaded = other.coordinator.load(partition, records);
            assert!(loaded.skipped.is_empty());
            other.coordinator.finish_loading(self.now, partition, &mut out);
        }
        other.take(out);
        other
    }
}

fn is_group(record: &LogRecord) -> bool {
    matches!(decode(&record.key, record.value.as_deref()), Ok(Decoded::Group { .. }))
}

fn is_empty_group(record: &LogRecord) -> bool {
    matches!(
        decode(&record.key, record.value.as_deref()),
        Ok(Decoded::Group { value: Some(value), .. }) if value.members.is_empty()
    )
}

/// A JoinGroup, with what most tests ask for.
#[derive(Clone)]
pub(super) struct Join<'a> {
    pub(super) client: &'a str,
    pub(super) version: i16,
    pub(super) member: &'a str,
    pub(super) instance: Option<&'a str>,
    pub(super) protocol_type: &'a str,
    pub(super) protocols: &'a [&'a str],
    pub(super) topics: &'a [&'a str],
    pub(super) session_timeout_ms: i32,
    pub(super) rebalance_timeout_ms: i32,
}

impl Default for Join<'_> {
    fn default() -> Self {
        Self {
            client: "client",
            version: 9,
            member: "",
            instance: None,
            protocol_type: "consumer",
            protocols: &["range"],
            topics: &["topic"],
            session_timeout_ms: 10_000,
            rebalance_timeout_ms: 60_000,
        }
    }
}

impl Join<'_> {
    pub(super) fn request(&self) -> JoinGroupRequest {
        JoinGroupRequest::default()
            .with_group_id(group_id(GROUP))
            .with_member_id(text(self.member))
            .with_group_instance_id(self.instance.map(text))
            .with_protocol_type(text(self.protocol_type))
            .with_session_timeout_ms(self.session_timeout_ms)
            .with_rebalance_timeout_ms(self.rebalance_timeout_ms)
            .with_protocols(
                self.protocols
                    .iter()
                    .map(|name| {
                        JoinGroupRequestProtocol::default()
                            .with_name(text(name))
                            .with_metadata(subscription(self.topics))
                    })
                    .collect(),
            )
    }
}
