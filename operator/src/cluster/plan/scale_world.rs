//! The cluster that `scale_model` runs: what Kubernetes and the brokers do by themselves, and what goes wrong.

use std::collections::BTreeSet;

use kube::ResourceExt;
use odradek_crds::BrokerPhase;
use serde_json::json;

use super::*;
use crate::{
    cluster::{
        dice::Dice,
        fixtures::{IMAGE, asked, cluster, nothing},
        leave,
        observe::KafkaState,
        pins::{controller_zones, pinned_zones, pins},
        pods::PodView,
        validate::validate,
    },
    kafka::{KafkaView, PartitionView, RegisteredBroker},
    names::{IDENTITY_ANNOTATION, SET_LABEL},
};

pub(super) struct World {
    pub(super) spec: String,
    pub(super) now: Observed,
    pub(super) view: KafkaView,
    pub(super) dice: Dice,
    pub(super) made: u32,
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
    pub(super) fn new(seed: u64) -> World {
        let mut dice = Dice(seed);
        let spec = spec(&mut dice);
        World { spec, now: nothing(), view: KafkaView::default(), dice, made: 0 }
    }

    /// What the operator sees.
    pub(super) fn seen(&mut self) -> (Validated, Observed) {
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
    pub(super) fn tick(&mut self) {
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
    pub(super) fn move_one(&mut self) {
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

    pub(super) fn mishap(&mut self) {
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
}
