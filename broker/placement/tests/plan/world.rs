//! Clusters to plan for, and what becomes of them when a plan is carried out.

use std::collections::{BTreeMap, BTreeSet};

use odradek_placement::plan::{Broker, Disk, Mode, Move, Options, Partitions, Plan, plan};
use odradek_placement::{BrokerInfo, place};
use proptest::prelude::*;

pub const RACKS: [&str; 5] = ["zone-a", "zone-b", "zone-c", "zone-d", "zone-e"];

/// A partition: its topic, its replicas, the target of its reassignment, its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    pub topic: u32,
    pub partition: i32,
    pub replicas: Vec<i32>,
    pub target: Option<Vec<i32>>,
    pub size: u64,
}

#[derive(Clone, Debug)]
pub struct World {
    pub brokers: Vec<Broker<'static>>,
    pub held: Vec<Held>,
}

impl World {
    pub fn partitions(&self) -> Partitions {
        let mut partitions = Partitions::with_capacity(self.held.len(), self.held.len() * 3);
        for topic in 0..self.held.iter().map(|held| held.topic + 1).max().unwrap_or(0) {
            assert_eq!(partitions.topic(&format!("topic-{topic}")), topic);
        }
        for held in &self.held {
            match &held.target {
                Some(target) => {
                    partitions.push_moving(held.topic, held.partition, &held.replicas, target, held.size);
                }
                None => partitions.push(held.topic, held.partition, &held.replicas, held.size),
            }
        }
        partitions
    }

    pub fn plan(&self, mode: Mode) -> Plan {
        plan(&self.brokers, &self.partitions(), &Options::new(mode)).unwrap()
    }

    pub fn full(&self) -> Plan {
        self.plan(Mode::Full)
    }

    pub fn broker(&self, id: i32) -> Option<&Broker<'static>> {
        self.brokers.iter().find(|broker| broker.id == id)
    }

    pub fn rack(&self, id: i32) -> Option<&'static str> {
        self.broker(id).and_then(|broker| broker.rack)
    }

    /// How many racks the list is on.
    pub fn distinct(&self, replicas: &[i32]) -> usize {
        let known = replicas.iter().filter(|id| self.broker(**id).is_some());
        known.map(|id| self.rack(*id)).collect::<BTreeSet<_>>().len()
    }

    fn held_mut(&mut self, topic: u32, partition: i32) -> &mut Held {
        self.held.iter_mut().find(|held| (held.topic, held.partition) == (topic, partition)).unwrap()
    }

    /// Starts a move; the disks fill as it goes on, which is done at its end here.
    pub fn start(&mut self, one: &Move) {
        let held = self.held_mut(one.topic, one.partition);
        assert_eq!(held.replicas, one.from);
        held.target = Some(one.to.clone());
    }

    /// Completes the reassignment of one partition.
    pub fn complete(&mut self, at: usize) {
        let Some(target) = self.held[at].target.take() else { return };
        let before = std::mem::replace(&mut self.held[at].replicas, target.clone());
        let size = self.held[at].size;
        for broker in &mut self.brokers {
            if let Some(disk) = &mut broker.disk {
                match (before.contains(&broker.id), target.contains(&broker.id)) {
                    (true, false) => disk.used -= size,
                    (false, true) => {
                        disk.used += size;
                        assert!(disk.used <= disk.size, "the disk of broker {} overflows", broker.id);
                    }
                    _ => {}
                }
            }
        }
    }

    /// Takes out what is being reassigned while none of its replicas is up: that never ends.
    pub fn drop_lost(&mut self) {
        let up = |id: &i32| self.brokers.iter().any(|broker| broker.id == *id && broker.alive);
        self.held.retain(|held| held.target.is_none() || held.replicas.iter().any(up));
    }

    pub fn cancel(&mut self, plan: &Plan) {
        for cancel in &plan.cancels {
            assert!(self.held_mut(cancel.topic, cancel.partition).target.take().is_some());
        }
    }

    /// Carries out all of a plan, and what was under way before.
    pub fn carry_out(&mut self, plan: &Plan) {
        self.cancel(plan);
        for one in &plan.moves {
            self.start(one);
        }
        // What gets a copy first: the room is there without what leaves.
        for at in 0..self.held.len() {
            self.complete(at);
        }
    }

    pub fn loads(&self) -> BTreeMap<i32, usize> {
        let mut loads: BTreeMap<i32, usize> = self.brokers.iter().map(|broker| (broker.id, 0)).collect();
        for id in self.held.iter().flat_map(|held| &held.replicas) {
            *loads.entry(*id).or_default() += 1;
        }
        loads
    }

    /// Puts disks under the brokers with this much room beside what they hold.
    pub fn give_disks(&mut self, free: impl Fn(usize) -> u64) {
        for at in 0..self.brokers.len() {
            let id = self.brokers[at].id;
            let of = |held: &&Held| held.replicas.contains(&id);
            let used = self.held.iter().filter(of).map(|held| held.size).sum();
            self.brokers[at].disk = Some(Disk { size: used + free(at), used });
        }
    }
}

/// `per_rack` brokers in each of `racks` racks; ids go round the racks.
pub fn equal_racks(racks: usize, per_rack: usize) -> Vec<Broker<'static>> {
    (0..racks * per_rack).map(|at| Broker::new(at as i32, Some(RACKS[at % racks]))).collect()
}

/// One topic, placed evenly as new topics are, all partitions of one size.
pub fn placed(brokers: Vec<Broker<'static>>, partitions: usize, factor: usize) -> World {
    let infos: Vec<BrokerInfo<'_>> = brokers.iter().map(|broker| BrokerInfo::new(broker.id, broker.rack)).collect();
    let sets = place(&infos, partitions, factor, 0).unwrap();
    let held = |(at, replicas)| Held { topic: 0, partition: at as i32, replicas, target: None, size: 10 };
    World { brokers, held: sets.into_iter().enumerate().map(held).collect() }
}

/// What [`any_world`] is made of: a broker's rack, and whether it is up and stays.
type AnyBroker = (Option<usize>, bool, bool);

/// And a partition: its replicas, the target of its reassignment, its topic, its bytes.
type AnyPartition = (Vec<i32>, Option<Vec<i32>>, u32, u64);

/// Brokers of any racks, some down, some leaving, and partitions that lie anywhere, some of them being reassigned.
pub fn any_world() -> impl Strategy<Value = World> {
    let broker = (prop::option::weighted(0.9, 0_usize..4), prop::bool::weighted(0.85), prop::bool::weighted(0.15));
    prop::collection::vec(broker, 1..12).prop_flat_map(|brokers: Vec<AnyBroker>| {
        let brokers: Vec<Broker<'static>> = brokers
            .into_iter()
            .zip(0..)
            .map(|((rack, alive, leaving), id)| Broker {
                alive,
                leaving,
                ..Broker::new(id, rack.map(|rack| RACKS[rack]))
            })
            .collect();
        let count = brokers.len();
        let held = (list(count), prop::option::weighted(0.15, list(count)), 0_u32..3, sizes());
        (Just(brokers), prop::collection::vec(held, 0..40)).prop_map(|(brokers, drawn)| {
            let held = |(at, (replicas, target, topic, size)): (usize, AnyPartition)| Held {
                topic,
                partition: at as i32,
                replicas,
                target,
                size,
            };
            World { brokers, held: drawn.into_iter().enumerate().map(held).collect() }
        })
    })
}

/// Up to three of the brokers, and rarely one that is not there.
fn list(brokers: usize) -> impl Strategy<Value = Vec<i32>> {
    let ids: Vec<i32> = (0..brokers as i32).chain((brokers < 4).then_some(99)).collect();
    let most = ids.len().min(3);
    prop::sample::subsequence(ids, 1..=most).prop_shuffle()
}

fn sizes() -> impl Strategy<Value = u64> {
    prop_oneof![Just(0), 1_u64..100, 1_000_u64..1_000_000]
}
