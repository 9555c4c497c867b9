//! The controllers' quorum of real processes, with `kafka-metadata-quorum` unmodified: voters are added and taken out
//! while topics are made and records written, a controller loses its disk, and two of three do.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use odradek_client::{Admin, QuorumDescription};
use odradek_e2e::process::{Broker, admin, create, free_port};
use odradek_e2e::tools::{kafka, run};
use odradek_e2e::wait;
use odradek_log::meta::uuid_text;

const CLUSTER: &str = "cXVvcnVtLWNsdXN0ZXItMQ";

/// Controllers of their own, and a broker that only knows where to ask for them.
struct Quorum {
    controllers: Vec<Option<Broker>>,
    ports: Vec<u16>,
    broker: Option<Broker>,
    broker_port: u16,
    /// Our own client, of the broker: what is waited for is asked for often, and Kafka's tools start slowly.
    admin: Admin,
    runtime: tokio::runtime::Runtime,
    dir: tempfile::TempDir,
}

impl Quorum {
    /// Controllers 1 to `voters` form the quorum; up to five ports are taken for those that come later.
    fn start(voters: usize) -> Result<Quorum> {
        let dir = tempfile::tempdir()?;
        let ports: Vec<u16> = (0..5).map(|_| free_port()).collect::<Result<_>>()?;
        let broker_port = free_port()?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let admin = admin(&format!("127.0.0.1:{broker_port}"));
        let controllers = (0..5).map(|_| None).collect();
        let mut quorum = Quorum { controllers, ports, broker: None, broker_port, admin, runtime, dir };
        for id in 1..=voters {
            quorum.configure(id, Some(voters), false)?;
            quorum.start_controller(id)?;
        }
        for id in 1..=voters {
            quorum.controllers[id - 1].as_mut().context("it was started")?.wait_listening()?;
        }
        let home = quorum.dir.path().join("broker");
        fs::create_dir_all(&home)?;
        let text = format!(
            "process.roles=broker\nnode.id=100\nlisteners=PLAINTEXT://127.0.0.1:{broker_port}\n\
             controller.listener.names=CONTROLLER\n\
             listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT\n\
             controller.quorum.bootstrap.servers=127.0.0.1:{}\nlog.dirs={}\nodradek.cluster.id={CLUSTER}\n",
            quorum.ports[0],
            home.join("data").display()
        );
        fs::write(home.join("server.properties"), text)?;
        let mut broker = Broker::spawn(&home, broker_port, &["--config", "server.properties"])?;
        broker.wait_listening()?;
        quorum.broker = Some(broker);
        Ok(quorum)
    }

    fn home(&self, id: usize) -> PathBuf {
        self.dir.path().join(format!("controller-{id}"))
    }

    /// With `voters` it is one of those who form the quorum; without, it joins the one that is there.
    fn configure(&self, id: usize, voters: Option<usize>, auto_join: bool) -> Result<()> {
        let home = self.home(id);
        fs::create_dir_all(&home)?;
        let quorum = match voters {
            Some(many) => {
                let all: Vec<_> =
                    (1..=many).map(|voter| format!("{voter}@127.0.0.1:{}", self.ports[voter - 1])).collect();
                format!("controller.quorum.voters={}", all.join(","))
            }
            None => {
                let all: Vec<_> = self.ports.iter().map(|port| format!("127.0.0.1:{port}")).collect();
                format!("controller.quorum.bootstrap.servers={}", all.join(","))
            }
        };
        let text = format!(
            "process.roles=controller\nnode.id={id}\nlisteners=CONTROLLER://127.0.0.1:{}\n\
             controller.listener.names=CONTROLLER\nlistener.security.protocol.map=CONTROLLER:PLAINTEXT\n{quorum}\n\
             controller.quorum.auto.join.enable={auto_join}\nlog.dirs={}\nodradek.cluster.id={CLUSTER}\n",
            self.ports[id - 1],
            home.join("data").display()
        );
        fs::write(home.join("server.properties"), text)?;
        Ok(())
    }

    fn start_controller(&mut self, id: usize) -> Result<()> {
        let started = Broker::spawn(&self.home(id), self.ports[id - 1], &["--config", "server.properties"])?;
        self.controllers[id - 1] = Some(started);
        Ok(())
    }

    fn kill(&mut self, id: usize) -> Result<()> {
        self.controllers[id - 1].take().context("it runs")?.kill()
    }

    fn broker(&self) -> String {
        format!("127.0.0.1:{}", self.broker_port)
    }

    fn tool(&self, arguments: &[&str]) -> Result<odradek_e2e::tools::Output> {
        run(kafka("org.apache.kafka.tools.MetadataQuorumCommand")?.args(arguments), b"")
    }

    /// What the broker says of the quorum.
    fn describe(&self) -> Result<QuorumDescription> {
        Ok(self.runtime.block_on(self.admin.describe_quorum())?)
    }

    fn leader(&self) -> Result<usize> {
        wait::until("a controller is active", Duration::from_secs(30), || {
            let leader = self.describe().map_err(|error| error.to_string())?.leader;
            leader.and_then(|id| usize::try_from(id).ok()).ok_or_else(|| "none".to_owned())
        })
    }

    /// What `describe --status` says of the voters, asked of the broker.
    fn told_voters(&self, ids: &[usize]) -> Result<()> {
        let status = self.tool(&["--bootstrap-server", &self.broker(), "describe", "--status"])?.ok()?;
        let line = status.lines().find(|line| line.starts_with("CurrentVoters:")).context("voters")?;
        ensure!(line.matches("\"id\":").count() == ids.len(), "{status}");
        for id in ids {
            let voter = format!("\"id\": {id}, \"directoryId\": \"{}\"", self.directory(*id)?);
            ensure!(line.contains(&voter), "{voter} is not in {status}");
        }
        let leader = format!("LeaderId: {}", self.leader()?);
        let told = status.lines().any(|line| line.split_whitespace().eq(leader.split_whitespace()));
        ensure!(told, "not {leader} in {status}");
        Ok(())
    }

    fn directory(&self, id: usize) -> Result<String> {
        let meta = fs::read_to_string(self.home(id).join("data/meta.properties"))?;
        let line = meta.lines().find_map(|line| line.strip_prefix("directory.id=")).context("directory.id")?;
        Ok(line.to_owned())
    }

    fn wait_observer(&self, id: usize) -> Result<()> {
        wait::until("the controller observes", Duration::from_secs(30), || {
            let quorum = self.describe().map_err(|error| error.to_string())?;
            let observes = quorum.observers.iter().any(|observer| usize::try_from(observer.id) == Ok(id));
            let formatted = self.home(id).join("data/meta.properties").exists();
            if observes && formatted { Ok(()) } else { Err(format!("{quorum:?}")) }
        })
    }

    fn wait_voters(&self, ids: &[usize]) -> Result<()> {
        wait::until("the voters are those", Duration::from_secs(40), || {
            let quorum = self.describe().map_err(|error| error.to_string())?;
            let mut wanted = Vec::new();
            for id in ids {
                wanted.push((id.to_string(), self.directory(*id).map_err(|error| error.to_string())?));
            }
            let voters = quorum.voters.iter();
            let found: Vec<_> = voters.map(|voter| (voter.id.to_string(), uuid_text(voter.directory_id))).collect();
            if found == wanted { Ok(()) } else { Err(format!("{found:?}, not {wanted:?}")) }
        })
        .with_context(|| self.outputs())
    }

    /// The last lines that every process printed.
    fn outputs(&self) -> String {
        let processes = self.controllers.iter().chain([&self.broker]).flatten();
        let last = |output: String| {
            let lines: Vec<_> = output.lines().rev().take(30).map(str::to_owned).collect();
            lines.into_iter().rev().collect::<Vec<_>>().join("\n")
        };
        processes.map(|process| format!("--- {}\n{}\n", process.dir.display(), last(process.output()))).collect()
    }

    fn add(&mut self, id: usize) -> Result<()> {
        self.configure(id, None, false)?;
        self.start_controller(id)?;
        self.wait_observer(id)?;
        let properties = self.home(id).join("server.properties");
        let broker = self.broker();
        let file = properties.to_string_lossy();
        let out = self.tool(&["--command-config", &file, "--bootstrap-server", &broker, "add-controller"])?.ok()?;
        ensure!(out.contains(&format!("Added controller {id}")), "{out}");
        Ok(())
    }

    fn remove(&self, id: usize) -> Result<()> {
        let directory = self.directory(id)?;
        let broker = self.broker();
        let id = id.to_string();
        self.tool(&[
            "--bootstrap-server",
            &broker,
            "remove-controller",
            "--controller-id",
            &id,
            "--controller-directory-id",
            &directory,
        ])?
        .ok()?;
        Ok(())
    }

    /// A topic is made and takes a record: the active controller decides, and the broker follows it.
    fn works(&self, topic: &str) -> Result<()> {
        let broker = self.broker();
        create(&broker, topic, 2, &[])?;
        let produced = run(odradek_e2e::tools::kcat(&broker).args(["-P", "-t", topic, "-X", "acks=all"]), b"one\n")?;
        ensure!(produced.success, "{}", produced.err);
        Ok(())
    }
}

#[test]
fn one_controller_becomes_three_and_five_and_goes_back_by_kafka_metadata_quorum() -> Result<()> {
    let mut quorum = Quorum::start(1)?;
    quorum.works("alone")?;
    for id in 2..=5 {
        quorum.add(id)?;
        quorum.works(&format!("voters-{id}"))?;
    }
    quorum.wait_voters(&[1, 2, 3, 4, 5])?;
    quorum.told_voters(&[1, 2, 3, 4, 5])?;
    // Who is a voter already is not added again.
    let file = quorum.home(5).join("server.properties");
    let broker = quorum.broker();
    let again =
        quorum.tool(&["--command-config", &file.to_string_lossy(), "--bootstrap-server", &broker, "add-controller"])?;
    ensure!(!again.success && again.err.contains("already part of the set of voters"), "{} {}", again.out, again.err);
    // The controllers' own listener answers the same tool, also one that does not lead.
    let any = format!("127.0.0.1:{}", quorum.ports[4]);
    let described = quorum.tool(&["--bootstrap-controller", &any, "describe", "--status"])?.ok()?;
    ensure!(described.contains(CLUSTER) && described.contains("MaxFollowerLag"), "{described}");
    let replication =
        quorum.tool(&["--bootstrap-controller", &any, "describe", "--replication", "--human-readable"])?.ok()?;
    ensure!(replication.matches("Follower").count() == 4 && replication.contains("Leader"), "{replication}");
    let broker_observes =
        replication.lines().any(|line| line.split_whitespace().next() == Some("100") && line.contains("Observer"));
    ensure!(broker_observes, "{replication}");
    // Two of five are killed.
    let leader = quorum.leader()?;
    let other = (1..=5).find(|id| *id != leader).context("another")?;
    quorum.kill(leader)?;
    quorum.kill(other)?;
    quorum.works("two-are-gone")?;
    for id in [leader, other] {
        quorum.start_controller(id)?;
        quorum.controllers[id - 1].as_mut().context("it was started")?.wait_listening()?;
    }
    // And back: first the active one, which hands over.
    let mut left: Vec<usize> = (1..=5).collect();
    while left.len() > 1 {
        let leader = quorum.leader()?;
        quorum.remove(leader)?;
        left.retain(|id| *id != leader);
        quorum.wait_voters(&left)?;
        quorum.kill(leader)?;
        quorum.works(&format!("left-{}", left.len()))?;
    }
    quorum.told_voters(&left)
}

#[test]
fn a_controller_that_lost_its_disk_takes_its_place_again_with_auto_join() -> Result<()> {
    let mut quorum = Quorum::start(3)?;
    quorum.works("before")?;
    quorum.wait_voters(&[1, 2, 3])?;
    let lost = quorum.leader()?;
    quorum.kill(lost)?;
    fs::remove_dir_all(quorum.home(lost).join("data"))?;
    quorum.configure(lost, Some(3), true)?;
    quorum.start_controller(lost)?;
    quorum.works("meanwhile")?;
    quorum.wait_voters(&[1, 2, 3])?;
    quorum.works("after")
}

#[test]
fn a_lost_quorum_comes_back_with_what_one_disk_holds() -> Result<()> {
    let mut quorum = Quorum::start(3)?;
    quorum.works("kept")?;
    let broker = quorum.broker();
    let recover = |home: &Path, arguments: &[&str]| -> Result<odradek_e2e::tools::Output> {
        let mut command = std::process::Command::new(odradek_e2e::process::binary());
        command.args(["recover-quorum", "--config", "server.properties"]).args(arguments).current_dir(home);
        run(&mut command, b"")
    };
    let running = recover(&quorum.home(1), &["--force-standalone"])?;
    ensure!(!running.success && running.err.contains(".lock"), "it runs: {} {}", running.out, running.err);
    for id in 1..=3 {
        quorum.kill(id)?;
        if id > 1 {
            fs::remove_dir_all(quorum.home(id).join("data"))?;
        }
    }
    let asked = recover(&quorum.home(1), &[])?;
    ensure!(!asked.success && asked.out.contains("LOST") && asked.out.contains("Nothing was changed"), "{asked:?}");
    let nothing = recover(&quorum.home(2), &["--force-standalone"])?;
    ensure!(!nothing.success && nothing.err.contains("no metadata to go on with"), "{nothing:?}");
    let done = recover(&quorum.home(1), &["--force-standalone"])?;
    ensure!(done.success && done.out.contains("1 topics") && done.out.contains("only voter"), "{done:?}");
    quorum.start_controller(1)?;
    quorum.works("after")?;
    for id in 2..=3 {
        quorum.configure(id, None, true)?;
        quorum.start_controller(id)?;
    }
    quorum.wait_voters(&[1, 2, 3])?;
    let read = run(odradek_e2e::tools::kcat(&broker).args(["-C", "-t", "kept", "-o", "beginning", "-e", "-q"]), b"")?;
    ensure!(read.out == "one\n", "what was written before is there: {read:?}");
    let leader = quorum.leader()?;
    quorum.kill(leader)?;
    quorum.works("without-the-leader")
}
