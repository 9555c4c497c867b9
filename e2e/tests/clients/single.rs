//! One process without any file: the quickest way to try the broker.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use odradek_e2e::process::{Broker, free_port};
use odradek_e2e::tools::{kafka, kcat, python, root, run};
use odradek_e2e::wait;

/// A process on free ports; everything else is the default without a file.
fn start() -> Result<(tempfile::TempDir, Broker, String)> {
    let dir = tempfile::tempdir()?;
    let (port, controller) = (free_port()?, free_port()?);
    let listeners = format!("listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}");
    let advertised = format!("advertised.listeners=PLAINTEXT://127.0.0.1:{port}");
    let voters = format!("controller.quorum.voters=1@127.0.0.1:{controller}");
    let mut broker =
        Broker::spawn(dir.path(), port, &["--override", &listeners, "--override", &advertised, "--override", &voters])?;
    broker.wait_listening()?;
    Ok((dir, broker, format!("127.0.0.1:{port}")))
}

#[test]
fn without_arguments_it_serves_on_9092_from_data() -> Result<()> {
    if std::net::TcpListener::bind("127.0.0.1:9092").is_err() {
        // Somebody else has the port: then there is nothing to see here, and the same defaults are tested below.
        eprintln!("port 9092 is taken; not tested here");
        return Ok(());
    }
    let dir = tempfile::tempdir()?;
    let mut broker = Broker::spawn(dir.path(), 9092, &[])?;
    broker.wait_listening()?;
    let listed = wait::until("kcat lists the broker", Duration::from_secs(20), || {
        let output = run(kcat("localhost:9092").arg("-L"), b"").map_err(|error| error.to_string())?;
        if output.out.contains("1 brokers:") { Ok(output.out) } else { Err(output.out + &output.err) }
    })?;
    ensure!(listed.contains("broker 1 at localhost:9092"), "{listed}");
    ensure!(dir.path().join("data").join("meta.properties").exists());
    let code = broker.stop()?;
    ensure!(code == Some(0), "exit code {code:?}: {}", broker.output());
    Ok(())
}

#[test]
fn topics_are_made_listed_described_grown_and_deleted_by_kafka_topics() -> Result<()> {
    let (_dir, _broker, bootstrap) = start()?;
    let topics = |arguments: &[&str]| -> Result<String> {
        run(
            kafka("org.apache.kafka.tools.TopicCommand")?.args(["--bootstrap-server", &bootstrap]).args(arguments),
            b"",
        )?
        .ok()
    };
    let created = topics(&["--create", "--topic", "orders", "--partitions", "3", "--config", "retention.ms=60000"])?;
    ensure!(created.contains("Created topic orders"), "{created}");
    ensure!(topics(&["--list"])?.lines().any(|line| line == "orders"));
    let described = topics(&["--describe", "--topic", "orders"])?;
    ensure!(described.contains("PartitionCount: 3"), "{described}");
    ensure!(described.contains("retention.ms=60000"), "{described}");
    ensure!(described.contains("Leader: 1"), "{described}");
    topics(&["--alter", "--topic", "orders", "--partitions", "5"])?;
    ensure!(topics(&["--describe", "--topic", "orders"])?.contains("PartitionCount: 5"));
    let fewer = run(
        kafka("org.apache.kafka.tools.TopicCommand")?.args([
            "--bootstrap-server",
            &bootstrap,
            "--alter",
            "--topic",
            "orders",
            "--partitions",
            "2",
        ]),
        b"",
    )?;
    ensure!(!fewer.success, "fewer partitions must be refused: {}", fewer.out);
    topics(&["--delete", "--topic", "orders"])?;
    ensure!(!topics(&["--list"])?.lines().any(|line| line == "orders"));
    Ok(())
}

#[test]
fn the_console_tools_produce_and_consume_in_every_compression() -> Result<()> {
    let (dir, mut broker, bootstrap) = start()?;
    let mut sent = BTreeSet::new();
    for codec in ["none", "gzip", "snappy", "lz4", "zstd"] {
        let lines: Vec<String> = (0..20).map(|at| format!("{codec}-key-{at}:{codec}-value-{at}")).collect();
        run(
            kafka("org.apache.kafka.tools.ConsoleProducer")?
                .args(["--bootstrap-server", &bootstrap, "--topic", "console", "--compression-codec", codec])
                .args(["--property", "parse.key=true", "--property", "key.separator=:"]),
            lines.join("\n").as_bytes(),
        )?
        .ok()
        .with_context(|| codec.to_owned())?;
        sent.extend(lines);
    }
    let consumed = run(
        kafka("org.apache.kafka.tools.consumer.ConsoleConsumer")?
            .args(["--bootstrap-server", &bootstrap, "--topic", "console", "--from-beginning"])
            .args(["--max-messages", "100", "--timeout-ms", "30000"])
            .args(["--property", "print.key=true", "--property", "key.separator=:"]),
        b"",
    )?
    .ok()?;
    let got: BTreeSet<String> = consumed.lines().filter(|line| line.contains("-key-")).map(str::to_owned).collect();
    ensure!(got == sent, "sent {} lines, got {}", sent.len(), got.len());

    // Kafka's own dump tool reads the folder (M13), once the broker has stopped.
    broker.stop()?;
    let segment = dir.path().join("data/console-0/00000000000000000000.log");
    let dumped = run(
        kafka("org.apache.kafka.tools.DumpLogSegments")?.arg("--deep-iteration").arg("--files").arg(&segment),
        b"",
    )?
    .ok()?;
    ensure!(dumped.matches("| offset:").count() == 100, "{dumped}");
    Ok(())
}

#[test]
fn kcat_and_kafka_python_agree_with_each_other() -> Result<()> {
    let (_dir, _broker, bootstrap) = start()?;
    let lines: Vec<String> = (0..500).map(|at| format!("k{}:kcat {at}", at % 7)).collect();
    run(
        kcat(&bootstrap).args(["-P", "-t", "mixed", "-K", ":", "-X", "acks=all", "-X", "enable.idempotence=true"]),
        (lines.join("\n") + "\n").as_bytes(),
    )?
    .ok()?;
    let script = root().join("e2e/tests/clients/python_client.py");
    let out = run(python()?.arg(&script).args([&bootstrap, "mixed"]), b"")?.ok()?;
    ensure!(out.contains("consumed 1000"), "{out}");
    let back =
        run(kcat(&bootstrap).args(["-C", "-t", "mixed", "-o", "beginning", "-e", "-q", "-K", ":"]), b"")?.ok()?;
    ensure!(back.lines().filter(|line| line.contains(":kcat ")).count() == 500);
    ensure!(back.lines().filter(|line| line.contains(":python ")).count() == 500, "{}", back.lines().count());
    Ok(())
}

#[test]
fn what_was_produced_is_there_after_a_kill_and_a_stop() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let (port, controller) = (free_port()?, free_port()?);
    let listeners = format!("listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}");
    let voters = format!("controller.quorum.voters=1@127.0.0.1:{controller}");
    let arguments = ["--override", listeners.as_str(), "--override", voters.as_str()];
    let bootstrap = format!("127.0.0.1:{port}");
    for round in 1..=3 {
        let mut broker = Broker::spawn(dir.path(), port, &arguments)?;
        broker.wait_listening()?;
        wait::until("the records of all rounds", Duration::from_secs(30), || {
            let lines: String = (0..100).map(|at| format!("round {round} {at}\n")).collect();
            run(kcat(&bootstrap).args(["-P", "-t", "kept", "-X", "acks=all"]), lines.as_bytes())
                .and_then(odradek_e2e::tools::Output::ok)
                .map_err(|error| format!("{error:#}"))
        })?;
        let back = run(kcat(&bootstrap).args(["-C", "-t", "kept", "-o", "beginning", "-e", "-q"]), b"")?.ok()?;
        ensure!(back.lines().count() == 100 * round, "round {round}: {} lines", back.lines().count());
        if round == 1 {
            broker.kill()?;
        } else {
            ensure!(broker.stop()? == Some(0), "{}", broker.output());
        }
    }
    Ok(())
}

#[test]
fn groups_are_listed_and_described_by_kafka_consumer_groups() -> Result<()> {
    let (_dir, _broker, bootstrap) = start()?;
    let lines: String = (0..50).map(|at| format!("{at}\n")).collect();
    run(kcat(&bootstrap).args(["-P", "-t", "lagging"]), lines.as_bytes())?.ok()?;
    run(
        kafka("org.apache.kafka.tools.consumer.ConsoleConsumer")?
            .args(["--bootstrap-server", &bootstrap, "--topic", "lagging", "--from-beginning"])
            .args(["--max-messages", "20", "--timeout-ms", "30000", "--group", "readers"])
            .args(["--consumer-property", "max.poll.records=20"]),
        b"",
    )?
    .ok()?;
    let groups = |arguments: &[&str]| -> Result<String> {
        run(
            kafka("org.apache.kafka.tools.consumer.group.ConsumerGroupCommand")?
                .args(["--bootstrap-server", &bootstrap])
                .args(arguments),
            b"",
        )?
        .ok()
    };
    ensure!(groups(&["--list"])?.lines().any(|line| line == "readers"));
    let described = groups(&["--describe", "--group", "readers"])?;
    let row = described.lines().find(|line| line.contains("lagging")).context("no row")?;
    let columns: Vec<&str> = row.split_whitespace().collect();
    ensure!(columns[3..6] == ["20", "50", "30"], "{described}");
    groups(&["--delete", "--group", "readers"])?;
    ensure!(!groups(&["--list"])?.lines().any(|line| line == "readers"));
    run(
        kafka("org.apache.kafka.tools.ConfigCommand")?
            .args(["--bootstrap-server", &bootstrap, "--entity-type", "topics", "--entity-name", "lagging"])
            .args(["--alter", "--add-config", "retention.ms=12345"]),
        b"",
    )?
    .ok()?;
    let configs = run(
        kafka("org.apache.kafka.tools.ConfigCommand")?.args([
            "--bootstrap-server",
            &bootstrap,
            "--entity-type",
            "topics",
            "--entity-name",
            "lagging",
            "--describe",
        ]),
        b"",
    )?
    .ok()?;
    ensure!(configs.contains("retention.ms=12345"), "{configs}");
    Ok(())
}
