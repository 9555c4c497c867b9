//! A model of a cluster that grows, shrinks, changes its zones and its pools, while topics are made, brokers crash, and the
//! operator dies at any step or acts on what was true a while ago. No broker is unregistered and no claim deleted while a
//! partition has a replica there; no id and no set is given twice; nothing is made anew; and it always comes to its end.

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::PersistentVolumeClaim;
use kube::ResourceExt;
use odradek_crds::BrokerPhase;
use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::{
    cluster::{
        dice::Dice,
        fixtures::{IMAGE, asked, cluster, nothing, verdict},
        leave,
        observe::KafkaState,
        pins::{controller_zones, pinned_zones, pins},
        pods::PodView,
        safety::holder,
        validate::validate,
    },
    kafka::{KafkaView, PartitionView, RegisteredBroker, restart::Lease},
    names::{IDENTITY_ANNOTATION, LEFT_ANNOTATION, SET_LABEL},
};

/// Rounds with mishaps, and rounds in which it has to come to its end.
const TROUBLED: usize = 80;
const CALM: usize = 1500;

struct World {
    spec: String,
    now: Observed,
    view: KafkaView,
    dice: Dice,
    made: u32,
}

/// What a spec may ask for: so many nodes of each of two pools, in some of three zones.
fn spec(dice: &mut Dice) -> String {
    let zones: Vec<String> = (0..=dice.below(3)).map(|_| format!("zone-{}", dice.below(3))).collect();
    let zones: BTreeSet<String> = zones.into_iter().collect();
    let zones: Vec<String> = zones.into_iter().collect();
    let (give_up, pools) = (dice.one_in(2), dice.below(3));
    let mut pool = |name: &str, least: usize| {
        let replicas = least + dice.below(4);
        format!("{{ name: {name}, replicas: {replicas}, storage: {{ deleteClaim: {give_up} }} }}")
    };
    let pools = match pools {
        0 => vec![pool("p", 2)],
        1 => vec![pool("q", 2)],
        _ => vec![pool("p", 1), pool("q", 1)],
    };
    format!(
        "{{ rack: {{ zones: [{}] }}, nodePools: [{}], controllers: {{ replicas: 1 }}, config: {{ \
         default.replication.factor: 2, offsets.topic.replication.factor: 2, min.insync.replicas: 1, \
         transaction.state.log.replication.factor: 2, transaction.state.log.min.isr: 1 }} }}",
        zones.join(", "),
        pools.join(", ")
    )
}

impl World {
    fn new(seed: u64) -> World {
        let mut dice = Dice(seed);
        let spec = spec(&mut dice);
        World { spec, now: nothing(), view: KafkaView::default(), dice, made: 0 }
    }

    /// What the operator sees.
    fn seen(&mut self) -> (Validated, Observed) {
        self.now.pins = pins(&self.now.sets, &self.now.claims);
        self.now.pinned_zones = pinned_zones(&self.now.sets);
        self.now.controller_zones = controller_zones(&self.now.sets);
        self.now.kafka = match self.view.brokers.is_empty() {
            true => KafkaState::NotServing,
            false => KafkaState::View(self.view.clone()),
        };
        let valid = validate(&cluster(&self.spec), &self.now, IMAGE).expect("every spec of the model is valid");
        if let KafkaState::View(view) = &mut self.now.kafka {
            self.view.cluster_id.clone_from(&valid.cluster_id);
            view.cluster_id.clone_from(&valid.cluster_id);
        }
        let valid = validate(&cluster(&self.spec), &self.now, IMAGE).expect("it stays valid");
        let seen = asked(&valid, self.now.clone());
        (valid, seen)
    }

    fn fence(&mut self, id: i32) {
        self.view.brokers.retain(|broker| *broker != id);
        for broker in self.view.registered.iter_mut().filter(|broker| broker.id == id) {
            broker.fenced = true;
        }
        for partition in &mut self.view.partitions {
            if partition.in_sync.len() > 1 {
                partition.in_sync.retain(|replica| *replica != id);
            }
            let alive = partition.in_sync.iter().find(|replica| self.view.brokers.contains(replica));
            partition.leader = alive.copied();
        }
    }

    fn serve(&mut self, id: i32) {
        self.view.brokers.push(id);
        self.view.registered.retain(|broker| broker.id != id);
        self.view.registered.push(RegisteredBroker { id, ..RegisteredBroker::default() });
        for partition in self.view.partitions.iter_mut().filter(|partition| partition.replicas.contains(&id)) {
            if !partition.in_sync.contains(&id) {
                partition.in_sync.push(id);
            }
            partition.leader = partition.leader.or(Some(id));
        }
    }

    /// What Kubernetes and the brokers do by themselves.
    fn tick(&mut self) {
        for at in (0..self.now.pods.len()).rev() {
            if self.dice.one_in(3) {
                continue;
            }
            let (id, broker) = (self.now.pods[at].id, self.now.pods[at].broker);
            match self.now.pods[at].phase {
                BrokerPhase::Starting => {
                    self.now.pods[at].phase = BrokerPhase::Ready;
                    if broker {
                        self.serve(id);
                    }
                }
                BrokerPhase::Stopping => drop(self.now.pods.remove(at)),
                _ => {}
            }
        }
        for set in self.now.sets.clone() {
            self.tick_set(&set);
        }
        // Sets that are gone take their pods with them.
        let sets: BTreeSet<String> = self.now.sets.iter().map(ResourceExt::name_any).collect();
        self.now.pods.retain(|pod| sets.contains(&pod.set));
    }

    fn tick_set(&mut self, set: &k8s_openapi::api::apps::v1::StatefulSet) {
        let name = set.name_any();
        let spec = set.spec.as_ref().expect("a spec");
        let first = spec.ordinals.as_ref().and_then(|ordinals| ordinals.start).expect("a first id");
        let wanted = first..first + spec.replicas.expect("replicas");
        let controller = name == "demo-controller";
        for id in wanted.clone().filter(|id| !self.now.pods.iter().any(|pod| pod.id == *id)).collect::<Vec<_>>() {
            self.made += 1;
            self.now.pods.push(PodView {
                name: format!("{name}-{id}"),
                uid: self.made.to_string(),
                set: name.clone(),
                id,
                broker: !controller,
                controller,
                revision: "1".to_owned(),
                phase: BrokerPhase::Starting,
                ..PodView::default()
            });
            let claim = format!("data-{name}-{id}");
            if !controller && !self.now.claims.iter().any(|known| known.name_any() == claim) {
                let identity = set.annotations()[IDENTITY_ANNOTATION].clone();
                let value = json!({ "metadata": {
                    "name": claim, "uid": self.made.to_string(), "labels": { SET_LABEL: name },
                    "annotations": { IDENTITY_ANNOTATION: identity },
                }});
                self.now.claims.push(serde_json::from_value(value).expect("a claim"));
            }
        }
        let extra = |pod: &&mut PodView| pod.set == name && !wanted.contains(&pod.id);
        let gone: Vec<i32> = self
            .now
            .pods
            .iter_mut()
            .filter(extra)
            .map(|pod| {
                pod.phase = BrokerPhase::Stopping;
                pod.id
            })
            .collect();
        gone.into_iter().for_each(|id| self.fence(id));
    }

    /// Replicas are moved as the operator asks for it, one at a time.
    fn move_one(&mut self) {
        let (valid, seen) = self.seen();
        let Ok(Some(from)) = leave::to_empty(&valid, &seen) else { return };
        let leaving = valid.leaving();
        let targets: Vec<i32> = self.view.brokers.iter().copied().filter(|id| !leaving.contains(id)).collect();
        let has = |p: &&mut PartitionView| p.leader.is_some() && p.replicas.contains(&from);
        let Some(partition) = self.view.partitions.iter_mut().find(has) else { return };
        let Some(to) = targets.into_iter().find(|id| !partition.replicas.contains(id)) else { return };
        for ids in [&mut partition.replicas, &mut partition.in_sync] {
            ids.retain(|id| *id != from);
            ids.push(to);
        }
        partition.leader = partition.in_sync.iter().find(|id| self.view.brokers.contains(id)).copied();
    }

    fn mishap(&mut self) {
        if self.dice.one_in(15) {
            self.spec = spec(&mut self.dice);
        }
        if self.dice.one_in(6) && !self.view.brokers.is_empty() {
            // A topic is made, on brokers that leave as well.
            let count = self.view.brokers.len();
            let (first, second) = (self.dice.below(count), self.dice.below(count));
            let ids: BTreeSet<i32> = [first, second].map(|at| self.view.brokers[at]).into();
            let replicas: Vec<i32> = ids.into_iter().collect();
            self.view.partitions.push(PartitionView {
                topic: format!("t{}", self.view.partitions.len()),
                partition: 0,
                leader: replicas.first().copied(),
                in_sync: replicas.clone(),
                replicas,
            });
        }
        if self.dice.one_in(12) && !self.now.pods.is_empty() {
            let at = self.dice.below(self.now.pods.len());
            if self.now.pods[at].ready() {
                self.now.pods[at].phase = BrokerPhase::Starting;
                let id = self.now.pods[at].id;
                self.fence(id);
            }
        }
        if self.dice.one_in(20) {
            self.now.lease_of_a_test = None;
        }
    }

    fn apply(&mut self, object: &Object) {
        let key = (object.api.kind.clone(), object.name.clone());
        let mut live = object.value.clone();
        live["metadata"]["uid"] = format!("uid-{}", object.name).into();
        if object.api.kind == "StatefulSet" {
            live["status"] = json!({ "replicas": 1, "observedGeneration": 1, "updateRevision": "1" });
            self.now.sets.retain(|set| set.name_any() != object.name);
            self.now.sets.push(serde_json::from_value(live.clone()).expect("a set"));
        }
        self.now.live.insert(key, live);
    }

    fn take(&mut self, valid: &Validated, action: &Action) -> Result<(), TestCaseError> {
        match action {
            Action::Create(object) | Action::Update(object) => self.apply(object),
            Action::Leave(leave) => {
                let question = leave::question(leave.id);
                let (_, seen) = self.seen();
                let free = self.now.lease_of_a_test.as_ref().is_none_or(|lease| lease.brokers.contains(&leave.id));
                prop_assert!(free, "{:?} is not back when {} leaves", self.now.lease_of_a_test, leave.id);
                if verdict(&seen, &question, valid).safe {
                    self.now.lease_of_a_test = Some(Lease {
                        holder: holder(valid),
                        brokers: question.brokers,
                        expires_in_seconds: 300.0,
                        ..Lease::default()
                    });
                    self.apply(&leave.set);
                }
            }
            Action::Unregister(id) => {
                prop_assert_eq!(self.view.holds(*id), 0, "{} is unregistered", id);
                self.view.registered.retain(|broker| broker.id != *id || !broker.fenced);
            }
            Action::MarkClaim { claim, left } => {
                for known in self.now.claims.iter_mut().filter(|known| known.name_any() == *claim) {
                    match left {
                        true => known.annotations_mut().insert(LEFT_ANNOTATION.to_owned(), "true".to_owned()),
                        false => known.annotations_mut().remove(LEFT_ANNOTATION),
                    };
                }
            }
            Action::Remove { api, name, .. } => {
                if api.kind == "PersistentVolumeClaim" {
                    let id = name.rsplit('-').next().and_then(|id| id.parse().ok()).expect("an id");
                    prop_assert_eq!(self.view.holds(id), 0, "{} is deleted", name);
                    prop_assert!(!self.now.pods.iter().any(|pod| pod.id == id), "{} is deleted", name);
                    self.now.claims.retain(|claim: &PersistentVolumeClaim| claim.name_any() != *name);
                } else {
                    self.now.sets.retain(|set| api.kind != "StatefulSet" || set.name_any() != *name);
                    self.now.live.remove(&(api.kind.clone(), name.clone()));
                }
            }
            Action::ReleaseLease => self.now.lease_of_a_test = None,
            Action::ConfigureBrokers(_) => {
                let set = crate::cluster::config::running(&valid.config);
                self.view.config = set.into_iter().map(|(key, value)| (key, Some(value))).collect();
            }
            Action::ElectLeaders(_) => {}
            other => prop_assert!(false, "{:?}", other),
        }
        Ok(())
    }

    /// The operator looks, and acts some time later. Gives whether there was nothing to do.
    fn reconcile(&mut self, troubled: bool) -> Result<bool, TestCaseError> {
        let (valid, seen) = self.seen();
        let plan = plan(&valid, &seen).expect("a plan");
        if troubled && self.dice.one_in(3) {
            self.tick();
            self.move_one();
            self.mishap();
        }
        let is_apply = |step: &&Step| matches!(step.action, Action::Create(_) | Action::Update(_));
        let (applies, others): (Vec<&Step>, Vec<&Step>) = plan.ready().partition(is_apply);
        for step in applies.into_iter().chain(others) {
            if troubled && self.dice.one_in(10) {
                return Ok(false);
            }
            self.take(&valid, &step.action)?;
        }
        let ids: Vec<i32> = valid.all_pools().flat_map(|pool| &pool.sets).flat_map(|set| set.ids()).collect();
        prop_assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), ids.len());
        let registered: BTreeSet<i32> = self.view.registered.iter().map(|broker| broker.id).collect();
        let brokers: BTreeSet<i32> = valid.pools.iter().flat_map(|p| &p.sets).flat_map(|set| set.ids()).collect();
        // Replicas are moved by `move_one` here.
        let done = plan.steps.iter().all(|step| matches!(step.action, Action::MoveReplicas(_)));
        Ok(done && valid.leaving().is_empty() && registered == brokers)
    }
}

fn run(seed: u64) -> Result<(), TestCaseError> {
    let mut world = World::new(seed);
    for _ in 0..TROUBLED {
        world.reconcile(true)?;
        world.tick();
        world.move_one();
        world.mishap();
    }
    for _ in 0..CALM {
        if world.reconcile(false)? {
            return Ok(());
        }
        world.tick();
        world.move_one();
    }
    let (valid, seen) = world.seen();
    let plan = plan(&valid, &seen).expect("a plan");
    let steps: Vec<String> = plan.steps.iter().map(|step| format!("{step} [{:?}]", step.blocked_by)).collect();
    let pods: Vec<_> = world.now.pods.iter().map(|pod| (&pod.name, pod.phase)).collect();
    Err(TestCaseError::fail(format!("it never ends: {}\n{steps:#?}\n{pods:#?}\n{:#?}", world.spec, world.view)))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn it_grows_and_shrinks(seed in any::<u64>()) {
        run(seed)?;
    }
}
