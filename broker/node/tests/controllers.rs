//! Controllers together: who decides, what is answered when, and what survives.

mod quorum_world;

use bytes::BytesMut;
use odradek_core::metadata::image::Image;
use odradek_core::metadata::record::decode_records;
use odradek_core::metadata::rpc::{ControllerResponse, FetchMetadataResponse, Response};
use odradek_node::controller::{ControllerEvent, Endpoint};
use odradek_wire::messages::describe_quorum_request::{PartitionData, TopicData};
use odradek_wire::messages::{DescribeQuorumRequest, DescribeQuorumResponse, TopicName};
use odradek_wire::protocol::{Decodable, Encodable, StrBytes};
use quorum_world::{World, fetch, forward, heartbeat, registration};

const NOT_CONTROLLER: i32 = 41;

fn fetched(response: Option<ControllerResponse>) -> FetchMetadataResponse {
    match response.and_then(|response| response.response) {
        Some(Response::FetchMetadata(response)) => response,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_lone_controller_is_active_after_its_first_event_and_answers_within_one() {
    let mut world = World::new(1, 1);
    assert!(world.node(0).is_active());
    assert_eq!(world.node(0).next_deadline().map(|at| at > world.now.mono_ms), Some(true), "no clock to turn");
    let id = world.node(0).image().cluster_id().expect("the cluster has a name").to_owned();
    assert_eq!(id.len(), 22);
    world.handle(0, ControllerEvent::Request { request: 7, connection: 1, body: registration(5, "").into() });
    let Some(Response::RegisterBroker(response)) = &world.replies[&7].response else { panic!() };
    assert_eq!((response.error_code, response.cluster_id.as_str()), (0, id.as_str()));
    // And it is the same cluster after a power loss.
    world.power_loss(0);
    world.start(0);
    assert_eq!(world.node(0).image().cluster_id(), Some(id.as_str()));
    assert!(world.node(0).image().broker(5).is_some());
}

#[test]
fn a_new_leader_goes_on_with_the_image_it_has() {
    for seed in 0..20 {
        let mut world = World::new(3, seed);
        let first = world.wait_for_active();
        for broker in 10..13 {
            world.join(broker);
        }
        assert_eq!(world.create_topic("before"), 0);
        world.kill(first);
        assert_eq!(world.create_topic("after"), 0);
        let second = world.active().unwrap();
        assert_ne!(first, second);
        assert_eq!(world.create_topic("before"), 36, "TOPIC_ALREADY_EXISTS");
        world.settle();
        let image = world.node(0).image();
        assert_eq!(image.topics().map(|topic| topic.name.to_string()).collect::<Vec<_>>(), ["after", "before"]);
        let epochs: Vec<_> = image.brokers().map(|broker| broker.epoch).collect();
        assert!(epochs.is_sorted_by(|a, b| a < b), "the registrations in their order: {epochs:?}");
    }
}

/// A rough time: controllers die, lose power and are cut off while brokers join and topics are made.
fn rough(seed: u64) -> u64 {
    let mut world = World::with(3, seed, |config| config.snapshot_every_records = 15);
    for broker in 0..4 {
        world.join(10 + broker);
    }
    // A controller that never got anything cannot be told from one whose disk was replaced, and does not elect.
    world.settle();
    world.lose = 3;
    let mut made = Vec::new();
    for round in 0..12 {
        let one = world.rng.below(3);
        match world.rng.below(4) {
            0 => world.kill(one),
            1 => world.power_loss(one),
            2 => world.cut = [one].into(),
            _ => world.cut.clear(),
        }
        let down =
            world.machines.iter().filter(|(_, machine)| machine.node.is_none()).map(|(id, _)| *id).collect::<Vec<_>>();
        // A majority is up and connected, or nothing could be asked for.
        if !down.is_empty() {
            world.cut.clear();
            for id in &down[..down.len() - usize::from(world.rng.chance(50) && down.len() == 1)] {
                world.start(*id);
            }
        }
        let name = format!("topic-{round}");
        // Done already when the answer was lost with its leader.
        assert!([0, 36].contains(&world.create_topic(&name)), "seed {seed}");
        made.push(name);
        world.join(10 + round % 4);
    }
    world.settle();
    for name in made {
        assert!(world.node(0).image().topic(&name).is_some(), "{name} is lost, seed {seed}");
    }
    world.trace()
}

#[test]
fn nothing_answered_is_lost_and_the_same_seed_gives_the_same_run() {
    for seed in 0..200 {
        assert_eq!(rough(seed), rough(seed), "seed {seed}");
    }
    assert_ne!(rough(1), rough(2));
}

#[test]
fn those_that_do_not_lead_say_who_does() {
    let mut world = World::new(3, 4);
    let active = world.wait_for_active();
    world.settle();
    for id in (0..3).filter(|id| *id != active) {
        for body in [registration(1, "").into(), heartbeat(1, 1, 1).into(), forward(19, 7, Vec::new()).into()] {
            let body: odradek_core::metadata::rpc::ControllerRequest = body;
            let response = world.ask(id, 1, body, 100).unwrap();
            assert_eq!((response.error_code, response.leader_id), (NOT_CONTROLLER, active as i32));
        }
    }
}

#[test]
fn a_leader_without_followers_answers_nothing_and_gives_up() {
    let mut world = World::new(3, 5);
    let active = world.wait_for_active();
    world.settle();
    let before = world.node(active).image().clone();
    world.cut = [active].into();
    let response = world.ask(active, 1, registration(1, ""), 30_000).expect("an answer in the end");
    assert_eq!((response.error_code, response.response), (NOT_CONTROLLER, None));
    assert!(!world.node(active).is_active());
    assert_eq!(world.node(active).image(), &before);
    world.settle();
    assert!(world.node(active).image().broker(1).is_none(), "what was decided and not committed is gone");
}

#[test]
fn any_controller_tells_what_is_committed_as_soon_as_it_is() {
    let mut world = World::new(3, 6);
    let active = world.wait_for_active();
    world.settle();
    let follower = (active + 1) % 3;
    let mut image = Image::new();
    let all = fetched(world.ask(follower, 1, fetch(10, 0, 0), 100));
    assert_eq!((all.leader_id, all.snapshot), (active as i32, None));
    for batch in &all.batches {
        for record in decode_records(&batch.records).unwrap() {
            image.apply(batch.offset, &record).unwrap();
        }
        image.advance_to(batch.offset);
    }
    assert_eq!(&image, world.node(follower).image());
    assert_eq!(all.high_watermark, image.offset());
    // Nothing new: the answer waits for its time,
    let asked = world.now.mono_ms;
    let nothing = fetched(world.ask(follower, 1, fetch(10, image.offset() + 1, 700), 2_000));
    assert!(nothing.batches.is_empty());
    assert!((700..=710).contains(&(world.now.mono_ms - asked)));
    // or for something new.
    let waiting = world.send(follower, 1, fetch(10, image.offset() + 1, 10_000));
    world.run(20);
    assert_eq!(world.node(follower).status().waiting_fetches, 1);
    let asked = world.now.mono_ms;
    world.ask(active, 2, registration(10, ""), 100).unwrap();
    world.run(300);
    let new = fetched(world.replies.remove(&waiting));
    assert_eq!(new.batches.first().map(|batch| batch.offset), Some(image.offset() + 1));
    assert!(world.now.mono_ms - asked < 500);
    // A connection that is gone is not answered.
    let gone = world.send(follower, 77, fetch(10, 1_000, 10_000));
    world.run(20);
    world.close(follower, 77);
    world.run(15_000);
    assert!(!world.replies.contains_key(&gone));
}

#[test]
fn who_waits_for_entries_is_told_of_a_new_leader() {
    let mut world = World::new(3, 8);
    let active = world.wait_for_active();
    world.settle();
    let follower = (active + 1) % 3;
    let next = world.node(follower).image().offset() + 1;
    let waiting = world.send(follower, 1, fetch(10, next, 60_000));
    world.kill(active);
    world.run(10_000);
    let answer = fetched(world.replies.remove(&waiting));
    assert!(answer.leader_id >= 0 && answer.leader_id as u64 != active);
}

#[test]
fn who_is_far_behind_gets_a_snapshot() {
    let mut world = World::with(1, 9, |config| config.window_bytes = 500);
    for broker in 10..16 {
        world.join(broker);
    }
    let answer = fetched(world.ask(0, 1, fetch(10, 1, 0), 100));
    let snapshot = answer.snapshot.expect("a snapshot");
    let image = Image::from_records(snapshot.offset, &decode_records(&snapshot.data).unwrap()).unwrap();
    assert_eq!(&image, world.node(0).image());
    assert!(answer.batches.is_empty());
}

#[test]
fn snapshots_keep_the_log_short_and_a_restart_reads_them() {
    let mut world = World::with(3, 10, |config| config.snapshot_every_records = 20);
    for broker in 10..13 {
        world.join(broker);
    }
    for number in 0..30 {
        assert_eq!(world.create_topic(&format!("topic-{number}")), 0);
    }
    world.settle();
    let image = world.node(0).image().clone();
    for id in 0..3 {
        let status = world.node(id).status();
        assert!(status.snapshots_written >= 3, "{status:?}");
        assert!(status.quorum.snapshot_index + 20 >= status.applied, "{status:?}");
    }
    for id in 0..3 {
        world.power_loss(id);
    }
    world.settle();
    // The image after the restart has the new leader's entry, and brokers whose sessions did not end yet.
    assert!(image.changes_since(world.node(0).image()).is_empty());
}

#[test]
fn brokers_that_fall_silent_are_fenced_sooner_when_their_connection_broke() {
    for broke in [false, true] {
        let mut world = World::new(3, 11);
        world.join(10);
        let active = world.active().unwrap();
        let started = world.now.mono_ms;
        if broke {
            world.close(active, 110);
        }
        while world.node(active).image().alive_brokers().next().is_some() {
            world.run(10);
            assert!(world.now.mono_ms - started < 20_000);
        }
        let took = world.now.mono_ms - started;
        assert!(if broke { took < 2_000 } else { took > 8_000 }, "{took} ms, connection broke: {broke}");
    }
}

#[test]
fn a_log_of_another_cluster_is_refused() {
    let mut world = World::with(1, 12, |config| config.cluster_id = Some("cluster-a".to_owned()));
    assert_eq!(world.node(0).image().cluster_id(), Some("cluster-a"));
    world.kill(0);
    world.machines.get_mut(&0).unwrap().config.cluster_id = Some("cluster-b".to_owned());
    world.start(0);
    let (reason, exit_code) = world.machines[&0].fatal.clone().unwrap();
    assert!(reason.contains("cluster-a") && reason.contains("cluster-b"), "{reason}");
    assert_eq!(exit_code, 2);
    // As is a broker of another one.
    let mut world = World::with(1, 12, |config| config.cluster_id = Some("cluster-a".to_owned()));
    let response = world.ask(0, 1, registration(1, "cluster-b"), 100).unwrap();
    let Some(Response::RegisterBroker(response)) = response.response else { panic!() };
    assert_eq!(response.error_code, 104);
    assert!(response.error_message.contains("cluster-a") && response.error_message.contains("cluster-b"));
}

#[test]
fn a_controller_of_another_cluster_is_not_listened_to() {
    let mut world = World::with(3, 13, |config| config.cluster_id = Some("cluster-a".to_owned()));
    world.settle();
    world.wipe(2);
    world.machines.get_mut(&2).unwrap().config.cluster_id = Some("cluster-b".to_owned());
    world.machines.get_mut(&2).unwrap().config.auto_join = true;
    world.start(2);
    world.replies.clear();
    world.run(20_000);
    let active = world.active().expect("two of three go on");
    assert_ne!(active, 2);
    assert!(!world.node(active).status().quorum.observers.contains_key(&2), "it does not get the log");
    assert_eq!(world.node(2).image().offset(), 0);
    let refused = world.replies.values().filter(|reply| reply.error_code == 104).count();
    assert!(refused > 0, "and is told so");
}

#[test]
fn a_quorum_forms_only_with_every_voter_and_goes_on_without_one() {
    let mut world = World::with(3, 19, |_| {});
    world.kill(2);
    world.wipe(2);
    // Nobody can tell this from a quorum whose other disks were replaced.
    for id in 0..2 {
        world.kill(id);
        world.wipe(id);
        world.start(id);
    }
    world.run(30_000);
    assert_eq!(world.active(), None);
    world.start(2);
    world.wait_for_active();
    world.settle();
    let active = world.active().unwrap();
    world.kill(active);
    world.wait_for_active();
    assert_eq!(world.create_topic("without-brokers"), 38, "INVALID_REPLICATION_FACTOR: it decides");
}

#[test]
fn describe_quorum_shows_voters_and_brokers() {
    let mut world = World::with(3, 14, |config| {
        for (id, endpoints) in &mut config.voters {
            endpoints.push(Endpoint { name: "CONTROLLER".to_owned(), host: format!("c{id}"), port: 9093 });
        }
    });
    let epoch = world.join(10);
    world.settle();
    let active = world.active().unwrap();
    let applied = world.node(active).image().offset();
    world.ask_active(1, heartbeat(10, epoch, applied));
    let partition = PartitionData::default().with_partition_index(0);
    let topic = TopicData::default()
        .with_topic_name(TopicName(StrBytes::from_static_str("__cluster_metadata")))
        .with_partitions(vec![partition.clone(), partition.with_partition_index(1)]);
    let request = DescribeQuorumRequest::default().with_topics(vec![topic]);
    for version in 0..=2 {
        let mut body = BytesMut::new();
        request.encode(&mut body, version).unwrap();
        let response = world.ask_active(9, forward(55, i32::from(version), body.to_vec()));
        let Some(Response::Forward(response)) = response.response else { panic!("{response:?}") };
        let mut body = bytes::Bytes::from(response.body);
        let response = DescribeQuorumResponse::decode(&mut body, version).unwrap();
        let partitions = &response.topics[0].partitions;
        assert_eq!((partitions[0].error_code, partitions[1].error_code), (0, 3));
        let quorum = &partitions[0];
        assert_eq!(quorum.leader_id.0 as u64, active);
        assert_eq!(quorum.high_watermark as u64, applied + 1);
        let ends: Vec<_> =
            quorum.current_voters.iter().map(|voter| (voter.replica_id.0, voter.log_end_offset)).collect();
        assert_eq!(ends, (0..3).map(|id| (id, applied as i64 + 1)).collect::<Vec<_>>());
        let observers: Vec<_> = quorum.observers.iter().map(|it| (it.replica_id.0, it.log_end_offset)).collect();
        assert_eq!(observers, [(10, applied as i64 + 1)]);
        if version == 2 {
            let own = world.node(0).directory_id();
            assert_eq!(quorum.current_voters[0].replica_directory_id.as_bytes()[..], own[..]);
            assert_eq!(
                quorum.observers[0].replica_directory_id.as_bytes(),
                &[0x40 + 10; 16],
                "its first log directory"
            );
        }
        if version >= 1 {
            let now = world.now.wall_ms;
            assert!(quorum.current_voters.iter().all(|voter| now - voter.last_caught_up_timestamp < 1_000));
        }
        if version == 2 {
            assert_eq!(response.nodes.len(), 3);
            assert_eq!(response.nodes[1].listeners[0].host.as_str(), "c1");
        }
    }
    let response = world.ask_active(9, forward(55, 3, Vec::new()));
    let Some(Response::Forward(response)) = response.response else { panic!() };
    assert_eq!(response.error_code, 35);
}

/// M2: the next leader has the image in memory, and reads nothing again.
#[test]
fn ten_thousand_partitions_do_not_hold_up_a_new_leader() {
    let mut world = World::new(3, 18);
    for broker in 10..13 {
        world.join(broker);
    }
    for number in 0..100 {
        assert_eq!(world.create_topic_of(&format!("topic-{number}"), 100), 0);
    }
    world.settle();
    let first = world.active().unwrap();
    world.kill(first);
    world.slowest = std::time::Duration::ZERO;
    let killed = world.now.mono_ms;
    world.wait_for_active();
    let took = world.now.mono_ms - killed;
    println!("10,000 partitions: active after {took} ms; the longest turn took {:?}", world.slowest);
    assert!(took < 4_000 && world.slowest < std::time::Duration::from_secs(1));
}

#[test]
fn a_controller_that_stops_hands_over_first() {
    let mut world = World::new(3, 15);
    let active = world.wait_for_active();
    world.settle();
    let asked = world.now.mono_ms;
    world.shut_down(active);
    while !world.machines[&active].stopped {
        world.run(1);
        assert!(world.now.mono_ms - asked < 2_000);
    }
    world.kill(active);
    let next = world.wait_for_active();
    assert_ne!(next, active);
    assert!(world.now.mono_ms - asked < 500, "no election time-out was waited for");
    // One that is alone just stops.
    let mut world = World::new(1, 16);
    world.shut_down(0);
    world.run(10);
    assert!(world.machines[&0].stopped);
}

#[test]
fn a_disk_that_fails_ends_the_controller() {
    use odradek_log::disk::mem::{DiskOp, Fault};
    let mut world = World::new(1, 17);
    let kind = std::io::ErrorKind::Other;
    let fault = Fault { op: DiskOp::Sync, path_contains: String::new(), after: 0, times: u64::MAX, kind };
    world.machines[&0].disk.inject(fault);
    assert_eq!(world.ask(0, 1, registration(1, ""), 1_000), None, "no answer for what is not on disk");
    assert_eq!(world.machines[&0].fatal.as_ref().map(|fatal| fatal.1), Some(1));
}
