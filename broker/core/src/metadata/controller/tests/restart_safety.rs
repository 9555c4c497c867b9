//! May these stop now (M22), and who may say so.

use super::Cluster;
use crate::metadata::controller::QuorumView;
use crate::metadata::rpc::{Response, RestartAction, RestartSafetyRequest, RestartSafetyResponse};

impl Cluster {
    fn ask(&mut self, request: RestartSafetyRequest) -> RestartSafetyResponse {
        let Response::RestartSafety(response) = self.handle(request) else { panic!() };
        response
    }

    fn check(&mut self, brokers: &[i32]) -> Vec<String> {
        let response = self.ask(RestartSafetyRequest { broker_ids: brokers.to_vec(), ..Default::default() });
        assert_eq!(response.safe, response.reasons.is_empty());
        assert!(!response.granted);
        response.reasons.into_iter().map(|reason| format!("{} {:?}", reason.code, reason.examples)).collect()
    }

    fn acquire(&mut self, holder: &str, brokers: &[i32]) -> bool {
        let response = self.ask(RestartSafetyRequest {
            action: RestartAction::Acquire as i32,
            holder: holder.to_owned(),
            broker_ids: brokers.to_vec(),
            ttl_ms: 10_000,
            ..Default::default()
        });
        assert_eq!(response.error_code, 0, "{}", response.error_message);
        response.granted
    }

    fn release(&mut self, holder: &str) -> i32 {
        let action = RestartAction::Release as i32;
        self.ask(RestartSafetyRequest { action, holder: holder.to_owned(), ..Default::default() }).error_code
    }

    fn holder(&self) -> Option<String> {
        self.committed.restart_lease().map(|lease| lease.holder.clone())
    }
}

/// Four brokers; `t` needs two in sync of three.
fn four() -> Cluster {
    let mut cluster = Cluster::of(4);
    cluster.create_on("t", &[&[1, 2, 3], &[2, 3, 4]]);
    cluster.set_config("t", "min.insync.replicas", "2");
    cluster
}

#[test]
fn what_is_left_must_be_enough() {
    let mut cluster = four();
    assert_eq!(cluster.check(&[1]), [""; 0]);
    assert_eq!(cluster.check(&[1, 4]), [""; 0], "they share no partition");
    assert_eq!(cluster.check(&[1, 2]), ["NEVER_ENOUGH_REPLICAS [\"t-0\"]"]);
    assert_eq!(cluster.check(&[9]), ["UNKNOWN_BROKER [\"9\"]"]);
    cluster.alter("t", 0, &[1, 2]);
    assert_eq!(cluster.check(&[1]), ["WOULD_BE_UNDER_MIN_ISR [\"t-0\"]"]);
    assert_eq!(cluster.check(&[3]), [""; 0], "it is the one that is not in sync");
    assert_eq!(cluster.check(&[4]), [""; 0]);
    cluster.alter("t", 0, &[1]);
    assert_eq!(cluster.check(&[3]), ["UNDER_MIN_ISR [\"t-0\"]"]);
}

#[test]
fn what_is_coming_back_is_waited_for() {
    let mut cluster = four();
    cluster.create_on("u", &[&[1, 2, 3]]);
    cluster.alter("u", 0, &[1, 2]);
    assert_eq!(cluster.check(&[1]), ["CATCHING_UP [\"u-0\"]"]);
    cluster.alter("u", 0, &[1, 2, 3]);
    cluster.kill(&[4]);
    assert_eq!(cluster.check(&[1]), ["BROKER_NOT_SERVING [\"4\"]"]);
    assert_eq!(cluster.check(&[4]), [""; 0], "the broken one itself may be restarted");
}

#[test]
fn what_can_never_be_safe_may_be_passed_over() {
    let mut cluster = Cluster::of(2);
    cluster.create_on("one", &[&[1]]);
    let mut request = RestartSafetyRequest { broker_ids: vec![1], ..Default::default() };
    assert!(!cluster.ask(request.clone()).safe);
    request.ignore_never_safe = true;
    assert!(cluster.ask(request).safe);
}

#[test]
fn the_quorum_keeps_its_majority() {
    let mut cluster = Cluster::of(1);
    let mut ask = |voters: &[(i32, bool)], set: &[i32]| {
        cluster.controller.quorum_is(QuorumView { node_id: 1, voters: voters.to_vec() });
        let response = cluster.ask(RestartSafetyRequest { controller_ids: set.to_vec(), ..Default::default() });
        response.reasons.into_iter().map(|reason| reason.code).collect::<Vec<_>>()
    };
    let three = [(1, true), (2, true), (3, true)];
    assert_eq!(ask(&three, &[3]), [""; 0]);
    assert_eq!(ask(&three, &[2, 3]), ["NEVER_MAJORITY"]);
    assert_eq!(ask(&three, &[7]), ["UNKNOWN_CONTROLLER"]);
    assert_eq!(ask(&[(1, true), (2, false), (3, true)], &[3]), ["CONTROLLER_BEHIND", "NO_MAJORITY"]);
    assert_eq!(ask(&[(1, true), (2, false), (3, true)], &[2]), [""; 0]);
    assert_eq!(ask(&[(1, true)], &[1]), ["NEVER_MAJORITY"]);
}

#[test]
fn one_holder_at_a_time() {
    let mut cluster = four();
    assert!(cluster.acquire("a", &[1]));
    assert_eq!(cluster.holder().as_deref(), Some("a"));
    assert!(!cluster.acquire("b", &[4]), "though it would be safe");
    assert_ne!(cluster.release("b"), 0);
    // While it restarts, the holder renews.
    cluster.kill(&[1]);
    assert!(cluster.acquire("a", &[1]));
    assert!(!cluster.acquire("a", &[2]), "another set is judged anew");
    assert_eq!(cluster.release("a"), 0);
    assert_eq!(cluster.release("a"), 0, "once more is no error");
    assert_eq!(cluster.holder(), None);
    cluster.start(1);
    cluster.alter("t", 0, &[1, 2, 3]);
    assert!(cluster.acquire("b", &[4]));
}

#[test]
fn a_lease_ends_by_itself_also_after_a_fail_over() {
    let mut cluster = four();
    assert!(cluster.acquire("a", &[1]));
    cluster.pass_with(9_000, &[1, 2, 3, 4]);
    assert_eq!(cluster.holder().as_deref(), Some("a"));
    cluster.pass_with(1_000, &[1, 2, 3, 4]);
    assert_eq!(cluster.holder(), None);
    assert!(cluster.acquire("b", &[2]));
    cluster.pass_with(5_000, &[1, 2, 3, 4]);
    cluster.fail_over();
    assert!(!cluster.acquire("a", &[1]), "the lease is committed");
    cluster.pass_with(9_000, &[1, 2, 3, 4]);
    assert_eq!(cluster.holder().as_deref(), Some("b"), "its time counts anew");
    cluster.pass_with(1_000, &[1, 2, 3, 4]);
    assert_eq!(cluster.holder(), None);
}

#[test]
fn who_has_the_lease_gives_the_leaders_back() {
    let mut cluster = four();
    assert!(cluster.acquire("a", &[1]));
    cluster.kill(&[1]);
    cluster.start(1);
    cluster.alter("t", 0, &[1, 2, 3]);
    assert!(cluster.acquire("a", &[1]), "renewed");
    cluster.pass_with(9_000, &[1, 2, 3, 4]);
    assert_eq!(cluster.state("t", 0).0, 2, "its clients may not have found it again");
    // The lease is over after ten seconds, whatever became of its holder.
    cluster.pass_with(7_000, &[1, 2, 3, 4]);
    assert_eq!(cluster.holder(), None);
    assert_eq!(cluster.state("t", 0).0, 1);
}

#[test]
fn a_verdict_costs_the_partitions_of_the_set() {
    let mut cluster = Cluster::of(5);
    cluster.create_on("own", &[&[4, 5][..]; 10]);
    cluster.create_on("others", &[&[1, 2, 3][..]; 1_000]);
    let before = cluster.controller.examined_partitions();
    assert_eq!(cluster.check(&[4]), [""; 0]);
    assert_eq!(cluster.controller.examined_partitions() - before, 10);
}

#[test]
fn wrong_requests_are_refused() {
    let mut cluster = Cluster::of(1);
    let acquire = RestartSafetyRequest {
        action: RestartAction::Acquire as i32,
        holder: "a".to_owned(),
        broker_ids: vec![1],
        ttl_ms: 10_000,
        ..Default::default()
    };
    let cases = [
        (RestartSafetyRequest { action: 9, ..acquire.clone() }, "action 9"),
        (RestartSafetyRequest { holder: String::new(), ..acquire.clone() }, "holder"),
        (RestartSafetyRequest { broker_ids: vec![], ..acquire.clone() }, "empty set"),
        (RestartSafetyRequest { ttl_ms: 10, ..acquire.clone() }, "lease of 10 ms"),
        (RestartSafetyRequest { ttl_ms: 3_600_001, ..acquire }, "lease of 3600001 ms"),
    ];
    for (request, told) in cases {
        let response = cluster.ask(request);
        assert_eq!(response.error_code, 42);
        assert!(response.error_message.contains(told), "{}", response.error_message);
    }
    assert_eq!(cluster.holder(), None);
}
