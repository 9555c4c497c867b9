//! Many resources: how fast topics become Ready, and what the operator takes at rest.

use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use odradek_e2e::kubernetes::{Namespace, Operator, in_namespace_alone, kubectl};
use odradek_e2e::tools::run;
use odradek_e2e::wait;
use serde_json::{Value, json};

const LONG: Duration = Duration::from_secs(300);
const TOPICS: usize = 5000;
/// kubectl sends no more than some 50 requests a second, each of them.
const HANDS: usize = 10;
const REST: Duration = Duration::from_secs(60);

fn tell(what: &str, operator: &Operator) -> Result<f64> {
    let (share, memory) = operator.at_rest(REST)?;
    eprintln!(
        "{what}: {:.2}% of a core over {} s, {:.1} MiB",
        share * 100.0,
        REST.as_secs(),
        memory as f64 / f64::from(1 << 20)
    );
    Ok(share)
}

/// Makes the resources, several kubectls side by side; gives the seconds.
fn create(namespace: &Namespace, resources: &[Value]) -> Result<f64> {
    let began = Instant::now();
    let share = |items: &[Value]| {
        let list = json!({ "apiVersion": "v1", "kind": "List", "items": items }).to_string();
        let mut command = Command::new("kubectl");
        run(
            command.args(["--namespace", &namespace.name, "create", "--validate=ignore", "--filename", "-"]),
            list.as_bytes(),
        )?
        .ok()
        .map(drop)
    };
    std::thread::scope(|scope| -> Result<()> {
        let hands: Vec<_> =
            resources.chunks(resources.len().div_ceil(HANDS)).map(|items| scope.spawn(move || share(items))).collect();
        for hand in hands {
            hand.join().expect("it does not panic")?;
        }
        Ok(())
    })?;
    Ok(began.elapsed().as_secs_f64())
}

fn ready(namespace: &Namespace, kind: &str) -> Result<usize> {
    let states = r#"jsonpath={.items[*].status.conditions[?(@.type=="Ready")].status}"#;
    let text = namespace.kubectl(&["get", kind, "--output", states])?;
    Ok(text.split_whitespace().filter(|status| *status == "True").count())
}

#[test]
#[ignore = "long: 5,000 topics"]
fn five_thousand_topics() -> Result<()> {
    in_namespace_alone("many-topics", |namespace| {
        namespace.demo_cluster()?;
        let operator = Operator::leading()?;
        tell("one cluster", &operator)?;
        let topic = |n: usize| {
            json!({
                "apiVersion": "odradek.dev/v1alpha1", "kind": "KafkaTopic",
                "metadata": { "name": format!("topic-{n}"), "labels": { "odradek.dev/cluster": "demo" } },
                "spec": { "partitions": 1, "replicas": 3 },
            })
        };
        let topics: Vec<Value> = (0..TOPICS).map(topic).collect();
        let (began, before) = (Instant::now(), operator.usage()?);
        let made = create(namespace, &topics)?;
        wait::until("all are Ready", LONG, || {
            std::thread::sleep(Duration::from_secs(1));
            let ready = ready(namespace, "kafkatopics").map_err(|error| format!("{error:#}"))?;
            if ready == TOPICS { Ok(()) } else { Err(format!("{ready} of {TOPICS}")) }
        })?;
        let seconds = began.elapsed().as_secs_f64();
        std::thread::sleep(Duration::from_secs(15));
        let cpu = operator.usage()?.cpu_seconds - before.cpu_seconds;
        eprintln!(
            "{TOPICS} topics: made in {made:.1} s, all Ready after {seconds:.1} s ({:.0} a second), {cpu:.1} s of the operator's CPU",
            TOPICS as f64 / seconds
        );
        let share = tell(&format!("one cluster with {TOPICS} topics"), &operator)?;
        ensure!(operator == Operator::leading()?, "the operator was replaced meanwhile");
        let began = Instant::now();
        namespace.kubectl(&["delete", "kafkatopics", "--all", "--wait=false"])?;
        let asked = began.elapsed().as_secs_f64();
        wait::until("all are gone", LONG, || {
            std::thread::sleep(Duration::from_secs(1));
            let left =
                namespace.kubectl(&["get", "kafkatopics", "--output", "name"]).map_err(|error| format!("{error:#}"))?;
            if left.is_empty() { Ok(()) } else { Err(format!("{} are left", left.lines().count())) }
        })?;
        eprintln!(
            "{TOPICS} topics: deletion asked for in {asked:.1} s, all gone after {:.1} s",
            began.elapsed().as_secs_f64()
        );
        ensure!(share < 0.01, "{share} of a core at rest");
        Ok(())
    })
}

/// A hundred clusters that wait for nodes which never come, beside ten that run: what watching them costs.
#[test]
#[ignore = "long: a hundred clusters"]
fn a_hundred_clusters() -> Result<()> {
    in_namespace_alone("many-clusters", |namespace| {
        let cluster = |name: String, cpu: &str| {
            json!({
                "apiVersion": "odradek.dev/v1alpha1", "kind": "KafkaCluster", "metadata": { "name": name },
                "spec": { "nodePools": [{
                    "name": "node", "replicas": 1, "roles": ["controller", "broker"], "storage": { "type": "ephemeral" },
                    "resources": { "requests": { "cpu": cpu, "memory": "32Mi" } },
                }] },
            })
        };
        let operator = Operator::leading()?;
        tell("no cluster", &operator)?;
        let running: Vec<Value> = (0..10).map(|n| cluster(format!("run-{n}"), "10m")).collect();
        create(namespace, &running)?;
        wait::until("ten are Ready", LONG, || {
            let ready = ready(namespace, "kafkaclusters").map_err(|error| format!("{error:#}"))?;
            if ready == running.len() { Ok(()) } else { Err(format!("{ready} of {}", running.len())) }
        })?;
        std::thread::sleep(Duration::from_secs(30));
        tell("10 clusters that run", &operator)?;
        let waiting: Vec<Value> = (0..100).map(|n| cluster(format!("wait-{n}"), "1000")).collect();
        let began = Instant::now();
        create(namespace, &waiting)?;
        wait::until("all have their pods", LONG, || {
            let pods = namespace.kubectl(&["get", "pods", "--output", "name"]).map_err(|error| format!("{error:#}"))?;
            let many = pods.lines().count();
            if many == 110 { Ok(()) } else { Err(format!("{many} of 110 pods")) }
        })?;
        eprintln!("100 clusters: all have their pods after {:.1} s", began.elapsed().as_secs_f64());
        std::thread::sleep(Duration::from_secs(60));
        tell("10 clusters that run and 100 that wait for nodes", &operator)?;
        // None of them delays one that can be made.
        let began = Instant::now();
        create(namespace, &[cluster("late".to_owned(), "10m")])?;
        namespace.wait_condition("kafkacluster/late", "Ready", "True", Duration::from_secs(60))?;
        eprintln!("one more beside them: Ready after {:.1} s", began.elapsed().as_secs_f64());
        let restarts = operator.restarts().context("the operator's pod")?;
        ensure!(restarts == 0 && operator == Operator::leading()?, "the operator did not last");
        kubectl(&["--namespace", &namespace.name, "delete", "kafkaclusters", "--all", "--timeout=120s"]).map(drop)
    })
}
