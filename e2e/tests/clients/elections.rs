//! kafka-leader-election of Apache Kafka 4.4.0 with a file: preferred and unclean (M7).

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use odradek_client::Admin;
use odradek_e2e::process::{Cluster, admin};
use odradek_e2e::tools::{Output, kafka, kcat, run};
use odradek_e2e::wait;
use serde_json::json;

/// Only the tool elects: leaders do not go back by themselves.
const BY_HAND: &str = "auto.leader.rebalance.enable=false\nodradek.leader.return.delay.ms=3600000";

fn create(cluster: &Cluster, topic: &str, assignment: &str, config: &str) -> Result<()> {
    run(
        kafka("org.apache.kafka.tools.TopicCommand")?
            .args(["--bootstrap-server", &cluster.bootstrap(), "--create", "--topic", topic])
            .args(["--replica-assignment", assignment, "--config", config]),
        b"",
    )?
    .ok()
    .map(drop)
}

/// Elects for these partitions, named in a file.
fn elect(cluster: &Cluster, type_: &str, partitions: &[(&str, i32)]) -> Result<Output> {
    let partitions: Vec<_> =
        partitions.iter().map(|(topic, partition)| json!({ "topic": topic, "partition": partition })).collect();
    let file = cluster.brokers[0].dir.join("election.json");
    std::fs::write(&file, json!({ "partitions": partitions }).to_string())?;
    run(
        kafka("org.apache.kafka.tools.LeaderElectionCommand")?
            .args(["--bootstrap-server", &cluster.bootstrap(), "--election-type", type_, "--path-to-json-file"])
            .arg(file),
        b"",
    )
}

struct Leaders {
    admin: Admin,
    runtime: tokio::runtime::Runtime,
}

impl Leaders {
    fn of(cluster: &Cluster) -> Result<Leaders> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        Ok(Leaders { admin: admin(&cluster.bootstrap()), runtime })
    }

    fn now(&self, topic: &str) -> Result<Vec<Option<i32>>> {
        let described = self.runtime.block_on(self.admin.describe_topics(&[topic.to_owned()]))?;
        let topic = described.into_values().next().context("no answer")??;
        Ok(topic.partitions.iter().map(|partition| partition.leader).collect())
    }

    fn wait(&self, topic: &str, leaders: &[Option<i32>]) -> Result<()> {
        wait::until("the leaders are elected", Duration::from_secs(30), || {
            let found = self.now(topic).map_err(|error| format!("{error:#}"))?;
            if found == leaders { Ok(()) } else { Err(format!("{topic}: {found:?}")) }
        })
    }
}

#[test]
fn a_file_names_the_partitions_whose_preferred_leaders_come_back() -> Result<()> {
    let mut cluster = Cluster::start_with(3, |_, _| BY_HAND.to_owned())?;
    create(&cluster, "chosen", "1:2:3,1:2:3,1:2:3", "min.insync.replicas=1")?;
    cluster.wait_in_sync("chosen")?;
    let leaders = Leaders::of(&cluster)?;
    leaders.wait("chosen", &[Some(1); 3])?;
    cluster.brokers[0].stop()?;
    leaders.wait("chosen", &[Some(2); 3])?;

    // Its preferred leader is away: told for what it is, and nothing changes.
    let refused = elect(&cluster, "preferred", &[("chosen", 0)])?;
    ensure!(!refused.success, "an election of a broker that is away went well: {refused:?}");
    ensure!((refused.out + &refused.err).contains("PreferredLeaderNotAvailable"), "what is said does not name it");
    cluster.restart(0)?;
    cluster.wait_registered(3)?;
    cluster.wait_in_sync("chosen")?;
    leaders.wait("chosen", &[Some(2); 3])?;
    elect(&cluster, "preferred", &[("chosen", 0), ("chosen", 2)])?.ok()?;
    leaders.wait("chosen", &[Some(1), Some(2), Some(1)])?;

    let unknown = elect(&cluster, "preferred", &[("chosen", 7)])?;
    ensure!(!unknown.success, "a partition that is not there was elected for: {unknown:?}");
    Ok(())
}

#[test]
fn an_unclean_election_is_held_for_the_partitions_of_the_file_only() -> Result<()> {
    let mut cluster = Cluster::start_with(3, |_, _| BY_HAND.to_owned())?;
    let bootstrap = cluster.bootstrap();
    create(&cluster, "torn", "1:2,1:2", "min.insync.replicas=1")?;
    cluster.wait_in_sync("torn")?;
    run(kcat(&bootstrap).args(["-P", "-t", "torn", "-p", "0"]), b"kept\n")?.ok()?;
    cluster.brokers[1].kill()?;
    run(kcat(&bootstrap).args(["-P", "-t", "torn", "-p", "0"]), b"lost\n")?.ok()?;
    cluster.brokers[0].kill()?;
    // With two of three controllers gone nothing can be decided: the one comes back that lacks a record.
    cluster.restart(1)?;
    let leaders = Leaders::of(&cluster)?;
    leaders.wait("torn", &[None, None])?;
    let clean = elect(&cluster, "preferred", &[("torn", 0)])?;
    ensure!(!clean.success, "a clean election found a leader: {clean:?}");

    elect(&cluster, "unclean", &[("torn", 0)])?.ok()?;
    leaders.wait("torn", &[Some(2), None])?;
    let read = run(kcat(&bootstrap).args(["-C", "-t", "torn", "-p", "0", "-o", "beginning", "-e", "-q"]), b"")?.ok()?;
    ensure!(read == "kept\n", "{read:?}");
    // Told by the controller, which knows whom it passed over, and by the leader, which knows where its log ends.
    let output = cluster.brokers[1].output() + &cluster.brokers[2].output();
    let told = |words: &[&str]| output.lines().any(|line| words.iter().all(|word| line.contains(word)));
    ensure!(told(&["unclean leader election", "torn", "partition=0", "last_known_leader=\"1\""]), "{output}");
    ensure!(told(&["leading after an unclean election", "torn", "partition=0", "log_end_offset=1"]), "{output}");

    // The leader of before follows the new one, and what only it had is gone there too.
    cluster.restart(0)?;
    cluster.wait_in_sync("torn")?;
    leaders.wait("torn", &[Some(2), Some(1)])?;
    let read = run(kcat(&bootstrap).args(["-C", "-t", "torn", "-p", "0", "-o", "beginning", "-e", "-q"]), b"")?.ok()?;
    ensure!(read == "kept\n", "{read:?}");
    Ok(())
}
