//! Partitions move to other brokers (M18).

use odradek_wire::messages::create_partitions_request::CreatePartitionsTopic;
use odradek_wire::messages::{CreatePartitionsRequest, DeleteTopicsRequest};

use super::Cluster;
use super::cluster::text;
use crate::metadata::controller::ControllerConfig;

/// Replicas, adding, removing.
fn assignment(cluster: &Cluster, topic: &str) -> (Vec<i32>, Vec<i32>, Vec<i32>) {
    let state = cluster.partition(topic, 0);
    (state.replicas.clone(), state.adding.clone(), state.removing.clone())
}

fn ongoing(cluster: &Cluster) -> usize {
    cluster.controller.image().reassigning().count()
}

#[test]
fn a_partition_moves_once_the_new_replicas_are_in_sync() {
    let mut cluster = Cluster::of(5);
    cluster.create_on("t", &[&[1, 2, 3]]);
    let before = cluster.partition("t", 0);
    assert_eq!(cluster.reassign("t", 0, Some(&[4, 5, 3])).0, 0);
    assert_eq!(assignment(&cluster, "t"), (vec![4, 5, 3, 1, 2], vec![4, 5], vec![1, 2]));
    let moving = cluster.partition("t", 0);
    assert_eq!((moving.leader, moving.isr.as_slice()), (1, &[3, 1, 2][..]), "in the new order");
    assert_eq!((moving.leader_epoch, moving.partition_epoch), (before.leader_epoch, before.partition_epoch + 1));
    assert_eq!(ongoing(&cluster), 1);
    assert_eq!(cluster.alter("t", 0, &[1, 2, 3, 4]), 0);
    assert_eq!(assignment(&cluster, "t").1, [4, 5], "5 is not in sync");
    // The leader leaves with the last one that joins.
    assert_eq!(cluster.alter("t", 0, &[1, 2, 3, 4, 5]), 108);
    assert_eq!(assignment(&cluster, "t"), (vec![4, 5, 3], vec![], vec![]));
    assert_eq!(cluster.state("t", 0), (4, vec![4, 5, 3]));
    assert_eq!(cluster.partition("t", 0).leader_epoch, before.leader_epoch + 1);
    assert_eq!(ongoing(&cluster), 0);
}

#[test]
fn a_leader_that_stays_goes_on_under_a_new_epoch() {
    let mut cluster = Cluster::of(3);
    cluster.create_on("t", &[&[1, 2]]);
    assert_eq!(cluster.reassign("t", 0, Some(&[1, 3])).0, 0);
    let data = cluster.alter_data("t", 0, &[1, 2, 3]);
    let result = cluster.alter_as(1, data.clone());
    assert_eq!((result.error_code, result.leader, result.isr), (0, 1, vec![1, 3]), "without 2, which left");
    assert_eq!(result.leader_epoch, data.leader_epoch + 1);
    assert_eq!(result.partition_epoch, cluster.partition("t", 0).partition_epoch);
    let mut again = cluster.alter_data("t", 0, &[1, 3]);
    again.new_isr[1].broker_id = 2;
    assert_eq!(cluster.alter_as(1, again).error_code, 42, "2 is no replica any more");
}

#[test]
fn fewer_replicas_and_another_order_need_no_copy() {
    let mut cluster = Cluster::of(3);
    cluster.create_on("t", &[&[1, 2, 3]]);
    assert_eq!(cluster.reassign("t", 0, Some(&[3, 1, 2])).0, 0);
    assert_eq!(assignment(&cluster, "t"), (vec![3, 1, 2], vec![], vec![]));
    assert_eq!(cluster.state("t", 0), (1, vec![3, 1, 2]), "the leader goes with the next preferred election");
    assert_eq!(cluster.reassign("t", 0, Some(&[2, 3])).0, 0);
    assert_eq!(assignment(&cluster, "t"), (vec![2, 3], vec![], vec![]));
    assert_eq!(cluster.state("t", 0), (2, vec![2, 3]));
    let epoch = cluster.partition("t", 0).partition_epoch;
    assert_eq!(cluster.reassign("t", 0, Some(&[2, 3])).0, 0);
    assert_eq!(cluster.partition("t", 0).partition_epoch, epoch, "nothing to do");
}

#[test]
fn no_replica_leaves_while_one_that_stays_is_behind() {
    let mut cluster = Cluster::of(3);
    cluster.create_on("t", &[&[1, 2, 3]]);
    cluster.alter("t", 0, &[1, 3]);
    assert_eq!(cluster.reassign("t", 0, Some(&[1, 2])).0, 0);
    assert_eq!(assignment(&cluster, "t"), (vec![1, 2, 3], vec![], vec![3]));
    assert_eq!(cluster.alter("t", 0, &[1, 2, 3]), 0);
    assert_eq!(assignment(&cluster, "t"), (vec![1, 2], vec![], vec![]));
}

#[test]
fn the_wrong_is_refused_and_nothing_of_it_done() {
    let mut cluster = Cluster::of(3);
    cluster.create_on("t", &[&[1, 2], &[2, 3]]);
    let before = cluster.topic("t");
    for (target, message) in [
        (&[][..], "The manual partition assignment includes an empty replica list."),
        (&[1, 1], "The manual partition assignment includes the broker 1 more than once."),
        (&[1, 9], "The manual partition assignment includes broker 9, but no such broker is registered."),
        (&[-1, 2], "The manual partition assignment includes broker -1, but no such broker is registered."),
    ] {
        assert_eq!(cluster.reassign("t", 0, Some(target)), (39, message.to_owned()));
    }
    assert_eq!(cluster.reassign("t", 7, Some(&[1])), (3, "Unable to find partition t:7.".to_owned()));
    assert_eq!(cluster.reassign("u", 0, Some(&[1])), (3, "Unable to find a topic named u.".to_owned()));
    assert_eq!(cluster.reassign("t", 0, None).0, 85);
    let factor = cluster.reassign_all("t", &[(0, Some(&[3])), (1, Some(&[3, 1]))], false);
    assert_eq!(factor[0], (38, "The replication factor is changed from 2 to 1".to_owned()));
    assert_eq!(factor[1].0, 0, "the other is not held up");
    let after = cluster.topic("t");
    assert_eq!(after.partitions[&0], before.partitions[&0]);
    assert_eq!(after.partitions[&1].adding, [1]);
    // What counts is what the partition is on its way to.
    assert_eq!(cluster.reassign_all("t", &[(1, Some(&[1, 2, 3]))], false)[0].0, 38);
    assert_eq!(cluster.reassign_all("t", &[(1, Some(&[1, 2]))], false)[0].0, 0);
}

#[test]
fn a_broker_that_is_away_is_waited_for() {
    let mut cluster = Cluster::of(3);
    cluster.create_on("t", &[&[1, 2]]);
    cluster.kill(&[3]);
    assert_eq!(cluster.reassign("t", 0, Some(&[1, 3])).0, 0);
    assert_eq!(cluster.alter("t", 0, &[1, 2, 3]), 107, "3 is fenced");
    assert_eq!(assignment(&cluster, "t"), (vec![1, 3, 2], vec![3], vec![2]));
    cluster.start(3);
    assert_eq!(cluster.alter("t", 0, &[1, 2, 3]), 0);
    assert_eq!(assignment(&cluster, "t"), (vec![1, 3], vec![], vec![]));
}

#[test]
fn a_dead_broker_is_replaced() {
    let mut cluster = Cluster::of(4);
    cluster.create_on("t", &[&[1, 2, 3]]);
    cluster.kill(&[1]);
    assert_eq!(cluster.state("t", 0), (2, vec![2, 3]));
    assert_eq!(cluster.reassign("t", 0, Some(&[4, 2, 3])).0, 0);
    assert_eq!(cluster.alter("t", 0, &[2, 3, 4]), 0);
    assert_eq!(assignment(&cluster, "t"), (vec![4, 2, 3], vec![], vec![]));
    assert_eq!(cluster.state("t", 0).0, 2, "who leads goes on");
}

#[test]
fn brokers_fail_while_it_is_under_way() {
    let mut cluster = Cluster::of(4);
    cluster.create_on("t", &[&[1, 2]]);
    assert_eq!(cluster.reassign("t", 0, Some(&[3, 4])).0, 0);
    cluster.alter("t", 0, &[1, 2, 3]);
    // The old leader dies: one that stays leads, since those come first.
    cluster.kill(&[1]);
    assert_eq!(cluster.state("t", 0), (3, vec![3, 2]));
    cluster.kill(&[1, 2]);
    cluster.kill(&[1, 2, 3]);
    assert_eq!(cluster.state("t", 0), (-1, vec![]));
    assert_eq!(cluster.partition("t", 0).last_known_leader, Some(3));
    cluster.start(3);
    assert_eq!(cluster.state("t", 0).0, 3);
    cluster.fail_over();
    cluster.alter("t", 0, &[3, 4]);
    assert_eq!(assignment(&cluster, "t"), (vec![3, 4], vec![], vec![]));
}

#[test]
fn it_is_cancelled() {
    let mut cluster = Cluster::of(4);
    cluster.create_on("t", &[&[1, 2]]);
    cluster.reassign("t", 0, Some(&[3, 4]));
    cluster.alter("t", 0, &[1, 2, 3]);
    let epoch = cluster.partition("t", 0).leader_epoch;
    assert_eq!(cluster.reassign("t", 0, None), (0, String::new()));
    assert_eq!(assignment(&cluster, "t"), (vec![1, 2], vec![], vec![]));
    assert_eq!(cluster.state("t", 0), (1, vec![1, 2]));
    assert_eq!(cluster.partition("t", 0).leader_epoch, epoch + 1, "3 is fenced off");
    assert_eq!(cluster.reassign("t", 0, None).0, 85);
}

#[test]
fn cancelling_moves_the_leader_back_or_is_refused() {
    let mut cluster = Cluster::of(4);
    cluster.create_on("t", &[&[1, 2]]);
    cluster.reassign("t", 0, Some(&[3, 4]));
    cluster.alter("t", 0, &[1, 2, 3]);
    cluster.kill(&[1]);
    assert_eq!(cluster.state("t", 0), (3, vec![3, 2]));
    cluster.start(1);
    assert_eq!(cluster.reassign("t", 0, None).0, 0);
    assert_eq!(cluster.state("t", 0), (2, vec![2]));
    // Now nobody of those before has the data.
    cluster.alter("t", 0, &[1, 2]);
    cluster.reassign("t", 0, Some(&[3, 4]));
    cluster.alter("t", 0, &[1, 2, 3]);
    cluster.kill(&[1, 2]);
    cluster.start(1);
    assert_eq!(cluster.state("t", 0), (3, vec![3]));
    let before = cluster.partition("t", 0);
    let (code, message) = cluster.reassign("t", 0, None);
    assert_eq!(code, 39);
    assert!(message.contains("t:0") && message.contains("unclean") && message.contains("[1, 2]"), "{message}");
    assert_eq!(cluster.partition("t", 0), before);
    cluster.invariants.unclean = true;
    cluster.set_config("t", "unclean.leader.election.enable", "true");
    assert_eq!(cluster.reassign("t", 0, None).0, 0);
    assert_eq!(cluster.state("t", 0), (1, vec![1]));
}

#[test]
fn a_target_is_replaced_by_another() {
    let mut cluster = Cluster::of(5);
    cluster.create_on("t", &[&[1, 2]]);
    cluster.reassign("t", 0, Some(&[3, 4]));
    cluster.alter("t", 0, &[1, 2, 3]);
    assert_eq!(cluster.reassign("t", 0, Some(&[4, 5])).0, 0);
    assert_eq!(assignment(&cluster, "t"), (vec![4, 5, 1, 2], vec![4, 5], vec![1, 2]), "3 is gone at once");
    assert_eq!(cluster.reassign("t", 0, None).0, 0);
    assert_eq!(assignment(&cluster, "t").0, [1, 2], "cancelling goes back to the first");
}

#[test]
fn the_floor_of_the_in_sync_set_holds_when_a_target_is_replaced() {
    let mut cluster = Cluster::of(5);
    cluster.create_on("t", &[&[1, 2]]);
    cluster.set_config("t", "min.insync.replicas", "2");
    cluster.reassign("t", 0, Some(&[1, 3]));
    cluster.alter("t", 0, &[1]);
    cluster.alter("t", 0, &[1, 3]);
    assert_eq!(assignment(&cluster, "t").0, [1, 3], "over: 2 was not asked for");
    cluster.reassign("t", 0, Some(&[4, 5]));
    cluster.alter("t", 0, &[1, 3, 4]);
    cluster.alter("t", 0, &[1, 4]);
    cluster.reassign("t", 0, Some(&[1, 5]));
    assert_eq!(assignment(&cluster, "t"), (vec![1, 5, 4, 3], vec![5], vec![4, 3]), "4 keeps the set at two");
    assert_eq!(cluster.state("t", 0), (1, vec![1, 4]));
    cluster.alter("t", 0, &[1, 4, 5]);
    assert_eq!(cluster.state("t", 0), (1, vec![1, 5]));
}

#[test]
fn partitions_made_meanwhile_have_the_factor_that_is_meant() {
    let mut cluster = Cluster::of(5);
    cluster.create_on("t", &[&[1, 2, 3]]);
    cluster.reassign("t", 0, Some(&[4, 5]));
    let topic = CreatePartitionsTopic::default().with_name(text("t").into()).with_count(3).with_assignments(None);
    let response = cluster.forward(CreatePartitionsRequest::default().with_topics(vec![topic]), 3);
    assert_eq!(response.results[0].error_code, 0);
    assert_eq!(cluster.partition("t", 1).replicas.len(), 2);
    assert_eq!(assignment(&cluster, "t").1, [4, 5], "which goes on");
}

#[test]
fn a_topic_goes_with_its_reassignments() {
    let mut cluster = Cluster::of(3);
    cluster.create_on("t", &[&[1, 2], &[2, 3]]);
    cluster.reassign_all("t", &[(0, Some(&[3])), (1, Some(&[1]))], true);
    assert_eq!(ongoing(&cluster), 2);
    let request = DeleteTopicsRequest::default().with_topic_names(vec![text("t").into()]);
    assert_eq!(cluster.forward(request, 5).responses[0].error_code, 0);
    assert_eq!(ongoing(&cluster), 0);
}

#[test]
fn thousands_go_into_entries_of_a_bounded_size() {
    let config = ControllerConfig { max_records_per_request: 1_000, ..ControllerConfig::default() };
    let mut cluster = Cluster::with(config);
    for id in 1..=4 {
        cluster.start(id);
    }
    for topic in ["a", "b", "c"] {
        cluster.create_on(topic, &[&[1, 2][..]; 900]);
    }
    let before = (cluster.next_offset, cluster.controller.examined_partitions());
    for topic in ["a", "b", "c"] {
        let wanted: Vec<(i32, Option<&[i32]>)> = (0..900).map(|index| (index, Some(&[3, 4][..]))).collect();
        assert!(cluster.reassign_all(topic, &wanted, true).iter().all(|(code, _)| *code == 0));
    }
    assert_eq!(ongoing(&cluster), 2_700);
    assert_eq!(cluster.next_offset - before.0, 3);
    assert_eq!(cluster.controller.examined_partitions() - before.1, 2_700);
    // A move within the in-sync set is two records each: begun and done.
    cluster.create_on("d", &[&[1, 2, 3][..]; 900]);
    let offset = cluster.next_offset;
    let wanted: Vec<(i32, Option<&[i32]>)> = (0..900).map(|index| (index, Some(&[1, 2][..]))).collect();
    cluster.reassign_all("d", &wanted, true);
    assert_eq!(cluster.next_offset - offset, 2);
    assert_eq!(ongoing(&cluster), 2_700);
}

#[test]
fn every_version_is_answered() {
    use odradek_wire::messages::AlterPartitionReassignmentsRequest;
    use odradek_wire::messages::alter_partition_reassignments_request::{ReassignablePartition, ReassignableTopic};
    let mut cluster = Cluster::of(2);
    cluster.create_on("t", &[&[1]]);
    for (version, target) in [(0, vec![2.into(), 1.into()]), (1, vec![1.into()])] {
        let wanted = ReassignablePartition::default().with_replicas(Some(target));
        let topic = ReassignableTopic::default().with_name(text("t").into()).with_partitions(vec![wanted]);
        let request = AlterPartitionReassignmentsRequest::default().with_topics(vec![topic]);
        let response = cluster.forward(request, version);
        assert_eq!(response.responses[0].partitions[0].error_code, 0, "version {version}");
    }
    assert_eq!(assignment(&cluster, "t").0, [1]);
}
