//! The rules that a roll has to keep, one test each: at least those that Strimzi's KafkaRoller is known for.

use k8s_openapi::jiff::SignedDuration;
use odradek_crds::BrokerPhase;

use super::*;
use crate::{
    cluster::{
        fixtures::{all_there, asked, valid, with_new_revisions, with_view},
        observe::KafkaState,
        safety::holder,
    },
    kafka::{PartitionView, restart::Lease},
};

/// The roll's steps: what goes, and what it waits for.
pub(super) fn rolls(cluster: &Validated, observed: Observed) -> Vec<(String, String)> {
    let plan = plan(cluster, &asked(cluster, observed)).expect("a plan");
    let rolls = plan.steps.iter().filter_map(|step| match &step.action {
        Action::Roll(set) => {
            let names: Vec<&str> = set.pods.iter().map(|pod| pod.name.as_str()).collect();
            Some((names.join("+"), step.blocked_by.clone().unwrap_or_default()))
        }
        _ => None,
    });
    rolls.collect()
}

pub(super) fn ready(cluster: &Validated, observed: Observed) -> Vec<String> {
    rolls(cluster, observed).into_iter().filter(|(_, why)| why.is_empty()).map(|(name, _)| name).collect()
}

pub(super) fn first_waits(cluster: &Validated, observed: Observed) -> String {
    rolls(cluster, observed).into_iter().next().map(|(_, why)| why).expect("a roll")
}

pub(super) fn all_stale(spec: &str) -> (Validated, Observed) {
    let valid = valid(spec);
    let observed = with_new_revisions(all_there(&valid));
    (valid, observed)
}

pub(super) fn alone(id: i32) -> PartitionView {
    PartitionView { topic: "alone".into(), partition: 0, leader: Some(id), replicas: vec![id], in_sync: vec![id] }
}

#[test]
fn rule_1_what_does_not_serve_goes_first_and_one_at_a_time() {
    let (valid, mut observed) = all_stale("{}");
    assert_eq!(ready(&valid, observed.clone()), ["demo-broker-zone-a-0"]);
    observed.pods[2].phase = BrokerPhase::Starting;
    let observed = with_view(observed, |view| {
        view.brokers = vec![0, 1000];
        view.partitions[0].in_sync = vec![0, 1000];
    });
    assert_eq!(ready(&valid, observed), ["demo-broker-zone-c-2000"]);
}

#[test]
fn rule_1_two_that_do_not_serve_are_judged_together_and_wait_for_no_one() {
    let (valid, mut observed) = all_stale("{ config: { min.insync.replicas: 1 } }");
    observed.pods[1].phase = BrokerPhase::Starting;
    observed.pods[2].phase = BrokerPhase::Starting;
    let observed = with_view(observed, |view| {
        view.brokers = vec![0];
        view.partitions[0].in_sync = vec![0];
    });
    assert_eq!(ready(&valid, observed), ["demo-broker-zone-b-1000+demo-broker-zone-c-2000"]);
}

#[test]
fn rule_2_the_active_controller_goes_last() {
    let (valid, observed) = all_stale("{}");
    let names: Vec<String> = rolls(&valid, observed).into_iter().map(|(name, _)| name).collect();
    // The model's active controller is the first.
    assert_eq!(names[3..], ["demo-controller-3001", "demo-controller-3002", "demo-controller-3000"]);
    let (valid, observed) = all_stale("nodePools: [{ name: node, replicas: 3, roles: [controller, broker] }]");
    let names: Vec<String> = rolls(&valid, observed).into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["demo-node-zone-b-1000", "demo-node-zone-c-2000", "demo-node-zone-a-0"]);
}

#[test]
fn rule_3_no_partition_falls_below_its_minimum_but_for_those_that_always_would() {
    let (valid, observed) = all_stale("{}");
    let at_minimum = with_view(observed.clone(), |view| view.partitions[0].in_sync = vec![0, 1000]);
    assert!(first_waits(&valid, at_minimum).contains("WOULD_BE_UNDER_MIN_ISR"));
    let alone = with_view(observed, |view| view.partitions.push(alone(0)));
    assert_eq!(ready(&valid, alone), ["demo-broker-zone-a-0"]);
}

#[test]
fn rule_4_a_majority_of_controllers_without_this_one_is_caught_up() {
    let valid = valid("{}");
    let mut observed = all_there(&valid);
    let set = observed.sets.iter_mut().find(|set| set.metadata.name.as_deref() == Some("demo-controller"));
    set.expect("a set").status.as_mut().expect("a status").update_revision = Some("2".to_owned());
    assert_eq!(ready(&valid, observed.clone()), ["demo-controller-3001"]);
    observed.pods[5].revision = "2".to_owned();
    observed.pods[5].phase = BrokerPhase::Starting;
    assert!(first_waits(&valid, observed).contains("demo-controller-3002 does not serve"));
}

#[test]
fn rule_5_configuration_that_brokers_take_while_they_run_restarts_nothing() {
    let before = valid("{}");
    let after = valid("config: { log.retention.ms: 60000, min.insync.replicas: 1 }");
    let plan = plan(&after, &asked(&after, all_there(&before))).expect("a plan");
    assert_eq!(plan.pending, Vec::<String>::new());
    let steps: Vec<String> = plan.steps.iter().map(ToString::to_string).collect();
    assert!(steps.iter().all(|step| !step.contains("StatefulSet")), "{steps:?}");
    let changes = plan.steps.iter().find_map(|step| match &step.action {
        Action::ConfigureBrokers(changes) => Some(changes.iter().map(|c| c.key()).collect::<Vec<_>>()),
        _ => None,
    });
    assert_eq!(changes.expect("a change"), ["log.retention.ms", "min.insync.replicas"]);
}

#[test]
fn rule_5_what_somebody_set_besides_is_put_back_but_for_throttles() {
    let valid = valid("{}");
    let observed = with_view(all_there(&valid), |view| {
        for key in ["log.retention.ms", "leader.replication.throttled.rate"] {
            view.config.insert(key.to_owned(), Some("1".to_owned()));
        }
    });
    let plan = plan(&valid, &observed).expect("a plan");
    let [Step { action: Action::ConfigureBrokers(changes), .. }] = &plan.steps[..] else { panic!("{plan:?}") };
    assert_eq!(changes[..], [crate::kafka::ConfigChange::Delete("log.retention.ms".to_owned())]);
}

#[test]
fn rule_6_a_pod_that_cannot_run_is_replaced_whatever_else_is_wrong() {
    for stuck in ["CrashLoopBackOff", "ImagePullBackOff", "Unschedulable: no node fits"] {
        let (valid, mut observed) = all_stale("{}");
        for pod in &mut observed.pods {
            pod.phase = BrokerPhase::Failing;
            pod.stuck = Some(stuck.to_owned());
        }
        observed.kafka = KafkaState::NotServing;
        assert_eq!(ready(&valid, observed.clone()).len(), 6, "{stuck}");
        // One that is made from the present template already is not made anew: that would help nobody.
        for pod in &mut observed.pods {
            pod.revision = format!("{}-2", pod.set);
        }
        assert!(ready(&valid, observed).is_empty(), "{stuck}");
    }
}

#[test]
fn rule_7_one_that_recovers_its_logs_is_left_alone_and_nothing_else_goes() {
    let (valid, mut observed) = all_stale("{}");
    observed.pods[0].phase = BrokerPhase::Starting;
    observed.pods[0].recovering = Some("broker: recovering logs: 3 of 10 are open".to_owned());
    let rolls = rolls(&valid, observed);
    assert_eq!(
        rolls[0],
        ("demo-broker-zone-a-0".into(), "it is left alone: broker: recovering logs: 3 of 10 are open".into())
    );
    assert_eq!(rolls[1], ("demo-broker-zone-b-1000".into(), "demo-broker-zone-a-0 does not serve".into()));
}

#[test]
fn rule_8_nothing_is_forced_when_nobody_can_say_that_it_is_safe() {
    let (valid, observed) = all_stale("{}");
    let mut silent = asked(&valid, observed.clone());
    silent.restart = crate::cluster::safety::Answers { failure: Some("no answer".to_owned()), ..Default::default() };
    let steps = plan(&valid, &silent).expect("a plan").steps;
    let roll = steps.iter().find(|step| matches!(step.action, Action::Roll(_))).expect("a roll");
    assert_eq!(roll.blocked_by.as_deref(), Some("the active controller cannot be asked: no answer"));
    let mut other = observed;
    other.lease_of_a_test = Some(Lease { holder: "somebody".to_owned(), brokers: [7].into(), ..Lease::default() });
    assert_eq!(first_waits(&valid, other), "somebody holds the lease to stop 7");
}

/// The cluster after the first broker was made anew under a lease.
pub(super) fn first_is_back(valid: &Validated, observed: &Observed) -> Observed {
    let mut observed = observed.clone();
    observed.pods[0].revision = format!("{}-2", observed.pods[0].set);
    observed.lease_of_a_test = Some(Lease { holder: holder(valid), brokers: [0].into(), ..Lease::default() });
    observed
}

#[test]
fn rule_9_the_next_goes_when_the_last_is_in_sync_and_leads_again() {
    let (valid, observed) = all_stale("{}");
    let mut back = first_is_back(&valid, &observed);
    back.pods[0].phase = BrokerPhase::Starting;
    assert_eq!(first_waits(&valid, back.clone()), "demo-broker-zone-a-0 has yet to serve");
    back.pods[0].phase = BrokerPhase::Ready;
    let lagging = with_view(back.clone(), |view| view.partitions[0].in_sync = vec![1000, 2000]);
    assert_eq!(first_waits(&valid, lagging), "1 partitions are not back in sync, orders-0 among them");
    let mut led_by_another = with_view(back.clone(), |view| view.partitions[0].leader = Some(1000));
    let since = |seconds| Some(observed.now - SignedDuration::from_secs(seconds));
    led_by_another.pods[0].ready_since = since(9);
    let waits = first_waits(&valid, led_by_another.clone());
    assert!(waits.ends_with("once clients had the time to find demo-broker-zone-a-0 again"), "{waits}");
    led_by_another.pods[0].ready_since = since(10);
    let steps = plan(&valid, &asked(&valid, led_by_another)).expect("a plan").steps;
    assert!(steps.iter().any(|step| step.action == Action::ElectLeaders(vec![("orders".to_owned(), 0)])), "{steps:?}");
    assert_eq!(ready(&valid, back.clone()), ["demo-broker-zone-b-1000"]);
    let steps = plan(&valid, &asked(&valid, back)).expect("a plan").steps;
    assert!(steps.iter().any(|step| step.action == Action::ReleaseLease), "{steps:?}");
}

#[test]
fn rule_9_the_lease_is_kept_as_long_as_it_takes() {
    let (valid, observed) = all_stale("{}");
    let mut back = first_is_back(&valid, &observed);
    back.pods[0].phase = BrokerPhase::Starting;
    let renewed = |observed: &Observed, seconds: f64| {
        let mut observed = observed.clone();
        observed.lease_of_a_test.as_mut().expect("a lease").expires_in_seconds = seconds;
        let steps = plan(&valid, &asked(&valid, observed)).expect("a plan").steps;
        steps.into_iter().any(|step| matches!(step.action, Action::RenewLease(set) if set.brokers == [0].into()))
    };
    assert!(renewed(&back, 149.0));
    assert!(!renewed(&back, 151.0));
    back.pods[0].phase = BrokerPhase::Ready;
    assert!(!renewed(&back, 149.0), "it is given back");
}

#[test]
fn rule_9_one_that_was_stopped_and_does_not_come_back_is_made_from_a_newer_template_at_once() {
    let (valid, observed) = all_stale("{}");
    let mut again = first_is_back(&valid, &observed);
    again.pods[0].revision = format!("{}-1", again.pods[0].set);
    again.pods[0].phase = BrokerPhase::Starting;
    let again = with_view(again, |view| {
        view.brokers = vec![1000, 2000];
        view.partitions[0].in_sync = vec![1000, 2000];
    });
    assert_eq!(ready(&valid, again), ["demo-broker-zone-a-0"]);
}

#[test]
fn leaders_come_back_in_batches() {
    let (valid, observed) = all_stale("{}");
    let many = with_view(first_is_back(&valid, &observed), |view| {
        let one = PartitionView { leader: Some(1000), ..view.partitions[0].clone() };
        view.partitions = (0..700).map(|partition| PartitionView { partition, ..one.clone() }).collect();
    });
    let steps = plan(&valid, &asked(&valid, many)).expect("a plan").steps;
    let batch = steps.iter().find_map(|step| match &step.action {
        Action::ElectLeaders(batch) => Some(batch.len()),
        _ => None,
    });
    assert_eq!(batch, Some(500));
}
