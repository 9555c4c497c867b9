//! The model of a cluster that `model` runs: what happens by itself, what goes wrong, and how steps are carried out.

use std::collections::BTreeSet;

use k8s_openapi::api::apps::v1::StatefulSet;
use odradek_crds::BrokerPhase;
use proptest::prelude::*;

use super::*;
use crate::{
    cluster::{
        dice::Dice,
        fixtures::{all_there, asked, valid, verdict},
        observe::KafkaState,
        pods::PodView,
        safety::holder,
    },
    kafka::{KafkaView, PartitionView, restart::Lease},
};

/// A cluster, what happens to it, and the operator that looks at it.
pub(super) struct World {
    pub(super) valid: Validated,
    pub(super) now: Observed,
    dice: Dice,
    /// The present revision, and whether pods of it can run.
    revision: u32,
    pub(super) good: bool,
    /// Pods that the operator stopped and that are not back.
    away: BTreeSet<String>,
    made: u32,
}

fn wanted_revision(set: &StatefulSet) -> String {
    set.status.as_ref().and_then(|status| status.update_revision.clone()).expect("a revision")
}

impl World {
    pub(super) fn new(spec: &str, seed: u64) -> World {
        let valid = valid(spec);
        let now = all_there(&valid);
        let mut world = World { valid, now, dice: Dice(seed), revision: 1, good: true, away: BTreeSet::new(), made: 0 };
        let brokers = world.view().brokers.clone();
        let third = brokers.len() / 3;
        let partitions = (0..9).map(|n| {
            let replicas: Vec<i32> = (0..3).map(|zone| brokers[(n + zone) % 3 * third + (n / 3) % third]).collect();
            PartitionView {
                topic: "t".to_owned(),
                partition: i32::try_from(n).expect("small"),
                leader: replicas.first().copied(),
                in_sync: replicas.clone(),
                replicas,
            }
        });
        world.view().partitions = partitions.collect();
        if world.dice.one_in(2) {
            // One that nothing keeps available.
            let replicas = vec![brokers[0]];
            let alone = PartitionView {
                topic: "alone".to_owned(),
                partition: 0,
                leader: Some(brokers[0]),
                in_sync: replicas.clone(),
                replicas,
            };
            world.view().partitions.push(alone);
        }
        world
    }

    fn view(&mut self) -> &mut KafkaView {
        match &mut self.now.kafka {
            KafkaState::View(view) => view,
            other => panic!("{other:?}"),
        }
    }

    /// A broker is out: it leads nothing and leaves the in-sync sets, but never the last of one.
    fn out(&mut self, id: i32) {
        let view = self.view();
        view.brokers.retain(|broker| *broker != id);
        for partition in &mut view.partitions {
            if partition.in_sync.len() > 1 {
                partition.in_sync.retain(|replica| *replica != id);
            }
            if partition.leader == Some(id) {
                partition.leader = partition.in_sync.first().copied().filter(|next| *next != id);
            }
        }
    }

    /// Whatever happens by itself.
    pub(super) fn tick(&mut self) {
        for at in 0..self.now.pods.len() {
            if self.dice.one_in(2) {
                continue;
            }
            let pod = self.now.pods[at].clone();
            match pod.phase {
                BrokerPhase::Stopping => {
                    self.made += 1;
                    let revision = self.now.sets.iter().find(|set| set.metadata.name.as_ref() == Some(&pod.set));
                    let revision = wanted_revision(revision.expect("its set"));
                    let bad = !self.good && revision.ends_with(&format!("-{}", self.revision));
                    self.now.pods[at] = PodView {
                        uid: format!("made-{}", self.made),
                        revision,
                        phase: if bad { BrokerPhase::Failing } else { BrokerPhase::Starting },
                        stuck: bad.then(|| "CrashLoopBackOff".to_owned()),
                        ..pod
                    };
                }
                BrokerPhase::Starting => {
                    self.now.pods[at].phase = BrokerPhase::Ready;
                    if pod.broker {
                        self.view().brokers.push(pod.id);
                    }
                    self.away.remove(&pod.name);
                }
                BrokerPhase::Ready => {
                    let later = self.dice.one_in(2);
                    for partition in &mut self.view().partitions {
                        let behind = partition.replicas.contains(&pod.id) && !partition.in_sync.contains(&pod.id);
                        if behind && partition.leader.is_some() && !later {
                            partition.in_sync.push(pod.id);
                        }
                        if partition.leader.is_none() && partition.in_sync.contains(&pod.id) {
                            partition.leader = Some(pod.id);
                        }
                    }
                }
                BrokerPhase::Pending | BrokerPhase::Failing => {}
            }
        }
    }

    pub(super) fn mishap(&mut self) {
        if self.dice.one_in(6) {
            let at = self.dice.below(self.now.pods.len());
            if self.now.pods[at].ready() {
                self.now.pods[at].phase = BrokerPhase::Starting;
                let pod = self.now.pods[at].clone();
                if pod.broker {
                    self.out(pod.id);
                }
            }
        }
        if self.dice.one_in(12) {
            self.good = self.dice.one_in(2);
            self.change();
        }
        if self.dice.one_in(20) {
            self.now.lease_of_a_test = None;
        }
    }

    /// The spec changes.
    pub(super) fn change(&mut self) {
        self.revision += 1;
        for set in &mut self.now.sets {
            let name = set.metadata.name.clone().expect("a name");
            set.status.as_mut().expect("a status").update_revision = Some(format!("{name}-{}", self.revision));
        }
    }

    fn roll(&mut self, set: &RollSet) -> Result<(), TestCaseError> {
        if set.pods.iter().any(|pod| pod.stuck.is_none()) {
            let nodes = NodeSet::of(&set.pods, set.zone.is_some());
            let verdict = verdict(&self.now, &nodes, &self.valid);
            if !verdict.safe {
                return Ok(());
            }
            self.now.lease_of_a_test = Some(Lease {
                holder: holder(&self.valid),
                brokers: nodes.brokers.clone(),
                controllers: nodes.controllers.clone(),
                expires_in_seconds: 300.0,
            });
            if self.dice.one_in(10) {
                // The operator dies with the lease in its hand.
                return Ok(());
            }
            let others: Vec<&String> =
                self.away.iter().filter(|name| set.pods.iter().all(|pod| pod.name != **name)).collect();
            prop_assert!(others.is_empty(), "{others:?} are not back when {set:?} goes");
        }
        for pod in &set.pods {
            if self.dice.one_in(10) {
                // It dies between two pods.
                return Ok(());
            }
            let Some(at) = self.now.pods.iter().position(|other| other.uid == pod.uid) else { continue };
            if self.now.pods[at].phase == BrokerPhase::Stopping {
                continue;
            }
            self.now.pods[at].phase = BrokerPhase::Stopping;
            self.now.pods[at].stuck = None;
            self.away.insert(pod.name.clone());
            if pod.broker {
                self.out(pod.id);
            }
        }
        self.nothing_below_the_minimum(set)
    }

    /// A stop of pods that ran left every partition that can be kept available with what acks=all needs.
    fn nothing_below_the_minimum(&mut self, set: &RollSet) -> Result<(), TestCaseError> {
        if set.pods.iter().any(|pod| pod.stuck.is_some()) {
            return Ok(());
        }
        let gone: Vec<i32> = set.pods.iter().map(|pod| pod.id).collect();
        for partition in &self.view().partitions {
            let outside = |ids: &[i32]| ids.iter().filter(|id| !gone.contains(id)).count();
            let hit = outside(&partition.replicas) < partition.replicas.len();
            if hit && (set.zone.is_some() || outside(&partition.replicas) >= 2) {
                prop_assert!(outside(&partition.in_sync) >= 2, "{partition:?} after {set:?}");
                prop_assert!(partition.leader.is_some_and(|leader| !gone.contains(&leader)), "{partition:?}");
            }
        }
        Ok(())
    }

    /// The operator looks, and acts some time later.
    pub(super) fn reconcile(&mut self, troubled: bool) -> Result<(), TestCaseError> {
        let seen = asked(&self.valid, self.now.clone());
        let plan = plan(&self.valid, &seen).expect("a plan");
        if troubled && self.dice.one_in(3) {
            self.tick();
            self.mishap();
        }
        for step in plan.ready() {
            match &step.action {
                Action::Roll(set) => self.roll(set)?,
                Action::ReleaseLease => self.now.lease_of_a_test = None,
                Action::ElectLeaders(partitions) => {
                    for partition in &mut self.view().partitions {
                        let named = partitions
                            .iter()
                            .any(|(topic, at)| (topic, *at) == (&partition.topic, partition.partition));
                        if let Some(first) =
                            partition.replicas.first().filter(|id| named && partition.in_sync.contains(id))
                        {
                            partition.leader = Some(*first);
                        }
                    }
                }
                // The budget follows what is safe, and leases do not end by themselves; nothing of it matters here.
                Action::Update(_) | Action::RenewLease(_) => {}
                other => prop_assert!(false, "{other:?}"),
            }
        }
        Ok(())
    }

    pub(super) fn is_done(&mut self) -> bool {
        let revision = format!("-{}", self.revision);
        let fresh = self.now.pods.iter().all(|pod| pod.ready() && pod.revision.ends_with(&revision));
        let free = self.now.lease_of_a_test.is_none();
        fresh && free && self.view().partitions.iter().all(PartitionView::is_whole)
    }
}
