//! `kubectl odradek`: the plan of a file before it is applied, and existing topics as KafkaTopics.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use odradek_client::{NewTopic, TopicDescription};
use odradek_e2e::kubernetes::{Namespace, in_namespace};
use odradek_e2e::tools::{Output, root, run};
use odradek_e2e::wait;
use serde_json::Value;

const SOON: Duration = Duration::from_secs(60);

/// Runs `kubectl odradek`, with the plugin that cargo built on the PATH, as people have it.
fn odradek(namespace: &Namespace, arguments: &[&str], input: &str) -> Result<Output> {
    let mut folder = std::env::current_exe()?;
    folder.pop();
    folder.pop();
    ensure!(folder.join("kubectl-odradek").exists(), "there is no {}: build it first", folder.display());
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders: Vec<PathBuf> = std::iter::once(folder).chain(std::env::split_paths(&path)).collect();
    let path: OsString = std::env::join_paths(folders)?;
    let mut command = Command::new("kubectl");
    command.env("PATH", path).args(["odradek", "--namespace", &namespace.name]).args(arguments);
    run(&mut command, input.as_bytes())
}

/// The exit code, and what would be done.
fn plan(namespace: &Namespace, yaml: &str) -> Result<(i32, Value)> {
    let output = odradek(namespace, &["plan", "-f", "-", "-o", "json"], yaml)?;
    let outcomes = serde_json::from_str(&output.out);
    let outcomes = outcomes.with_context(|| format!("no JSON:\n{}\n{}", output.out, output.err))?;
    Ok((output.code.context("it was killed")?, outcomes))
}

fn example(name: &str) -> Result<String> {
    Ok(std::fs::read_to_string(root().join("examples").join(name))?)
}

#[test]
fn the_plugin_tells_what_apply_would_do_and_exports_topics() -> Result<()> {
    in_namespace("plugin", |namespace| {
        let (cluster, topic) = (example("cluster.yaml")?, example("topic.yaml")?);
        let (code, outcomes) = plan(namespace, &format!("{cluster}\n---\n{topic}"))?;
        let verbs = |at: usize| -> Vec<String> {
            let steps = outcomes[at]["steps"].as_array().into_iter().flatten();
            steps.map(|step| step["step"].as_str().unwrap_or_default().to_owned()).collect()
        };
        ensure!(code == 1 && verbs(0).iter().all(|verb| verb == "Create"), "{outcomes:#}");
        ensure!(verbs(0).len() > 6 && verbs(1) == ["create"], "{outcomes:#}");
        let left = namespace.list("kafkaclusters,kafkatopics,statefulsets", "")?;
        ensure!(left.is_empty(), "a dry run made something: {left:?}");

        namespace.demo_cluster()?;
        namespace.orders_topic()?;
        wait::until("there is nothing to do", SOON, || match plan(namespace, &format!("{cluster}\n---\n{topic}")) {
            Ok((0, outcomes)) if outcomes[0]["hash"].is_string() => Ok(()),
            Ok((code, outcomes)) => Err(format!("{code}: {outcomes:#}")),
            Err(error) => Err(format!("{error:#}")),
        })?;
        a_change_is_told_as_the_operator_then_does_it(namespace, &cluster)?;
        what_is_refused_is_told_with_its_field(namespace, &cluster, &topic)?;
        exported_topics_change_nothing(namespace)
    })
}

fn a_change_is_told_as_the_operator_then_does_it(namespace: &Namespace, cluster: &str) -> Result<()> {
    let changed = format!("{cluster}    num.network.threads: 4\n  rollingUpdate: {{ strategy: Supervised }}\n");
    let generation = namespace.get("kafkacluster/demo")?["metadata"]["generation"].clone();
    let (code, outcomes) = plan(namespace, &changed)?;
    let told = &outcomes[0];
    let rolls = told["steps"].as_array().into_iter().flatten().filter(|step| step["step"] == "RollPod");
    let hash = told["hash"].as_str().context("no hash")?;
    ensure!(code == 1 && rolls.clone().count() == 6, "{told:#}");
    let approve = format!("spec.rollingUpdate.approved has to be {hash}");
    ensure!(rolls.clone().next().is_some_and(|step| step["blockedBy"] == approve.as_str()), "{told:#}");
    // What people read.
    let table = odradek(namespace, &["plan", "-f", "-"], &changed)?;
    ensure!(table.code == Some(1) && table.out.contains(&approve) && table.out.contains("6 pods"), "{table:?}");
    ensure!(namespace.get("kafkacluster/demo")?["metadata"]["generation"] == generation, "a dry run changed the spec");
    namespace.apply(&changed)?;
    namespace.wait_object("kafkacluster/demo", SOON, |cluster| {
        let roll = &cluster["status"]["rollingUpdate"];
        let same = roll["state"] == "WaitingForApproval" && roll["hash"] == hash;
        if same { Ok(()) } else { Err(format!("{roll}, and {hash} was told")) }
    })?;
    namespace.apply(cluster)?;
    namespace.wait_object("kafkacluster/demo", SOON, |cluster| {
        let roll = &cluster["status"]["rollingUpdate"];
        if roll["state"] == "UpToDate" { Ok(()) } else { Err(roll.to_string()) }
    })
}

fn what_is_refused_is_told_with_its_field(namespace: &Namespace, cluster: &str, topic: &str) -> Result<()> {
    let cases = [
        // By the operator, and by the API server.
        (format!("{cluster}    log.retention.hourz: 1\n"), "spec.config[log.retention.hourz]", "log.retention.hours"),
        (topic.replace("partitions: 12", "partitions: 11"), "spec", "partitions cannot fall"),
        (topic.replace("replicas: 3", "replicas: 4"), "spec.replicas", "3 brokers"),
    ];
    for (yaml, field, words) in cases {
        let (code, outcomes) = plan(namespace, &yaml)?;
        let refusal = &outcomes[0]["refusals"][0];
        let message = refusal["message"].as_str().unwrap_or_default();
        ensure!(code == 2 && refusal["field"] == field && message.contains(words), "{outcomes:#}");
    }
    let wrong = odradek(namespace, &["plan", "-f", "-"], "kind: KafkaCluster\n")?;
    ensure!(wrong.code == Some(2) && wrong.err.contains("apiVersion"), "{wrong:?}");
    let missing = odradek(namespace, &["topics", "export", "nowhere"], "")?;
    ensure!(missing.code == Some(2) && missing.err.contains("no KafkaCluster nowhere"), "{missing:?}");
    Ok(())
}

type Topics = BTreeMap<String, (TopicDescription, BTreeMap<String, String>)>;

/// What the topics are and what is set on them, by what a client sees.
fn topics(namespace: &Namespace) -> Result<Topics> {
    let (_forward, admin) = namespace.admin()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let listed = admin.list_topics().await?;
        let names: Vec<String> = listed.iter().map(|topic| topic.name.clone()).collect();
        let mut configs = admin.describe_topic_configs(&names).await?;
        let mut topics = Topics::new();
        for topic in listed {
            let entries = configs.remove(&topic.name).context("no configuration")??;
            let entries = entries.into_iter().filter_map(|entry| Some((entry.name, entry.value?))).collect();
            topics.insert(topic.name.clone(), (topic, entries));
        }
        Ok(topics)
    })
}

fn exported_topics_change_nothing(namespace: &Namespace) -> Result<()> {
    let new = |name: &str, partitions, replicas, config: &[(&str, &str)]| NewTopic {
        name: name.to_owned(),
        partitions,
        replication_factor: replicas,
        configs: config.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect(),
    };
    let wanted = [
        new("Clicks_Raw", 5, 3, &[("retention.ms", "86400000"), ("cleanup.policy", "delete")]),
        new("clicks-raw", 1, 1, &[("preallocate", "false"), ("min.insync.replicas", "1")]),
        new("plain", 2, 2, &[]),
    ];
    {
        let (_forward, admin) = namespace.admin()?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        for answer in runtime.block_on(admin.create_topics(&wanted, false))?.into_values() {
            answer?;
        }
    }
    let before = topics(namespace)?;
    let exported = odradek(namespace, &["topics", "export", "demo"], "")?;
    ensure!(exported.success, "{exported:?}");
    let yaml = &exported.out;
    ensure!(yaml.matches("kind: KafkaTopic").count() == wanted.len(), "{yaml}");
    ensure!(yaml.contains("topicName: Clicks_Raw") && !yaml.contains("name: orders"), "{yaml}");
    let (code, outcomes) = plan(namespace, yaml)?;
    ensure!(code == 0, "{outcomes:#}");
    namespace.apply(yaml)?;
    namespace.kubectl(&["wait", "kafkatopic", "--all", "--for=condition=Ready", "--timeout=60s"])?;
    let after = topics(namespace)?;
    for (name, topic) in &before {
        ensure!(after.get(name) == Some(topic), "{name} changed: {topic:?} became {:?}", after.get(name));
    }
    let again = odradek(namespace, &["topics", "export", "demo"], "")?;
    ensure!(again.success && again.out.is_empty(), "{again:?}");
    let all = odradek(namespace, &["topics", "export", "demo", "--all"], "")?;
    ensure!(all.out.matches("kind: KafkaTopic").count() == wanted.len() + 1, "{all:?}");
    let (code, outcomes) = plan(namespace, &all.out)?;
    if code != 0 {
        bail!("what has a KafkaTopic would change: {outcomes:#}");
    }
    Ok(())
}
