//! M19: consumers that say where they are read from the replica that is near (KIP-392).

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use odradek_e2e::process::{Cluster, free_port, raw};
use odradek_e2e::tools::{kafka, kcat, run};
use odradek_e2e::wait;

const RECORDS: usize = 500;

/// A counter of `/metrics`.
fn counter(port: u16, name: &str) -> Result<u64> {
    let request = b"GET /metrics HTTP/1.1\r\nHost: broker\r\nConnection: close\r\n\r\n";
    let page = String::from_utf8(raw(port, request, usize::MAX)?)?;
    let line = page.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.with_context(|| format!("{name} is not in {page}"))?.trim().parse().context("no number")
}

#[test]
fn consumers_read_from_the_replica_in_their_rack_and_from_the_leader_when_it_is_gone() -> Result<()> {
    let http: Vec<u16> = (0..3).map(|_| free_port()).collect::<Result<_>>()?;
    let mut cluster = Cluster::start_with(3, |id, _| {
        format!(
            "replica.selector.class=org.apache.kafka.common.replica.RackAwareReplicaSelector\n\
             odradek.http.listener=127.0.0.1:{}",
            http[id - 1]
        )
    })?;
    let bootstrap = cluster.bootstrap();
    cluster.create("near", 1, &[])?;
    let leader = cluster.wait_in_sync("near")?;
    let near = (1..=3).find(|id| *id != leader).context("three brokers")?;
    let far = (1..=3).find(|id| *id != leader && *id != near).context("three brokers")?;
    let records: String = (0..RECORDS).map(|n| format!("record {n}\n")).collect();
    run(kcat(&bootstrap).args(["-P", "-t", "near"]), records.as_bytes())?.ok()?;
    let expected: Vec<&str> = records.lines().collect();
    let read_at = |id: i32| counter(http[id as usize - 1], "odradek_broker_follower_read_bytes_total");

    let rack = format!("client.rack=rack-{near}");
    let java = |bootstrap: &str| -> Result<String> {
        run(
            kafka("org.apache.kafka.tools.consumer.ConsoleConsumer")?
                .args(["--bootstrap-server", bootstrap, "--topic", "near", "--from-beginning"])
                .args(["--max-messages", &RECORDS.to_string(), "--timeout-ms", "30000"])
                .args(["--command-property", &rack]),
            b"",
        )?
        .ok()
    };
    let out = java(&bootstrap)?;
    ensure!(
        out.lines().eq(expected.iter().copied()),
        "the Java consumer got {} lines: {out:.300}",
        out.lines().count()
    );
    let by_java = read_at(near)?;
    ensure!(by_java as usize > records.len() / 2, "the Java consumer read {by_java} bytes from the near replica");

    let out =
        run(kcat(&bootstrap).args(["-C", "-t", "near", "-o", "beginning", "-e", "-q", "-X", &rack]), b"")?.ok()?;
    ensure!(out.lines().eq(expected.iter().copied()), "librdkafka's consumer got something else");
    ensure!(read_at(near)? > by_java, "librdkafka's consumer did not read from the near replica");
    ensure!(read_at(far)? == 0, "the replica in the third rack was asked");

    // Who does not say where it is, or is near the leader, reads from the leader.
    let before = read_at(near)?;
    let at_leader = format!("client.rack=rack-{leader}");
    for arguments in [vec![], vec!["-X", &at_leader]] {
        let mut command = kcat(&bootstrap);
        command.args(["-C", "-t", "near", "-o", "beginning", "-e", "-q"]).args(arguments);
        ensure!(run(&mut command, b"")?.ok()?.lines().count() == RECORDS);
    }
    ensure!(read_at(near)? == before, "a consumer of the leader's rack was sent away");

    // The near replica dies: its consumers go on with the leader.
    cluster.brokers[near as usize - 1].kill()?;
    let alive: Vec<String> = cluster
        .brokers
        .iter()
        .enumerate()
        .filter(|(at, _)| *at + 1 != near as usize)
        .map(|(_, broker)| format!("127.0.0.1:{}", broker.port))
        .collect();
    wait::until("consumers of its rack read from the leader", Duration::from_secs(60), || {
        let out = java(&alive.join(",")).map_err(|error| error.to_string())?;
        match out.lines().eq(expected.iter().copied()) {
            true => Ok(()),
            false => Err(format!("{} lines", out.lines().count())),
        }
    })?;
    Ok(())
}
