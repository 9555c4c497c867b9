//! Offsets outlive their group by the retention, and no longer.

use odradek_wire::messages::offset_commit_request::{OffsetCommitRequestPartition, OffsetCommitRequestTopic};
use odradek_wire::messages::{OffsetCommitRequest, TopicName};

use super::harness::*;
use crate::group::*;

const HOUR: u64 = 3_600_000;

fn config() -> GroupConfig {
    GroupConfig { offsets_retention_ms: HOUR as i64, ..GroupConfig::default() }
}

fn tombstones(bench: &Bench) -> usize {
    let log = bench.log.iter();
    log.filter(|(_, record)| record.value.is_none()).count()
}

#[test]
fn offsets_of_simple_consumers_expire_after_their_commit() {
    let mut bench = Bench::with_config(config());
    bench.commit("", -1, 1);
    bench.pass(HOUR / 2);
    bench.commit_to(GROUP, "", -1, ("topic", 1), 2);
    bench.pass(HOUR / 2);
    assert_eq!(bench.fetch(GROUP, "topic", 0), -1);
    assert_eq!(bench.fetch(GROUP, "topic", 1), 2);
    assert_eq!(tombstones(&bench), 1);
    bench.pass(HOUR / 2);
    assert_eq!(bench.fetch(GROUP, "topic", 1), -1);
    assert_eq!(bench.state(), "Dead");
    // Two offsets and the group.
    assert_eq!(tombstones(&bench), 3);
    assert_eq!(bench.coordinator.next_deadline(), None);
}

#[test]
fn offsets_of_a_group_are_kept_while_it_has_members_and_then_for_the_retention() {
    let mut bench = Bench::with_config(config());
    let ids = bench.stable(1);
    bench.commit(&ids[0], 1, 1);
    bench.commit_to(GROUP, &ids[0], 1, ("unread", 0), 2);
    for _ in 0..(3 * HOUR / 9_000) {
        bench.pass(9_000);
        assert_eq!(bench.heartbeat(&ids[0], 1), 0);
    }
    assert_eq!(bench.fetch(GROUP, "topic", 0), 1);
    assert_eq!(bench.fetch(GROUP, "unread", 0), -1, "nobody reads this topic");
    bench.leave(&[(&ids[0], None)]);
    bench.pass(HOUR - 1);
    assert_eq!(bench.fetch(GROUP, "topic", 0), 1);
    // A restart changes nothing about when they expire.
    let mut other = bench.reload(config());
    for bench in [&mut bench, &mut other] {
        assert_eq!(bench.fetch(GROUP, "topic", 0), 1);
        bench.pass(1);
        assert_eq!(bench.fetch(GROUP, "topic", 0), -1);
        assert_eq!(bench.state(), "Dead");
    }
}

#[test]
fn an_empty_group_without_offsets_goes_after_a_while() {
    let mut bench = Bench::with_config(config());
    let ids = bench.stable(1);
    bench.leave(&[(&ids[0], None)]);
    bench.pass(599_999);
    assert_eq!(bench.state(), "Empty");
    bench.pass(1);
    assert_eq!(bench.state(), "Dead");
    assert_eq!(tombstones(&bench), 1);
    assert_eq!(bench.coordinator.next_deadline(), None);
}

#[test]
fn a_deletion_that_is_not_written_is_tried_again() {
    let mut bench = Bench::with_config(config());
    bench.commit("", -1, 1);
    bench.commits_at_once = false;
    bench.pass(HOUR);
    bench.fail_one(odradek_wire::ResponseError::NotEnoughReplicas);
    assert_eq!(bench.fetch(GROUP, "topic", 0), 1);
    bench.commits_at_once = true;
    bench.pass(600_000);
    assert_eq!(bench.fetch(GROUP, "topic", 0), -1);
}

#[test]
fn old_clients_choose_their_own_retention() {
    let mut bench = Bench::with_config(config());
    let partition =
        OffsetCommitRequestPartition::default().with_committed_offset(4).with_committed_metadata(Some(text("")));
    let topic =
        OffsetCommitRequestTopic::default().with_name(TopicName(text("topic"))).with_partitions(vec![partition]);
    let request = OffsetCommitRequest::default()
        .with_group_id(group_id(GROUP))
        .with_generation_id_or_member_epoch(-1)
        .with_retention_time_ms(5_000)
        .with_topics(vec![topic]);
    let token = bench.ask(2, GroupRequest::OffsetCommit(request));
    assert_eq!(bench.committed(token), Some(0));
    let mut other = bench.reload(config());
    for bench in [&mut bench, &mut other] {
        bench.pass(4_999);
        assert_eq!(bench.fetch(GROUP, "topic", 0), 4);
        bench.pass(1);
        assert_eq!(bench.fetch(GROUP, "topic", 0), -1);
    }
}

#[test]
fn a_clock_that_jumps_back_keeps_offsets_longer() {
    let mut bench = Bench::with_config(config());
    bench.commit("", -1, 1);
    bench.now.wall_ms -= HOUR as i64;
    bench.pass(HOUR);
    assert_eq!(bench.fetch(GROUP, "topic", 0), 1);
    bench.pass(HOUR);
    assert_eq!(bench.fetch(GROUP, "topic", 0), -1);
}

#[test]
fn many_offsets_expire_in_batches_that_a_log_accepts() {
    let mut bench = Bench::with_config(config());
    let topic = "t".repeat(240);
    for partition in 0..2_500 {
        bench.commit_to(GROUP, "", -1, (&topic, partition), 1);
    }
    bench.commits_at_once = false;
    bench.pass(HOUR);
    assert!(bench.pending.len() > 1);
    bench.commit_all();
    assert_eq!(bench.state(), "Dead");
    assert_eq!(tombstones(&bench), 2_501);
}
