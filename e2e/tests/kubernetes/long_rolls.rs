//! Rolls that take minutes: six brokers one by one and zone by zone, pods that cannot run, a broker that is down.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use odradek_e2e::kubernetes::{Load, Namespace, condition, in_namespace, in_namespace_alone, kubectl, name};
use odradek_e2e::wait;

const LONG: Duration = Duration::from_secs(600);
const A_SECOND: usize = 2000;

const SIX: &str = "{ controllers: { replicas: 3, resources: { requests: { cpu: 50m, memory: 64Mi } }, storage: { size: 1Gi } }, \
                   nodePools: [{ name: broker, replicas: 6, resources: { requests: { cpu: 50m, memory: 64Mi } }, \
                   storage: { size: 1Gi } }] }";

#[test]
#[ignore = "long: two rolls of nine pods"]
fn six_brokers_roll_one_by_one_and_zone_by_zone() -> Result<()> {
    in_namespace_alone("roll-six", |namespace| {
        namespace.cluster(SIX, LONG)?;
        let mut load = Load::on_orders(namespace, A_SECOND)?;
        for (unit, threads) in [("broker", 4), ("zone", 5)] {
            let pods = namespace.pod_uids()?;
            ensure!(pods.len() == 9, "{pods:?}");
            let change = format!(
                r#"{{"rollingUpdate":{{"maxUnavailable":"{unit}"}},"config":{{"num.network.threads":{threads}}}}}"#
            );
            load.during(&format!("roll of 6 brokers and 3 controllers by {unit}"), || {
                namespace.patch("kafkacluster/demo", &change)?;
                namespace.wait_replaced(&pods, LONG)
            })?;
        }
        // By zone is by zone: each of the three went at once.
        let events = namespace.list("events.events.k8s.io", "")?;
        let zones = events.iter().filter(|event| event["reason"] == "RollZone").count();
        ensure!(zones == 3, "{zones} zones went at once");
        Ok(())
    })
}

/// The pods that are not Ready.
fn unready(namespace: &Namespace) -> Result<Vec<String>> {
    let pods = namespace.list("pods", "odradek.dev/cluster=demo")?;
    let is_ready = |pod: &serde_json::Value| {
        let conditions = pod["status"]["conditions"].as_array().into_iter().flatten();
        conditions.filter(|c| c["type"] == "Ready").any(|c| c["status"] == "True")
    };
    Ok(pods.iter().filter(|pod| !is_ready(pod)).map(|pod| name(pod).to_owned()).collect())
}

#[test]
#[ignore = "long: pods that cannot run in three ways"]
fn pods_that_cannot_run_are_replaced_and_hold_nothing_else_up() -> Result<()> {
    in_namespace("roll-stuck", |namespace| {
        namespace.demo_cluster()?;
        let mut load = Load::on_orders(namespace, A_SECOND)?;
        let pool = |cpu: &str| {
            let requests = format!(r#"{{"cpu":"{cpu}","memory":"128Mi"}}"#);
            format!(
                r#"{{"nodePools":[{{"name":"broker","replicas":3,"storage":{{"size":"1Gi"}},"resources":{{"requests":{requests},"limits":{{"memory":"512Mi"}}}}}}]}}"#
            )
        };
        let ways = [
            (
                "CrashLoopBackOff",
                // Less than the brokers' heartbeats allow, which only they know.
                r#"{"config":{"broker.session.timeout.ms":1000}}"#.to_owned(),
                r#"{"config":{"broker.session.timeout.ms":null}}"#.to_owned(),
            ),
            ("Image", r#"{"image":"odradek/nothing:none"}"#.to_owned(), r#"{"image":null}"#.to_owned()),
            ("Unschedulable", pool("1000"), pool("100m")),
        ];
        for (what, bad, good) in ways {
            let before = namespace.pod_uids()?;
            load.during(&format!("stuck: {what}"), || {
                namespace.patch("kafkacluster/demo", &bad)?;
                namespace.wait_object("kafkacluster/demo", LONG, |cluster| {
                    let ready = condition(cluster, "Ready").cloned().unwrap_or_default();
                    let told = ready["message"].as_str().unwrap_or_default();
                    let stuck = ready["reason"] == "PodsFailing" && told.contains(what);
                    if stuck { Ok(()) } else { Err(ready.to_string()) }
                })?;
                let stuck = unready(namespace)?;
                ensure!(stuck.len() == 1, "one pod goes first, and these do not serve: {stuck:?}");
                let began = Instant::now();
                namespace.patch("kafkacluster/demo", &good)?;
                namespace.wait_object("kafkacluster/demo", LONG, |cluster| {
                    let status = &cluster["status"];
                    let same = cluster["metadata"]["generation"] == status["observedGeneration"];
                    let calm = status["rollingUpdate"]["state"] == "UpToDate" && status["brokersReady"] == "3/3";
                    if same && calm { Ok(()) } else { Err(status["rollingUpdate"].to_string()) }
                })?;
                namespace.wait_condition("kafkacluster/demo", "InSync", "True", LONG)?;
                let after = namespace.pod_uids()?;
                let others = after.iter().filter(|(pod, uid)| before.get(*pod) != Some(uid)).count();
                eprintln!(
                    "stuck: {what}: whole {:.1} s after the spec was put right; {others} pods are new",
                    began.elapsed().as_secs_f64()
                );
                ensure!(others == 1, "only {stuck:?} had to be made anew, and {others} were");
                Ok(())
            })?;
        }
        Ok(())
    })
}

#[test]
#[ignore = "long: a node that takes no pods"]
fn a_roll_waits_for_a_broker_that_is_down() -> Result<()> {
    in_namespace_alone("roll-down", |namespace| {
        namespace.demo_cluster()?;
        let mut load = Load::on_orders(namespace, A_SECOND)?;
        let down = namespace.broker_pod(1000)?;
        let node = namespace.get(&format!("pod/{down}"))?["spec"]["nodeName"].as_str().context("no node")?.to_owned();
        load.during("a broker is down", || {
            let pods = namespace.pod_uids()?;
            kubectl(&["cordon", &node])?;
            let rolled = (|| {
                namespace.kill_pod(&down)?;
                wait::until("it is down", LONG, || {
                    let now = unready(namespace).map_err(|error| format!("{error:#}"))?;
                    if now == [down.clone()] { Ok(()) } else { Err(format!("{now:?}")) }
                })?;
                namespace.patch("kafkacluster/demo", r#"{"config":{"num.network.threads":4}}"#)?;
                namespace.wait_object("kafkacluster/demo", LONG, |cluster| {
                    let roll = &cluster["status"]["rollingUpdate"];
                    let why = roll["message"].as_str().unwrap_or_default();
                    if roll["pending"] == 5 && why.contains(&down) { Ok(()) } else { Err(roll.to_string()) }
                })?;
                std::thread::sleep(Duration::from_secs(20));
                let now = namespace.pod_uids()?;
                let gone: Vec<&String> = pods
                    .iter()
                    .filter(|(pod, uid)| **pod != down && now.get(*pod) != Some(uid))
                    .map(|(pod, _)| pod)
                    .collect();
                ensure!(gone.is_empty(), "{gone:?} went while {down} was down");
                Ok(())
            })();
            kubectl(&["uncordon", &node])?;
            rolled?;
            namespace.wait_replaced(&pods, LONG)
        })
    })
}
