//! Quorums that lost most of their disks.

use std::sync::Arc;

use odradek_core::metadata::rpc::Response;
use odradek_node::controller::ControllerNode;

use crate::quorum_world::{fetch, registration};
use crate::{topic, world};

#[test]
fn a_lost_quorum_begins_anew_on_the_controller_that_is_left() {
    for seed in 0..10 {
        let mut world = world(3, seed);
        assert_eq!(topic(&mut world, "kept"), 0);
        world.settle();
        let behind = (world.active().unwrap() + 1) % 3;
        world.kill(behind);
        assert_eq!(topic(&mut world, "lost"), 0);
        let before = world.node(world.active().unwrap()).image().offset();
        for id in 0..3 {
            world.kill(id);
            if id != behind {
                world.wipe(id);
            }
        }
        let machine = &world.machines[&behind];
        let (config, disk) = (machine.config.clone(), Arc::new(machine.disk.clone()));
        let refused = ControllerNode::recover(&config, disk.clone(), world.now, |_| false).unwrap();
        assert_eq!(refused, None);
        let loss = ControllerNode::recover(&config, disk, world.now, |_| true).unwrap().unwrap();
        assert!(loss.log.last_index < before);
        assert_eq!((loss.brokers, loss.topics, loss.cluster_id.as_deref()), (3, 1, Some("cluster-a")));
        world.start(behind);
        assert!(world.node(behind).is_active(), "it is alone");
        assert!(world.node(behind).image().topic("kept").is_some());
        assert!(world.node(behind).image().topic("lost").is_none());
        // Whoever followed the former log gets the state as a whole.
        let response = world.ask(behind, 1, fetch(100, before + 1, 0), 100).unwrap();
        let Some(Response::FetchMetadata(response)) = response.response else { panic!() };
        assert!(response.snapshot.is_some_and(|snapshot| snapshot.offset > before));
        assert_eq!(topic(&mut world, "after"), 0);
        for id in (0..3).filter(|id| *id != behind) {
            world.machines.get_mut(&id).unwrap().config.auto_join = true;
            world.start(id);
        }
        world.wait_for_voters(&[0, 1, 2]);
        world.settle();
        let image = world.node(0).image();
        assert!(image.topic("after").is_some() && image.topic("lost").is_none(), "seed {seed}");
    }
}

#[test]
fn a_controller_of_the_quorum_before_it_was_begun_anew_stops() {
    let mut world = world(3, 2);
    world.settle();
    for id in 0..3 {
        world.kill(id);
    }
    let machine = &world.machines[&0];
    let (config, disk) = (machine.config.clone(), Arc::new(machine.disk.clone()));
    ControllerNode::recover(&config, disk, world.now, |_| true).unwrap().unwrap();
    world.start(0);
    // Its disk was there all the time.
    world.start(1);
    world.run(10_000);
    let (reason, exit_code) = world.machines[&1].fatal.clone().expect("it stops");
    assert!(reason.contains("begun anew") && exit_code == 2, "{reason}");
    assert!(world.node(0).is_active());
}

/// What is on the brokers is not taken for strays when all controllers' disks were replaced.
#[test]
fn a_broker_with_partitions_is_refused_by_controllers_that_know_nothing() {
    let mut world = world(3, 3);
    let mut request = registration(100, "cluster-a");
    request.held_partitions = 12;
    let response = world.ask_active(9, request.clone());
    let Some(Response::RegisterBroker(refused)) = response.response else { panic!("{response:?}") };
    assert_eq!(refused.error_code, 119);
    assert!(refused.error_message.contains("lost their disks"), "{}", refused.error_message);
    // With empty folders it is welcome, and from then on known.
    request.held_partitions = 0;
    let response = world.ask_active(9, request);
    let Some(Response::RegisterBroker(taken)) = response.response else { panic!("{response:?}") };
    assert_eq!(taken.error_code, 0);
}
