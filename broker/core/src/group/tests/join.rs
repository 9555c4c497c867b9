//! JoinGroup, and the generations that come of it.

use odradek_wire::ResponseError as E;
use odradek_wire::messages::OffsetCommitRequest;

use super::harness::*;
use crate::group::*;

#[test]
fn refused_joins_say_why() {
    let table: [(&str, Join<'_>, E); 8] = [
        ("short session", Join { session_timeout_ms: 5_999, ..Join::default() }, E::InvalidSessionTimeout),
        ("long session", Join { session_timeout_ms: 1_800_001, ..Join::default() }, E::InvalidSessionTimeout),
        ("no protocols", Join { protocols: &[], ..Join::default() }, E::InconsistentGroupProtocol),
        ("no protocol type", Join { protocol_type: "", ..Join::default() }, E::InconsistentGroupProtocol),
        ("unknown id in an unknown group", Join { member: "who", ..Join::default() }, E::UnknownMemberId),
        ("no id", Join::default(), E::MemberIdRequired),
        (
            "a name that no record can hold",
            Join { protocols: &[Box::leak("p".repeat(40_000).into_boxed_str())], ..Join::default() },
            E::InvalidRequest,
        ),
        ("no id, version 4", Join { version: 4, ..Join::default() }, E::MemberIdRequired),
    ];
    for (name, join, error) in table {
        let mut bench = Bench::new();
        let token = bench.join(&join);
        let response = bench.joined(token);
        assert_eq!(response.error_code, error.code(), "{name}");
        assert!(bench.log.is_empty(), "{name}");
    }
}

#[test]
fn groups_without_a_name_or_with_an_endless_one_are_refused() {
    for id in ["", &"g".repeat(40_000)] {
        let mut bench = Bench::new();
        let request = Join::default().request().with_group_id(group_id(id));
        let token = bench.ask(9, GroupRequest::Join(request));
        assert_eq!(bench.joined(token).error_code, E::InvalidGroupId.code());
    }
    let mut bench = Bench::new();
    let long = OffsetCommitRequest::default().with_group_id(group_id(&"g".repeat(40_000)));
    let token = bench.ask(9, GroupRequest::OffsetCommit(long));
    assert!(bench.reply(token).is_some());
}

#[test]
fn old_clients_join_with_their_first_request() {
    let mut bench = Bench::new();
    let token = bench.join(&Join { version: 3, ..Join::default() });
    assert!(bench.is_waiting(token));
    bench.pass(3_000);
    let response = bench.joined(token);
    assert_eq!((response.error_code, response.generation_id), (0, 1));
    assert!(response.member_id.starts_with("client-"));
    assert_eq!(response.leader, response.member_id);
    assert_eq!(response.members.len(), 1);
}

#[test]
fn the_first_join_waits_for_more_members() {
    let mut bench = Bench::new();
    let (_, first) = bench.join_twice(&Join::default());
    bench.pass(2_000);
    let (_, second) = bench.join_twice(&Join::default());
    bench.pass(999);
    assert!(bench.is_waiting(first));
    // The second one extends the delay by as much again.
    bench.pass(3_000);
    assert!(bench.is_waiting(first));
    bench.pass(1);
    let (first, second) = (bench.joined(first), bench.joined(second));
    assert_eq!((first.generation_id, second.generation_id), (1, 1));
    assert_eq!(first.leader, second.leader);
    let lists = [first.members.len(), second.members.len()];
    assert!(lists == [2, 0] || lists == [0, 2], "only the leader sees the members");
}

#[test]
fn the_delay_ends_with_the_rebalance_timeout() {
    let mut bench = Bench::new();
    let join = Join { rebalance_timeout_ms: 7_000, ..Join::default() };
    let (_, first) = bench.join_twice(&join);
    for _ in 0..3 {
        bench.pass(2_333);
        assert!(bench.is_waiting(first));
        bench.join_twice(&join);
    }
    bench.pass(2);
    assert!(!bench.is_waiting(first));
}

#[test]
fn a_pending_member_that_does_not_come_back_is_forgotten() {
    let mut bench = Bench::new();
    let ids = bench.stable(1);
    let token = bench.join(&Join::default());
    assert_eq!(bench.joined(token).error_code, E::MemberIdRequired.code());
    // The leader wants a rebalance: it waits for the pending one.
    let leader = bench.join(&Join { member: &ids[0], ..Join::default() });
    assert!(bench.is_waiting(leader));
    bench.pass(10_000);
    assert_eq!(bench.joined(leader).generation_id, 2);
    let vacant = Bench::new();
    let mut bench = vacant;
    bench.join(&Join::default());
    bench.pass(10_000);
    assert_eq!(bench.describe(GROUP).group_state.as_str(), "Dead");
    assert_eq!(bench.coordinator.next_deadline(), None);
}

#[test]
fn the_protocol_is_chosen_by_votes_among_those_that_all_know() {
    let mut bench = Bench::new();
    let lists: [&[&str]; 3] = [&["sticky", "range", "roundrobin"], &["range", "roundrobin"], &["roundrobin", "range"]];
    let tokens: Vec<_> = lists
        .iter()
        .map(|protocols| {
            let join = Join { protocols, ..Join::default() };
            bench.join_twice(&join).1
        })
        .collect();
    bench.pass(10_000);
    for token in tokens {
        let response = bench.joined(token);
        assert_eq!(response.protocol_name.as_deref(), Some("range"));
        assert_eq!(response.protocol_type.as_deref(), Some("consumer"));
    }
    // One that knows none of the common ones, and one of another kind, cannot come in.
    for stranger in
        [Join { protocols: &["sticky"], ..Join::default() }, Join { protocol_type: "connect", ..Join::default() }]
    {
        let token = bench.join(&stranger);
        let error = bench.joined(token).error_code;
        assert_eq!(error, E::InconsistentGroupProtocol.code());
    }
}

#[test]
fn the_group_size_is_limited() {
    let config = GroupConfig { max_size: 2, ..GroupConfig::default() };
    let mut bench = Bench::with_config(config);
    let (_, first) = bench.join_twice(&Join::default());
    let (_, second) = bench.join_twice(&Join::default());
    let full = bench.join(&Join::default());
    assert_eq!(bench.joined(full).error_code, E::GroupMaxSizeReached.code());
    bench.pass(10_000);
    let leader = bench.joined(first);
    bench.joined(second);
    let full = bench.join(&Join::default());
    assert_eq!(bench.joined(full).error_code, E::GroupMaxSizeReached.code());
    // A member is not kept from joining again.
    let again = bench.join(&Join { member: &leader.member_id, ..Join::default() });
    assert_eq!(bench.joined(again).error_code, 0);
}

#[test]
fn followers_that_ask_again_do_not_cause_a_rebalance_but_leaders_do() {
    let mut bench = Bench::new();
    let ids = bench.stable(2);
    let join = |member, topics| Join { member, topics, ..Join::default() };
    let follower = bench.join(&join(&ids[1], &["topic"]));
    let response = bench.joined(follower);
    assert_eq!((response.error_code, response.generation_id), (0, 1));
    assert_eq!(bench.state(), "Stable");
    // Other metadata, however, do.
    let follower = bench.join(&join(&ids[1], &["topic", "other"]));
    assert!(bench.is_waiting(follower));
    assert_eq!(bench.state(), "PreparingRebalance");
    assert_eq!(bench.heartbeat(&ids[0], 1), E::RebalanceInProgress.code());
    let leader = bench.join(&join(&ids[0], &["topic"]));
    assert_eq!(bench.joined(leader).generation_id, 2);
    assert_eq!(bench.joined(follower).generation_id, 2);
    // In CompletingRebalance the same question gets the same answer.
    let again = bench.join(&join(&ids[0], &["topic"]));
    let response = bench.joined(again);
    assert_eq!((response.generation_id, response.members.len()), (2, 2));
    let changed = bench.join(&join(&ids[0], &["third"]));
    assert!(bench.is_waiting(changed));
    assert_eq!(bench.state(), "PreparingRebalance");
}

#[test]
fn members_that_do_not_join_again_are_left_behind() {
    let mut bench = Bench::new();
    let ids = bench.stable(2);
    let leader = bench.join(&Join { member: &ids[0], ..Join::default() });
    // The other one sends heartbeats all the time, and does not act on the answer.
    for _ in 0..12 {
        assert!(bench.is_waiting(leader));
        assert_eq!(bench.heartbeat(&ids[1], 1), E::RebalanceInProgress.code());
        bench.pass(5_000);
    }
    let response = bench.joined(leader);
    assert_eq!((response.generation_id, response.members.len()), (2, 1));
    assert_eq!(bench.heartbeat(&ids[1], 1), E::UnknownMemberId.code());
}

#[test]
fn sessions_end_without_heartbeats_and_go_on_with_them() {
    let mut bench = Bench::new();
    let ids = bench.stable(1);
    for _ in 0..5 {
        bench.pass(9_999);
        assert_eq!(bench.heartbeat(&ids[0], 1), 0);
    }
    bench.pass(10_000);
    assert_eq!(bench.heartbeat(&ids[0], 1), E::UnknownMemberId.code());
    assert_eq!(bench.state(), "Empty");
}

#[test]
fn one_silent_member_makes_the_others_share_its_work() {
    let mut bench = Bench::new();
    let ids = bench.stable(2);
    bench.pass(6_000);
    assert_eq!(bench.heartbeat(&ids[0], 1), 0);
    bench.pass(6_000);
    assert_eq!(bench.heartbeat(&ids[0], 1), E::RebalanceInProgress.code());
    let token = bench.join(&Join { member: &ids[0], ..Join::default() });
    let response = bench.joined(token);
    assert_eq!((response.generation_id, response.members.len()), (2, 1));
}

#[test]
fn a_new_member_whose_client_is_gone_does_not_stay_for_ever() {
    let config = GroupConfig { new_member_join_timeout_ms: 20_000, ..GroupConfig::default() };
    let mut bench = Bench::with_config(config);
    let ids = bench.stable(1);
    let (_, gone) = bench.join_twice(&Join { rebalance_timeout_ms: 600_000, ..Join::default() });
    // The first member keeps its session alive and does not join.
    for _ in 0..4 {
        bench.pass(5_000);
        bench.heartbeat(&ids[0], 1);
    }
    assert_eq!(bench.joined(gone).error_code, E::UnknownMemberId.code());
}

#[test]
fn a_request_that_is_repeated_while_it_waits_is_answered_too() {
    let mut bench = Bench::new();
    let (id, first) = bench.join_twice(&Join::default());
    let second = bench.join(&Join { member: &id, ..Join::default() });
    assert_eq!(bench.joined(first).error_code, E::RebalanceInProgress.code());
    bench.pass(3_000);
    assert_eq!(bench.joined(second).error_code, 0);
}

#[test]
fn groups_of_partitions_that_are_not_here_are_refused() {
    let mut bench = Bench::new();
    let partition = partition_for(GROUP, 50);
    let (_, waiting) = bench.join_twice(&Join::default());
    let mut out = Vec::new();
    bench.coordinator.unload(partition, &mut out);
    bench.take(out);
    assert_eq!(bench.joined(waiting).error_code, E::NotCoordinator.code());
    let token = bench.join(&Join::default());
    assert_eq!(bench.joined(token).error_code, E::NotCoordinator.code());
    let mut out = Vec::new();
    bench.coordinator.start_loading(partition, 2, &mut out);
    let token = bench.join(&Join::default());
    let error = bench.joined(token).error_code;
    assert_eq!(error, E::CoordinatorLoadInProgress.code());
    assert_eq!(bench.heartbeat("any", 7), 0, "sessions begin after loading");
    assert_eq!(bench.coordinator.next_deadline(), None);
}
