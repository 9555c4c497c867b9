//! Replicas that move between the log directories of one broker, with Kafka's own tools.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use odradek_e2e::process::{Broker, create, free_port};
use odradek_e2e::tools::{kafka, kcat, run};
use odradek_e2e::wait;

#[test]
fn kafka_reassign_partitions_moves_a_replica_to_another_log_directory() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let (port, controller) = (free_port()?, free_port()?);
    let dirs = [dir.path().join("first"), dir.path().join("second")];
    let overrides = [
        format!("listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}"),
        format!("advertised.listeners=PLAINTEXT://127.0.0.1:{port}"),
        format!("controller.quorum.voters=1@127.0.0.1:{controller}"),
        format!("log.dirs={},{}", dirs[0].display(), dirs[1].display()),
    ];
    let arguments: Vec<&str> = overrides.iter().flat_map(|text| ["--override", text.as_str()]).collect();
    let mut broker = Broker::spawn(dir.path(), port, &arguments)?;
    broker.wait_listening()?;
    let bootstrap = format!("127.0.0.1:{port}");
    let tool = |class: &str, arguments: &[&str]| -> Result<String> {
        run(kafka(class)?.args(["--bootstrap-server", &bootstrap]).args(arguments), b"")?.ok()
    };
    create(&bootstrap, "moved", 1, &[])?;
    let produce = |from: usize| -> Result<()> {
        let lines: String = (from..from + 2000).map(|at| format!("k{at}:{at}\n")).collect();
        run(kcat(&bootstrap).args(["-P", "-t", "moved", "-K", ":", "-X", "acks=all"]), lines.as_bytes())?.ok()?;
        Ok(())
    };
    produce(0)?;

    let home = usize::from(dirs[1].join("moved-0").is_dir());
    let (from, to) = (&dirs[home], &dirs[1 - home]);
    ensure!(from.join("moved-0").is_dir(), "the topic is in none of {dirs:?}");
    let plan = dir.path().join("plan.json");
    fs::write(
        &plan,
        format!(
            r#"{{"version":1,"partitions":[{{"topic":"moved","partition":0,"replicas":[1],"log_dirs":["{}"]}}]}}"#,
            to.display()
        ),
    )?;
    let plan = plan.to_str().context("no path")?;
    let reassign = "org.apache.kafka.tools.reassign.ReassignPartitionsCommand";
    let file = ["--reassignment-json-file", plan];
    let throttle = ["--execute", "--replica-alter-log-dirs-throttle", "100000000"];
    let executed = tool(reassign, &[&file[..], &throttle[..]].concat())?;
    ensure!(executed.contains("Successfully started moving log directory to"), "{executed}");
    produce(2000)?;
    wait::until("the move is over", Duration::from_secs(60), || {
        let said = tool(reassign, &[&file[..], &["--verify"]].concat()).map_err(|error| format!("{error:#}"))?;
        if said.contains("Reassignment of replica moved-0-1 completed successfully") { Ok(()) } else { Err(said) }
    })
    .with_context(|| broker.output())?;
    let described = tool("org.apache.kafka.tools.LogDirsCommand", &["--describe", "--topic-list", "moved"])?;
    ensure!(described.contains(r#""isFuture":false"#) && !described.contains(r#""isFuture":true"#), "{described}");
    ensure!(to.join("moved-0").is_dir() && !from.join("moved-0").exists(), "the folder did not move");

    // All of it is there, now and after a kill.
    let read = || -> Result<usize> {
        let out = run(kcat(&bootstrap).args(["-C", "-t", "moved", "-o", "beginning", "-e", "-q"]), b"")?.ok()?;
        Ok(out.lines().map(str::to_owned).collect::<std::collections::BTreeSet<_>>().len())
    };
    ensure!(read()? == 4000, "{} records", read()?);
    broker.kill()?;
    let mut broker = Broker::spawn(dir.path(), port, &arguments)?;
    broker.wait_listening()?;
    wait::until("everything is there after a kill", Duration::from_secs(30), || match read() {
        Ok(4000) => Ok(()),
        other => Err(format!("{other:?}")),
    })
    .with_context(|| broker.output())
}
