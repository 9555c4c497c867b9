//! The controllers' quorum follows `spec.controllers.replicas` while records are written and topics made.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use odradek_e2e::kubernetes::{Clients, Namespace, compare, in_namespace};

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
    let began = Instant::now();
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
    })?;
    eprintln!("quorum: {many} controllers after {:.1} s", began.elapsed().as_secs_f64());
    Ok(())
}

/// Goes through these numbers of controllers under load, from the three that the cluster is made with.
fn goes_through(test: &str, numbers: &[i64], records: usize) -> Result<()> {
    in_namespace(test, |namespace| {
        namespace.demo_cluster()?;
        namespace.orders_topic()?;
        let clients = Clients::start(namespace)?;
        let fewest = numbers.iter().copied().min().unwrap_or(3).min(3);
        let before = lasting(namespace.pod_uids()?, fewest);
        let mut producer = clients.produce("orders", 0, records, A_SECOND)?;
        producer.wait_acknowledged(A_SECOND, LONG)?;
        for (step, many) in numbers.iter().enumerate() {
            change_to(namespace, *many, &format!("step-{step}"))?;
        }
        let produced = producer.finish(LONG)?;
        eprintln!("quorum: longest gap of a partition {:.2} s", produced.gap.as_secs_f64());
        ensure!(lasting(namespace.pod_uids()?, fewest) == before, "a pod was made anew");
        compare(records, &produced.acknowledged, &clients.read_all("orders")?)
    })
}

#[test]
fn three_controllers_become_one_and_three_again_with_their_claims() -> Result<()> {
    goes_through("quorum", &[1, 3], 8_000)
}

#[test]
#[ignore = "minutes: make test-long"]
fn three_controllers_become_five_and_three_and_one_and_three() -> Result<()> {
    goes_through("quorum-long", &[5, 3, 1, 3], 30_000)
}
