//! What a restart finds.

use bytes::Bytes;
use odradek_wire::ResponseError as E;

use super::harness::*;
use crate::group::*;

#[test]
fn members_of_a_stable_group_go_on_after_a_restart() {
    let mut bench = Bench::new();
    let ids = bench.stable(2);
    bench.commit(&ids[0], 1, 42);
    let mut other = bench.reload(GroupConfig::default());
    assert_eq!(other.state(), "Stable");
    assert_eq!(other.describe(GROUP), bench.describe(GROUP));
    assert_eq!(other.fetch(GROUP, "topic", 0), 42);
    assert_eq!(other.heartbeat(&ids[1], 1), 0);
    let token = other.commit(&ids[0], 1, 43);
    assert_eq!(other.committed(token), Some(0));
    // Sessions began with the end of loading.
    other.pass(9_999);
    assert_eq!(other.heartbeat(&ids[0], 1), 0);
    other.pass(1);
    let error = other.heartbeat(&ids[0], 1);
    assert_eq!(error, E::RebalanceInProgress.code());
}

#[test]
fn a_group_above_the_limit_is_asked_to_join_again() {
    let mut bench = Bench::new();
    bench.stable(3);
    let config = GroupConfig { max_size: 2, ..GroupConfig::default() };
    assert_eq!(bench.reload(config).state(), "PreparingRebalance");
}

#[test]
fn broken_records_are_passed_over_and_told() {
    let mut bench = Bench::new();
    bench.commit("", -1, 7);
    let (partition, record) = bench.log[0].clone();
    let mut out = Vec::new();
    bench.coordinator.start_loading(partition, 2, &mut out);
    let broken = [
        (Bytes::new(), None, 0),
        (Bytes::from_static(&[0, 3, 0, 1, b'g']), None, 1),
        (record.key.clone(), Some(Bytes::from_static(&[0, 4, 1])), 2),
        (record.key, record.value, 3),
    ];
    let loaded = bench.coordinator.load(partition, broken);
    assert_eq!(loaded.records, 1);
    assert_eq!(
        loaded.skipped,
        [(0, RecordError::Cut("kind of key")), (1, RecordError::UnknownKind(3)), (2, RecordError::Cut("offset")),]
    );
    let now = bench.now;
    bench.coordinator.finish_loading(now, partition, &mut out);
    bench.take(out);
    assert_eq!(bench.fetch(GROUP, "topic", 0), 7);
}

#[test]
fn an_older_leadership_does_not_begin_again() {
    let mut bench = Bench::new();
    bench.commit("", -1, 7);
    let partition = partition_for(GROUP, 50);
    let mut out = Vec::new();
    bench.coordinator.start_loading(partition, 1, &mut out);
    assert_eq!(bench.fetch(GROUP, "topic", 0), 7);
    assert!(out.is_empty());
    assert_eq!(bench.coordinator.partitions().count(), 50);
    // Records for a partition that is not loading are not taken.
    let loaded = bench.coordinator.load(partition, [(Bytes::new(), None, 0)]);
    assert_eq!(loaded, Loaded::default());
}
