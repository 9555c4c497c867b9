//! DescribeGroups, ListGroups, DeleteGroups, OffsetDelete, and topics that are gone.

use std::collections::BTreeSet;

use odradek_wire::ResponseError as E;
use odradek_wire::messages::offset_delete_request::{OffsetDeleteRequestPartition, OffsetDeleteRequestTopic};
use odradek_wire::messages::{
    DeleteGroupsRequest, DescribeGroupsRequest, ListGroupsRequest, OffsetDeleteRequest, TopicName,
};

use super::harness::*;
use crate::group::*;

fn list(bench: &mut Bench, states: &[&str], types: &[&str]) -> Vec<String> {
    let request = ListGroupsRequest::default()
        .with_states_filter(states.iter().map(|state| text(state)).collect())
        .with_types_filter(types.iter().map(|kind| text(kind)).collect());
    let token = bench.ask(5, GroupRequest::ListGroups(request));
    match bench.reply(token) {
        Some(GroupResponse::ListGroups(response)) => {
            assert_eq!(response.error_code, 0);
            let groups = response.groups.iter();
            groups
                .map(|group| {
                    format!(
                        "{} {} {} {}",
                        &**group.group_id, &*group.protocol_type, &*group.group_state, &*group.group_type
                    )
                })
                .collect()
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn lists_can_be_filtered() {
    let mut bench = Bench::new();
    bench.stable(1);
    bench.commit_to("simple", "", -1, ("topic", 0), 1);
    let stable = "group consumer Stable classic".to_owned();
    let simple = "simple  Empty classic".to_owned();
    let mut all = list(&mut bench, &[], &[]);
    all.sort();
    assert_eq!(all, [stable.clone(), simple.clone()]);
    assert_eq!(list(&mut bench, &["STABLE", "Dead"], &[]), [stable]);
    assert_eq!(list(&mut bench, &["empty"], &["Classic"]), [simple]);
    assert!(list(&mut bench, &[], &["consumer"]).is_empty());
    // While a partition is loaded, a list would have holes.
    let mut out = Vec::new();
    bench.coordinator.start_loading(3, 9, &mut out);
    let token = bench.ask(5, GroupRequest::ListGroups(ListGroupsRequest::default()));
    assert!(matches!(
        bench.reply(token),
        Some(GroupResponse::ListGroups(response))
            if response.error_code == E::CoordinatorLoadInProgress.code()
    ));
}

#[test]
fn an_unknown_group_is_dead_or_not_found() {
    let mut bench = Bench::new();
    let described = bench.describe("none");
    assert_eq!(described.error_code, E::GroupIdNotFound.code());
    let message = described.error_message.as_deref();
    assert_eq!(message, Some("Group none not found."));
    let request = DescribeGroupsRequest::default().with_groups(vec![group_id("none")]);
    let token = bench.ask(5, GroupRequest::DescribeGroups(request));
    assert!(matches!(
        bench.reply(token),
        Some(GroupResponse::DescribeGroups(response))
            if response.groups[0].error_code == 0
                && &*response.groups[0].group_state == "Dead"
    ));
}

#[test]
fn only_empty_groups_are_deleted_and_only_when_it_is_written() {
    let mut bench = Bench::new();
    let ids = bench.stable(1);
    let token = bench.commit(&ids[0], 1, 5);
    assert_eq!(bench.committed(token), Some(0));
    let token = bench.delete_group(GROUP);
    assert_eq!(bench.deleted(token), Some(E::NonEmptyGroup.code()));
    let token = bench.delete_group("none");
    assert_eq!(bench.deleted(token), Some(E::GroupIdNotFound.code()));
    bench.leave(&[(&ids[0], None)]);
    bench.commits_at_once = false;
    // A commit that is on its way goes as well.
    let late = bench.commit_to(GROUP, "", -1, ("late", 0), 1);
    let token = bench.delete_group(GROUP);
    assert_eq!(bench.deleted(token), None);
    assert_eq!(bench.fetch(GROUP, "topic", 0), 5);
    bench.commit_all();
    assert_eq!(bench.committed(late), Some(0));
    assert_eq!(bench.deleted(token), Some(0));
    assert_eq!(bench.fetch(GROUP, "topic", 0), -1);
    assert_eq!(bench.fetch(GROUP, "late", 0), -1);
    assert_eq!(bench.state(), "Dead");
    assert_eq!(bench.coordinator.next_deadline(), None);
    assert_eq!(bench.reload(GroupConfig::default()).state(), "Dead");
}

#[test]
fn groups_of_several_partitions_are_deleted_in_one_request() {
    let mut bench = Bench::new();
    let names: Vec<String> = (0..9).map(|i| format!("group-{i}")).collect();
    for name in &names {
        bench.commit_to(name, "", -1, ("topic", 0), 1);
    }
    let mut out = Vec::new();
    let lost = partition_for(&names[4], 50);
    bench.coordinator.unload(lost, &mut out);
    bench.commits_at_once = false;
    let ids = names.iter().map(|name| group_id(name)).collect();
    let request = DeleteGroupsRequest::default().with_groups_names(ids);
    let token = bench.ask(2, GroupRequest::DeleteGroups(request));
    assert!(bench.is_waiting(token));
    // One more partition is lost while it waits.
    let also = partition_for(&names[7], 50);
    let mut out = Vec::new();
    bench.coordinator.unload(also, &mut out);
    bench.take(out);
    bench.commit_all();
    let Some(GroupResponse::DeleteGroups(response)) = bench.reply(token) else {
        panic!("no reply");
    };
    for (name, result) in names.iter().zip(&response.results) {
        let partition = partition_for(name, 50);
        let gone = partition == lost || partition == also;
        let error = if gone { E::NotCoordinator.code() } else { 0 };
        assert_eq!((&**result.group_id, result.error_code), (&**name, error));
    }
    let token = bench.ask(2, GroupRequest::DeleteGroups(DeleteGroupsRequest::default()));
    assert!(bench.reply(token).is_some());
}

#[test]
fn a_group_that_is_used_again_while_it_is_deleted_lives() {
    let mut bench = Bench::new();
    bench.commit("", -1, 5);
    bench.commits_at_once = false;
    let token = bench.delete_group(GROUP);
    let (_, join) = bench.join_twice(&Join::default());
    let commit = bench.commit_to("other", "", -1, ("topic", 0), 1);
    bench.commit_all();
    assert_eq!(bench.deleted(token), Some(0));
    assert_eq!(bench.committed(commit), Some(0));
    assert_eq!(bench.fetch(GROUP, "topic", 0), -1);
    bench.pass(3_000);
    let joined = bench.joined(join);
    assert_eq!(joined.error_code, 0);
    assert_eq!(joined.protocol_type.as_deref(), Some("consumer"));
}

fn delete_offsets(bench: &mut Bench, group: &str, topics: &[&str]) -> (i16, Vec<i16>) {
    let topics = topics.iter().map(|topic| {
        let partition = OffsetDeleteRequestPartition::default().with_partition_index(0);
        OffsetDeleteRequestTopic::default().with_name(TopicName(text(topic))).with_partitions(vec![partition])
    });
    let request = OffsetDeleteRequest::default().with_group_id(group_id(group)).with_topics(topics.collect());
    let token = bench.ask(0, GroupRequest::OffsetDelete(request));
    match bench.reply(token) {
        Some(GroupResponse::OffsetDelete(response)) => {
            let errors = response.topics.iter().map(|t| t.partitions[0].error_code);
            (response.error_code, errors.collect())
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn offsets_are_deleted_unless_they_are_in_use() {
    let mut bench = Bench::new();
    let ids = bench.stable(1);
    bench.commit_to(GROUP, &ids[0], 1, ("topic", 0), 5);
    bench.commit_to(GROUP, &ids[0], 1, ("other", 0), 6);
    let in_use = E::GroupSubscribedToTopic.code();
    assert_eq!(delete_offsets(&mut bench, GROUP, &["topic", "other", "none"]), (0, vec![in_use, 0, 0]));
    assert_eq!(bench.fetch(GROUP, "topic", 0), 5);
    assert_eq!(bench.fetch(GROUP, "other", 0), -1);
    let (error, _) = delete_offsets(&mut bench, "none", &["topic"]);
    assert_eq!(error, E::GroupIdNotFound.code());
    bench.leave(&[(&ids[0], None)]);
    assert_eq!(delete_offsets(&mut bench, GROUP, &["topic"]), (0, vec![0]));
    assert_eq!(bench.fetch(GROUP, "topic", 0), -1);
    assert_eq!(bench.reload(GroupConfig::default()).fetch(GROUP, "topic", 0), -1);
}

#[test]
fn offsets_of_other_protocols_cannot_be_deleted_while_there_are_members() {
    let mut bench = Bench::new();
    let (_, token) = bench.join_twice(&Join { protocol_type: "connect", ..Join::default() });
    bench.pass(3_000);
    bench.joined(token);
    let (error, _) = delete_offsets(&mut bench, GROUP, &["topic"]);
    assert_eq!(error, E::NonEmptyGroup.code());
}

#[test]
fn offsets_of_deleted_topics_go() {
    let mut bench = Bench::new();
    for group in ["a", "b", "c"] {
        bench.commit_to(group, "", -1, ("gone", 0), 1);
        bench.commit_to(group, "", -1, ("gone", 1), 1);
        bench.commit_to(group, "", -1, ("kept", 0), 1);
    }
    bench.commits_at_once = false;
    let late = bench.commit_to("late", "", -1, ("gone", 7), 1);
    let mut out = Vec::new();
    let topics = BTreeSet::from(["gone".to_owned()]);
    bench.coordinator.topics_deleted(bench.now, &topics, &mut out);
    bench.take(out);
    bench.commit_all();
    assert_eq!(bench.committed(late), Some(0));
    for bench in [&mut bench.reload(GroupConfig::default()), &mut bench] {
        for group in ["a", "b", "c"] {
            assert_eq!(bench.fetch(group, "gone", 0), -1);
            assert_eq!(bench.fetch(group, "gone", 1), -1);
            assert_eq!(bench.fetch(group, "kept", 0), 1);
        }
        assert_eq!(bench.fetch("late", "gone", 7), -1);
        assert_eq!(bench.describe("late").group_state.as_str(), "Dead");
    }
}
