//! A model of a cluster carries the steps out: brokers come and go by the spec, which changes its mind on the way;
//! brokers crash; an operator dies between any two calls; a person reassigns partitions and throttles them meanwhile.
//! Whatever happens: no partition has fewer replicas than before, what a person began and set stays as it is, and in
//! the end every broker has its share, the preferred replicas lead, and no throttle is left.

use std::{collections::BTreeMap, sync::Arc};

use proptest::prelude::*;

use super::*;
use crate::{
    cluster::{
        dice::Dice,
        fixtures::{IMAGE, all_there, cluster, valid},
        observe::KafkaState,
        pins::pins,
        validate::validate,
    },
    kafka::{
        PartitionView, Reassigning, ReplicaSizes, ThrottledReplicas,
        moves::{FOLLOWER_REPLICAS, LEADER_REPLICAS},
    },
};

const SIX: &str = "{ nodePools: [{ name: broker, replicas: 6 }], autoRebalance: { concurrentMoves: 2 } }";
const THREE: &str = "{ nodePools: [{ name: broker, replicas: 3 }], autoRebalance: { concurrentMoves: 2 } }";
const OLD: [i32; 3] = [0, 1000, 2000];
const NEW: [i32; 3] = [1, 1001, 2001];
const TROUBLED: usize = 40;
const CALM: usize = 400;

struct World {
    /// Six brokers, and the same with three that have to go.
    specs: [Validated; 2],
    small: bool,
    now: Observed,
    lists: BTreeMap<String, ThrottledReplicas>,
    dice: Dice,
    /// What a person began.
    others: BTreeSet<(String, i32)>,
}

impl World {
    fn new(seed: u64) -> World {
        let six = valid(SIX);
        let now = all_there(&six);
        let pinned = Observed { pins: pins(&now.sets, &[]), pinned_zones: now.pinned_zones.clone(), ..nothing() };
        let three = validate(&cluster(THREE), &pinned, IMAGE).expect("a spec that shrinks");
        assert_eq!(three.leaving(), BTreeSet::from(NEW));
        let mut world = World {
            specs: [six, three],
            small: false,
            now,
            lists: BTreeMap::new(),
            dice: Dice(seed),
            others: BTreeSet::new(),
        };
        let many = 1 + world.dice.below(40);
        let spread = world.dice.one_in(2);
        let partition = |at: usize| {
            let replicas = if spread && at % 2 == 1 { NEW } else { OLD };
            let replicas: Vec<i32> = (0..3).map(|n| replicas[(at / 2 + n) % 3]).collect();
            PartitionView {
                topic: format!("t{}", at % 3),
                partition: i32::try_from(at / 3).expect("small"),
                leader: replicas.first().copied(),
                in_sync: replicas.clone(),
                replicas,
            }
        };
        world.view().partitions = (0..many).map(partition).collect();
        // A person's throttle of something else.
        let theirs = ThrottledReplicas { leader: Some("99:7".to_owned()), follower: Some("99:8".to_owned()) };
        world.lists.insert("t0".to_owned(), theirs);
        world
    }

    fn view(&mut self) -> &mut KafkaView {
        match &mut self.now.kafka {
            KafkaState::View(view) => view,
            other => panic!("{other:?}"),
        }
    }

    fn spec(&self) -> Validated {
        self.specs[usize::from(self.small)].clone()
    }

    fn partition(&mut self, topic: &str, partition: i32) -> &mut PartitionView {
        let found = self.view().partitions.iter_mut().find(|p| p.topic == topic && p.partition == partition);
        found.expect("a partition")
    }

    /// What Kafka makes of a reassignment.
    fn reassign(&mut self, topic: &str, number: i32, to: Option<&[i32]>) {
        let at = (topic.to_owned(), number);
        let way = self.view().moving.remove(&at).unwrap_or_default();
        let partition = self.partition(topic, number);
        let original: Vec<i32> = partition.replicas.iter().filter(|id| !way.adding.contains(id)).copied().collect();
        let to = to.map_or_else(|| original.clone(), <[i32]>::to_vec);
        let only = |some: &[i32], others: &[i32]| some.iter().filter(|id| !others.contains(id)).copied().collect();
        let way = Reassigning { adding: only(&to, &original), removing: only(&original, &to) };
        partition.replicas = to.iter().chain(&way.removing).copied().collect();
        let replicas = partition.replicas.clone();
        partition.in_sync.retain(|id| replicas.contains(id));
        self.view().moving.insert(at, way);
        if self.view().moving[&(topic.to_owned(), number)].adding.is_empty() {
            self.finish(topic, number);
        }
    }

    fn finish(&mut self, topic: &str, number: i32) {
        let Some(way) = self.view().moving.remove(&(topic.to_owned(), number)) else { return };
        let partition = self.partition(topic, number);
        partition.in_sync.extend(way.adding.iter().copied());
        partition.replicas.retain(|id| !way.removing.contains(id));
        partition.in_sync.retain(|id| !way.removing.contains(id));
        if partition.leader.is_none_or(|leader| !partition.in_sync.contains(&leader)) {
            partition.leader = partition.in_sync.first().copied();
        }
    }

    /// Whatever happens by itself.
    fn tick(&mut self, troubled: bool) {
        let moving: Vec<((String, i32), Reassigning)> =
            self.view().moving.iter().map(|(at, way)| (at.clone(), way.clone())).collect();
        for ((topic, partition), way) in moving {
            let up = way.adding.iter().all(|id| self.view().brokers.contains(id));
            if up && self.partition(&topic, partition).leader.is_some() && self.dice.one_in(2) {
                self.finish(&topic, partition);
                self.others.remove(&(topic, partition));
            }
        }
        let up = self.view().brokers.clone();
        for partition in &mut self.view().partitions {
            // Those that are back catch up; a reassignment's are looked at above.
            let behind = partition.replicas.iter().filter(|id| up.contains(id) && !partition.in_sync.contains(id));
            let behind: Vec<i32> = behind.take(3).copied().collect();
            partition.in_sync.extend(behind);
            if partition.leader.is_none_or(|leader| !up.contains(&leader)) {
                partition.leader = partition.in_sync.iter().find(|id| up.contains(id)).copied();
            }
        }
        let moving: Vec<((String, i32), Vec<i32>)> =
            self.view().moving.iter().map(|(at, way)| (at.clone(), way.adding.clone())).collect();
        for ((topic, partition), adding) in moving {
            self.partition(&topic, partition).in_sync.retain(|id| !adding.contains(id));
        }
        if troubled {
            self.mishap();
        }
    }

    fn mishap(&mut self) {
        if self.dice.one_in(10) {
            self.small = !self.small;
        }
        if self.dice.one_in(8) {
            let at = self.dice.below(6);
            let id = OLD.into_iter().chain(NEW).nth(at).expect("one of six");
            let view = self.view();
            if view.brokers.contains(&id) {
                view.brokers.retain(|other| *other != id);
                for partition in &mut view.partitions {
                    if partition.in_sync.len() > 1 {
                        partition.in_sync.retain(|other| *other != id);
                    }
                    if partition.leader == Some(id) {
                        partition.leader = partition.in_sync.first().copied().filter(|next| *next != id);
                    }
                }
            } else {
                view.brokers.push(id);
            }
        }
        if self.dice.one_in(10) {
            let many = self.now_partitions();
            let at = self.dice.below(many);
            let one = self.view().partitions[at].clone();
            let key = (one.topic.clone(), one.partition);
            // What the status still lists is the operator's.
            let own = Own::read(&self.now.moves.remembered.own).has(&key.0, key.1);
            if !own && !self.view().moving.contains_key(&key) {
                let mut to = one.replicas.clone();
                to.rotate_left(1);
                let zone = to[0] / 1000 * 1000;
                to[0] = if to[0] == zone { zone + 1 } else { zone };
                self.reassign(&one.topic, one.partition, Some(&to));
                self.others.insert(key);
            }
        }
    }

    fn now_partitions(&mut self) -> usize {
        self.view().partitions.len()
    }

    fn look(&mut self, spec: &Validated) -> Rebalance {
        let mut sizes = ReplicaSizes::default();
        for partition in &self.view().partitions {
            sizes.bytes.insert((partition.topic.clone(), partition.partition), 1000);
        }
        self.now.moves.sizes = Sizes::Known(Arc::new(sizes));
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

    fn configure(&mut self, changes: &[ConfigChange]) {
        for change in changes {
            match change {
                ConfigChange::Set(key, value) => drop(self.view().config.insert(key.clone(), Some(value.clone()))),
                ConfigChange::Delete(key) => drop(self.view().config.remove(key)),
            }
        }
    }

    fn name(&mut self, topic: &str, changes: &[ConfigChange]) {
        let set = self.lists.entry(topic.to_owned()).or_default();
        for change in changes {
            let value = match change {
                ConfigChange::Set(_, value) => Some(value.clone()),
                ConfigChange::Delete(_) => None,
            };
            match change.key() {
                LEADER_REPLICAS => set.leader = value,
                FOLLOWER_REPLICAS => set.follower = value,
                other => panic!("{other}"),
            }
        }
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

fn nothing() -> Observed {
    crate::cluster::fixtures::nothing()
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
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn whatever_happens_it_ends_with_every_broker_at_its_share(seed in any::<u64>()) {
        run(seed)?;
    }
}
