//! What a roll as a whole keeps to: zones at once where that is safe, approvals, windows, and the budget of evictions.

use super::{
    rules::{all_stale, alone, first_is_back, first_waits, ready},
    *,
};
use crate::{
    cluster::fixtures::{all_there, asked, valid, with_view},
    kafka::restart::{Lease, RestartVerdict},
};

const BY_ZONE: &str = "{ rollingUpdate: { maxUnavailable: zone }, nodePools: [{ name: broker, replicas: 6 }] }";

#[test]
fn a_zone_goes_at_once_where_that_is_safe_and_broker_by_broker_where_not() {
    let (valid, observed) = all_stale(BY_ZONE);
    // The partition of the fixture is on all six.
    let spread = with_view(observed, |view| {
        view.partitions[0].replicas = vec![0, 1000, 2000];
        view.partitions[0].in_sync = vec![0, 1000, 2000];
    });
    assert_eq!(ready(&valid, spread.clone()), ["demo-broker-zone-a-0+demo-broker-zone-a-1"]);
    let plan = plan(&valid, &asked(&valid, with_view(spread, |view| view.partitions.push(alone(1))))).expect("a plan");
    let first = plan.ready().find(|step| matches!(step.action, Action::Roll(_))).expect("a roll");
    assert_eq!(
        first.to_string(),
        "RollPod Pod/demo-broker-zone-a-0: its template changed, and zone zone-a cannot go at once \
         (NEVER_ENOUGH_REPLICAS: alone-0)"
    );
}

#[test]
fn a_supervised_roll_waits_for_its_hash_and_keeps_what_is_there() {
    let before = valid("{}");
    let spec = |approved: &str| {
        valid(&format!(
            "{{ config: {{ num.network.threads: 5 }}, rollingUpdate: {{ strategy: Supervised, approved: '{approved}' }} }}"
        ))
    };
    let there = asked(&before, all_there(&before));
    let shown = plan(&spec(""), &there).expect("a plan");
    assert_eq!(shown.ready().count(), 0, "{:?}", shown.steps);
    assert_eq!(shown.pending.len(), 6);
    let told = format!("spec.rollingUpdate.approved has to be {}", shown.target.hash);
    let rolls = shown.steps.iter().filter(|step| matches!(step.action, Action::Roll(_)));
    assert_eq!(rolls.clone().count(), 6);
    assert_eq!(rolls.clone().next().and_then(|step| step.blocked_by.clone()), Some(told));
    let approved = plan(&spec(&shown.target.hash), &there).expect("a plan");
    let updates = approved.ready().filter(|step| matches!(step.action, Action::Update(_))).count();
    assert_eq!(updates, 6, "four sets and two files: {:?}", approved.steps);
    assert_eq!(approved.target.hash, shown.target.hash);
}

#[test]
fn the_hash_is_the_same_through_the_whole_roll() {
    let (valid, observed) = all_stale("{}");
    let before = plan(&valid, &asked(&valid, observed.clone())).expect("a plan").target;
    let after = plan(&valid, &asked(&valid, first_is_back(&valid, &observed))).expect("a plan").target;
    assert_eq!(before, after);
}

#[test]
fn outside_of_the_windows_nothing_goes() {
    let (valid, mut observed) = all_stale("maintenanceTimeWindows: ['* * 2-4 * * *']");
    observed.now = "2026-01-01T12:00:00Z".parse().expect("a time");
    let told = "spec.maintenanceTimeWindows: the next one begins at 2026-01-02T02:00:00Z";
    assert_eq!(first_waits(&valid, observed.clone()), told);
    observed.now = "2026-01-01T04:59:59Z".parse().expect("a time");
    assert_eq!(ready(&valid, observed), ["demo-broker-zone-a-0"]);
}

#[test]
fn the_budget_is_closed_while_somebody_holds_the_lease_or_nobody_can_say() {
    let valid = valid("{}");
    let mut observed = all_there(&valid);
    assert!(plan(&valid, &observed).expect("a plan").is_empty());
    for verdict in observed.restart.verdicts.values_mut() {
        *verdict = RestartVerdict { safe: true, lease: Some(Lease::default()), ..RestartVerdict::default() };
    }
    let steps = plan(&valid, &observed).expect("a plan").steps;
    assert!(steps.iter().any(|step| step.action.target() == "PodDisruptionBudget/demo"), "{steps:?}");
    observed.restart = crate::cluster::safety::Answers::default();
    assert!(!plan(&valid, &observed).expect("a plan").is_empty());
}
