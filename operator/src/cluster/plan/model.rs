//! A model of a cluster carries the plan's steps out, from random states and through random mishaps: brokers that
//! crash, a spec that changes in the middle of a roll, a bad one, an operator that dies at any step and one that plans
//! by what was true a while ago. At no time does it stop pods that are not safe to stop, nor a second set before the
//! first is back; and it always comes to an end.

use proptest::prelude::*;

use super::{plan, world::World};
use crate::cluster::{dice::cases, fixtures::asked};

/// Rounds with mishaps, and rounds in which the roll has to come to its end.
const TROUBLED: usize = 60;
const CALM: usize = 600;

fn run(spec: &str, seed: u64) -> Result<(), TestCaseError> {
    let mut world = World::new(spec, seed);
    world.change();
    for _ in 0..TROUBLED {
        world.reconcile(true)?;
        world.tick();
        world.mishap();
    }
    if !world.good {
        world.good = true;
        world.change();
    }
    for _ in 0..CALM {
        if world.is_done() {
            return Ok(());
        }
        world.reconcile(false)?;
        world.tick();
    }
    let seen = asked(&world.valid, world.now.clone());
    let plan = plan(&world.valid, &seen).expect("a plan");
    let steps: Vec<String> = plan.steps.iter().map(|step| format!("{step} [{:?}]", step.blocked_by)).collect();
    Err(TestCaseError::fail(format!("it never ends: {steps:#?}\n{:#?}\n{:#?}", world.now.pods, world.now.kafka)))
}

proptest! {
    #![proptest_config(cases(8))]

    #[test]
    fn three_brokers_and_three_controllers(seed in any::<u64>()) {
        run("{}", seed)?;
    }

    #[test]
    fn six_brokers_zone_by_zone(seed in any::<u64>()) {
        run("{ rollingUpdate: { maxUnavailable: zone }, nodePools: [{ name: broker, replicas: 6 }] }", seed)?;
    }

    #[test]
    fn three_nodes_that_are_both(seed in any::<u64>()) {
        run("{ nodePools: [{ name: node, replicas: 3, roles: [controller, broker] }] }", seed)?;
    }
}
