//! Bad input gets a clear answer, and the broker goes on serving the others.

use std::fs;
use std::time::Duration;

use anyhow::{Result, ensure};
use odradek_e2e::process::{Broker, Cluster, free_port, raw};
use odradek_e2e::tools::{kcat, run};

fn refused(arguments: &[&str], properties: &str, say: &[&str]) -> Result<()> {
    let dir = tempfile::tempdir()?;
    fs::write(dir.path().join("server.properties"), properties)?;
    let mut all = vec!["--config", "server.properties"];
    all.extend(arguments);
    let mut broker = Broker::spawn(dir.path(), 0, &all)?;
    let code = broker.wait_end(Duration::from_secs(20))?;
    let output = broker.output();
    ensure!(code == Some(2), "exit code {code:?}, not 2: {output}");
    for word in say {
        ensure!(output.contains(word), "{word:?} is not in: {output}");
    }
    Ok(())
}

#[test]
fn a_configuration_that_cannot_work_ends_the_start_with_exit_code_2() -> Result<()> {
    refused(&[], "node.id=x\n", &["node.id", "x"])?;
    refused(&[], "log.segment.bytes=-5\n", &["log.segment.bytes", "-5"])?;
    refused(&["--override", "min.insync.replicas=0"], "", &["min.insync.replicas"])?;
    refused(&[], "zookeeper.connect=localhost:2181\n", &["zookeeper.connect", "controller.quorum"])?;
    Ok(())
}

#[test]
fn an_unknown_key_is_a_warning() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let (port, controller) = (free_port()?, free_port()?);
    fs::write(
        dir.path().join("server.properties"),
        format!(
            "no.such.key=1\nprocess.roles=broker,controller\nnode.id=1\ncontroller.listener.names=CONTROLLER\n\
             listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}\n\
             controller.quorum.voters=1@127.0.0.1:{controller}\nlog.dirs=data\n"
        ),
    )?;
    let mut broker = Broker::spawn(dir.path(), port, &["--config", "server.properties"])?;
    broker.wait_listening()?;
    ensure!(broker.output().contains("no.such.key"), "{}", broker.output());

    // The folder belongs to a cluster now; another one's broker does not touch it.
    broker.stop()?;
    let mut other = Broker::spawn(
        dir.path(),
        port,
        &["--config", "server.properties", "--override", "odradek.cluster.id=b3RoZXItY2x1c3Rlci0wMQ"],
    )?;
    let code = other.wait_end(Duration::from_secs(20))?;
    ensure!(code == Some(2), "exit code {code:?}: {}", other.output());
    ensure!(other.output().contains("b3RoZXItY2x1c3Rlci0wMQ"), "{}", other.output());
    Ok(())
}

#[test]
fn broken_frames_close_their_connection_only() -> Result<()> {
    let mut cluster = Cluster::start(1)?;
    let port = cluster.brokers[0].port;
    let bootstrap = cluster.bootstrap();
    // Oversized (2 GiB), negative, cut, an API that nobody has, a version that nobody has, noise.
    let unknown_api = [0, 0, 0, 14, 0x7f, 0, 0, 0, 0, 0, 0, 1, 0, 4, b't', b'e', b's', b't'];
    let unknown_version = [0, 0, 0, 14, 0, 3, 0x7f, 0, 0, 0, 0, 1, 0, 4, b't', b'e', b's', b't'];
    let frames: [&[u8]; 6] = [
        &[0x7f, 0xff, 0xff, 0xff, 1, 2, 3],
        &[0xff, 0xff, 0xff, 0xff],
        &[0, 0, 0, 3, 0, 3, 0],
        &unknown_api,
        &unknown_version,
        b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
    ];
    for frame in frames {
        let answer = raw(port, frame, 1)?;
        ensure!(answer.is_empty(), "{frame:?} was answered with {answer:?}");
    }
    // ApiVersions in a version that is too new is answered in version 0 with error 35 (KIP-511).
    let too_new = [0, 0, 0, 14, 0, 18, 0x7f, 0, 0, 0, 0, 9, 0, 4, b't', b'e', b's', b't'];
    let answer = raw(port, &too_new, 10)?;
    ensure!(answer.len() >= 10 && answer[4..8] == [0, 0, 0, 9] && answer[8..10] == [0, 35], "{answer:?}");
    let listed = run(kcat(&bootstrap).arg("-L"), b"")?.ok()?;
    ensure!(listed.contains("1 brokers:"), "{listed}");
    ensure!(cluster.brokers[0].stop()? == Some(0));
    Ok(())
}

#[test]
fn a_batch_with_a_bad_checksum_is_refused_with_corrupt_message() -> Result<()> {
    let cluster = Cluster::start(1)?;
    let bootstrap = cluster.bootstrap();
    cluster.create("t", 1, &[])?;
    cluster.wait_in_sync("t")?;
    // Produce version 3: no transactional id, acks 1, 1 s, topic t, partition 0, one batch with a checksum of 0.
    let mut batch = vec![0; 8];
    let rest: &[u8] = &[
        0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff,
        0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 1, 14, 0, 0, 0, 1, 2, b'v', 0,
    ];
    batch.extend(u32::try_from(rest.len())?.to_be_bytes());
    batch.extend(rest);
    let mut body = vec![0, 0, 0, 3, 0, 0, 0, 7, 0, 1, b'x', 0xff, 0xff, 0, 1, 0, 0, 3, 0xe8, 0, 0, 0, 1, 0, 1, b't'];
    body.extend([0, 0, 0, 1, 0, 0, 0, 0]);
    body.extend(u32::try_from(batch.len())?.to_be_bytes());
    body.extend(&batch);
    let mut frame = u32::try_from(body.len())?.to_be_bytes().to_vec();
    frame.extend(body);
    // Length, correlation id, one topic, "t", one partition, its number, its error.
    let answer = raw(cluster.brokers[0].port, &frame, 25)?;
    ensure!(answer.len() >= 25, "{answer:?}");
    ensure!(answer[23..25] == [0, 2], "error {:?}, not CORRUPT_MESSAGE (2)", &answer[23..25]);
    let listed = run(kcat(&bootstrap).arg("-L"), b"")?.ok()?;
    ensure!(listed.contains("1 brokers:"), "{listed}");
    Ok(())
}

#[test]
fn a_second_broker_with_the_same_id_is_refused() -> Result<()> {
    let cluster = Cluster::start(1)?;
    let first = fs::read_to_string(cluster.brokers[0].dir.join("server.properties"))?;
    let voters = first.lines().find(|line| line.starts_with("controller.quorum.voters=")).unwrap_or_default();
    let dir = tempfile::tempdir()?;
    let port = free_port()?;
    fs::write(
        dir.path().join("server.properties"),
        format!(
            "process.roles=broker\nnode.id=1\nlisteners=PLAINTEXT://127.0.0.1:{port}\n{}\n\
             controller.listener.names=CONTROLLER\nlistener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT\n\
             log.dirs=data\ninitial.broker.registration.timeout.ms=3000\n",
            voters.replace("1@", "7@")
        ),
    )?;
    let mut second = Broker::spawn(dir.path(), port, &["--config", "server.properties"])?;
    let code = second.wait_end(Duration::from_secs(30))?;
    ensure!(code == Some(2), "exit code {code:?}: {}", second.output());
    ensure!(second.output().contains("broker id 1") || second.output().contains("broker 1"), "{}", second.output());
    let listed = run(kcat(&cluster.bootstrap()).arg("-L"), b"")?.ok()?;
    ensure!(listed.contains("1 brokers:"), "{listed}");
    Ok(())
}
