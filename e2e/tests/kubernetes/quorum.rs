//! The controllers' quorum follows `spec.controllers.replicas` while records are written and topics made.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Result, ensure};
use odradek_e2e::kubernetes::{Load, Namespace, in_namespace};

const LONG: Duration = Duration::from_secs(240);
const A_SECOND: usize = 200;

/// The ids of the voters, as the status tells them.
fn voters(cluster: &serde_json::Value) -> Vec<i64> {
    let voters = cluster["status"]["quorum"]["voters"].as_array().cloned().unwrap_or_default();
    voters.iter().filter_map(serde_json::Value::as_i64).collect()
}

/// The pods that stay when there are so many controllers.
fn lasting(pods: BTreeMap<String, String>, fewest: i64) -> BTreeMap<String, String> {
    let stays = |pod: &str| match pod.strip_prefix("demo-controller-").and_then(|id| id.parse::<i64>().ok()) {
        Some(id) => id < 3000 + fewest,
        None => true,
    };
    pods.into_iter().filter(|(pod, _)| stays(pod)).collect()
}

fn change_to(namespace: &Namespace, many: i64, topic: &str) -> Result<()> {
    namespace.patch("kafkacluster/demo", &format!(r#"{{"controllers":{{"replicas":{many}}}}}"#))?;
    // Metadata changes meanwhile.
    let text = std::fs::read_to_string(odradek_e2e::tools::root().join("examples/topic.yaml"))?;
    namespace.apply(&text.replace("name: orders", &format!("name: {topic}")))?;
    namespace.wait_condition(&format!("kafkatopic/{topic}"), "Ready", "True", Duration::from_secs(60))?;
    let wanted: Vec<i64> = (3000..3000 + many).collect();
    let ready = format!("{many}/{many}");
    namespace.wait_object("kafkacluster/demo", LONG, |cluster| {
        let status = &cluster["status"];
        let done = voters(cluster) == wanted && status["controllersReady"] == ready.as_str();
        let calm = status["plan"].as_array().is_none_or(Vec::is_empty);
        let told = || format!("{} of {}, plan {}", status["quorum"], status["controllersReady"], status["plan"]);
        (done && calm).then_some(()).ok_or_else(told)
    })
}

/// Goes through these numbers of controllers under load, from the three that the cluster is made with.
fn goes_through(test: &str, numbers: &[i64]) -> Result<()> {
    in_namespace(test, |namespace| {
        namespace.demo_cluster()?;
        let mut load = Load::on_orders(namespace, A_SECOND)?;
        let fewest = numbers.iter().copied().min().unwrap_or(3).min(3);
        let before = lasting(namespace.pod_uids()?, fewest);
        for (step, many) in numbers.iter().enumerate() {
            load.during(&format!("quorum: {many} controllers"), || {
                change_to(namespace, *many, &format!("step-{step}"))
            })?;
        }
        ensure!(lasting(namespace.pod_uids()?, fewest) == before, "a pod was made anew");
        Ok(())
    })
}

#[test]
fn three_controllers_become_one_and_three_again_with_their_claims() -> Result<()> {
    goes_through("quorum", &[1, 3])
}

#[test]
#[ignore = "minutes: make test-long"]
fn three_controllers_become_five_and_three_and_one_and_three() -> Result<()> {
    goes_through("quorum-long", &[5, 3, 1, 3])
}
