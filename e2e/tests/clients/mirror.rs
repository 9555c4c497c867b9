//! Two clusters, the second a mirror of the first: MirrorMaker 2 copies records, settings, partitions and the offsets
//! of groups.

use std::fs::{self, File};
use std::process::{Child, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use odradek_e2e::process::Cluster;
use odradek_e2e::tools::{kafka, kcat, mirror_maker, run};
use odradek_e2e::wait;

/// Every topic that it makes has one replica here; it looks every second where it would every minute, and for plugins
/// where they say that they are, not in every class.
const PROPERTIES: &str = "clusters=east,west
east->west.enabled=true
east->west.topics=orders
west->east.enabled=false
replication.factor=1
checkpoints.topic.replication.factor=1
heartbeats.topic.replication.factor=1
offset-syncs.topic.replication.factor=1
offset.storage.replication.factor=1
status.storage.replication.factor=1
config.storage.replication.factor=1
sync.topic.acls.enabled=false
sync.group.offsets.enabled=true
sync.group.offsets.interval.seconds=1
emit.checkpoints.interval.seconds=1
refresh.topics.interval.seconds=1
refresh.groups.interval.seconds=1
sync.topic.configs.interval.seconds=1
offset.lag.max=0
plugin.discovery=service_load
";

struct Mirror(Child);

impl Drop for Mirror {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

fn records(bootstrap: &str, topic: &str) -> Result<Vec<String>> {
    let out = run(kcat(bootstrap).args(["-C", "-t", topic, "-o", "beginning", "-e", "-q", "-f", "%p %k %s\\n"]), b"")?;
    let mut lines: Vec<String> = out.ok()?.lines().map(str::to_owned).collect();
    lines.sort();
    Ok(lines)
}

fn produce(bootstrap: &str, numbers: std::ops::Range<usize>) -> Result<()> {
    let lines: String = numbers.map(|at| format!("k{at}:{at}\n")).collect();
    run(kcat(bootstrap).args(["-P", "-t", "orders", "-K", ":", "-X", "acks=all"]), lines.as_bytes())?.ok()?;
    Ok(())
}

fn topics(bootstrap: &str, arguments: &[&str]) -> Result<String> {
    run(kafka("org.apache.kafka.tools.TopicCommand")?.args(["--bootstrap-server", bootstrap]).args(arguments), b"")?
        .ok()
}

#[test]
fn mirror_maker_copies_records_settings_partitions_and_group_offsets() -> Result<()> {
    let (east, west) = (Cluster::start(1)?, Cluster::start(1)?);
    let (from, to) = (east.bootstrap(), west.bootstrap());
    let create = ["--create", "--topic", "orders", "--partitions", "3", "--config", "retention.ms=3600000"];
    topics(&from, &create)?;
    produce(&from, 0..2000)?;

    let dir = tempfile::tempdir()?;
    let config = dir.path().join("mirror.properties");
    fs::write(&config, format!("{PROPERTIES}east.bootstrap.servers={from}\nwest.bootstrap.servers={to}\n"))?;
    let output = dir.path().join("output");
    let file = File::create(&output)?;
    let child = mirror_maker()?.arg(&config).stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file).spawn()?;
    let _mirror = Mirror(child);
    let said = || fs::read_to_string(&output).unwrap_or_default();
    let same = |within: u64| {
        wait::until("the mirror has the same records", Duration::from_secs(within), || {
            let wanted = records(&from, "orders").map_err(|error| format!("{error:#}"))?;
            let found = records(&to, "east.orders").map_err(|error| format!("{error:#}"))?;
            if wanted == found { Ok(()) } else { Err(format!("{} of {}", found.len(), wanted.len())) }
        })
        .with_context(said)
    };
    same(120)?;

    // A group that read everything is at the end of the mirror too; what comes later is found there by partition.
    let read = run(
        kafka("org.apache.kafka.tools.consumer.ConsoleConsumer")?
            .args(["--bootstrap-server", &from, "--topic", "orders", "--group", "readers"])
            .args(["--from-beginning", "--max-messages", "2000", "--timeout-ms", "60000"]),
        b"",
    )?
    .ok()?;
    ensure!(read.lines().count() == 2000, "{} records read", read.lines().count());
    wait::until("the group's offsets are in the mirror", Duration::from_secs(60), || {
        let described = kafka("org.apache.kafka.tools.consumer.group.ConsumerGroupCommand")
            .and_then(|mut tool| {
                run(tool.args(["--bootstrap-server", &to, "--describe", "--group", "readers"]), b"")?.ok()
            })
            .map_err(|error| format!("{error:#}"))?;
        let rows = described.lines().filter(|line| line.contains("east.orders")).count();
        if rows == 3 { Ok(()) } else { Err(described) }
    })
    .with_context(said)?;

    topics(&from, &["--alter", "--topic", "orders", "--partitions", "5"])?;
    wait::until("the mirror has the new partitions", Duration::from_secs(60), || {
        let described = topics(&to, &["--describe", "--topic", "east.orders"]).map_err(|error| format!("{error:#}"))?;
        let grown = described.contains("PartitionCount: 5") && described.contains("retention.ms=3600000");
        if grown { Ok(()) } else { Err(described) }
    })
    .with_context(said)?;
    produce(&from, 2000..3000)?;
    same(60)?;
    ensure!(records(&to, "east.orders")?.len() == 3000);
    Ok(())
}
