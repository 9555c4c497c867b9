use k8s_openapi::jiff::Timestamp;
use odradek_crds::BrokerPhase;

use super::*;
use crate::{
    cluster::{
        fixtures::{all_there, asked, cluster, nothing, valid, with_new_revisions, with_view},
        plan::plan,
    },
    refusal::Reason,
};

fn said(valid: &Validated, observed: &Observed) -> KafkaClusterStatus {
    let plan = plan(valid, observed).expect("a plan");
    let now = Timestamp::from_second(1_700_000_000).expect("a time");
    status(&cluster("{}"), valid, observed, &plan, now)
}

fn conditions(status: &KafkaClusterStatus) -> Vec<String> {
    let line = |c: &k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition| {
        format!("{}={} {}: {}", c.type_, c.status, c.reason, c.message)
    };
    status.conditions.iter().map(line).collect()
}

#[test]
fn a_cluster_that_serves() {
    let valid = valid("{}");
    insta::assert_yaml_snapshot!(said(&valid, &all_there(&valid)));
}

#[test]
fn conditions_tell_what_is_missing() {
    let valid = valid("{}");
    let whole = all_there(&valid);
    let mut starting = whole.clone();
    starting.pods[1].phase = BrokerPhase::Starting;
    let mut failing = starting.clone();
    failing.pods[1].phase = BrokerPhase::Failing;
    failing.pods[1].stuck = Some("CrashLoopBackOff, last exit code 2".to_owned());
    let lagging = with_view(whole.clone(), |view| view.partitions[0].in_sync = vec![0]);
    insta::assert_yaml_snapshot!(
        [nothing(), starting, failing, lagging].map(|observed| conditions(&said(&valid, &observed)))
    );
}

#[test]
fn a_roll_that_a_person_or_a_window_holds_back_is_no_progress() {
    let reconciling = |spec: &str, stop: Option<BrokerPhase>| {
        let before = valid("{}");
        let mut observed = with_new_revisions(all_there(&before));
        observed.now = "2026-01-01T12:00:00Z".parse().expect("a time");
        if let Some(phase) = stop {
            observed.pods[0].phase = phase;
        }
        let valid = valid(spec);
        let status = said(&valid, &asked(&valid, observed));
        let found = status.conditions.into_iter().find(|c| c.type_ == "Reconciling").expect("the condition");
        format!("{} {}: {}", found.status, found.reason, found.message)
    };
    let supervised = "{ rollingUpdate: { strategy: Supervised } }";
    let windows = "{ maintenanceTimeWindows: ['* * 2-4 * * *'] }";
    insta::assert_yaml_snapshot!([
        reconciling(supervised, None),
        reconciling(windows, None),
        // A pod is away meanwhile, and is waited for.
        reconciling(supervised, Some(BrokerPhase::Starting)),
        reconciling(windows, Some(BrokerPhase::Starting)),
        reconciling("{}", None),
    ]);
}

#[test]
fn a_refused_spec_keeps_what_is_known_of_what_runs() {
    let valid = valid("{}");
    let mut observed = all_there(&valid);
    let mut resource = cluster("{}");
    resource.status = Some(said(&valid, &observed));
    resource.metadata.generation = Some(2);
    observed.pods.truncate(2);
    let refusal = Refusal::new(Reason::InvalidConfig, "spec.config[x]", "no such key");
    let now = Timestamp::from_second(1_700_000_100).expect("a time");
    let status = refused(&resource, &observed, &[refusal], now);
    assert_eq!(status.observed_generation, Some(2));
    assert_eq!(status.brokers_ready.as_deref(), Some("2/3"));
    assert_eq!(status.cluster_id, Some(valid.cluster_id));
    insta::assert_yaml_snapshot!(conditions(&status));
}

#[test]
fn an_event_is_told_when_readiness_changes() {
    let valid = valid("{}");
    let whole = said(&valid, &all_there(&valid));
    let mut resource = cluster("{}");
    let told = |resource: &KafkaCluster, status: &KafkaClusterStatus| -> Vec<(String, bool)> {
        news(resource, status).into_iter().map(|(reason, _, good)| (reason, good)).collect()
    };
    assert_eq!(told(&resource, &whole), [("Serving".to_owned(), true)]);
    resource.status = Some(whole.clone());
    assert_eq!(told(&resource, &whole), []);
    // Racks that are not where their brokers run are told once, and when that is over.
    let observed = with_view(all_there(&valid), |view| view.registered[0].rack = Some("old".to_owned()));
    let drifted = said(&valid, &observed);
    assert_eq!(told(&resource, &drifted), [("RackDrift".to_owned(), false)]);
    resource.status = Some(drifted.clone());
    assert_eq!(told(&resource, &drifted), []);
    let mut aligned = drifted.clone();
    for condition in aligned.conditions.iter_mut().filter(|condition| condition.type_ == rack::ALIGNED) {
        (condition.status, condition.reason) = ("True".to_owned(), "Aligned".to_owned());
    }
    assert_eq!(told(&resource, &aligned), [("Aligned".to_owned(), true)]);
}

#[test]
fn a_step_that_fails_again_changes_no_status_until_it_succeeds() {
    let before = valid("{}");
    let mut observed = with_new_revisions(all_there(&before));
    observed.now = "2026-01-01T12:00:00Z".parse().expect("a time");
    let observed = asked(&before, observed);
    let plan = plan(&before, &observed).expect("a plan");
    assert!(plan.ready().next().is_some());
    let now = Timestamp::from_second(1_700_000_000).expect("a time");
    let look = |cluster: &KafkaCluster| status(cluster, &before, &observed, &plan, now);
    let error = std::io::Error::other("INVALID_CONFIG");
    let mut cluster = cluster("{}");
    let first = look(&cluster);
    assert_eq!(before_steps(&cluster, &plan, first.clone()), first);
    cluster.status = Some(first);
    let told = failed(&cluster, &error, now);
    assert!(conditions(&told).contains(&"Reconciling=True StepFailed: INVALID_CONFIG".to_owned()));
    cluster.status = Some(told.clone());
    // The next look, and the next failure, say the same.
    let again = before_steps(&cluster, &plan, look(&cluster));
    assert_eq!(again, told);
    cluster.status = Some(again);
    assert_eq!(failed(&cluster, &error, now), told);
    // A new generation, or nothing to do any more, tells what is there.
    cluster.metadata.generation = Some(77);
    assert_ne!(conditions(&before_steps(&cluster, &plan, look(&cluster))), conditions(&told));
}
