//! A model of a cluster carries the steps out: brokers come and go by the spec, which changes its mind on the way;
//! brokers crash; an operator dies between any two calls; a person reassigns partitions and throttles them meanwhile.
//! Whatever happens: no partition has fewer replicas than before, what a person began and set stays as it is, and in
//! the end every broker has its share, the preferred replicas lead, and no throttle is left.

use std::{collections::BTreeSet, sync::Arc};

use odradek_crds::RebalanceState;
use proptest::prelude::*;

use super::{
    world::{NEW, OLD, World},
    *,
};
use crate::kafka::ReplicaSizes;

const TROUBLED: usize = 40;
const CALM: usize = 400;

impl World {
    fn look(&mut self, spec: &Validated) -> Rebalance {
        let mut sizes = ReplicaSizes::default();
        for partition in &self.view().partitions {
            sizes.bytes.insert((partition.topic.clone(), partition.partition), 1000);
        }
        // They are read anew from time to time.
        if !matches!(self.now.moves.sizes, Sizes::Known(_)) || self.dice.one_in(4) {
            self.now.moves.sizes = Sizes::Known(Arc::new(sizes));
        }
        self.now.moves.throttled = self.lists.clone();
        rebalance(spec, &self.now, None)
    }

    /// The operator looks, writes its status, and acts, or dies on the way.
    fn reconcile(&mut self, troubled: bool) -> Result<(), TestCaseError> {
        let spec = self.spec();
        let told = self.look(&spec);
        let dies = |world: &mut World| troubled && world.dice.one_in(6);
        if dies(self) {
            return Ok(());
        }
        for step in told.steps.iter().filter(|step| step.blocked_by.is_none()) {
            let Action::MoveReplicas(batch) = &step.action else { continue };
            for one in &batch.begun.moves {
                self.is_allowed(&spec, one)?;
            }
        }
        self.now.moves.remembered = told.status;
        // One that took over knows no plan, or one of some time ago.
        if !troubled || !self.dice.one_in(4) {
            self.now.moves.kept = told.planned;
        } else if self.dice.one_in(2) {
            self.now.moves.kept = None;
        }
        // What the status lists is the operator's from now on, also if it dies before it replaced it.
        let own = Own::read(&self.now.moves.remembered.own);
        self.others.retain(|(topic, partition)| !own.has(topic, *partition));
        for step in told.steps.iter().filter(|step| step.blocked_by.is_none()) {
            if dies(self) {
                return Ok(());
            }
            match &step.action {
                Action::Unthrottle(over) => {
                    self.configure(&over.rate);
                    over.topics.iter().for_each(|(topic, changes)| self.name(topic, changes));
                }
                Action::MoveReplicas(batch) => {
                    self.configure(&batch.rate);
                    if dies(self) {
                        return Ok(());
                    }
                    for topic in batch.begun.throttled.keys() {
                        let changes = batch.named(topic, &self.lists.get(topic).cloned().unwrap_or_default());
                        self.name(topic, &changes);
                    }
                    for one in &batch.begun.moves {
                        if dies(self) {
                            return Ok(());
                        }
                        self.others.remove(&(one.topic.clone(), one.partition));
                        self.reassign(&one.topic, one.partition, one.replicas.as_deref());
                    }
                }
                Action::ElectLeaders(partitions) => {
                    for (topic, partition) in partitions {
                        let up = self.view().brokers.clone();
                        let partition = self.partition(topic, *partition);
                        let first = partition.replicas.first().copied();
                        if first.is_some_and(|id| partition.in_sync.contains(&id) && up.contains(&id)) {
                            partition.leader = first;
                        }
                    }
                }
                other => prop_assert!(false, "{other:?}"),
            }
        }
        Ok(())
    }

    fn is_allowed(&mut self, spec: &Validated, one: &odradek_client::Reassignment) -> Result<(), TestCaseError> {
        let at = (one.topic.clone(), one.partition);
        let leaving = spec.leaving();
        if self.others.contains(&at) {
            let way = self.view().moving.get(&at).cloned().unwrap_or_default();
            prop_assert!(way.adding.iter().any(|id| leaving.contains(id)), "a person's: {one:?} instead of {way:?}");
        }
        let Some(to) = &one.replicas else { return Ok(()) };
        prop_assert!(
            to.iter().all(|id| !leaving.contains(id) || self.was_there(&at, *id)),
            "{one:?} goes to {leaving:?}"
        );
        let zones: BTreeSet<i32> = to.iter().map(|id| id / 1000).collect();
        prop_assert_eq!((to.len(), zones.len()), (3, 3), "{:?}", one);
        Ok(())
    }

    fn was_there(&mut self, at: &(String, i32), id: i32) -> bool {
        self.partition(&at.0, at.1).replicas.contains(&id)
    }

    fn is_over(&mut self) -> bool {
        let status = &self.now.moves.remembered;
        let over = status.state == RebalanceState::None && status.own.is_empty() && status.throttle.is_none();
        over && self.view().moving.is_empty()
    }

    /// What has to be true in the end.
    fn judge(&mut self) -> Result<(), TestCaseError> {
        let small = self.small;
        let many = self.now_partitions();
        let view = self.view().clone();
        prop_assert!(throttle::RATES.iter().all(|key| !view.config.contains_key(*key)), "{:?}", view.config);
        for (topic, set) in &self.lists {
            let theirs = (topic == "t0").then(|| ("99:7".to_owned(), "99:8".to_owned())).unzip();
            prop_assert_eq!((set.leader.clone(), set.follower.clone()), theirs, "{}", topic);
        }
        // They leave one by one, and the one that goes first is the one that is emptied.
        let next = self.spec().next_leaving();
        for id in NEW {
            let held = view.holds(id);
            if small && next == Some(id) {
                prop_assert_eq!(held, 0, "{}", id);
            }
            if !small && many >= 4 {
                // No less than the half below which a broker is a new one.
                prop_assert!(held * 2 >= many / 2, "broker {} has {} of {}", id, held, many);
            }
        }
        Ok(())
    }
}

fn run(seed: u64) -> Result<(), TestCaseError> {
    let mut world = World::new(seed);
    for _ in 0..TROUBLED {
        world.reconcile(true)?;
        world.tick(true);
        let whole = world.view().partitions.iter().all(|p| p.replicas.len() >= 3);
        prop_assert!(whole, "{:?}", world.view().partitions);
    }
    world.view().brokers = OLD.into_iter().chain(NEW).collect();
    for round in 0..CALM {
        world.tick(false);
        world.reconcile(false)?;
        if round > 3 && world.is_over() {
            return world.judge();
        }
    }
    let spec = world.spec();
    let last = world.look(&spec);
    Err(TestCaseError::fail(format!("it never ends: {last:#?}\n{:#?}", world.now.kafka)))
}

proptest! {
    #[test]
    fn whatever_happens_it_ends_with_every_broker_at_its_share(seed in any::<u64>()) {
        run(seed)?;
    }
}
