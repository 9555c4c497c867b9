use kube::ResourceExt;
use odradek_crds::BrokerPhase;

use super::*;
use crate::cluster::{
    fixtures::{all_there, asked, nothing, valid, with_new_revisions, with_view},
    observe::KafkaState,
};

/// The plan as people read it.
fn lines(cluster: &Validated, observed: &Observed) -> Vec<String> {
    let plan = plan(cluster, &asked(cluster, observed.clone())).expect("a plan");
    plan.steps
        .iter()
        .map(|step| match &step.blocked_by {
            Some(why) => format!("{step} [waits: {why}]"),
            None => step.to_string(),
        })
        .collect()
}

#[test]
fn a_new_cluster_is_made_in_order() {
    insta::assert_yaml_snapshot!(lines(&valid("{}"), &nothing()));
}

#[test]
fn nothing_is_done_where_nothing_differs() {
    let valid = valid("{}");
    assert_eq!(lines(&valid, &all_there(&valid)), Vec::<String>::new());
}

#[test]
fn the_budget_closes_while_anything_is_unsafe() {
    let valid = valid("{}");
    let lagging = with_view(all_there(&valid), |view| view.partitions[0].in_sync = vec![0, 1000]);
    let steps = plan(&valid, &asked(&valid, lagging)).expect("a plan").steps;
    let [Step { action: Action::Update(budget), .. }] = &steps[..] else { panic!("{steps:?}") };
    assert_eq!(budget.api.kind, "PodDisruptionBudget");
    assert_eq!(budget.value["spec"]["maxUnavailable"], 0);
}

#[test]
fn a_roll_goes_one_by_one_brokers_first() {
    let valid = valid("{}");
    insta::assert_yaml_snapshot!(lines(&valid, &with_new_revisions(all_there(&valid))));
}

#[test]
fn a_roll_waits_for_whatever_is_not_whole() {
    let valid = valid("{}");
    let rolling = with_new_revisions(all_there(&valid));
    let first = |observed: &Observed| {
        let plan = plan(&valid, &asked(&valid, observed.clone())).expect("a plan");
        let roll = plan.steps.into_iter().find(|step| matches!(step.action, Action::Roll(_)));
        roll.and_then(|step| step.blocked_by).unwrap_or_else(|| "nothing".to_owned())
    };
    let mut unready = rolling.clone();
    unready.pods[4].phase = BrokerPhase::Starting;
    let mut silent = rolling.clone();
    silent.kafka = KafkaState::Failed(crate::kafka::KafkaFailure::Unreachable("time-out".to_owned()));
    let mut gone = rolling.clone();
    gone.pods.remove(1);
    insta::assert_yaml_snapshot!([
        first(&rolling),
        first(&unready),
        first(&gone),
        first(&silent),
        first(&with_view(rolling.clone(), |view| view.partitions[0].in_sync = vec![0])),
        first(&with_view(rolling.clone(), |view| view.partitions[0].leader = None)),
        first(&with_view(rolling.clone(), |view| view.brokers = vec![0, 1000])),
        first(&with_view(rolling.clone(), |view| view.cluster_id = "other".to_owned())),
    ]);
}

#[test]
fn a_pod_that_cannot_run_is_replaced_at_once() {
    let valid = valid("{}");
    let mut observed = with_new_revisions(all_there(&valid));
    observed.pods[2].phase = BrokerPhase::Failing;
    observed.pods[2].stuck = Some("CrashLoopBackOff".to_owned());
    let plan = plan(&valid, &asked(&valid, observed)).expect("a plan");
    let ready: Vec<String> =
        plan.ready().filter(|s| matches!(s.action, Action::Roll(_))).map(ToString::to_string).collect();
    assert_eq!(
        ready,
        ["RollPod Pod/demo-broker-zone-c-2000: its template changed, and it cannot run (CrashLoopBackOff)"]
    );
}

#[test]
fn a_set_whose_status_is_old_is_not_judged() {
    let valid = valid("{}");
    let mut observed = with_new_revisions(all_there(&valid));
    for set in &mut observed.sets {
        set.metadata.generation = Some(2);
    }
    assert_eq!(lines(&valid, &observed), Vec::<String>::new());
    // One that has not settled holds the others back, or a controller could go before a broker.
    for set in observed.sets.iter_mut().filter(|set| set.name_any() == "demo-controller") {
        set.metadata.generation = Some(1);
    }
    let first = &lines(&valid, &observed)[0];
    assert!(first.starts_with("RollPod Pod/demo-controller-3001") && first.contains("yet to settle"), "{first}");
}

#[test]
fn volumes_grow_and_their_set_is_made_anew() {
    let before = valid("nodePools: [{ name: broker, replicas: 1 }]");
    let mut observed = all_there(&before);
    observed.claims = vec![
        serde_json::from_value(serde_json::json!({
            "metadata": { "name": "data-demo-broker-zone-a-0", "labels": { "odradek.dev/set": "demo-broker-zone-a" } },
            "spec": { "resources": { "requests": { "storage": "10Gi" } } },
        }))
        .expect("a claim"),
    ];
    let after = valid("nodePools: [{ name: broker, replicas: 1, storage: { size: 20Gi } }]");
    insta::assert_yaml_snapshot!(lines(&after, &observed));
}

#[test]
fn drift_is_repaired_and_what_is_unwanted_goes() {
    let valid = valid("{}");
    let mut observed = all_there(&valid);
    let key = |kind: &str, name: &str| (kind.to_owned(), name.to_owned());
    let bootstrap = observed.live.get_mut(&key("Service", "demo-bootstrap")).expect("a service");
    bootstrap["spec"]["ports"][0]["port"] = 1234.into();
    let mut extra = observed.live[&key("ConfigMap", "demo-broker-config")].clone();
    extra["metadata"]["name"] = "old".into();
    observed.live.insert(key("ConfigMap", "old"), extra.clone());
    extra["metadata"]["ownerReferences"] = serde_json::json!([]);
    observed.live.insert(key("ConfigMap", "someone-elses"), extra);
    insta::assert_yaml_snapshot!(lines(&valid, &observed));
}

#[test]
fn what_a_deleted_namesake_left_is_waited_for() {
    let valid = valid("{}");
    let mut observed = all_there(&valid);
    let set = observed.live.get_mut(&("StatefulSet".to_owned(), "demo-controller".to_owned()));
    set.expect("a set")["metadata"]["ownerReferences"][0]["uid"] = "former".into();
    insta::assert_yaml_snapshot!(lines(&valid, &observed));
}
