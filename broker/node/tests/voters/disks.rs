//! Voters whose disks were lost.

use crate::quorum_world::endpoint;
use crate::{DUPLICATE_VOTER, add, directory, remove, topic, with, world};

#[test]
fn a_voter_that_lost_its_disk_observes_until_it_is_added_again() {
    for seed in 0..10 {
        let mut world = world(3, seed);
        world.settle();
        let lost = (world.active().unwrap() + 1) % 3;
        let before = directory(&world, lost);
        world.wipe(lost);
        world.start(lost);
        assert_eq!(topic(&mut world, "meanwhile"), 0);
        world.run(5_000);
        let active = world.active().unwrap();
        let quorum = world.node(active).status().quorum;
        assert_eq!(quorum.voters.len(), 3);
        assert_eq!(quorum.observers.keys().copied().collect::<Vec<_>>(), [lost], "seed {seed}");
        assert_eq!(world.node(lost).image().offset(), world.node(active).image().offset(), "it has the log");
        let now = directory(&world, lost);
        assert_ne!(before, now);
        assert_eq!(add(&mut world, lost, now).0, DUPLICATE_VOTER);
        assert_eq!(remove(&mut world, lost, before), (0, String::new()));
        assert_eq!(add(&mut world, lost, now), (0, String::new()));
        world.wait_for_voters(&[0, 1, 2]);
        world.settle();
    }
}

/// KIP-1186.
#[test]
fn with_auto_join_a_voter_that_lost_its_disk_takes_its_own_place_and_newcomers_join() {
    for seed in 0..10 {
        let mut world = world(3, seed);
        for id in 0..3 {
            world.machines.get_mut(&id).unwrap().config.auto_join = true;
        }
        for round in 0..3 {
            world.settle();
            let lost = (world.active().unwrap() + round) % 3;
            world.wipe(lost);
            world.start(lost);
            world.wait_for_voters(&[0, 1, 2]);
            assert_eq!(topic(&mut world, &format!("round-{round}")), 0, "seed {seed}");
        }
        world.newcomer(3, true);
        world.newcomer(4, true);
        world.wait_for_voters(&[0, 1, 2, 3, 4]);
        world.settle();
    }
}

/// As the operator has it: lost disks are replaced by themselves, and somebody else decides how many voters there are.
/// Controllers go and come back with the disks that they had.
#[test]
fn without_newcomers_auto_join_replaces_disks_and_leaves_the_number_of_voters_alone() {
    for seed in 0..10 {
        let mut world = world(1, seed);
        let alone = world.machines.get_mut(&0).unwrap();
        (alone.config.auto_join, alone.config.auto_join_newcomers) = (true, false);
        for id in 1..3 {
            world.newcomer(id, true);
            world.machines.get_mut(&id).unwrap().config.auto_join_newcomers = false;
            world.kill(id);
        }
        for round in 0..3 {
            for id in 1..3 {
                if world.machines[&id].node.is_none() {
                    world.start(id);
                }
                world.run(10_000);
                let before: Vec<u64> = (0..id).collect();
                world.wait_for_voters(&before);
                let own = directory(&world, id);
                assert_eq!(add(&mut world, id, own), (0, String::new()), "seed {seed}, round {round}");
            }
            world.wait_for_voters(&[0, 1, 2]);
            let lost = (world.active().unwrap() + round) % 3;
            world.wipe(lost);
            // The file names everybody by then: with itself alone in it an empty disk would begin a quorum of its own.
            world.machines.get_mut(&lost).unwrap().config.voters = (0..3).map(|id| (id, vec![endpoint(id)])).collect();
            world.start(lost);
            world.wait_for_voters(&[0, 1, 2]);
            for id in [2, 1] {
                let own = directory(&world, id);
                assert_eq!(remove(&mut world, id, own), (0, String::new()), "seed {seed}, round {round}");
                assert_eq!(topic(&mut world, &format!("{round}-without-{id}")), 0, "seed {seed}");
                // In one round they keep running, in the others they do not see what becomes of them.
                if round == 1 {
                    world.run(10_000);
                }
                let left: Vec<u64> = (0..id).collect();
                world.wait_for_voters(&left);
                if round != 1 {
                    world.kill(id);
                }
            }
        }
        world.settle();
    }
}

/// An administrator was quicker than the controller that lost its disk, and takes it out later: it stays out.
#[test]
fn a_replaced_controller_that_was_added_and_taken_out_by_hand_stays_out() {
    for seed in 0..10 {
        let mut world = world(3, seed);
        with(&mut world, |config| (config.auto_join, config.auto_join_newcomers) = (true, false));
        let active = world.active().unwrap();
        let lost = (active + 1) % 3;
        world.wipe(lost);
        world.start(lost);
        while world.node(active).status().quorum.voters.len() == 3 {
            world.run(10);
        }
        let own = directory(&world, lost);
        assert_eq!(add(&mut world, lost, own), (0, String::new()), "seed {seed}");
        world.run(3_000);
        assert_eq!(remove(&mut world, lost, own), (0, String::new()), "seed {seed}");
        world.run(10_000);
        assert_eq!(world.active(), Some(active), "seed {seed}");
        assert!(!world.node(active).status().quorum.voters.contains_key(&lost), "seed {seed}");
    }
}

/// The disk of a voter that was taken out at once asks under the id of the one before; what it then gets begins with a
/// snapshot in which that one is still a voter.
#[test]
fn a_new_disk_that_is_a_voter_before_it_has_caught_up_follows_the_log() {
    for seed in 0..60 {
        let mut world = world(3, seed);
        with(&mut world, |config| config.keep_entries = 5);
        for number in 0..10 {
            assert_eq!(topic(&mut world, &format!("before-{number}")), 0);
        }
        let lost = (world.active().unwrap() + 1) % 3;
        let before = directory(&world, lost);
        world.wipe(lost);
        assert_eq!(remove(&mut world, lost, before), (0, String::new()), "seed {seed}");
        world.start(lost);
        (world.lose, world.loses) = (60, [lost].into());
        let own = directory(&world, lost);
        while !matches!(add(&mut world, lost, own).0, 0 | DUPLICATE_VOTER) {}
        world.settle();
        world.wait_for_voters(&[0, 1, 2]);
    }
}
