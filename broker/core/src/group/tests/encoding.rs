//! Every reply can be sent in every version of its request.

use bytes::BytesMut;
use odradek_wire::messages::*;
use odradek_wire::protocol::{Encodable, Message};

use super::harness::*;
use crate::group::*;

fn encode<R: Encodable>(response: &R, version: i16) {
    let mut bytes = BytesMut::new();
    if let Err(error) = response.encode(&mut bytes, version) {
        panic!("version {version}: {error}");
    }
}

fn encode_any(response: &GroupResponse, version: i16) {
    match response {
        GroupResponse::Join(response) => encode(response, version),
        GroupResponse::Sync(response) => encode(response, version),
        GroupResponse::Heartbeat(response) => encode(response, version),
        GroupResponse::Leave(response) => encode(response, version),
        GroupResponse::OffsetCommit(response) => encode(response, version),
        GroupResponse::OffsetFetch(response) => encode(response, version),
        GroupResponse::DescribeGroups(response) => encode(response, version),
        GroupResponse::ListGroups(response) => encode(response, version),
        GroupResponse::DeleteGroups(response) => encode(response, version),
        GroupResponse::OffsetDelete(response) => encode(response, version),
    }
}

fn requests() -> Vec<(std::ops::RangeInclusive<i16>, GroupRequest)> {
    fn range<M: Message>() -> std::ops::RangeInclusive<i16> {
        M::VERSIONS.min..=M::VERSIONS.max
    }
    let group = || group_id(GROUP);
    let topics = vec![
        offset_fetch_request::OffsetFetchRequestTopic::default()
            .with_name(TopicName(text("topic")))
            .with_partition_indexes(vec![0, 1]),
    ];
    let commit = offset_commit_request::OffsetCommitRequestTopic::default()
        .with_name(TopicName(text("topic")))
        .with_partitions(vec![Default::default()]);
    let fetch_groups =
        vec![offset_fetch_request::OffsetFetchRequestGroup::default().with_group_id(group()).with_topics(None)];
    let leaving = leave_group_request::MemberIdentity::default().with_member_id(text("who"));
    vec![
        (range::<JoinGroupRequest>(), GroupRequest::Join(Join::default().request())),
        (range::<SyncGroupRequest>(), GroupRequest::Sync(SyncGroupRequest::default().with_group_id(group()))),
        (range::<HeartbeatRequest>(), GroupRequest::Heartbeat(HeartbeatRequest::default().with_group_id(group()))),
        (
            range::<LeaveGroupRequest>(),
            GroupRequest::Leave(LeaveGroupRequest::default().with_group_id(group()).with_members(vec![leaving])),
        ),
        (
            range::<OffsetCommitRequest>(),
            GroupRequest::OffsetCommit(
                OffsetCommitRequest::default()
                    .with_group_id(group())
                    .with_generation_id_or_member_epoch(-1)
                    .with_topics(vec![commit]),
            ),
        ),
        (
            range::<OffsetFetchRequest>(),
            GroupRequest::OffsetFetch(
                OffsetFetchRequest::default()
                    .with_group_id(group())
                    .with_topics(Some(topics))
                    .with_groups(fetch_groups),
            ),
        ),
        (
            range::<DescribeGroupsRequest>(),
            GroupRequest::DescribeGroups(DescribeGroupsRequest::default().with_groups(vec![group(), group_id("none")])),
        ),
        (range::<ListGroupsRequest>(), GroupRequest::ListGroups(ListGroupsRequest::default())),
        (
            range::<DeleteGroupsRequest>(),
            GroupRequest::DeleteGroups(
                DeleteGroupsRequest::default().with_groups_names(vec![group(), group_id("none")]),
            ),
        ),
        (
            range::<OffsetDeleteRequest>(),
            GroupRequest::OffsetDelete(OffsetDeleteRequest::default().with_group_id(group())),
        ),
    ]
}

#[test]
fn every_answer_can_be_sent() {
    let mut bench = Bench::new();
    // A group with members and offsets, one without a coordinator, one that is loading.
    for stage in ["members", "lost", "loading"] {
        let partition = partition_for(GROUP, 50);
        let mut out = Vec::new();
        match stage {
            "members" => {
                let ids = bench.stable(2);
                bench.commit(&ids[0], 1, 4);
            }
            "lost" => bench.coordinator.unload(partition, &mut out),
            _ => bench.coordinator.start_loading(partition, 2, &mut out),
        }
        for (versions, request) in requests() {
            for version in versions {
                let token = bench.ask(version, request.clone());
                bench.pass(5_000);
                bench.pass(120_000);
                match bench.reply(token) {
                    Some(response) => encode_any(&response, version),
                    None => panic!("no reply to {request:?} version {version}"),
                }
            }
        }
    }
}

#[test]
fn joins_and_syncs_of_every_version_succeed() {
    for version in 0..=9 {
        let mut bench = Bench::new();
        let join = Join { version, ..Join::default() };
        let token = if version < 4 { bench.join(&join) } else { bench.join_twice(&join).1 };
        bench.pass(3_000);
        let joined = bench.joined(token);
        assert_eq!((joined.error_code, joined.generation_id), (0, 1));
        encode(&joined, version);
        let sync = SyncGroupRequest::default()
            .with_group_id(group_id(GROUP))
            .with_member_id(joined.member_id)
            .with_generation_id(1);
        let version = version.min(5);
        let token = bench.ask(version, GroupRequest::Sync(sync));
        let synced = bench.synced(token);
        assert_eq!(synced.error_code, 0);
        encode(&synced, version);
    }
}
