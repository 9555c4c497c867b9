//! Racks are held against where pods run, and a zone that is gone is told.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use odradek_e2e::kubernetes::{AddedNode, Load, Namespace, condition, in_namespace_alone, kubectl};
use odradek_e2e::wait;
use serde_json::Value;

use super::scale::{ask, replicas, settled};

const LONG: Duration = Duration::from_secs(60);
const ZONE: &str = "topology.kubernetes.io/zone";

/// A node that says that it is in another zone, for as long as the value lives.
struct Relabelled {
    node: String,
    zone: String,
}

impl Relabelled {
    fn new(node: &str, zone: &str, other: &str) -> Result<Relabelled> {
        kubectl(&["label", "node", node, "--overwrite", &format!("{ZONE}={other}")])?;
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
    in_namespace_alone("rack", |namespace| {
        let (cluster, _) = namespace.demo_cluster()?;
        wait_told(namespace, "RackAligned", "True")?;
        wait_told(namespace, "ZonesPresent", "True")?;
        let broker = &cluster["status"]["brokers"][0];
        let (id, node) = (&broker["id"], broker["node"].as_str().context("its node")?);
        let rack = broker["rack"].as_str().context("its rack")?;
        let pods = namespace.pod_uids()?;
        {
            let _relabelled = Relabelled::new(node, rack, "elsewhere")?;
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

/// Nodes change their zone for longer than a mistake lasts: replicas that share a zone since then are moved, and no more.
#[test]
#[ignore = "minutes: make test-long"]
fn replicas_that_share_a_zone_since_a_node_changed_it_are_moved() -> Result<()> {
    in_namespace_alone("rack-drift", |namespace| {
        namespace.demo_cluster()?;
        let mut load = Load::on_orders(namespace, 500)?;
        let _node = AddedNode::in_zone("zone-a")?;
        ask(namespace, 4)?;
        settled(namespace, 4)?;
        let node_of = |id: i32| -> Result<String> {
            let pod = namespace.get(&format!("pod/{}", namespace.broker_pod(id)?))?;
            Ok(pod["spec"]["nodeName"].as_str().context("no node")?.to_owned())
        };
        let node = node_of(0)?;
        ensure!(node != node_of(1)?, "both brokers of zone-a run on {node}");
        let pods = namespace.pod_uids()?;
        load.during("rack: a node changes its zone", || {
            let _relabelled = Relabelled::new(&node, "zone-a", "zone-b")?;
            wait_told(namespace, "RackAligned", "False")?;
            let (_, before) = replicas(namespace)?;
            ensure!(before.iter().any(|(_, _, id)| *id == 0));
            wait::until("no replicas share a zone", Duration::from_secs(480), || {
                let (_, now) = replicas(namespace).map_err(|error| format!("{error:#}"))?;
                let both = |(topic, partition, id): &&(String, i32, i32)| {
                    *id == 0 && now.contains(&(topic.clone(), *partition, 1000))
                };
                let shared = now.iter().filter(both).count();
                if shared == 0 {
                    Ok(())
                } else {
                    Err(format!("{shared} partitions have replicas on brokers 0 and 1000"))
                }
            })?;
            settled(namespace, 4).map(drop)
        })?;
        wait_told(namespace, "RackAligned", "True")?;
        ensure!(namespace.pod_uids()? == pods, "pods were made anew");
        Ok(())
    })
}
