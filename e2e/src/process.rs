//! Broker processes on loopback.

use std::fmt::Write as _;
use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::wait;

/// The broker's binary: `ODRADEK_BROKER`, else what cargo built beside this test.
#[must_use]
pub fn binary() -> PathBuf {
    std::env::var_os("ODRADEK_BROKER").map_or_else(|| built("odradek-broker"), PathBuf::from)
}

/// The binary of the release before: `ODRADEK_BROKER_PREVIOUS`, else what cargo built beside this test.
#[must_use]
pub fn previous_binary() -> PathBuf {
    std::env::var_os("ODRADEK_BROKER_PREVIOUS").map_or_else(|| built("odradek-broker-previous"), PathBuf::from)
}

fn built(name: &str) -> PathBuf {
    let mut path = std::env::current_exe().unwrap_or_default();
    path.pop();
    path.pop();
    path.join(name)
}

/// Ports for servers that stop and start again: below those that the system gives to outgoing connections, one of
/// which could otherwise sit on the port of a server that is away for a moment.
const PORTS: std::ops::Range<u16> = 12_000..29_000;

/// A port that was free a moment ago, and that this process gives to nobody else before all others had their turn.
///
/// # Errors
/// The system has none.
pub fn free_port() -> Result<u16> {
    static TURN: AtomicU16 = AtomicU16::new(0);
    let many = PORTS.end - PORTS.start;
    // Processes that run side by side begin at different places.
    let begin = u16::try_from(std::process::id().wrapping_mul(0x9e37_79b1) % u32::from(many))?;
    for _ in 0..many {
        let turn = TURN.fetch_add(1, Ordering::Relaxed);
        let port = PORTS.start + (begin + turn % many) % many;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return Ok(port);
        }
    }
    bail!("no port from {} to {} is free on 127.0.0.1", PORTS.start, PORTS.end - 1)
}

/// A broker process, ended with the value.
#[derive(Debug)]
pub struct Broker {
    child: Child,
    /// Its folder: configuration, data and output.
    pub dir: PathBuf,
    /// Where clients connect.
    pub port: u16,
}

impl Broker {
    /// Starts the binary with arguments in `dir`; its output goes to `dir/output`.
    ///
    /// # Errors
    /// The binary is not there.
    pub fn spawn(dir: &Path, port: u16, arguments: &[&str]) -> Result<Broker> {
        Broker::spawn_as(&binary(), dir, port, arguments)
    }

    /// The same with a binary of one's choice.
    ///
    /// # Errors
    /// The binary is not there.
    pub fn spawn_as(binary: &Path, dir: &Path, port: u16, arguments: &[&str]) -> Result<Broker> {
        fs::create_dir_all(dir)?;
        let output = fs::OpenOptions::new().create(true).append(true).open(dir.join("output"))?;
        let child = Command::new(binary)
            .args(arguments)
            .current_dir(dir)
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .spawn()
            .with_context(|| format!("{} does not start: build it first", binary.display()))?;
        Ok(Broker { child, dir: dir.to_owned(), port })
    }

    /// Waits until it listens.
    ///
    /// # Errors
    /// It ended, or did not listen in time; its output is in the error.
    pub fn wait_listening(&mut self) -> Result<()> {
        let address = format!("127.0.0.1:{}", self.port);
        let child = &mut self.child;
        wait::until("the broker listens", Duration::from_secs(30), || {
            if let Ok(Some(status)) = child.try_wait() {
                return Err(format!("it ended with {status}"));
            }
            TcpStream::connect(&address).map(|_| ()).map_err(|error| error.to_string())
        })
        .with_context(|| self.output())
    }

    /// What it printed.
    #[must_use]
    pub fn output(&self) -> String {
        fs::read_to_string(self.dir.join("output")).unwrap_or_default()
    }

    /// SIGKILL.
    ///
    /// # Errors
    /// The process cannot be ended.
    pub fn kill(&mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// SIGTERM, and the exit code.
    ///
    /// # Errors
    /// It does not end within 40 s.
    pub fn stop(&mut self) -> Result<Option<i32>> {
        Command::new("kill").arg(self.child.id().to_string()).status()?;
        self.wait_end(Duration::from_secs(40))
    }

    /// Waits for its end, and gives the exit code.
    ///
    /// # Errors
    /// It does not end in time.
    pub fn wait_end(&mut self, within: Duration) -> Result<Option<i32>> {
        let child = &mut self.child;
        wait::until("the broker ends", within, || match child.try_wait() {
            Ok(Some(status)) => Ok(status.code()),
            Ok(None) => Err("it still runs".to_owned()),
            Err(error) => Err(error.to_string()),
        })
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        if self.child.try_wait().ok().flatten().is_none() {
            drop(self.kill());
        }
        if std::thread::panicking() {
            let output = self.output();
            let tail: Vec<&str> = output.lines().rev().take(40).collect();
            eprintln!("--- {} (last lines)", self.dir.display());
            for line in tail.iter().rev() {
                eprintln!("{line}");
            }
        }
    }
}

/// Some brokers that are controllers too.
#[derive(Debug)]
pub struct Cluster {
    /// By `node.id - 1`.
    pub brokers: Vec<Broker>,
    /// For `--bootstrap-controller`.
    pub controllers: String,
    _dir: tempfile::TempDir,
}

impl Cluster {
    /// Starts `many` processes with the roles broker and controller and waits until all are registered.
    ///
    /// # Errors
    /// One does not come up.
    pub fn start(many: usize) -> Result<Cluster> {
        Cluster::start_with(many, |_, _| String::new())
    }

    /// The same, with more lines of server.properties for each: by its `node.id` and its folder.
    ///
    /// # Errors
    /// One does not come up.
    pub fn start_with(many: usize, lines: impl Fn(usize, &Path) -> String) -> Result<Cluster> {
        Cluster::start_as(&binary(), many, lines)
    }

    /// The same with a binary of one's choice.
    ///
    /// # Errors
    /// One does not come up.
    pub fn start_as(binary: &Path, many: usize, lines: impl Fn(usize, &Path) -> String) -> Result<Cluster> {
        let dir = tempfile::tempdir()?;
        let ports: Vec<(u16, u16)> = (0..many).map(|_| Ok((free_port()?, free_port()?))).collect::<Result<_>>()?;
        let voters: Vec<String> =
            ports.iter().enumerate().map(|(at, (_, port))| format!("{}@127.0.0.1:{port}", at + 1)).collect();
        let mut brokers = Vec::new();
        for (at, (port, controller_port)) in ports.iter().enumerate() {
            let id = at + 1;
            let home = dir.path().join(format!("broker-{id}"));
            fs::create_dir_all(&home)?;
            let mut text = String::new();
            writeln!(text, "process.roles=broker,controller\nnode.id={id}\nbroker.rack=rack-{id}")?;
            writeln!(text, "listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port}")?;
            writeln!(text, "advertised.listeners=PLAINTEXT://127.0.0.1:{port}")?;
            writeln!(text, "listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT")?;
            writeln!(text, "controller.listener.names=CONTROLLER\ncontroller.quorum.voters={}", voters.join(","))?;
            writeln!(text, "log.dirs={}", home.join("data").display())?;
            writeln!(text, "odradek.cluster.id=ZTJlLWNsdXN0ZXItMDAwMQ\nauto.create.topics.enable=false")?;
            writeln!(text, "default.replication.factor={many}\nmin.insync.replicas={}", (many - 1).max(1))?;
            writeln!(text, "offsets.topic.replication.factor={many}\noffsets.topic.num.partitions=6")?;
            writeln!(text, "group.initial.rebalance.delay.ms=0")?;
            // Who was killed is missed sooner than after the default of 9 s.
            writeln!(text, "broker.session.timeout.ms=4000\nbroker.heartbeat.interval.ms=500")?;
            let more = lines(id, &home);
            // A key that is given twice is refused: what is said here counts.
            let key = |line: &str| line.split_once('=').map(|(key, _)| key.to_owned());
            let given: Vec<_> = more.lines().filter_map(key).collect();
            let mut text: String = text
                .lines()
                .filter(|line| !key(line).is_some_and(|key| given.contains(&key)))
                .collect::<Vec<_>>()
                .join("\n");
            writeln!(text, "\n{more}")?;
            fs::write(home.join("server.properties"), text)?;
            brokers.push(Broker::spawn_as(binary, &home, *port, &["--config", "server.properties"])?);
        }
        let controllers: Vec<String> = ports.iter().map(|(_, port)| format!("127.0.0.1:{port}")).collect();
        let mut cluster = Cluster { brokers, controllers: controllers.join(","), _dir: dir };
        for broker in &mut cluster.brokers {
            broker.wait_listening()?;
        }
        cluster.wait_registered(many)?;
        Ok(cluster)
    }

    /// For `--bootstrap-server`.
    #[must_use]
    pub fn bootstrap(&self) -> String {
        let all: Vec<String> = self.brokers.iter().map(|broker| format!("127.0.0.1:{}", broker.port)).collect();
        all.join(",")
    }

    /// Creates a topic with our own client, for tests of something else than the tools; as many replicas as the brokers
    /// say.
    ///
    /// # Errors
    /// The cluster does not take it within 30 s.
    pub fn create(&self, topic: &str, partitions: i32, configs: &[(&str, &str)]) -> Result<()> {
        create(&self.bootstrap(), topic, partitions, configs)
    }

    /// Starts a process that ended, over the same folder.
    ///
    /// # Errors
    /// It does not listen.
    pub fn restart(&mut self, at: usize) -> Result<()> {
        self.restart_as(at, &binary())
    }

    /// The same with a binary of one's choice.
    ///
    /// # Errors
    /// It does not listen.
    pub fn restart_as(&mut self, at: usize, binary: &Path) -> Result<()> {
        let (dir, port) = (self.brokers[at].dir.clone(), self.brokers[at].port);
        self.brokers[at] = Broker::spawn_as(binary, &dir, port, &["--config", "server.properties"])?;
        self.brokers[at].wait_listening()
    }

    /// Waits until that many brokers are alive.
    ///
    /// # Errors
    /// They are not within 60 s.
    pub fn wait_registered(&self, many: usize) -> Result<()> {
        let admin = admin(&self.bootstrap());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        wait::until("the brokers are registered", Duration::from_secs(60), || {
            let cluster = runtime.block_on(admin.describe_cluster()).map_err(|error| error.to_string())?;
            let alive = cluster.brokers.iter().filter(|broker| !broker.fenced).count();
            if alive == many { Ok(()) } else { Err(format!("{alive} of {many}")) }
        })
        .with_context(|| self.outputs())
    }

    /// Waits until every replica of a topic is in sync, and gives the leader of partition 0.
    ///
    /// # Errors
    /// They are not within 60 s.
    pub fn wait_in_sync(&self, topic: &str) -> Result<i32> {
        let admin = admin(&self.bootstrap());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        wait::until("all replicas are in sync", Duration::from_secs(60), || {
            let topics =
                runtime.block_on(admin.describe_topics(&[topic.to_owned()])).map_err(|error| error.to_string())?;
            let topic = topics.into_values().next().ok_or("no answer")?.map_err(|error| error.to_string())?;
            for partition in &topic.partitions {
                if partition.isr.len() < partition.replicas.len() || partition.leader.is_none() {
                    return Err(format!("{partition:?}"));
                }
            }
            topic.partitions.first().and_then(|partition| partition.leader).ok_or("no partition".to_owned())
        })
        .with_context(|| self.outputs())
    }

    fn outputs(&self) -> String {
        self.brokers.iter().map(|broker| format!("--- {}\n{}", broker.dir.display(), broker.output())).collect()
    }
}

/// Our own client.
#[must_use]
pub fn admin(bootstrap: &str) -> odradek_client::Admin {
    odradek_client::Admin::new(odradek_client::ClientConfig {
        bootstrap: bootstrap.split(',').map(str::to_owned).collect(),
        client_id: "e2e".to_owned(),
        ..odradek_client::ClientConfig::default()
    })
}

/// Creates a topic with our own client; as many replicas as the brokers say.
///
/// # Errors
/// The cluster does not take it within 30 s.
pub fn create(bootstrap: &str, topic: &str, partitions: i32, configs: &[(&str, &str)]) -> Result<()> {
    let configs = configs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    let wanted = odradek_client::NewTopic { name: topic.to_owned(), partitions, replication_factor: -1, configs };
    let (admin, runtime) = (admin(bootstrap), tokio::runtime::Builder::new_current_thread().enable_all().build()?);
    let mut asked = false;
    wait::until("the topic is created", Duration::from_secs(30), || {
        let again = std::mem::replace(&mut asked, true);
        let answer = runtime.block_on(admin.create_topics(std::slice::from_ref(&wanted), false));
        match answer.map_err(|error| error.to_string())?.into_values().next() {
            // An answer that did not come in time said so.
            Some(Err(error)) if again && error.name == "TOPIC_ALREADY_EXISTS" => Ok(()),
            Some(created) => created.map(drop).map_err(|error| error.to_string()),
            None => Err("no answer".to_owned()),
        }
    })
    .with_context(|| format!("topic {topic}"))
}

/// Sends raw bytes to a broker and reads until it closes or `enough` bytes came.
///
/// # Errors
/// No connection.
pub fn raw(port: u16, bytes: &[u8], enough: usize) -> Result<Vec<u8>> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    stream.write_all(bytes)?;
    let mut answer = Vec::new();
    let mut part = [0u8; 4096];
    while answer.len() < enough {
        match stream.read(&mut part) {
            Ok(0) => break,
            Ok(many) => answer.extend_from_slice(&part[..many]),
            // The peer closed with bytes of ours unread.
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => break,
            Err(error) => bail!("after {} bytes: {error}", answer.len()),
        }
    }
    Ok(answer)
}
