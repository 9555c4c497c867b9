//! SyncGroup, LeaveGroup, and what is written on the way.

use odradek_wire::ResponseError as E;
use odradek_wire::messages::{LeaveGroupRequest, SyncGroupRequest};

use super::harness::*;
use crate::group::record::{Decoded, decode};
use crate::group::*;

/// Two members in CompletingRebalance, the leader first.
fn completing(bench: &mut Bench) -> Vec<String> {
    let (_, first) = bench.join_twice(&Join::default());
    let (_, second) = bench.join_twice(&Join::default());
    bench.pass(10_000);
    let mut ids = vec![bench.joined(first).member_id.to_string(), bench.joined(second).member_id.to_string()];
    ids.sort();
    assert_eq!(bench.state(), "CompletingRebalance");
    let described = bench.describe(GROUP);
    assert_eq!(described.protocol_data.as_str(), "");
    // The first to come leads.
    let token = bench.join(&Join { member: &ids[0], ..Join::default() });
    let leader = bench.joined(token).leader.to_string();
    ids.sort_by_key(|id| *id != leader);
    ids
}

#[test]
fn assignments_leave_when_they_are_written_and_not_before() {
    let mut bench = Bench::new();
    let ids = completing(&mut bench);
    bench.commits_at_once = false;
    let follower = bench.sync(&ids[1], 1, &[]);
    assert!(bench.log.is_empty());
    let leader = bench.sync(&ids[0], 1, &[(&ids[0], b"a"), (&ids[1], b"b"), ("ghost", b"c")]);
    assert_eq!(bench.log.len(), 1);
    assert!(bench.is_waiting(follower) && bench.is_waiting(leader));
    assert_eq!(bench.state(), "CompletingRebalance");
    bench.commit_all();
    assert_eq!(bench.synced(leader).assignment, b"a"[..]);
    let follower = bench.synced(follower);
    assert_eq!(follower.assignment, b"b"[..]);
    assert_eq!(follower.protocol_name.as_deref(), Some("range"));
    assert_eq!(bench.state(), "Stable");
    let described = bench.describe(GROUP);
    assert_eq!(described.protocol_data.as_str(), "range");
    assert_eq!(described.members.len(), 2);
    assert_eq!(described.members[0].member_metadata, subscription(&["topic"]));
    assert_eq!(described.members[0].client_host.as_str(), "/127.0.0.1");
    // A late one gets what it missed.
    let late = bench.sync(&ids[1], 1, &[]);
    assert_eq!(bench.synced(late).assignment, b"b"[..]);
    // What was written holds all of it.
    let (_, record) = &bench.log[0];
    match decode(&record.key, record.value.as_deref()) {
        Ok(Decoded::Group { value: Some(value), .. }) => {
            assert_eq!((value.generation, value.members.len()), (1, 2));
            assert_eq!(value.leader.as_deref(), Some(&*ids[0]));
            let mut work: Vec<_> = value.members.iter().map(|m| &m.assignment[..]).collect();
            work.sort();
            assert_eq!(work, [b"a", b"b"]);
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn refused_syncs_say_why() {
    let mut bench = Bench::new();
    let ids = completing(&mut bench);
    let sync = |member: &str, generation| {
        SyncGroupRequest::default()
            .with_group_id(group_id(GROUP))
            .with_member_id(text(member))
            .with_generation_id(generation)
    };
    let table = [
        (sync("who", 1), E::UnknownMemberId),
        (sync(&ids[0], 2), E::IllegalGeneration),
        (sync(&ids[0], 1).with_protocol_type(Some(text("connect"))), E::InconsistentGroupProtocol),
        (sync(&ids[0], 1).with_protocol_name(Some(text("sticky"))), E::InconsistentGroupProtocol),
        (sync(&ids[0], 1).with_group_instance_id(Some(text("none"))), E::UnknownMemberId),
        (sync(&ids[0], 1).with_group_id(group_id("other")), E::UnknownMemberId),
    ];
    for (request, error) in table {
        let token = bench.ask(5, GroupRequest::Sync(request));
        assert_eq!(bench.synced(token).error_code, error.code());
    }
}

#[test]
fn a_rebalance_ends_the_wait_for_an_assignment() {
    let mut bench = Bench::new();
    let ids = completing(&mut bench);
    let follower = bench.sync(&ids[1], 1, &[]);
    bench.commits_at_once = false;
    let leader = bench.sync(&ids[0], 1, &[(&ids[0], b"a")]);
    bench.join_twice(&Join::default());
    for token in [follower, leader] {
        assert_eq!(bench.synced(token).error_code, E::RebalanceInProgress.code());
    }
    // The write of the assignment that nobody has any more changes nothing.
    bench.commit_all();
    assert_eq!(bench.state(), "PreparingRebalance");
    let late = bench.sync(&ids[1], 1, &[]);
    assert_eq!(bench.synced(late).error_code, E::RebalanceInProgress.code());
}

#[test]
fn an_assignment_that_cannot_be_written_is_tried_again() {
    let table = [
        (E::NotEnoughReplicas, E::CoordinatorNotAvailable),
        (E::NotLeaderOrFollower, E::NotCoordinator),
        (E::KafkaStorageError, E::NotCoordinator),
        (E::MessageTooLarge, E::UnknownServerError),
    ];
    for (said, told) in table {
        let mut bench = Bench::new();
        let ids = completing(&mut bench);
        bench.commits_at_once = false;
        let follower = bench.sync(&ids[1], 1, &[]);
        let leader = bench.sync(&ids[0], 1, &[(&ids[0], b"a")]);
        bench.fail_one(said);
        assert_eq!(bench.synced(leader).error_code, told.code());
        assert_eq!(bench.synced(follower).error_code, told.code());
        assert_eq!(bench.state(), "PreparingRebalance");
    }
}

#[test]
fn a_write_that_takes_too_long_is_told_and_holds_all_the_same() {
    let mut bench = Bench::new();
    let ids = completing(&mut bench);
    bench.commits_at_once = false;
    let leader = bench.sync(&ids[0], 1, &[(&ids[0], b"a")]);
    bench.pass(4_999);
    assert!(bench.is_waiting(leader));
    bench.pass(1);
    let error = bench.synced(leader).error_code;
    assert_eq!(error, E::CoordinatorNotAvailable.code());
    bench.commit_all();
    assert_eq!(bench.state(), "Stable");
    let again = bench.sync(&ids[0], 1, &[]);
    assert_eq!(bench.synced(again).assignment, b"a"[..]);
}

#[test]
fn members_that_do_not_sync_in_time_are_removed() {
    let mut bench = Bench::new();
    let ids = completing(&mut bench);
    let leader = bench.sync(&ids[0], 1, &[(&ids[0], b"a")]);
    assert_eq!(bench.synced(leader).error_code, 0);
    for _ in 0..12 {
        assert_eq!(bench.heartbeat(&ids[0], 1), 0);
        assert_eq!(bench.heartbeat(&ids[1], 1), 0);
        bench.pass(5_000);
    }
    assert_eq!(bench.heartbeat(&ids[1], 1), E::UnknownMemberId.code());
    assert_eq!(bench.heartbeat(&ids[0], 1), E::RebalanceInProgress.code());
}

#[test]
fn a_member_that_leaves_makes_room() {
    let mut bench = Bench::new();
    let ids = bench.stable(2);
    let token = bench.leave(&[(&ids[1], None), ("who", None)]);
    match bench.reply(token) {
        Some(GroupResponse::Leave(response)) => {
            assert_eq!(response.error_code, 0);
            let errors: Vec<_> = response.members.iter().map(|m| m.error_code).collect();
            assert_eq!(errors, [0, E::UnknownMemberId.code()]);
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(bench.heartbeat(&ids[0], 1), E::RebalanceInProgress.code());
    assert_eq!(bench.heartbeat(&ids[1], 1), E::UnknownMemberId.code());
}

#[test]
fn the_last_to_leave_is_answered_when_the_empty_group_is_written() {
    let mut bench = Bench::new();
    let ids = bench.stable(1);
    bench.commits_at_once = false;
    let token = bench.leave(&[(&ids[0], None)]);
    assert!(bench.is_waiting(token));
    assert_eq!(bench.state(), "Empty");
    bench.commit_all();
    assert!(matches!(
        bench.reply(token),
        Some(GroupResponse::Leave(response)) if response.error_code == 0
    ));
    assert_eq!(bench.heartbeat(&ids[0], 1), E::UnknownMemberId.code());
    // The next one joins the next generation.
    bench.commits_at_once = true;
    let (_, token) = bench.join_twice(&Join::default());
    bench.pass(3_000);
    assert_eq!(bench.joined(token).generation_id, 3);
}

#[test]
fn old_clients_leave_one_by_one() {
    let mut bench = Bench::new();
    let ids = bench.stable(1);
    for (member, error) in [("who", E::UnknownMemberId.code()), (&ids[0], 0)] {
        let request = LeaveGroupRequest::default().with_group_id(group_id(GROUP)).with_member_id(text(member));
        let token = bench.ask(2, GroupRequest::Leave(request));
        match bench.reply(token) {
            Some(GroupResponse::Leave(response)) => {
                assert_eq!(response.error_code, error);
                assert!(response.members.is_empty());
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn losing_the_partition_answers_everyone() {
    let mut bench = Bench::new();
    let ids = completing(&mut bench);
    bench.commits_at_once = false;
    let follower = bench.sync(&ids[1], 1, &[]);
    let leader = bench.sync(&ids[0], 1, &[(&ids[0], b"a")]);
    let mut out = Vec::new();
    bench.coordinator.unload(partition_for(GROUP, 50), &mut out);
    bench.take(out);
    for token in [follower, leader] {
        assert_eq!(bench.synced(token).error_code, E::NotCoordinator.code());
    }
    // The log answers after all: nothing comes of it.
    bench.commit_all();
    assert_eq!(bench.coordinator.next_deadline(), None);
}
