//! Who votes among the controllers, and what is left of those that went.

use k8s_openapi::api::core::v1::PersistentVolumeClaim;
use kube::{
    ResourceExt,
    api::{ApiResource, PropagationPolicy},
};

use super::{Action, Step};
use crate::{
    cluster::{
        observe::Observed,
        pins::owner_of,
        quorum::Change,
        safety::{held_by_others, view},
        validate::Validated,
    },
    kafka::quorum::find,
};

/// The steps. That a controller's pod comes or goes is part of its set.
pub(super) fn quorum(cluster: &Validated, observed: &Observed) -> Vec<Step> {
    let mut steps = Vec::new();
    if let Some(change) = cluster.quorum.change {
        let wanted: i32 = cluster.controllers.iter().flat_map(|pool| &pool.sets).map(|set| set.wanted).sum();
        let action = match change {
            Change::Add(id) => Action::AddVoter(id),
            Change::Remove(id) => Action::RemoveVoter(id),
        };
        steps.push(Step {
            action,
            reason: format!("controllers wanted: {wanted}"),
            blocked_by: cluster.quorum.waits.clone().or_else(|| held_by_others(cluster, observed)),
        });
    }
    steps.extend(claims(cluster, observed));
    steps
}

/// Claims of controllers that are gone, where the spec says that they go with them.
fn claims(cluster: &Validated, observed: &Observed) -> Vec<Step> {
    let Some(pool) = cluster.controllers.as_ref().filter(|pool| pool.storage.delete_claim) else { return Vec::new() };
    let Some(quorum) = view(cluster, observed).ok().and_then(|view| view.quorum.as_ref()) else { return Vec::new() };
    let gone = |id: i32| find(&quorum.voters, id).is_none() && observed.pods.iter().all(|pod| pod.id != id);
    let left_over = |set: &crate::cluster::layout::SetLayout, claim: &PersistentVolumeClaim| {
        claim.metadata.deletion_timestamp.is_none()
            && owner_of(claim).is_some_and(|(_, id)| id >= set.first_id + set.replicas.max(set.wanted) && gone(id))
    };
    pool.sets
        .iter()
        .flat_map(|set| observed.claims_of(&set.name).filter(|claim| left_over(set, claim)))
        .map(|claim| {
            let action = Action::Remove {
                api: Box::new(ApiResource::erase::<PersistentVolumeClaim>(&())),
                name: claim.name_any(),
                uid: claim.uid().unwrap_or_default(),
                propagation: PropagationPolicy::Background,
            };
            Step::now(action, "its controller is gone, and spec.controllers.storage.deleteClaim is true")
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        apply::Object,
        cluster::{
            fixtures::{IMAGE, all_there, asked, cluster, quorum as quorum_of, valid, with_view},
            pins::pins,
            plan::plan,
            validate::validate,
        },
    };

    /// What is wanted of these, when all of `valid` is there and these controllers vote.
    fn next(spec: &str, valid: &Validated, voters: &[i32]) -> (Validated, Vec<String>) {
        let mut observed = with_view(all_there(valid), |view| view.quorum = Some(quorum_of(voters.iter().copied())));
        observed.pins = pins(&observed.sets, &[]);
        let after = validate(&cluster(spec), &observed, IMAGE).expect("a spec that can be carried out");
        let plan = plan(&after, &asked(&after, observed)).expect("a plan");
        assert!(plan.target.changed.is_empty() && plan.pending.is_empty(), "nothing is made anew: {plan:?}");
        let line = |step: &Step| match (&step.action, &step.blocked_by) {
            (Action::Update(object), None) => format!("{}{}", step.action.target(), replicas(object)),
            (_, Some(why)) => format!("{step} [waits: {why}]"),
            _ => step.to_string(),
        };
        (after, plan.steps.iter().map(line).collect())
    }

    fn replicas(object: &Object) -> String {
        object.value["spec"]["replicas"].as_i64().map(|replicas| format!(" {replicas}")).unwrap_or_default()
    }

    #[test]
    fn more_controllers_come_one_by_one_and_nothing_is_made_anew() {
        let spec = "controllers: { replicas: 5 }";
        let before = valid("{}");
        let (four, lines) = next(spec, &before, &[3000, 3001, 3002]);
        // Every file names the new one before its pod is there.
        let files = ["broker", "controllers"].map(|pool| format!("ConfigMap/demo-{pool}-config"));
        let add = "AddVoter Controller/3003: controllers wanted: 5";
        let waits = format!("{add} [waits: its pod is made first]");
        let others = ["PodDisruptionBudget/demo", "StatefulSet/demo-controller 4"].map(str::to_owned);
        assert_eq!(lines, [&files[..], &others, &[waits]].concat());
        let (same, lines) = next(spec, &four, &[3000, 3001, 3002]);
        assert_eq!(same.controllers.map(|pool| pool.replicas()), Some(4));
        assert_eq!(lines, [format!("{add} [waits: it has yet to follow the metadata log]")]);
        let (five, lines) = next(spec, &four, &[3000, 3001, 3002, 3003]);
        assert_eq!(lines.len(), 5, "{lines:?}");
        let (_, lines) = next(spec, &five, &[3000, 3001, 3002, 3003, 3004]);
        assert_eq!(lines, Vec::<String>::new());
    }

    #[test]
    fn fewer_controllers_go_one_by_one_with_their_claims_if_the_spec_says_so() {
        let spec = "controllers: { replicas: 1, storage: { deleteClaim: true } }";
        let before = valid("controllers: { replicas: 3, storage: { deleteClaim: true } }");
        let (_, lines) = next(spec, &before, &[3000, 3001, 3002]);
        assert_eq!(lines, ["RemoveVoter Controller/3002: controllers wanted: 1"]);
        let (two, lines) = next(spec, &before, &[3000, 3001]);
        assert_eq!(lines.last().map(String::as_str), Some("StatefulSet/demo-controller 2"), "{lines:?}");
        let claim: PersistentVolumeClaim = serde_json::from_value(serde_json::json!({ "metadata": {
            "name": "data-demo-controller-3002", "uid": "u", "labels": { "odradek.dev/set": "demo-controller" },
            "annotations": { "odradek.dev/identity": r#"{"clusterId":"x","set":"demo-controller","pool":"controllers","firstId":3000}"# },
        }}))
        .expect("a claim");
        let mut observed = with_view(all_there(&two), |view| view.quorum = Some(quorum_of([3000, 3001])));
        observed.claims = vec![claim];
        let removed = |cluster: &Validated, observed: &Observed| -> Vec<String> {
            claims(cluster, observed).iter().map(ToString::to_string).collect()
        };
        // While it is on its way to fewer: those that are still to go keep theirs until they are gone.
        assert_eq!(removed(&two, &observed).len(), 1);
        observed.pods.push(crate::cluster::pods::PodView { id: 3002, ..observed.pods[0].clone() });
        assert_eq!(removed(&two, &observed).len(), 0, "its pod is there");
        observed.pods.pop();
        assert_eq!(removed(&valid("{}"), &observed).len(), 0, "the spec does not say so");
        let voting = with_view(observed, |view| view.quorum = Some(quorum_of([3000, 3001, 3002])));
        assert_eq!(removed(&two, &voting).len(), 0, "it votes");
    }
}
