//! Racks of any size, and large clusters.

use odradek_placement::plan::{Broker, Mode, Options, plan};
use proptest::prelude::*;

use super::world::*;

/// A replica that could go to a broker with at least two fewer, while its partition gets no closer together in racks.
fn better_place(world: &World) -> Option<(Held, i32, i32)> {
    let loads = world.loads();
    for held in &world.held {
        let in_rack = |id: i32| held.replicas.iter().filter(|other| world.rack(**other) == world.rack(id)).count();
        for from in &held.replicas {
            for to in world.brokers.iter().filter(|to| !held.replicas.contains(&to.id)) {
                let apart = to.rack == world.rack(*from) || in_rack(to.id) < in_rack(*from);
                if apart && loads[&to.id] + 2 <= loads[from] {
                    return Some((held.clone(), *from, to.id));
                }
            }
        }
    }
    None
}

proptest! {
    /// With racks of any size: even within each rack; and no replica has a better place, as long as all partitions have
    /// the same number of replicas.
    #[test]
    fn any_racks_leave_no_better_place(world in any_world(), factor in prop::option::of(1_usize..=3)) {
        let mut world = world;
        for broker in &mut world.brokers {
            broker.alive = true;
            broker.leaving = false;
        }
        world.held.iter_mut().for_each(|held| held.target = None);
        if let Some(factor) = factor {
            world.held.retain(|held| held.replicas.len() == factor);
        }
        let partitions = world.partitions();
        let Ok(full) = plan(&world.brokers, &partitions, &Options::new(Mode::Full)) else { return Ok(()) };
        prop_assume!(full.stuck.is_empty());
        world.carry_out(&full);
        prop_assert_eq!(full.after.crowded, 0);
        if factor.is_some() {
            prop_assert_eq!(better_place(&world), None);
        }
        let loads = world.loads();
        for broker in &world.brokers {
            let of_rack = || world.brokers.iter().filter(|other| other.rack == broker.rack).map(|other| loads[&other.id]);
            prop_assert!(of_rack().max().unwrap() - of_rack().min().unwrap() <= 1, "{:?}", loads);
        }
        // Nobody leads two more than another replica of the same partition.
        let leads = |id: i32| full.after.brokers.iter().find(|broker| broker.id == id).unwrap().leaders;
        for held in &world.held {
            prop_assert!(held.replicas.iter().all(|id| leads(held.replicas[0]) < leads(*id) + 2));
        }
    }

    /// Whatever is planned, a partition that nothing forces to move is on no fewer racks afterwards.
    #[test]
    fn no_plan_gives_up_a_rack(world in any_world(), which in 0_usize..4) {
        let mode = match which {
            0 => Mode::Full,
            1 => Mode::AddBrokers(vec![0]),
            2 => Mode::RemoveBrokers(vec![0]),
            _ => Mode::Topics(vec![]),
        };
        let leaves = |id: &i32| {
            (which == 2 && *id == 0) || world.broker(*id).is_none_or(|broker| broker.leaving)
        };
        let Ok(planned) = plan(&world.brokers, &world.partitions(), &Options::new(mode)) else { return Ok(()) };
        let mut after = world.clone();
        after.carry_out(&planned);
        for (old, new) in world.held.iter().zip(&after.held) {
            let start = old.target.as_ref().unwrap_or(&old.replicas);
            if !start.iter().any(leaves) {
                prop_assert!(world.distinct(&new.replicas) >= world.distinct(start), "{:?} to {:?}", old, new);
            }
        }
        for one in &planned.moves {
            prop_assert!(which != 3);
            prop_assert!(which != 1 || one.removing().any(|id| leaves(&id)) || one.adding().all(|id| id == 0) || one.replaces);
        }
    }
}

#[test]
fn a_large_cluster_copies_no_more_than_it_must() {
    let racks = ["a", "b", "c", "d", "e", "f"];
    let brokers = |count: i32| (0..count).map(|id| Broker::new(id, Some(racks[id as usize % 6]))).collect::<Vec<_>>();
    let mut world = World { brokers: brokers(60), held: Vec::new() };
    world.held = (0..20_000)
        .map(|at| Held {
            topic: at as u32 / 50,
            partition: at,
            replicas: vec![at % 60, (at + 1 + 6 * (at / 60)) % 60, (at + 2 + 12 * (at / 60)) % 60],
            target: None,
            size: 1_000 + (at as u64 / 50 * 7_919) % 1_000,
        })
        .collect();
    let even = world.full();
    assert!(even.copies.replicas <= 60 && even.after.replicas.width() <= 1);
    world.carry_out(&even);
    world.brokers = brokers(66);
    let full = world.full();
    assert_eq!(full.copies.replicas, full.least.replicas);
    assert!((full.after.replicas.width(), full.after.leaders.width(), full.after.crowded) <= (1, 1, 0));
    let bytes = full.after.bytes;
    assert!(bytes.width() * 50 <= bytes.most, "bytes within 2%: {bytes:?}");
    // What moves is a cross-section: a new broker has no more of a topic than some chance would give it.
    world.carry_out(&full);
    let most = (0..400)
        .map(|topic| world.held.iter().filter(|held| held.topic == topic && held.replicas.contains(&60)).count());
    assert!(most.max() <= Some(8), "of 150 replicas of a topic, its share is 2.3");
}
