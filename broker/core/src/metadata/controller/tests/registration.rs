//! A broker takes its id (M1).

use super::Cluster;
use crate::metadata::rpc::{RegisterBrokerRequest, RegisterBrokerResponse, Response};

const DUPLICATE: i32 = 101;
const INCONSISTENT_CLUSTER: i32 = 104;
const INVALID: i32 = 119;

fn register(cluster: &mut Cluster, request: RegisterBrokerRequest) -> RegisterBrokerResponse {
    let Response::RegisterBroker(response) = cluster.handle(request) else { panic!() };
    response
}

#[test]
fn a_new_broker_is_fenced_until_it_knows_its_registration() {
    let mut cluster = Cluster::new();
    let response = cluster.register(1, false);
    assert_eq!(response.error_code, 0);
    assert_eq!(response.cluster_id, "cluster");
    assert_eq!(response.broker_epoch, 2, "the offset of its record");
    assert!(cluster.committed.broker(1).unwrap().fenced);
    cluster.holds_back = true;
    let behind = crate::metadata::rpc::HeartbeatRequest {
        broker_id: 1,
        broker_epoch: 2,
        metadata_offset: 1,
        ..Default::default()
    };
    let Response::Heartbeat(response) = cluster.handle(behind) else { panic!() };
    assert!(response.is_fenced && !response.is_caught_up);
    let response = cluster.heartbeat(1);
    assert!(!response.is_fenced && response.is_caught_up);
}

#[test]
fn a_second_broker_with_the_same_id_is_refused() {
    let mut cluster = Cluster::of(1);
    let mut request = cluster.register_request(1, false);
    request.incarnation = vec![99; 16];
    request.log_dirs = vec![vec![99; 16]];
    let response = register(&mut cluster, request.clone());
    assert_eq!((response.error_code, response.broker_epoch), (DUPLICATE, -1));
    assert!(response.error_message.contains("broker id 1"), "{}", response.error_message);
    // With a broken connection, too: it may come back.
    cluster.controller.broker_disconnected(cluster.now, 1);
    assert_eq!(register(&mut cluster, request.clone()).error_code, DUPLICATE);
    cluster.pass(300);
    assert!(cluster.committed.broker(1).unwrap().fenced);
    assert_eq!(register(&mut cluster, request).error_code, 0);
    assert_eq!(cluster.heartbeat(1).error_code, 77, "the first one is told");
}

#[test]
fn a_restarted_broker_need_not_wait_for_its_session() {
    let mut cluster = Cluster::of(1);
    let refused = cluster.register(1, false);
    assert_eq!(refused.error_code, DUPLICATE, "its connection is still up");
    cluster.controller.broker_disconnected(cluster.now, 1);
    assert_eq!(cluster.register(1, false).error_code, 0, "the same directories, so the same disk");
}

#[test]
fn after_a_fail_over_a_restarted_broker_need_not_wait_either() {
    let mut cluster = Cluster::of(2);
    cluster.fail_over();
    let mut stranger = cluster.register_request(1, false);
    stranger.incarnation = vec![99; 16];
    stranger.log_dirs = vec![vec![99; 16]];
    assert_eq!(register(&mut cluster, stranger).error_code, DUPLICATE, "another disk");
    assert_eq!(cluster.register(1, false).error_code, 0, "nothing was heard of the process that had its directories");
    cluster.heartbeat(2);
    assert_eq!(cluster.register(2, false).error_code, DUPLICATE, "it was heard of");
}

#[test]
fn the_same_process_keeps_its_epoch() {
    let mut cluster = Cluster::of(1);
    let epoch = cluster.brokers[&1].epoch;
    let mut request = cluster.register_request(1, false);
    let offset = cluster.committed.offset();
    assert_eq!(register(&mut cluster, request.clone()).broker_epoch, epoch);
    assert_eq!(cluster.committed.offset(), offset, "nothing to write");
    request.listeners[0].port = 9999;
    assert_eq!(register(&mut cluster, request).broker_epoch, epoch);
    let broker = cluster.committed.broker(1).unwrap();
    assert_eq!(broker.listener("PLAINTEXT").unwrap().port, 9999);
    assert!(!broker.fenced);
}

#[test]
fn what_cannot_be_is_refused() {
    let mut cluster = Cluster::of(2);
    let good = cluster.register_request(3, false);
    let bad = |change: &dyn Fn(&mut RegisterBrokerRequest)| {
        let mut request = good.clone();
        change(&mut request);
        request
    };
    let cases = [
        (INCONSISTENT_CLUSTER, bad(&|request| request.cluster_id = "other".to_owned())),
        (INVALID, bad(&|request| request.broker_id = -1)),
        (INVALID, bad(&|request| request.incarnation = vec![1; 3])),
        (INVALID, bad(&|request| request.log_dirs = vec![])),
        (INVALID, bad(&|request| request.log_dirs = vec![vec![5; 16], vec![5; 16]])),
        (INVALID, bad(&|request| request.log_dirs = vec![vec![102; 16]])),
        (INVALID, bad(&|request| request.listeners = vec![])),
    ];
    for (code, request) in cases {
        let response = register(&mut cluster, request);
        assert_eq!(response.error_code, code, "{}", response.error_message);
        assert!(!response.error_message.is_empty());
    }
    let new = bad(&|request| request.cluster_id = String::new());
    assert_eq!(register(&mut cluster, new).error_code, 0);
}

#[test]
fn an_unclean_stop_leaves_the_in_sync_sets() {
    let mut cluster = Cluster::of(3);
    cluster.create_on("t", &[&[1, 2, 3], &[2, 1, 3]]);
    cluster.controller.broker_disconnected(cluster.now, 1);
    assert_eq!(cluster.register(1, false).error_code, 0);
    assert_eq!(cluster.state("t", 0), (2, vec![2, 3]));
    assert_eq!(cluster.state("t", 1), (2, vec![2, 3]));
    assert!(!cluster.heartbeat(1).is_fenced);
    assert_eq!(cluster.state("t", 0), (2, vec![2, 3]), "only the leader lets it in again");
}

#[test]
fn the_last_in_sync_replica_may_lead_again() {
    let mut cluster = Cluster::of(2);
    cluster.create_on("t", &[&[1, 2]]);
    cluster.kill(&[2]);
    cluster.kill(&[1, 2]);
    assert_eq!(cluster.state("t", 0), (-1, vec![]));
    assert_eq!(cluster.partition("t", 0).elr, [1]);
    cluster.start(2);
    assert_eq!(cluster.state("t", 0), (-1, vec![]), "it may lack what 1 took alone");
    cluster.start(1);
    assert_eq!(cluster.state("t", 0), (1, vec![1]));
    assert_eq!(cluster.partition("t", 0).leader_epoch, 2);
}

#[test]
fn the_last_in_sync_replica_with_an_empty_disk_may_not() {
    let mut cluster = Cluster::of(2);
    cluster.create_on("t", &[&[1, 2]]);
    cluster.kill(&[2]);
    cluster.kill(&[1, 2]);
    cluster.brokers.get_mut(&1).unwrap().log_dirs = vec![77];
    cluster.start(1);
    assert_eq!(cluster.state("t", 0), (-1, vec![]));
    assert_eq!(cluster.partition("t", 0).last_known_leader, Some(1));
    cluster.start(2);
    assert_eq!(cluster.state("t", 0), (-1, vec![]), "only an unclean election gives a leader");
    cluster.invariants.unclean = true;
    cluster.elect(true, Some(("t", 0)));
    assert_eq!(cluster.state("t", 0), (2, vec![2]), "the one that holds something");
}

#[test]
fn of_a_set_lost_at_once_the_clean_stay() {
    let mut cluster = Cluster::of(3);
    cluster.create_on("t", &[&[1, 2, 3]]);
    cluster.pass(9_000);
    assert_eq!(cluster.state("t", 0), (-1, vec![]));
    assert_eq!(cluster.partition("t", 0).elr, [1, 2, 3]);
    assert_eq!(cluster.register(1, false).error_code, 0);
    assert_eq!(cluster.partition("t", 0).elr, [2, 3], "its page cache may be gone");
    assert_eq!(cluster.register(2, true).error_code, 0);
    assert_eq!(cluster.partition("t", 0).elr, [2, 3]);
    cluster.heartbeat(1);
    assert_eq!(cluster.state("t", 0).0, -1);
    cluster.heartbeat(2);
    assert_eq!(cluster.state("t", 0), (2, vec![2]));
}

#[test]
fn a_larger_disk_set_loses_nothing() {
    let mut cluster = Cluster::of(1);
    cluster.create_on("t", &[&[1]]);
    cluster.kill(&[1]);
    cluster.brokers.get_mut(&1).unwrap().log_dirs = vec![101, 200];
    cluster.start(1);
    assert_eq!(cluster.state("t", 0), (1, vec![1]));
}
