//! Racks are held against where pods run, and a zone that is gone is told.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use odradek_e2e::kubernetes::{Namespace, condition, in_namespace, kubectl};
use serde_json::Value;

const LONG: Duration = Duration::from_secs(60);
const ZONE: &str = "topology.kubernetes.io/zone";

/// A node that says that it is in another zone, for as long as the value lives.
struct Relabelled {
    node: String,
    zone: String,
}

impl Relabelled {
    fn new(node: &str, zone: &str) -> Result<Relabelled> {
        kubectl(&["label", "node", node, "--overwrite", &format!("{ZONE}=elsewhere")])?;
        Ok(Relabelled { node: node.to_owned(), zone: zone.to_owned() })
    }
}

impl Drop for Relabelled {
    fn drop(&mut self) {
        if let Err(error) = kubectl(&["label", "node", &self.node, "--overwrite", &format!("{ZONE}={}", self.zone)]) {
            eprintln!("node {} keeps the zone of a test: {error:#}", self.node);
        }
    }
}

/// Waits for a condition's status; the operator looks anew at each try.
fn wait_told(namespace: &Namespace, type_: &str, status: &str) -> Result<String> {
    let message = namespace.wait_object("kafkacluster/demo", LONG, |cluster| {
        let told = condition(cluster, type_).unwrap_or(&Value::Null);
        if told["status"] == status {
            return Ok(told["message"].as_str().unwrap_or_default().to_owned());
        }
        let poke = format!("poke={}", cluster["metadata"]["resourceVersion"].as_str().unwrap_or_default());
        let poked = namespace.kubectl(&["annotate", "kafkacluster/demo", "--overwrite", &poke]);
        Err(format!("{told} {}", poked.err().map(|error| format!("{error:#}")).unwrap_or_default()))
    });
    message.with_context(|| format!("{type_}={status}"))
}

#[test]
fn a_broker_that_runs_outside_of_its_rack_and_a_lost_zone_are_told() -> Result<()> {
    in_namespace("rack", |namespace| {
        let (cluster, _) = namespace.demo_cluster()?;
        wait_told(namespace, "RackAligned", "True")?;
        wait_told(namespace, "ZonesPresent", "True")?;
        let broker = &cluster["status"]["brokers"][0];
        let (id, node) = (&broker["id"], broker["node"].as_str().context("its node")?);
        let rack = broker["rack"].as_str().context("its rack")?;
        let pods = namespace.pod_uids()?;
        {
            let _relabelled = Relabelled::new(node, rack)?;
            let told = wait_told(namespace, "RackAligned", "False")?;
            ensure!(told.contains(&format!("broker {id} of {rack} runs in elsewhere")), "{told}");
            // On a Kubernetes with one node a zone, the zone went with it.
            let others = kubectl(&["get", "nodes", "--selector", &format!("{ZONE}={rack}"), "--output", "name"])?;
            if others.trim().is_empty() {
                let told = wait_told(namespace, "ZonesPresent", "False")?;
                ensure!(told.contains(&format!("{rack}: no node carries it")), "{told}");
            }
        }
        wait_told(namespace, "RackAligned", "True")?;
        wait_told(namespace, "ZonesPresent", "True")?;
        ensure!(namespace.pod_uids()? == pods, "something was moved");
        Ok(())
    })
}
