//! OffsetCommit and OffsetFetch.

use odradek_wire::ResponseError as E;
use odradek_wire::messages::offset_commit_request::{OffsetCommitRequestPartition, OffsetCommitRequestTopic};
use odradek_wire::messages::offset_fetch_request::{
    OffsetFetchRequestGroup, OffsetFetchRequestTopic, OffsetFetchRequestTopics,
};
use odradek_wire::messages::{OffsetCommitRequest, OffsetFetchRequest, TopicName};
use uuid::Uuid;

use super::harness::*;
use crate::group::*;

#[test]
fn a_commit_is_visible_when_it_is_written_and_not_before() {
    let mut bench = Bench::new();
    bench.commits_at_once = false;
    let first = bench.commit("", -1, 5);
    assert_eq!(bench.fetch(GROUP, "topic", 0), -1);
    // Nothing is there yet for the tools either.
    assert_eq!(bench.state(), "Dead");
    let second = bench.commit("", -1, 9);
    assert!(bench.is_waiting(first) && bench.is_waiting(second));
    bench.commit_all();
    assert_eq!(bench.committed(first), Some(0));
    assert_eq!(bench.committed(second), Some(0));
    assert_eq!(bench.fetch(GROUP, "topic", 0), 9);
    assert_eq!(bench.state(), "Empty");
    assert_eq!(bench.describe(GROUP).protocol_type.as_str(), "");
}

#[test]
fn a_commit_that_is_not_written_leaves_nothing() {
    let mut bench = Bench::new();
    bench.commits_at_once = false;
    let token = bench.commit("", -1, 5);
    bench.fail_one(E::NotEnoughReplicas);
    let error = bench.committed(token);
    assert_eq!(error, Some(E::CoordinatorNotAvailable.code()));
    assert_eq!(bench.fetch(GROUP, "topic", 0), -1);
    assert_eq!(bench.coordinator.next_deadline(), None);
    let token = bench.commit("", -1, 5);
    bench.pass(5_000);
    let error = bench.committed(token);
    assert_eq!(error, Some(E::CoordinatorNotAvailable.code()));
    // It is in the log, though, and holds once it is committed.
    bench.commit_all();
    assert_eq!(bench.fetch(GROUP, "topic", 0), 5);
}

#[test]
fn only_members_of_the_generation_commit_for_a_group_that_has_some() {
    let mut bench = Bench::new();
    let ids = bench.stable(2);
    let table = [
        ("", -1, E::UnknownMemberId.code()),
        ("who", 1, E::UnknownMemberId.code()),
        (&*ids[0], 0, E::IllegalGeneration.code()),
        (&*ids[0], 2, E::IllegalGeneration.code()),
        (&*ids[0], 1, 0),
    ];
    for (member, generation, error) in table {
        let token = bench.commit(member, generation, 7);
        assert_eq!(bench.committed(token), Some(error), "{member} {generation}");
    }
    // While the others are asked to join, offsets are still taken: it is what they wait for.
    let (_, third) = bench.join_twice(&Join::default());
    let token = bench.commit(&ids[0], 1, 8);
    assert_eq!(bench.committed(token), Some(0));
    for id in &ids {
        bench.join(&Join { member: id, ..Join::default() });
    }
    let generation = bench.joined(third).generation_id;
    let token = bench.commit(&ids[0], generation, 8);
    assert_eq!(bench.committed(token), Some(E::RebalanceInProgress.code()));
}

#[test]
fn a_generation_of_a_group_that_is_not_there_is_refused() {
    let mut bench = Bench::new();
    let token = bench.commit("member", 3, 1);
    assert_eq!(bench.committed(token), Some(E::GroupIdNotFound.code()));
    let request = request(vec![("topic", 0, "")]).with_generation_id_or_member_epoch(3);
    let token = bench.ask(8, GroupRequest::OffsetCommit(request));
    assert_eq!(bench.committed(token), Some(E::IllegalGeneration.code()));
}

#[test]
fn commits_keep_a_session_alive() {
    let mut bench = Bench::new();
    let ids = bench.stable(1);
    for offset in 0..5 {
        bench.pass(9_000);
        let token = bench.commit(&ids[0], 1, offset);
        assert_eq!(bench.committed(token), Some(0));
    }
}

fn request(partitions: Vec<(&str, i32, &str)>) -> OffsetCommitRequest {
    let topics = partitions.into_iter().map(|(topic, partition, metadata)| {
        let partition = OffsetCommitRequestPartition::default()
            .with_partition_index(partition)
            .with_committed_offset(11)
            .with_committed_metadata(Some(text(metadata)));
        OffsetCommitRequestTopic::default().with_name(TopicName(text(topic))).with_partitions(vec![partition])
    });
    OffsetCommitRequest::default()
        .with_group_id(group_id(GROUP))
        .with_generation_id_or_member_epoch(-1)
        .with_retention_time_ms(-1)
        .with_topics(topics.collect())
}

#[test]
fn too_much_metadata_is_refused_for_its_partition_only() {
    let config = GroupConfig { offset_metadata_max_bytes: 3, ..GroupConfig::default() };
    let mut bench = Bench::with_config(config);
    // Kafka counts UTF-16 units: three of them, in six bytes.
    let commit = request(vec![("a", 0, "äöü"), ("b", 0, "four")]);
    let token = bench.ask(9, GroupRequest::OffsetCommit(commit));
    match bench.reply(token) {
        Some(GroupResponse::OffsetCommit(response)) => {
            let errors: Vec<_> = response.topics.iter().map(|topic| topic.partitions[0].error_code).collect();
            assert_eq!(errors, [0, E::OffsetMetadataTooLarge.code()]);
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(bench.fetch(GROUP, "a", 0), 11);
    assert_eq!(bench.fetch(GROUP, "b", 0), -1);
    // Nothing to write, and a reply all the same.
    let commit = request(vec![("b", 0, "four")]);
    let token = bench.ask(9, GroupRequest::OffsetCommit(commit));
    let error = E::OffsetMetadataTooLarge.code();
    assert_eq!(bench.committed(token), Some(error));
}

#[test]
fn fetches_of_every_shape_are_answered() {
    let mut bench = Bench::new();
    bench.commit_to(GROUP, "", -1, ("topic", 1), 5);
    let old = |topics| OffsetFetchRequest::default().with_group_id(group_id(GROUP)).with_topics(topics);
    let topic =
        OffsetFetchRequestTopic::default().with_name(TopicName(text("topic"))).with_partition_indexes(vec![1, 2]);
    let token = bench.ask(7, GroupRequest::OffsetFetch(old(Some(vec![topic.clone()]))));
    let Some(GroupResponse::OffsetFetch(response)) = bench.reply(token) else {
        panic!("no reply");
    };
    assert!(response.groups.is_empty());
    let found = &response.topics[0].partitions;
    assert_eq!((found[0].committed_offset, found[1].committed_offset), (5, -1));
    assert_eq!((found[0].committed_leader_epoch, found[1].error_code), (3, 0));
    assert_eq!(found[0].metadata.as_deref(), Some("meta"));
    assert_eq!(found[1].metadata.as_deref(), Some(""));
    // All topics of several groups.
    let ask = |id: &str| OffsetFetchRequestGroup::default().with_group_id(group_id(id)).with_topics(None);
    let request = OffsetFetchRequest::default().with_groups(vec![ask(GROUP), ask("none")]);
    let token = bench.ask(8, GroupRequest::OffsetFetch(request));
    let Some(GroupResponse::OffsetFetch(response)) = bench.reply(token) else {
        panic!("no reply");
    };
    assert_eq!(response.groups[0].topics[0].partitions.len(), 1);
    assert!(response.groups[1].topics.is_empty());
    assert_eq!(response.groups[1].error_code, 0);
    // Without the partition each version says so in its own place.
    let mut out = Vec::new();
    bench.coordinator.unload(partition_for(GROUP, 50), &mut out);
    let error = E::NotCoordinator.code();
    for (version, place) in [(1, 0), (2, 1), (7, 1)] {
        let topics = Some(vec![topic.clone()]);
        let token = bench.ask(version, GroupRequest::OffsetFetch(old(topics)));
        let Some(GroupResponse::OffsetFetch(response)) = bench.reply(token) else {
            panic!("no reply");
        };
        match place {
            0 => assert_eq!(response.topics[0].partitions[1].error_code, error),
            _ => assert_eq!(response.error_code, error),
        }
    }
    let request = OffsetFetchRequest::default().with_groups(vec![ask(GROUP)]);
    let token = bench.ask(9, GroupRequest::OffsetFetch(request));
    let Some(GroupResponse::OffsetFetch(response)) = bench.reply(token) else {
        panic!("no reply");
    };
    assert_eq!(response.groups[0].error_code, error);
}

#[test]
fn topic_ids_are_carried_and_an_older_topic_of_the_name_is_not_meant() {
    let mut bench = Bench::new();
    let mut commit = request(vec![("topic", 0, "")]);
    commit.topics[0].topic_id = Uuid::from_u128(1);
    let token = bench.ask(9, GroupRequest::OffsetCommit(commit));
    match bench.reply(token) {
        Some(GroupResponse::OffsetCommit(response)) => {
            assert_eq!(response.topics[0].topic_id, Uuid::from_u128(1));
        }
        other => panic!("{other:?}"),
    }
    for (id, offset) in [(0, 11), (1, 11), (2, -1)] {
        let topic = OffsetFetchRequestTopics::default()
            .with_name(TopicName(text("topic")))
            .with_topic_id(Uuid::from_u128(id))
            .with_partition_indexes(vec![0]);
        let group = OffsetFetchRequestGroup::default().with_group_id(group_id(GROUP)).with_topics(Some(vec![topic]));
        let request = OffsetFetchRequest::default().with_groups(vec![group]);
        let token = bench.ask(9, GroupRequest::OffsetFetch(request));
        let Some(GroupResponse::OffsetFetch(response)) = bench.reply(token) else {
            panic!("no reply");
        };
        let topic = &response.groups[0].topics[0];
        assert_eq!(topic.topic_id, Uuid::from_u128(id));
        assert_eq!(topic.partitions[0].committed_offset, offset);
    }
}
