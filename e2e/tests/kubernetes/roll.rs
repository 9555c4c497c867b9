//! Rolls: every pod is made anew under load, and clients lose nothing; a supervised one waits for its approval.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use odradek_e2e::kubernetes::{Clients, compare, condition, in_namespace};

const MANY: usize = 30_000;
const A_SECOND: usize = 500;
const LONG: Duration = Duration::from_secs(300);
/// A change that takes a restart.
const CHANGE: &str = r#"{"config":{"num.network.threads":4}}"#;

#[test]
fn a_roll_under_load_loses_nothing() -> Result<()> {
    in_namespace("roll", |namespace| {
        namespace.demo_cluster()?;
        namespace.orders_topic()?;
        let clients = Clients::start(namespace)?;
        let pods = namespace.pod_uids()?;
        let mut producer = clients.produce("orders", 0, MANY, A_SECOND)?;
        producer.wait_acknowledged(MANY / 20, LONG)?;
        let began = Instant::now();
        namespace.patch("kafkacluster/demo", CHANGE)?;
        namespace.wait_replaced(&pods, LONG)?;
        eprintln!("roll: {} pods in {:.1} s", pods.len(), began.elapsed().as_secs_f64());
        let produced = producer.finish(LONG)?;
        eprintln!("roll: longest gap of a partition {:.2} s", produced.gap.as_secs_f64());
        compare(MANY, &produced.acknowledged, &clients.read_all("orders")?)
    })
}

#[test]
fn a_supervised_roll_waits_for_its_hash() -> Result<()> {
    in_namespace("roll-supervised", |namespace| {
        namespace.demo_cluster()?;
        let pods = namespace.pod_uids()?;
        let change = CHANGE.replacen('{', r#"{"rollingUpdate":{"strategy":"Supervised"},"#, 1);
        namespace.patch("kafkacluster/demo", &change)?;
        let hash = namespace.wait_object("kafkacluster/demo", LONG, |cluster| {
            let roll = &cluster["status"]["rollingUpdate"];
            let shown = roll["state"] == "WaitingForApproval" && roll["pending"] == pods.len();
            let hash = roll["hash"].as_str().filter(|_| shown);
            hash.map(str::to_owned).ok_or_else(|| roll.to_string())
        })?;
        // That is no progress to wait for, and GitOps tools do not.
        namespace.wait_object("kafkacluster/demo", LONG, |cluster| {
            let reconciling = condition(cluster, "Reconciling").cloned().unwrap_or_default();
            let ready = condition(cluster, "Ready").cloned().unwrap_or_default();
            let calm = reconciling["status"] == "False" && reconciling["reason"] == "WaitingForApproval";
            (calm && ready["status"] == "True").then_some(()).ok_or_else(|| format!("{reconciling} {ready}"))
        })?;
        // One that dies by itself comes back as it was, and the roll still waits.
        let (killed, _) = pods.first_key_value().expect("a pod");
        namespace.kill_pod(killed)?;
        let before =
            pods.iter().filter(|(pod, _)| *pod == killed).map(|(pod, uid)| (pod.clone(), uid.clone())).collect();
        namespace.wait_replaced(&before, LONG)?;
        let roll = namespace.get("kafkacluster/demo")?["status"]["rollingUpdate"].clone();
        ensure!(roll["hash"] == hash.as_str() && roll["pending"] == pods.len(), "it rolled without approval: {roll}");
        namespace.patch("kafkacluster/demo", &format!(r#"{{"rollingUpdate":{{"approved":"{hash}"}}}}"#))?;
        namespace.wait_replaced(&pods, LONG)?;
        namespace.wait_object("kafkacluster/demo", LONG, |cluster| {
            let roll = &cluster["status"]["rollingUpdate"];
            (roll["state"] == "UpToDate" && roll["hash"] == hash.as_str()).then_some(()).ok_or_else(|| roll.to_string())
        })
    })
}
