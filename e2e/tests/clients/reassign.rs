//! kafka-reassign-partitions of Apache Kafka 4.4.0, in all its modes, on four processes (M18).

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use odradek_client::{Admin, KafkaError, Reassignment};
use odradek_e2e::process::{Cluster, admin};
use odradek_e2e::tools::{Output, kafka, kcat, run};
use odradek_e2e::wait;
use serde_json::{Value, json};

/// A cluster, with Kafka's tool and our own client for it.
struct Bench {
    cluster: Cluster,
    admin: Admin,
    runtime: tokio::runtime::Runtime,
    dir: tempfile::TempDir,
}

impl Bench {
    fn start() -> Result<Bench> {
        let cluster = Cluster::start(4)?;
        let admin = admin(&cluster.bootstrap());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        Ok(Bench { cluster, admin, runtime, dir: tempfile::tempdir()? })
    }

    fn topics(&self, args: &[&str]) -> Result<String> {
        let bootstrap = self.cluster.bootstrap();
        run(kafka("org.apache.kafka.tools.TopicCommand")?.args(["--bootstrap-server", &bootstrap]).args(args), b"")?
            .ok()
    }

    /// The tool, which asks the controllers themselves (KIP-919).
    fn at_controllers(&self, args: &[&str]) -> Result<Output> {
        let class = "org.apache.kafka.tools.reassign.ReassignPartitionsCommand";
        run(kafka(class)?.args(["--bootstrap-controller", &self.cluster.controllers]).args(args), b"")
    }

    fn reassign(&self, args: &[&str]) -> Result<Output> {
        let bootstrap = self.cluster.bootstrap();
        let class = "org.apache.kafka.tools.reassign.ReassignPartitionsCommand";
        run(kafka(class)?.args(["--bootstrap-server", &bootstrap]).args(args), b"")
    }

    /// The tool with a file that says what is to be done.
    fn with_file(&self, option: &str, json: &Value, args: &[&str]) -> Result<Output> {
        let file = self.dir.path().join("plan.json");
        std::fs::write(&file, json.to_string())?;
        let mut all = vec![option, file.to_str().context("a path")?];
        all.extend(args);
        self.reassign(&all)
    }

    fn plan(&self, json: &Value, args: &[&str]) -> Result<Output> {
        self.with_file("--reassignment-json-file", json, args)
    }

    /// The throttles that are set: of brokers and of the topic.
    fn throttles(&self, topic: &str) -> Result<String> {
        let class = "org.apache.kafka.tools.ConfigCommand";
        let bootstrap = self.cluster.bootstrap();
        let mut found = String::new();
        for entity in [["topics", topic], ["brokers", "2"]] {
            let described = run(
                kafka(class)?
                    .args(["--bootstrap-server", &bootstrap, "--describe", "--entity-type", entity[0]])
                    .args(["--entity-name", entity[1]]),
                b"",
            )?
            .ok()?;
            found.extend(described.lines().filter(|line| line.contains("throttled")).map(|line| format!("{line}\n")));
        }
        Ok(found)
    }

    fn ongoing(&self) -> Result<BTreeMap<(String, i32), odradek_client::PartitionReassignment>> {
        Ok(self.runtime.block_on(self.admin.list_partition_reassignments(None))?)
    }

    fn wait_done(&self) -> Result<()> {
        wait::until("all is reassigned", Duration::from_secs(90), || {
            let ongoing = self.ongoing().map_err(|error| format!("{error:#}"))?;
            if ongoing.is_empty() { Ok(()) } else { Err(format!("{ongoing:?}")) }
        })
    }

    fn replicas(&self, topic: &str) -> Result<Vec<Vec<i32>>> {
        let described = self.runtime.block_on(self.admin.describe_topics(&[topic.to_owned()]))?;
        let topic = described.into_values().next().context("no answer")??;
        Ok(topic.partitions.into_iter().map(|partition| partition.replicas).collect())
    }
}

/// A process that does not outlive a test that failed.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

fn partition(topic: &str, partition: i32, replicas: &[i32]) -> Value {
    let dirs = vec!["any"; replicas.len()];
    json!({ "topic": topic, "partition": partition, "replicas": replicas, "log_dirs": dirs })
}

fn plan_of(partitions: &[Value]) -> Value {
    json!({ "version": 1, "partitions": partitions })
}

/// What the tool proposes, from what it prints.
fn proposed(output: &str) -> Result<Value> {
    let mut lines = output.lines().skip_while(|line| !line.starts_with("Proposed partition reassignment"));
    let json = lines.find(|line| line.starts_with('{')).with_context(|| format!("no proposal in {output}"))?;
    Ok(serde_json::from_str(json)?)
}

#[test]
fn a_topic_moves_under_load_and_keeps_every_record() -> Result<()> {
    let bench = Bench::start()?;
    let bootstrap = bench.cluster.bootstrap();
    bench.topics(&[
        "--create",
        "--topic",
        "moved",
        "--replica-assignment",
        "1:2:3,2:1:3,3:1:2,1:3:2",
        "--config",
        "min.insync.replicas=2",
    ])?;
    bench.cluster.wait_in_sync("moved")?;
    let before: String = (0..2000).map(|at| format!("before-{at}\n")).collect();
    run(kcat(&bootstrap).args(["-P", "-t", "moved", "-X", "acks=all"]), before.as_bytes())?.ok()?;

    let wanted = json!({ "version": 1, "topics": [{ "topic": "moved" }] });
    let out =
        bench.with_file("--topics-to-move-json-file", &wanted, &["--generate", "--broker-list", "2,3,4"])?.ok()?;
    let plan = proposed(&out)?;
    let targets = plan["partitions"].as_array().context("no partitions")?;
    ensure!(targets.len() == 4, "{plan}");

    // Unlike any other producer this one does not try again unless it is told to.
    let config = bench.dir.path().join("producer.properties");
    std::fs::write(&config, "retries=2147483647\nenable.idempotence=true\n")?;
    let producer = kafka("org.apache.kafka.tools.VerifiableProducer")?
        .args(["--bootstrap-server", &bootstrap, "--topic", "moved", "--max-messages", "5000"])
        .args(["--throughput", "500", "--acks", "-1", "--value-prefix", "7"])
        .arg("--command-config")
        .arg(&config)
        .stdout(Stdio::piped())
        .spawn()?;
    let mut producer = Ended(producer);
    let mut lines = BufReader::new(producer.0.stdout.take().context("no output")?).lines();
    let mut acknowledged = BTreeSet::new();
    let mut read = |until: usize, acknowledged: &mut BTreeSet<String>| -> Result<()> {
        while acknowledged.len() < until {
            let Some(line) = lines.next() else { break };
            let event: Value = serde_json::from_str(&line?)?;
            match event["name"].as_str() {
                Some("producer_send_success") => {
                    let value = event["value"].as_str().context("no value")?.to_owned();
                    ensure!(acknowledged.insert(value), "acknowledged twice: {event}");
                }
                Some("producer_send_error") => anyhow::bail!("{event}"),
                _ => {}
            }
        }
        Ok(())
    };
    read(500, &mut acknowledged)?;

    let out = bench.plan(&plan, &["--execute", "--throttle", "40000000"])?.ok()?;
    ensure!(out.contains("Successfully started partition reassignments for moved-0,moved-1,moved-2,moved-3"), "{out}");
    ensure!(out.contains("The inter-broker throttle limit was set to 40000000 B/s"), "{out}");
    let throttles = bench.throttles("moved")?;
    for key in ["leader.replication.throttled", "follower.replication.throttled"] {
        for of in ["rate=40000000", "replicas="] {
            ensure!(throttles.contains(&format!("{key}.{of}")), "no {key}.{of} in {throttles}");
        }
    }
    bench.wait_done()?;
    let out = bench.plan(&plan, &["--verify"])?.ok()?;
    ensure!(out.matches("is completed.").count() == 4, "{out}");
    ensure!(out.contains("Clearing broker-level throttles"), "{out}");
    ensure!(bench.throttles("moved")?.is_empty(), "throttles are left");

    read(5000, &mut acknowledged)?;
    ensure!(producer.0.wait()?.success() && acknowledged.len() == 5000, "{} acknowledged", acknowledged.len());
    let back = run(kcat(&bootstrap).args(["-C", "-t", "moved", "-o", "beginning", "-e", "-q"]), b"")?.ok()?;
    let mut found: BTreeMap<&str, usize> = BTreeMap::new();
    for line in back.lines() {
        *found.entry(line).or_default() += 1;
    }
    let expected = before.lines().chain(acknowledged.iter().map(String::as_str));
    for value in expected {
        ensure!(found.get(value) == Some(&1), "{value} is there {:?} times", found.get(value));
    }
    ensure!(found.len() == 7_000, "{} records", found.len());

    let replicas = bench.replicas("moved")?;
    for target in targets {
        let index = usize::try_from(target["partition"].as_i64().unwrap_or(-1))?;
        ensure!(json!(replicas[index]) == target["replicas"], "{replicas:?} for {target}");
    }
    ensure!(bench.topics(&["--describe", "--under-replicated-partitions"])?.trim().is_empty());
    // What left has no folder any more.
    let data = bench.cluster.brokers[0].dir.join("data");
    wait::until("the removed replicas' folders go", Duration::from_secs(30), || {
        let names = std::fs::read_dir(&data).map_err(|error| error.to_string())?.flatten();
        let left: Vec<_> =
            names.map(|entry| entry.file_name()).filter(|name| format!("{name:?}").contains("moved-")).collect();
        let kept: Vec<_> = left.iter().filter(|name| !format!("{name:?}").contains("-delete")).collect();
        if kept.is_empty() { Ok(()) } else { Err(format!("{left:?}")) }
    })
}

#[test]
fn what_is_under_way_is_shown_replaced_and_cancelled() -> Result<()> {
    let mut bench = Bench::start()?;
    bench.topics(&[
        "--create",
        "--topic",
        "held",
        "--replica-assignment",
        "1:2,2:1",
        "--config",
        "min.insync.replicas=1",
    ])?;
    let lines: String = (0..500).map(|at| format!("{at}\n")).collect();
    run(kcat(&bench.cluster.bootstrap()).args(["-P", "-t", "held", "-X", "acks=all"]), lines.as_bytes())?.ok()?;
    // The tool refuses a broker that is away; the controller takes it as Kafka's does, and waits for it.
    bench.cluster.brokers[3].kill()?;
    bench.cluster.wait_registered(3)?;
    let away = bench.plan(&plan_of(&[partition("held", 0, &[1, 4])]), &["--execute"])?;
    ensure!(!away.success && format!("{}{}", away.out, away.err).contains("Unknown broker id 4"), "{away:?}");
    ensure!(bench.ongoing()?.is_empty(), "something of what was refused is under way");
    let ask = |partition: i32, replicas: Option<&[i32]>| Reassignment {
        topic: "held".to_owned(),
        partition,
        replicas: replicas.map(<[i32]>::to_vec),
    };
    let alter = |wanted: &[Reassignment], may_change_factor: bool| {
        bench.runtime.block_on(bench.admin.alter_partition_reassignments(wanted, may_change_factor))
    };
    let done = alter(&[ask(0, Some(&[1, 4])), ask(1, Some(&[4, 1])), ask(2, Some(&[1]))], true)?;
    let code = |partition: i32| done[&("held".to_owned(), partition)].as_ref().map_or_else(|error| error.code, |()| 0);
    ensure!([code(0), code(1), code(2)] == [0, 0, KafkaError::UNKNOWN_TOPIC_OR_PARTITION], "{done:?}");
    for (replicas, error) in [
        (Some(&[1, 9][..]), KafkaError::INVALID_REPLICA_ASSIGNMENT),
        (Some(&[1, 1]), KafkaError::INVALID_REPLICA_ASSIGNMENT),
        (Some(&[]), KafkaError::INVALID_REPLICA_ASSIGNMENT),
    ] {
        let refused = alter(&[ask(0, replicas)], true)?.into_values().next().context("no answer")?;
        ensure!(
            refused.as_ref().is_err_and(|refused| refused.code == error && refused.message.is_some()),
            "{refused:?}"
        );
    }

    let list = bench.reassign(&["--list"])?.ok()?;
    ensure!(list.contains("held-0: replicas: 1,4,2. adding: 4. removing: 2."), "{list}");
    ensure!(list.contains("held-1: replicas: 4,1,2. adding: 4. removing: 2."), "{list}");
    ensure!(bench.at_controllers(&["--list"])?.ok()? == list, "the controllers list something else");
    let described = bench.topics(&["--describe", "--topic", "held"])?;
    ensure!(described.contains("Adding Replicas: 4") && described.contains("Removing Replicas: 2"), "{described}");
    let plan = plan_of(&[partition("held", 1, &[4, 1])]);
    let verify = bench.plan(&plan, &["--verify", "--preserve-throttles"])?.ok()?;
    ensure!(verify.contains("Reassignment of partition held-1 is still in progress."), "{verify}");

    let other = plan_of(&[partition("held", 0, &[3, 1])]);
    let refused = bench.plan(&other, &["--execute"])?;
    ensure!(format!("{}{}", refused.out, refused.err).contains("existing partition"), "{refused:?}");
    let three = plan_of(&[partition("held", 0, &[3, 1, 2])]);
    let refused = bench.plan(&three, &["--execute", "--additional", "--disallow-replication-factor-change"])?;
    let told = format!("{}{}", refused.out, refused.err);
    ensure!(told.contains("held-0: The replication factor is changed from 2 to 3"), "{told}");
    let out = bench.plan(&other, &["--execute", "--additional"])?.ok()?;
    ensure!(out.contains("Successfully started partition reassignment for held-0"), "{out}");

    // Without this the tool would ask the broker that is away to forget its throttle.
    let out = bench.plan(&plan, &["--cancel", "--preserve-throttles"])?.ok()?;
    ensure!(out.contains("Successfully cancelled partition reassignment for: held-1"), "{out}");
    bench.wait_done()?;
    let replicas = bench.replicas("held")?;
    ensure!(replicas[0] == [3, 1], "{replicas:?}");
    ensure!(replicas[1].iter().collect::<BTreeSet<_>>() == BTreeSet::from([&1, &2]), "{replicas:?}");
    let out = bench.plan(&plan, &["--cancel", "--preserve-throttles"])?.ok()?;
    ensure!(out.contains("None of the specified partition reassignments are active."), "{out}");
    let refused = alter(&[ask(1, None)], true)?.into_values().next().context("no answer")?;
    ensure!(refused.is_err_and(|error| error.code == KafkaError::NO_REASSIGNMENT_IN_PROGRESS));

    // At the controllers, which take the throttle of the broker that is away as well.
    ensure!(alter(&[ask(1, Some(&[4, 1]))], true)?.into_values().all(|result| result.is_ok()));
    let file = bench.dir.path().join("plan.json");
    let out = bench.at_controllers(&["--cancel", "--reassignment-json-file", &file.to_string_lossy()])?.ok()?;
    ensure!(out.contains("Successfully cancelled partition reassignment for: held-1"), "{out}");
    ensure!(out.contains("Clearing broker-level throttles on brokers 1,2,3,4"), "{out}");
    bench.wait_done()?;
    let unknown = run(
        kafka("org.apache.kafka.tools.ClusterTool")?.args([
            "unregister",
            "--bootstrap-controller",
            &bench.cluster.controllers,
            "--id",
            "99",
        ]),
        b"",
    )?;
    ensure!(!unknown.success && unknown.err.contains("Broker ID 99 is not currently registered"), "{unknown:?}");

    // One replica more, and back to the one that was away.
    let out = bench.plan(&three, &["--execute"])?.ok()?;
    ensure!(out.contains("Successfully started partition reassignment for held-0"), "{out}");
    bench.wait_done()?;
    ensure!(bench.replicas("held")?[0] == [3, 1, 2]);
    bench.cluster.restart(3)?;
    bench.cluster.wait_registered(4)?;
    let done = bench.runtime.block_on(bench.admin.alter_partition_reassignments(&[ask(0, Some(&[4]))], true))?;
    ensure!(done.into_values().all(|result| result.is_ok()));
    bench.wait_done()?;
    ensure!(bench.replicas("held")?[0] == [4]);
    let back =
        run(kcat(&bench.cluster.bootstrap()).args(["-C", "-t", "held", "-o", "beginning", "-e", "-q"]), b"")?.ok()?;
    let values: BTreeSet<&str> = back.lines().collect();
    ensure!(values.len() == 500 && back.lines().count() == 500, "{} records", back.lines().count());
    Ok(())
}
