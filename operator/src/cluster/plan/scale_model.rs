//! A model of a cluster that grows, shrinks, changes its zones and its pools, while topics are made, brokers crash, and the
//! operator dies at any step or acts on what was true a while ago. No broker is unregistered and no claim deleted while a
//! partition has a replica there; no id and no set is given twice; nothing is made anew; and it always comes to its end.

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::PersistentVolumeClaim;
use kube::ResourceExt;
use proptest::prelude::*;
use serde_json::json;

use super::{scale_world::World, *};
use crate::{
    cluster::{dice::cases, fixtures::verdict, leave, safety::holder},
    kafka::restart::Lease,
    names::LEFT_ANNOTATION,
};

/// Rounds with mishaps, and rounds in which it has to come to its end.
const TROUBLED: usize = 80;
const CALM: usize = 1500;

impl World {
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
    #![proptest_config(cases(8))]

    #[test]
    fn it_grows_and_shrinks(seed in any::<u64>()) {
        run(seed)?;
    }
}
