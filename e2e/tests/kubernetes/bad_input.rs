//! Specs that cannot work: refused when they are applied where that can be known, else told in the status. What runs
//! is never touched.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use odradek_e2e::kubernetes::{Namespace, condition, in_namespace};
use odradek_e2e::tools::root;

const SOON: Duration = Duration::from_secs(20);

/// `examples/cluster.yaml` with one change.
fn cluster(from: &str, to: &str) -> Result<String> {
    changed("examples/cluster.yaml", from, to)
}

fn changed(path: &str, from: &str, to: &str) -> Result<String> {
    let text = std::fs::read_to_string(root().join(path))?;
    ensure!(text.contains(from), "{path} has no {from:?}");
    Ok(text.replacen(from, to, 1))
}

fn refused(namespace: &Namespace, yaml: &str, says: &str) -> Result<()> {
    let said = namespace.refused(yaml)?;
    ensure!(said.contains(says), "this should say {says:?}: {said}");
    Ok(())
}

/// Ready=False with a message that names the field.
fn told(namespace: &Namespace, object: &str, reason: &str, field: &str) -> Result<()> {
    namespace.wait_object(object, SOON, |found| {
        let ready = condition(found, "Ready").ok_or("no condition Ready")?;
        let current = ready["observedGeneration"] == found["metadata"]["generation"];
        let names = ready["message"].as_str().is_some_and(|message| message.contains(field));
        let right = ready["status"] == "False" && ready["reason"] == reason && names && current;
        if right { Ok(()) } else { Err(ready.to_string()) }
    })
}

#[test]
fn bad_input_is_refused_and_touches_nothing() -> Result<()> {
    in_namespace("bad-input", |namespace| {
        namespace.demo_cluster()?;
        namespace.orders_topic()?;
        let pods = namespace.pod_uids()?;
        ensure!(pods.len() == 6, "{pods:?}");

        // Strict validation, as kubectl asks for it.
        refused(namespace, &cluster("nodePools:", "nodePool:")?, r#"unknown field "spec.nodePool""#)?;
        let topic = changed("examples/topic.yaml", "partitions: 12", "partition: 12")?;
        refused(namespace, &topic, r#"unknown field "spec.partition""#)?;

        // Rules of the schema.
        let even = cluster("controllers:\n    replicas: 3", "controllers:\n    replicas: 2")?;
        refused(namespace, &even, "controllers.replicas must be 1, 3 or 5")?;
        let twice = cluster("    - name: broker\n", "    - name: broker\n    - name: broker\n")?;
        let twice = twice.replace("name: demo", "name: another");
        refused(namespace, &twice, "Duplicate value")?;
        refused(namespace, &cluster("size: 1Gi", "size: 512Mi")?, "storage.size cannot shrink")?;
        let factor = "config:\n    default.replication.factor: 2\n    min.insync.replicas: 3";
        refused(
            namespace,
            &cluster("config:", factor)?,
            "min.insync.replicas is larger than default.replication.factor",
        )?;
        let topic = changed("examples/topic.yaml", "min.insync.replicas: 2", "min.insync.replicas: 4")?;
        refused(namespace, &topic, "min.insync.replicas is larger than replicas")?;
        let fewer = changed("examples/topic.yaml", "partitions: 12", "partitions: 6")?;
        refused(namespace, &fewer, "partitions cannot fall")?;
        let moved = changed("examples/topic.yaml", "odradek.dev/cluster: demo", "odradek.dev/cluster: elsewhere")?;
        refused(namespace, &moved, "cannot be changed")?;

        // What only the operator can know.
        namespace.patch("kafkacluster/demo", r#"{"config":{"num.partitionz":3,"num.io.threads":-7}}"#)?;
        told(namespace, "kafkacluster/demo", "InvalidConfig", "spec.config[num.partitionz]")?;
        told(namespace, "kafkacluster/demo", "InvalidConfig", "the value -7 is not 1 or more")?;
        let row = namespace.kubectl(&["get", "kc", "demo", "--no-headers"])?;
        ensure!(row.contains("False") && row.contains("InvalidConfig") && row.contains("3/3"), "{row}");
        let many = changed("examples/topic.yaml", "replicas: 3", "replicas: 4")?.replace("name: orders", "name: wide");
        namespace.apply(&many)?;
        told(namespace, "kafkatopic/wide", "InvalidSpec", "spec.replicas")?;
        let unknown = changed("examples/topic.yaml", "cleanup.policy: delete", "cleanup.polic: delete")?;
        namespace.apply(&unknown.replace("name: orders", "name: odd"))?;
        told(namespace, "kafkatopic/odd", "InvalidConfig", "spec.config[cleanup.polic]")?;

        // A good spec again.
        namespace.patch("kafkacluster/demo", r#"{"config":{"num.partitionz":null,"num.io.threads":null}}"#)?;
        namespace.wait_condition("kafkacluster/demo", "Ready", "True", SOON)?;
        let now = namespace.pod_uids()?;
        ensure!(now == pods, "pods were touched: {pods:?} became {now:?}");
        let restarts = namespace.list("pods", "odradek.dev/cluster=demo")?;
        let restarts = restarts.iter().map(|pod| pod["status"]["containerStatuses"][0]["restartCount"].as_i64());
        ensure!(restarts.sum::<Option<i64>>().context("no status")? == 0, "a container was restarted");
        Ok(())
    })
}
