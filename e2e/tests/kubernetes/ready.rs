//! What `kubectl apply -f examples/cluster.yaml` gives.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use odradek_e2e::kubernetes::{Namespace, condition, in_namespace, kubectl_json, name, uid, zones};
use odradek_e2e::wait;
use serde_json::Value;

#[test]
fn a_cluster_becomes_ready() -> Result<()> {
    in_namespace("ready", |namespace| {
        let (_, seconds) = namespace.demo_cluster()?;
        eprintln!("ready: apply to Ready {seconds:.1} s");
        let cluster = namespace.wait_condition("kafkacluster/demo", "Reconciling", "False", Duration::from_secs(30))?;
        namespace.wait_condition("kafkacluster/demo", "InSync", "True", Duration::from_secs(30))?;
        status(&cluster)?;
        sets_and_pods(namespace, &cluster)?;
        around_them(namespace, &cluster)?;
        at_a_glance(namespace)?;
        brokers_know_their_racks(namespace, &cluster)
    })
}

fn status(cluster: &Value) -> Result<()> {
    let generation = &cluster["metadata"]["generation"];
    for (type_, status) in [("Ready", "True"), ("Reconciling", "False"), ("Stalled", "False")] {
        let found = condition(cluster, type_).with_context(|| format!("no condition {type_}"))?;
        ensure!(found["status"] == status && found["observedGeneration"] == *generation, "{found}");
    }
    let status = &cluster["status"];
    ensure!(status["observedGeneration"] == *generation, "{status}");
    ensure!(status["brokersReady"] == "3/3" && status["controllersReady"] == "3/3", "{status}");
    let pinned: BTreeSet<String> = serde_json::from_value(status["zones"].clone())?;
    ensure!(pinned == zones()?, "{status}");
    ensure!(status["clusterId"].as_str().is_some_and(|id| id.len() == 22), "{status}");
    Ok(())
}

/// One set for each zone, and each pod on a node of its zone; ids in blocks of 1,000.
fn sets_and_pods(namespace: &Namespace, cluster: &Value) -> Result<()> {
    let sets = namespace.list("statefulsets", "odradek.dev/pool=broker")?;
    let zone = |object: &Value| object["metadata"]["labels"]["odradek.dev/zone"].as_str().map(str::to_owned);
    let of_sets: BTreeSet<String> = sets.iter().filter_map(zone).collect();
    ensure!(of_sets == zones()? && sets.len() == of_sets.len(), "the sets are in {of_sets:?}");
    let blocks: BTreeSet<i64> = sets.iter().filter_map(|set| set["spec"]["ordinals"]["start"].as_i64()).collect();
    ensure!(blocks.len() == sets.len() && blocks.iter().all(|start| start % 1000 == 0), "{blocks:?}");
    for set in &sets {
        let spec = &set["spec"];
        ensure!(spec["updateStrategy"]["type"] == "OnDelete" && spec["podManagementPolicy"] == "Parallel", "{spec}");
        ensure!(spec["persistentVolumeClaimRetentionPolicy"]["whenScaled"] == "Retain", "{spec}");
    }
    let nodes = kubectl_json(&["get", "nodes"])?;
    let zone_of = |node: &str| {
        let mut nodes = nodes["items"].as_array().into_iter().flatten();
        nodes.find(|n| name(n) == node).map(|n| n["metadata"]["labels"]["topology.kubernetes.io/zone"].clone())
    };
    let brokers = cluster["status"]["brokers"].as_array().context("no brokers")?;
    ensure!(brokers.len() == 3, "{brokers:?}");
    for broker in brokers {
        let node = broker["node"].as_str().unwrap_or_default();
        ensure!(zone_of(node).is_some_and(|zone| zone == broker["rack"]), "{broker} is not in its zone");
        let suffix = format!("-{}", broker["id"]);
        ensure!(broker["pod"].as_str().is_some_and(|pod| pod.ends_with(&suffix)), "{broker}");
        ensure!(broker["phase"] == "Ready", "{broker}");
    }
    let controllers = namespace.list("pods", "odradek.dev/cluster=demo,odradek.dev/controller=true")?;
    ensure!(controllers.len() == 3, "{} controllers", controllers.len());
    let spread: BTreeSet<&str> = controllers.iter().filter_map(|pod| pod["spec"]["nodeName"].as_str()).collect();
    ensure!(spread.len() == 3.min(of_sets.len()), "the controllers are on {spread:?}");
    Ok(())
}

/// Services, configuration, disruption budget; all owned by the cluster.
fn around_them(namespace: &Namespace, cluster: &Value) -> Result<()> {
    for headless in ["demo-brokers", "demo-controllers"] {
        let service = namespace.get(&format!("service/{headless}"))?;
        let spec = &service["spec"];
        ensure!(spec["clusterIP"] == "None" && spec["publishNotReadyAddresses"] == true, "{spec}");
    }
    let bootstrap = namespace.get("service/demo-bootstrap")?;
    ensure!(bootstrap["spec"]["ports"][0]["port"] == 9092, "{bootstrap}");
    ensure!(bootstrap["spec"]["publishNotReadyAddresses"] != true, "{bootstrap}");
    for pool in ["broker", "controllers"] {
        let map = namespace.get(&format!("configmap/demo-{pool}-config"))?;
        let properties = map["data"]["server.properties"].as_str().context("no server.properties")?;
        ensure!(properties.contains("\nauto.create.topics.enable=false\n"), "{properties}");
        ensure!(properties.contains("\ncontroller.quorum.voters="), "{properties}");
    }
    namespace.wait_object("poddisruptionbudget/demo", Duration::from_secs(30), |budget| {
        let allowed = &budget["spec"]["maxUnavailable"];
        if *allowed == 1 { Ok(()) } else { Err(format!("{allowed} may be evicted")) }
    })?;
    for kind in ["statefulsets", "services", "configmaps", "poddisruptionbudgets"] {
        for object in namespace.list(kind, "odradek.dev/cluster=demo")? {
            let owner = &object["metadata"]["ownerReferences"][0]["uid"];
            ensure!(owner == uid(cluster), "{kind} {} is not owned by the cluster", name(&object));
        }
    }
    let claims = namespace.list("persistentvolumeclaims", "odradek.dev/cluster=demo")?;
    ensure!(claims.len() == 6, "{} claims", claims.len());
    ensure!(claims.iter().all(|claim| claim["metadata"]["ownerReferences"].is_null()), "a claim is owned");
    Ok(())
}

/// `kubectl get kc` tells the truth at a glance, and Events tell what was done.
fn at_a_glance(namespace: &Namespace) -> Result<()> {
    let text = namespace.kubectl(&["get", "kc"])?;
    let rows: Vec<Vec<&str>> = text.lines().map(|line| line.split_whitespace().collect()).collect();
    ensure!(rows.len() == 2, "{text}");
    ensure!(rows[0] == ["NAME", "READY", "BROKERS", "CONTROLLERS", "ZONES", "VERSION", "STATUS", "AGE"], "{text}");
    ensure!(rows[1][..5] == ["demo", "True", "3/3", "3/3", &zones()?.len().to_string()], "{text}");
    wait::until("events", Duration::from_secs(20), || {
        let text = namespace.kubectl(&["get", "events"]).map_err(|error| format!("{error:#}"))?;
        let has = |reason: &str| text.lines().any(|line| line.contains(reason) && line.contains("kafkacluster/demo"));
        if has("Create") && has("Serving") { Ok(()) } else { Err(text) }
    })
}

fn brokers_know_their_racks(namespace: &Namespace, cluster: &Value) -> Result<()> {
    let (_forward, admin) = namespace.admin()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let described = runtime.block_on(admin.describe_cluster())?;
    ensure!(cluster["status"]["clusterId"] == described.cluster_id.as_str(), "{}", described.cluster_id);
    for broker in cluster["status"]["brokers"].as_array().context("no brokers")? {
        let found = described.brokers.iter().find(|b| broker["id"] == b.id).with_context(|| format!("no {broker}"))?;
        ensure!(broker["rack"].as_str() == found.rack.as_deref() && !found.fenced, "{found:?} and {broker}");
    }
    Ok(())
}
