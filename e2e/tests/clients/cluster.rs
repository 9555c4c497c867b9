//! Three processes, replication factor 3: nothing acknowledged is lost when a leader is killed.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use odradek_e2e::process::Cluster;
use odradek_e2e::tools::{kafka, kcat, run};
use odradek_e2e::wait;

/// Kafka's own verifiable producer says of each value whether it was acknowledged, and where.
#[test]
fn a_killed_leader_loses_nothing_that_was_acknowledged() -> Result<()> {
    let mut cluster = Cluster::start(3)?;
    cluster.create("verified", 3, &[])?;
    let leader = cluster.wait_in_sync("verified")?;
    let bootstrap = cluster.bootstrap();
    // Unlike any other producer this one does not try again unless it is told to.
    let config = cluster.brokers[0].dir.join("producer.properties");
    std::fs::write(&config, "retries=2147483647\nenable.idempotence=true\n")?;
    let mut producer = kafka("org.apache.kafka.tools.VerifiableProducer")?
        .args(["--bootstrap-server", &bootstrap, "--topic", "verified", "--max-messages", "6000"])
        .args(["--throughput", "600", "--acks", "-1", "--command-config"])
        .arg(&config)
        .stdout(Stdio::piped())
        .spawn()?;
    let mut acknowledged: BTreeMap<(i64, i64), String> = BTreeMap::new();
    let mut killed = false;
    let lines = BufReader::new(producer.stdout.take().context("no output")?).lines();
    for line in lines {
        let event: serde_json::Value = serde_json::from_str(&line?)?;
        match event["name"].as_str() {
            Some("producer_send_success") => {
                let at = (event["partition"].as_i64().unwrap_or(-1), event["offset"].as_i64().unwrap_or(-1));
                let value = event["value"].as_str().unwrap_or_default().to_owned();
                ensure!(acknowledged.insert(at, value).is_none(), "two records were acknowledged at {at:?}");
            }
            Some("producer_send_error") => anyhow::bail!("{event}"),
            _ => {}
        }
        if acknowledged.len() >= 1500 && !killed {
            killed = true;
            cluster.brokers[usize::try_from(leader - 1)?].kill()?;
        }
    }
    ensure!(producer.wait()?.success(), "the producer failed");
    ensure!(killed && acknowledged.len() == 6000, "{} of 6000 acknowledged", acknowledged.len());

    // While it is down: everything is there, once, at its offset.
    let check = |bootstrap: &str| -> Result<()> {
        let out = run(
            kcat(bootstrap).args(["-C", "-t", "verified", "-o", "beginning", "-e", "-q", "-f", "%p %o %s\\n"]),
            b"",
        )?
        .ok()?;
        let mut found = BTreeMap::new();
        for line in out.lines() {
            let mut words = line.split(' ');
            let mut number = || words.next().and_then(|word| word.parse::<i64>().ok()).context("no number");
            let at = (number()?, number()?);
            found.insert(at, words.next().unwrap_or_default().to_owned());
        }
        ensure!(found == acknowledged, "{} records found, {} acknowledged", found.len(), acknowledged.len());
        let values: BTreeSet<&String> = found.values().collect();
        ensure!(values.len() == found.len(), "a value is there twice");
        Ok(())
    };
    check(&bootstrap)?;

    // Back, it catches up, and is counted again.
    cluster.restart(usize::try_from(leader - 1)?)?;
    cluster.wait_in_sync("verified")?;
    check(&bootstrap)
}

#[test]
fn all_killed_at_once_come_back_with_everything() -> Result<()> {
    let mut cluster = Cluster::start(3)?;
    cluster.create("kept", 4, &[])?;
    cluster.wait_in_sync("kept")?;
    let lines: String = (0..2000).map(|at| format!("k{at}:{at}\n")).collect();
    run(
        kcat(&cluster.bootstrap()).args([
            "-P",
            "-t",
            "kept",
            "-K",
            ":",
            "-X",
            "acks=all",
            "-X",
            "enable.idempotence=true",
        ]),
        lines.as_bytes(),
    )?
    .ok()?;
    for broker in &mut cluster.brokers {
        broker.kill()?;
    }
    for at in 0..3 {
        cluster.restart(at)?;
    }
    cluster.wait_registered(3)?;
    cluster.wait_in_sync("kept")?;
    let back = run(kcat(&cluster.bootstrap()).args(["-C", "-t", "kept", "-o", "beginning", "-e", "-q"]), b"")?.ok()?;
    let values: BTreeSet<&str> = back.lines().collect();
    ensure!(values.len() == 2000 && back.lines().count() == 2000, "{} lines", back.lines().count());
    Ok(())
}

#[test]
fn groups_share_partitions_and_keep_their_offsets_through_a_killed_coordinator() -> Result<()> {
    let mut cluster = Cluster::start(3)?;
    cluster.create("shared", 6, &[])?;
    cluster.wait_in_sync("shared")?;
    let bootstrap = cluster.bootstrap();
    let produce = |from: usize| -> Result<()> {
        let lines: String = (from..from + 300).map(|at| format!("k{at}:{at}\n")).collect();
        run(kcat(&bootstrap).args(["-P", "-t", "shared", "-K", ":", "-X", "acks=all"]), lines.as_bytes())?.ok()?;
        Ok(())
    };
    let consume = || -> Result<Vec<String>> {
        let out = run(
            kafka("org.apache.kafka.tools.consumer.ConsoleConsumer")?
                .args(["--bootstrap-server", &bootstrap, "--topic", "shared", "--group", "readers"])
                .args(["--from-beginning", "--max-messages", "300", "--timeout-ms", "60000"]),
            b"",
        )?
        .ok()?;
        Ok(out.lines().map(str::to_owned).collect())
    };
    produce(0)?;
    let first: BTreeSet<String> = consume()?.into_iter().collect();
    ensure!(first.len() == 300, "{} of 300", first.len());

    // The coordinator goes; what was committed is known to the next one.
    let state = run(
        kafka("org.apache.kafka.tools.consumer.group.ConsumerGroupCommand")?.args([
            "--bootstrap-server",
            &bootstrap,
            "--describe",
            "--group",
            "readers",
            "--state",
        ]),
        b"",
    )?
    .ok()?;
    let coordinator: usize = state
        .lines()
        .find(|line| line.starts_with("readers"))
        .and_then(|row| row.split('(').nth(1))
        .and_then(|rest| rest.split(')').next())
        .and_then(|id| id.trim().parse().ok())
        .with_context(|| format!("no coordinator in {state}"))?;
    cluster.brokers[coordinator - 1].kill()?;
    wait::until("the next 300 are produced", Duration::from_secs(60), || produce(300).map_err(|e| format!("{e:#}")))?;
    let second: BTreeSet<String> = consume()?.into_iter().collect();
    ensure!(second.is_disjoint(&first), "records were consumed twice by the group");
    Ok(())
}
