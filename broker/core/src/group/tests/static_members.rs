//! Static members (KIP-345): they come back without a rebalance, and two cannot share a name.

use odradek_wire::ResponseError as E;

use super::harness::*;
use crate::group::*;

fn join<'a>(instance: &'a str, member: &'a str) -> Join<'a> {
    Join { instance: Some(instance), member, ..Join::default() }
}

/// A stable group of two static members, the leader first; their instances and member ids.
fn stable(bench: &mut Bench) -> Vec<(String, String)> {
    let tokens = ["one", "two"].map(|name| (name, bench.join(&join(name, ""))));
    bench.pass(10_000);
    let responses = tokens.map(|(name, token)| (name, bench.joined(token)));
    let leader = responses[0].1.leader.clone();
    let mut ids: Vec<_> =
        responses.iter().map(|(name, response)| (name.to_string(), response.member_id.to_string())).collect();
    ids.sort_by_key(|(_, id)| **id != *leader);
    let work: Vec<(&str, &[u8])> = vec![(&ids[0].1, b"a"), (&ids[1].1, b"b")];
    for (_, id) in &ids {
        bench.sync(id, 1, &work);
    }
    assert_eq!(bench.state(), "Stable");
    ids
}

#[test]
fn a_static_member_needs_no_second_join() {
    let mut bench = Bench::new();
    let ids = stable(&mut bench);
    assert!(ids[0].1.starts_with(&format!("{}-", ids[0].0)));
    let described = bench.describe(GROUP);
    let names: Vec<_> = described.members.iter().map(|member| member.group_instance_id.as_deref()).collect();
    assert_eq!(names, [Some("one"), Some("two")]);
}

#[test]
fn a_replaced_member_keeps_its_work_without_a_rebalance() {
    let mut bench = Bench::new();
    let ids = stable(&mut bench);
    bench.commits_at_once = false;
    let token = bench.join(&join(&ids[1].0, ""));
    assert!(bench.is_waiting(token), "its new id has to be written first");
    bench.commit_all();
    let response = bench.joined(token);
    assert_eq!((response.error_code, response.generation_id), (0, 1));
    assert!(!response.skip_assignment);
    assert_ne!(*response.member_id, *ids[1].1);
    assert_eq!(*response.leader, *ids[0].1);
    assert_eq!(bench.state(), "Stable");
    let token = bench.sync(&response.member_id, 1, &[]);
    assert_eq!(bench.synced(token).assignment, b"b"[..]);
    // The process before it is locked out.
    assert_eq!(bench.heartbeat(&ids[1].1, 1), E::UnknownMemberId.code());
    let old = bench.join(&join(&ids[1].0, &ids[1].1));
    assert_eq!(bench.joined(old).error_code, E::FencedInstanceId.code());
    // A restart sees the same.
    let mut other = bench.reload(GroupConfig::default());
    assert_eq!(other.heartbeat(&response.member_id, 1), 0);
}

#[test]
fn a_replaced_leader_is_told_to_keep_the_assignment() {
    let mut bench = Bench::new();
    let ids = stable(&mut bench);
    let token = bench.join(&join(&ids[0].0, ""));
    let response = bench.joined(token);
    assert!(response.skip_assignment);
    assert_eq!(response.leader, response.member_id);
    assert_eq!(response.members.len(), 2);
    // A client that cannot be told so hears that somebody else leads.
    let token = bench.join(&Join { version: 8, ..join(&ids[0].0, "") });
    let old = bench.joined(token);
    assert!(!old.skip_assignment && old.members.is_empty());
    assert_eq!(old.leader, response.member_id);
    assert_ne!(old.leader, old.member_id);
}

#[test]
fn a_replacement_that_changes_the_protocol_causes_a_rebalance() {
    let mut bench = Bench::new();
    let tokens = [("one", ["range", "sticky"]), ("two", ["range", "sticky"])]
        .map(|(name, list)| bench.join(&Join { protocols: &list, ..join(name, "") }));
    bench.pass(10_000);
    let ids = tokens.map(|token| bench.joined(token).member_id.to_string());
    for id in &ids {
        bench.sync(id, 1, &[]);
    }
    assert_eq!(bench.state(), "Stable");
    let token = bench.join(&Join { protocols: &["sticky"], ..join("two", "") });
    assert!(bench.is_waiting(token));
    assert_eq!(bench.state(), "PreparingRebalance");
}

#[test]
fn a_replacement_that_cannot_be_written_is_undone() {
    let mut bench = Bench::new();
    let ids = stable(&mut bench);
    bench.commits_at_once = false;
    let token = bench.join(&join(&ids[0].0, ""));
    bench.fail_one(E::NotEnoughReplicas);
    let error = bench.joined(token).error_code;
    assert_eq!(error, E::CoordinatorNotAvailable.code());
    assert_eq!(bench.heartbeat(&ids[0].1, 1), 0);
    assert_eq!(bench.state(), "Stable");
    let leader = bench.join(&join(&ids[0].0, &ids[0].1));
    assert!(bench.is_waiting(leader), "it leads again");
}

#[test]
fn a_replacement_during_a_rebalance_takes_part_in_it() {
    let mut bench = Bench::new();
    let first = bench.join(&join("one", ""));
    let second = bench.join(&join("one", ""));
    let fenced = bench.joined(first);
    assert_eq!(fenced.error_code, E::FencedInstanceId.code());
    bench.pass(10_000);
    let response = bench.joined(second);
    assert_eq!((response.error_code, response.members.len()), (0, 1));
    // While the leader computes, its work for the old id would be lost: all join again.
    let third = bench.join(&join("one", ""));
    let response = bench.joined(third);
    assert_eq!((response.generation_id, response.members.len()), (2, 1));
}

#[test]
fn a_static_member_that_is_away_is_kept_until_its_session_ends() {
    let mut bench = Bench::new();
    let ids = stable(&mut bench);
    let leader =
        bench.join(&Join { session_timeout_ms: 120_000, rebalance_timeout_ms: 8_000, ..join(&ids[0].0, &ids[0].1) });
    // The other one does not join, and still counts: it may only be restarting.
    for _ in 0..10 {
        if !bench.is_waiting(leader) {
            break;
        }
        bench.heartbeat(&ids[1].1, 1);
        bench.pass(6_000);
    }
    let response = bench.joined(leader);
    assert_eq!((response.generation_id, response.members.len()), (2, 2));
}

#[test]
fn when_nobody_joins_again_only_the_sessions_end_a_rebalance() {
    let mut bench = Bench::new();
    let ids = stable(&mut bench);
    // A dynamic member comes, is asked for its second join, and never sends it.
    let (_, token) = bench.join_twice(&Join { rebalance_timeout_ms: 6_000, ..Join::default() });
    let dynamic = dynamic_member(&mut bench);
    let gone = bench.leave(&[(&dynamic, None)]);
    assert!(!bench.is_waiting(gone));
    assert_eq!(bench.joined(token).error_code, E::UnknownMemberId.code());
    assert_eq!(bench.state(), "PreparingRebalance");
    // Rebalance time-outs pass, the static members stay.
    for _ in 0..30 {
        bench.heartbeat(&ids[0].1, 1);
        bench.heartbeat(&ids[1].1, 1);
        bench.pass(5_000);
    }
    assert_eq!(bench.state(), "PreparingRebalance");
    bench.pass(20_000);
    assert_eq!(bench.state(), "Empty");
}

/// The id of the one dynamic member.
fn dynamic_member(bench: &mut Bench) -> String {
    let described = bench.describe(GROUP);
    let dynamic = described.members.iter().find(|member| member.group_instance_id.is_none());
    dynamic.expect("a dynamic member").member_id.to_string()
}

#[test]
fn an_administrator_removes_static_members_by_name() {
    let mut bench = Bench::new();
    let ids = stable(&mut bench);
    let token = bench.leave(&[("", Some("two")), ("", Some("none")), (&ids[0].1, Some("two"))]);
    match bench.reply(token) {
        Some(GroupResponse::Leave(response)) => {
            let errors: Vec<_> = response.members.iter().map(|m| m.error_code).collect();
            let unknown = E::UnknownMemberId.code();
            assert_eq!(errors, [0, unknown, unknown]);
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(bench.describe(GROUP).members.len(), 1);
}
