//! Rolls: every pod is made anew under load, and clients lose nothing; a supervised one waits for its approval.

use std::time::Duration;

use anyhow::{Result, ensure};
use odradek_e2e::kubernetes::{Load, condition, in_namespace, in_namespace_alone};

const A_SECOND: usize = 500;
const LONG: Duration = Duration::from_secs(300);
/// A change that takes a restart.
const CHANGE: &str = r#"{"config":{"num.network.threads":4}}"#;

#[test]
fn a_roll_under_load_loses_nothing() -> Result<()> {
    in_namespace_alone("roll", |namespace| {
        namespace.demo_cluster()?;
        let mut load = Load::on_orders(namespace, A_SECOND)?;
        let pods = namespace.pod_uids()?;
        load.during(&format!("roll of {} pods", pods.len()), || {
            namespace.patch("kafkacluster/demo", CHANGE)?;
            namespace.wait_replaced(&pods, LONG)
        })
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
