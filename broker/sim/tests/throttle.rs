//! Replication throttles (KIP-73) in a whole cluster.

mod support;

use support::{BROKER, Small, TOPIC};

const BYTES: usize = 600_000;
const RATE: u64 = 100_000;

/// A follower was away while `BYTES` were written; how long it takes to be in sync again, in virtual milliseconds.
fn time_to_catch_up(throttle: impl FnOnce(&mut Small)) -> u64 {
    let mut small = Small::start(|_| {});
    small.create("t", 1, 3);
    let leader = small.leader("t", 0);
    let away = (1..=3).find(|id| *id != leader).unwrap();
    small.world.kill(away);
    small.until("the follower is out", 30_000, |small| small.isr("t", 0).len() == 2);
    for _ in 0..BYTES / 20_000 {
        small.produce("t", 0, 20_000);
    }
    throttle(&mut small);
    small.world.start(away);
    small.until("the follower registers", 20_000, |small| {
        let broker = small.world.processes[&away].broker.as_ref();
        broker.is_some_and(|broker| broker.status().unfenced && broker.hosted().count() == 1)
    });
    // Who is in sync goes on at full speed.
    let before = small.world.now_us;
    small.produce("t", 0, 1_000);
    assert!(small.world.now_us - before < 100_000, "a producer waits for a throttled follower");
    small.until("in sync", 60_000, |small| small.isr("t", 0).len() == 3)
}

#[test]
fn without_a_throttle_a_follower_catches_up_at_once() {
    assert!(time_to_catch_up(|_| {}) < 1_000);
}

#[test]
fn a_leader_gives_no_more_than_its_rate_to_who_is_not_in_sync() {
    let took = time_to_catch_up(|small| {
        small.configure(BROKER, "", "leader.replication.throttled.rate", &RATE.to_string());
        small.configure(TOPIC, "t", "leader.replication.throttled.replicas", "*");
    });
    let fair = BYTES as u64 * 1_000 / RATE;
    assert!(took > fair * 7 / 10 && took < fair * 2, "{took} ms where {fair} ms are fair");
}

#[test]
fn a_follower_asks_for_no_more_than_its_rate() {
    let took = time_to_catch_up(|small| {
        small.configure(BROKER, "", "follower.replication.throttled.rate", &RATE.to_string());
        small.configure(TOPIC, "t", "follower.replication.throttled.replicas", "0:1,0:2,0:3");
    });
    let fair = BYTES as u64 * 1_000 / RATE;
    assert!(took > fair * 7 / 10 && took < fair * 2, "{took} ms where {fair} ms are fair");
}

#[test]
fn what_is_not_named_is_not_throttled() {
    let took = time_to_catch_up(|small| {
        small.configure(BROKER, "", "follower.replication.throttled.rate", "1");
        small.configure(BROKER, "", "leader.replication.throttled.rate", "1");
        small.configure(TOPIC, "t", "follower.replication.throttled.replicas", "1:1,1:2,1:3");
    });
    assert!(took < 1_000, "{took} ms");
}
