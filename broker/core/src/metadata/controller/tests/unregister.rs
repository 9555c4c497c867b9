//! A broker is taken out for good.

use odradek_wire::messages::UnregisterBrokerRequest;

use super::Cluster;

impl Cluster {
    fn unregister(&mut self, id: i32) -> i16 {
        let response = self.forward(UnregisterBrokerRequest::default().with_broker_id(id.into()), 0);
        assert_eq!(response.error_code == 0, response.error_message.is_none());
        response.error_code
    }
}

#[test]
fn only_a_dead_broker_can_be_unregistered() {
    let mut cluster = Cluster::of(3);
    cluster.create_on("t", &[&[1, 2, 3]]);
    assert_eq!(cluster.unregister(9), 102);
    assert_eq!(cluster.unregister(3), 42, "it is alive");
    cluster.kill(&[3]);
    assert_eq!(cluster.unregister(3), 0);
    assert!(cluster.committed.broker(3).is_none());
    assert_eq!(cluster.unregister(3), 102);
    assert_eq!(cluster.heartbeat(3).error_code, 102, "it has to register");
    cluster.start(3);
    assert_eq!(cluster.state("t", 0), (1, vec![1, 2]));
}

#[test]
fn who_comes_back_under_the_id_is_not_taken_for_the_one_before() {
    let mut cluster = Cluster::of(2);
    cluster.create_on("t", &[&[1, 2]]);
    cluster.alter("t", 0, &[1]);
    cluster.kill(&[1]);
    assert_eq!(cluster.partition("t", 0).elr, [1]);
    assert_eq!(cluster.unregister(1), 0);
    cluster.start(1);
    assert_eq!(cluster.state("t", 0).0, -1, "its disk may be another one");
    cluster.invariants.unclean = true;
    cluster.elect(true, Some(("t", 0)));
    assert_eq!(cluster.state("t", 0), (2, vec![2]));
}
