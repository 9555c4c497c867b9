//! In-sync sets shrink and grow by their leaders' wish (M4).

use super::Cluster;
use crate::metadata::rpc::{AlterPartitionRequest, Response};

#[test]
fn a_set_shrinks_and_grows() {
    let mut cluster = Cluster::of(3);
    cluster.create_on("t", &[&[1, 2, 3]]);
    let before = cluster.partition("t", 0);
    let data = cluster.alter_data("t", 0, &[3, 1]);
    let result = cluster.alter_as(1, data);
    assert_eq!(result.error_code, 0);
    assert_eq!(result.isr, [1, 3], "in the order of preference");
    assert_eq!(result.leader, 1);
    assert_eq!(result.leader_epoch, before.leader_epoch, "the leader stays");
    assert_eq!(result.partition_epoch, before.partition_epoch + 1);
    assert_eq!(cluster.alter("t", 0, &[1, 2, 3]), 0);
    assert_eq!(cluster.state("t", 0), (1, vec![1, 2, 3]));
    let epoch = cluster.partition("t", 0).partition_epoch;
    assert_eq!(cluster.alter("t", 0, &[1, 2, 3]), 0, "nothing to do");
    assert_eq!(cluster.partition("t", 0).partition_epoch, epoch);
}

#[test]
fn what_is_stale_or_wrong_is_refused() {
    let mut cluster = Cluster::of(4);
    cluster.create_on("t", &[&[1, 2, 3]]);
    cluster.alter("t", 0, &[1, 2]);
    let good = cluster.alter_data("t", 0, &[1]);
    let mut data = good.clone();
    data.topic_id = vec![9; 16];
    assert_eq!(cluster.alter_as(1, data).error_code, 100);
    let mut data = good.clone();
    data.partition = 9;
    assert_eq!(cluster.alter_as(1, data).error_code, 3);
    let mut data = good.clone();
    data.leader_epoch -= 1;
    assert_eq!(cluster.alter_as(1, data).error_code, 74);
    let mut data = good.clone();
    data.leader_epoch += 1;
    assert_eq!(cluster.alter_as(1, data).error_code, 41, "it knows of a newer controller");
    let mut data = good.clone();
    data.partition_epoch -= 1;
    let result = cluster.alter_as(1, data);
    assert_eq!(result.error_code, 95);
    assert_eq!((result.leader, result.isr), (1, vec![1, 2]), "with the state that holds");
    assert_eq!(cluster.alter_as(2, good.clone()).error_code, 42, "2 does not lead");
    for isr in [&[1, 4][..], &[2], &[], &[1, 1]] {
        let data = cluster.alter_data("t", 0, isr);
        assert_eq!(cluster.alter_as(1, data).error_code, 42, "{isr:?}");
    }
    assert_eq!(cluster.alter_as(1, good).error_code, 0);
}

#[test]
fn the_fenced_and_the_restarted_do_not_join() {
    let mut cluster = Cluster::of(3);
    cluster.create_on("t", &[&[1, 2, 3]]);
    cluster.kill(&[3]);
    assert_eq!(cluster.alter("t", 0, &[1, 2, 3]), 107);
    let old = cluster.brokers[&3].epoch;
    cluster.start(3);
    let mut data = cluster.alter_data("t", 0, &[1, 2, 3]);
    data.new_isr[2].broker_epoch = old;
    assert_eq!(cluster.alter_as(1, data.clone()).error_code, 107);
    data.new_isr[2].broker_epoch = cluster.brokers[&3].epoch;
    assert_eq!(cluster.alter_as(1, data).error_code, 0);
}

#[test]
fn a_stale_broker_is_refused_as_a_whole() {
    let mut cluster = Cluster::of(1);
    cluster.create_on("t", &[&[1]]);
    let data = cluster.alter_data("t", 0, &[1]);
    for (broker_id, broker_epoch, code) in [(1, 0, 77), (8, 0, 102)] {
        let request = AlterPartitionRequest { broker_id, broker_epoch, partitions: vec![data.clone()] };
        let Response::AlterPartition(response) = cluster.handle(request) else { panic!() };
        assert_eq!((response.error_code, response.partitions.len()), (code, 0));
    }
}
