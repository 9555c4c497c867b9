//! Replicas that their broker cannot write.

use super::Cluster;
use crate::metadata::rpc::{OfflineReplicasRequest, PartitionOf, Response};

fn offline(cluster: &mut Cluster, broker_id: i32, broker_epoch: i64, topic: &str, partitions: &[i32]) -> i32 {
    let topic_id = cluster.committed.topic(topic).unwrap().id.as_bytes().to_vec();
    let partitions =
        partitions.iter().map(|partition| PartitionOf { topic_id: topic_id.clone(), partition: *partition }).collect();
    let request = OfflineReplicasRequest { broker_id, broker_epoch, partitions };
    match cluster.handle(request) {
        Response::OfflineReplicas(response) => response.error_code,
        other => panic!("{other:?}"),
    }
}

#[test]
fn others_lead_and_nobody_waits_for_them() {
    let mut cluster = Cluster::of(3);
    cluster.create_on("t", &[&[1, 2, 3], &[2, 1, 3], &[1, 3, 2]]);
    let epoch = cluster.brokers[&1].epoch;
    assert_eq!(offline(&mut cluster, 1, epoch, "t", &[0, 1, 7]), 0);
    assert_eq!(cluster.state("t", 0), (2, vec![2, 3]));
    assert_eq!(cluster.state("t", 1), (2, vec![2, 3]));
    assert_eq!(cluster.state("t", 2), (1, vec![1, 3, 2]), "on another disk");
    let examined = cluster.controller.examined_partitions();
    assert_eq!(offline(&mut cluster, 1, epoch, "t", &[0, 1]), 0);
    assert_eq!(cluster.controller.examined_partitions(), examined, "what is done is not looked at again");
}

#[test]
fn the_last_one_in_sync_leads_on() {
    let mut cluster = Cluster::of(2);
    cluster.create_on("t", &[&[1, 2]]);
    let (first, second) = (cluster.brokers[&1].epoch, cluster.brokers[&2].epoch);
    assert_eq!(offline(&mut cluster, 1, first, "t", &[0]), 0);
    assert_eq!(cluster.state("t", 0), (2, vec![2]));
    assert_eq!(offline(&mut cluster, 2, second, "t", &[0]), 0);
    assert_eq!(cluster.state("t", 0), (2, vec![2]));
}

#[test]
fn an_earlier_life_is_not_heard() {
    let mut cluster = Cluster::of(2);
    cluster.create_on("t", &[&[1, 2]]);
    let epoch = cluster.brokers[&1].epoch;
    assert_eq!(offline(&mut cluster, 1, epoch - 1, "t", &[0]), 77);
    assert_eq!(cluster.state("t", 0), (1, vec![1, 2]));
}
