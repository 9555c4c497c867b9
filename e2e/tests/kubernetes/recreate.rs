//! A cluster that is deleted and applied again, over the volumes that were kept.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use odradek_e2e::kubernetes::{Clients, compare, in_namespace, name};
use odradek_e2e::wait;

#[test]
fn a_cluster_applied_again_has_all_records() -> Result<()> {
    in_namespace("recreate", |namespace| {
        let (before, _) = namespace.demo_cluster()?;
        let topic = namespace.orders_topic()?;
        let clients = Clients::start(namespace)?;
        let mut acknowledged = clients.produce_now("orders", 0, 3000)?.acknowledged;

        let began = Instant::now();
        namespace.kubectl(&["delete", "kafkacluster", "demo", "--timeout=60s"])?;
        wait::until("all that was made is gone", Duration::from_secs(90), || {
            let kinds = "statefulsets,services,configmaps,poddisruptionbudgets,pods";
            let left = namespace.list(kinds, "odradek.dev/cluster=demo").map_err(|error| format!("{error:#}"))?;
            let names: Vec<&str> = left.iter().map(name).collect();
            if names.is_empty() { Ok(()) } else { Err(format!("{names:?} are left")) }
        })?;
        eprintln!("recreate: gone after {:.1} s", began.elapsed().as_secs_f64());
        let claims = namespace.list("persistentvolumeclaims", "odradek.dev/cluster=demo")?;
        ensure!(claims.len() == 6, "{} claims were kept", claims.len());
        // The topic's resource stays, and says why it is of no use now.
        let waiting = namespace.wait_condition("kafkatopic/orders", "Ready", "False", Duration::from_secs(30))?;
        ensure!(waiting["metadata"]["uid"] == topic["metadata"]["uid"], "{waiting}");

        let (after, seconds) = namespace.demo_cluster()?;
        eprintln!("recreate: apply to Ready {seconds:.1} s");
        ensure!(after["metadata"]["uid"] != before["metadata"]["uid"], "it was never deleted");
        ensure!(after["status"]["clusterId"] == before["status"]["clusterId"], "another cluster id: {after}");
        let again = namespace.wait_condition("kafkatopic/orders", "Ready", "True", Duration::from_secs(60))?;
        ensure!(again["status"]["topicId"] == topic["status"]["topicId"], "another topic: {again}");
        compare(3000, &acknowledged, &clients.read_all("orders")?)?;
        acknowledged.extend(clients.produce_now("orders", 3000, 500)?.acknowledged);
        compare(3500, &acknowledged, &clients.read_all("orders")?)
    })
}
