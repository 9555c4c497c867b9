//! Pods killed under load: nothing acknowledged is lost, nothing is there twice.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use odradek_e2e::kubernetes::{Clients, Namespace, compare, in_namespace};
use odradek_e2e::wait;

const MANY: usize = 6000;
const A_SECOND: usize = 1000;
const LONG: Duration = Duration::from_secs(90);

/// Produces all the while, and calls `kill` when a quarter is acknowledged.
fn under_load(
    namespace: &Namespace,
    clients: &Clients<'_>,
    what: &str,
    kill: impl FnOnce() -> Result<()>,
) -> Result<()> {
    let pods = namespace.pod_uids()?;
    let mut producer = clients.produce("orders", 0, MANY, A_SECOND)?;
    producer.wait_acknowledged(MANY / 4, LONG)?;
    kill()?;
    let produced = producer.finish(LONG)?;
    eprintln!("{what}: longest gap of a partition {:.2} s", produced.gap.as_secs_f64());
    compare(MANY, &produced.acknowledged, &clients.read_all("orders")?)?;
    let began = Instant::now();
    let killed = namespace.pod_uids()?.into_iter().filter(|(pod, uid)| pods.get(pod) == Some(uid)).count();
    ensure!(killed < pods.len(), "no pod was replaced");
    namespace.wait_condition("kafkacluster/demo", "Ready", "True", LONG)?;
    namespace.wait_condition("kafkacluster/demo", "InSync", "True", LONG)?;
    eprintln!("{what}: whole again {:.1} s after the last record", began.elapsed().as_secs_f64());
    compare(MANY, &produced.acknowledged, &clients.read_all("orders")?)
}

#[test]
fn a_killed_broker_loses_nothing() -> Result<()> {
    in_namespace("kill-broker", |namespace| {
        namespace.demo_cluster()?;
        namespace.orders_topic()?;
        let clients = Clients::start(namespace)?;
        let leader = namespace.broker_pod(clients.leader("orders", 0)?)?;
        under_load(namespace, &clients, "kill-broker", || namespace.kill_pod(&leader))
    })
}

#[test]
fn a_killed_active_controller_is_followed_by_another() -> Result<()> {
    in_namespace("kill-controller", |namespace| {
        namespace.demo_cluster()?;
        namespace.orders_topic()?;
        let clients = Clients::start(namespace)?;
        under_load(namespace, &clients, "kill-controller", || {
            let active = namespace.active_controller()?;
            let began = Instant::now();
            namespace.kill_pod(&active)?;
            // Metadata changes again.
            let topic = std::fs::read_to_string(odradek_e2e::tools::root().join("examples/topic.yaml"))?;
            namespace.apply(&topic.replace("name: orders", "name: after"))?;
            namespace.wait_condition("kafkatopic/after", "Ready", "True", Duration::from_secs(30))?;
            eprintln!("kill-controller: a topic is made {:.1} s after the kill", began.elapsed().as_secs_f64());
            wait::until("a controller is active", Duration::from_secs(30), || {
                namespace.active_controller().map(drop).map_err(|error| format!("{error:#}"))
            })
        })
    })
}

#[test]
fn all_pods_restarted_at_once_keep_all_records() -> Result<()> {
    in_namespace("restart-all", |namespace| {
        namespace.demo_cluster()?;
        namespace.orders_topic()?;
        let clients = Clients::start(namespace)?;
        let mut acknowledged = clients.produce_now("orders", 0, 3000)?.acknowledged;
        let pods = namespace.pod_uids()?;
        ensure!(pods.len() == 6, "{pods:?}");
        let began = Instant::now();
        let labels = ["--selector", "odradek.dev/cluster=demo", "--grace-period=0", "--force", "--wait=false"];
        namespace.kubectl(&[&["delete", "pods"], labels.as_slice()].concat())?;
        namespace.wait_replaced(&pods, LONG)?;
        eprintln!("restart-all: whole again after {:.1} s", began.elapsed().as_secs_f64());
        compare(3000, &acknowledged, &clients.read_all("orders")?)?;
        acknowledged.extend(clients.produce_now("orders", 3000, 500)?.acknowledged);
        compare(3500, &acknowledged, &clients.read_all("orders")?)
    })
}
