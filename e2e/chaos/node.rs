//! One process, with what can be done to it.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use odradek_e2e::process::binary;

use crate::volume::Volume;

/// A process that got SIGTERM is to end within this time: the hand-over of leaders is bounded by 20 s.
const STOPS_WITHIN: Duration = Duration::from_secs(40);

/// One process.
#[derive(Debug)]
pub struct Node {
    /// Its number, from 0; `node.id` is one more.
    pub number: usize,
    home: PathBuf,
    host: String,
    port: u16,
    /// It has the role.
    pub is_broker: bool,
    child: Option<Child>,
    /// Since when it is expected to end in order.
    pub stopping: Option<Instant>,
    /// SIGSTOP is in force.
    pub paused: bool,
    volume: Option<Volume>,
    /// Until when a full disk is an excuse; none while it is not filled.
    full_until: Option<Instant>,
    launched: Instant,
}

impl Node {
    /// One that was not started yet.
    pub fn new(number: usize, home: PathBuf, host: String, port: u16, is_broker: bool, volume: Option<Volume>) -> Node {
        Node {
            number,
            home,
            host,
            port,
            is_broker,
            child: None,
            stopping: None,
            paused: false,
            volume,
            full_until: None,
            launched: Instant::now(),
        }
    }

    /// Writes its configuration.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn configure(&self, controller: Option<u16>, voters: &[String]) -> Result<()> {
        Ok(fs::write(self.home.join("server.properties"), self.properties(controller, voters)?)?)
    }

    fn properties(&self, controller: Option<u16>, voters: &[String]) -> Result<String> {
        let (host, port) = (&self.host, self.port);
        let mut text = String::new();
        let (mut roles, mut listeners) = (Vec::new(), Vec::new());
        if self.is_broker {
            roles.push("broker");
            listeners.push(format!("PLAINTEXT://{host}:{port}"));
            writeln!(text, "advertised.listeners=PLAINTEXT://{host}:{port}")?;
        }
        if let Some(controller) = controller {
            roles.push("controller");
            listeners.push(format!("CONTROLLER://{host}:{controller}"));
        }
        let data = self.volume.as_ref().map_or_else(|| self.home.join("data"), Volume::data);
        writeln!(text, "process.roles={}\nnode.id={}", roles.join(","), self.number + 1)?;
        writeln!(text, "listeners={}", listeners.join(","))?;
        writeln!(text, "listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT")?;
        writeln!(text, "controller.listener.names=CONTROLLER\ncontroller.quorum.voters={}", voters.join(","))?;
        writeln!(text, "log.dirs={}\nodradek.cluster.id=Y2hhb3MtY2x1c3Rlci0wMQ", data.display())?;
        writeln!(text, "auto.create.topics.enable=false\ndefault.replication.factor=3\nmin.insync.replicas=2")?;
        writeln!(text, "offsets.topic.replication.factor=3")?;
        Ok(text)
    }

    /// `host:port` for clients.
    pub fn address(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }

    /// Starts it, with some words before the command, and a library that shifts its clock.
    ///
    /// # Errors
    /// The binary is not there.
    pub fn launch(&mut self, prefix: &[String], faketime: Option<&Path>) -> Result<()> {
        let output = fs::OpenOptions::new().create(true).append(true).open(self.home.join("output"))?;
        // Whatever becomes of this test, its processes end with it.
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "--"]).args(prefix);
        if let Some(library) = faketime {
            let clock = self.home.join("clock");
            if !clock.exists() {
                self.set_clock(0)?;
            }
            command.arg("env").arg(format!("LD_PRELOAD={}", library.display()));
            command.arg(format!("FAKETIME_TIMESTAMP_FILE={}", clock.display()));
            command.args(["FAKETIME_CACHE_DURATION=1", "FAKETIME_DONT_FAKE_MONOTONIC=1", "DONT_FAKE_MONOTONIC=1"]);
        }
        let child = command
            .arg(binary())
            .args(["--config", "server.properties"])
            .current_dir(&self.home)
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .spawn()
            .with_context(|| format!("{} does not start: build it first", binary().display()))?;
        (self.child, self.stopping, self.paused, self.launched) = (Some(child), None, false, Instant::now());
        Ok(())
    }

    /// Whether there is a process, paused or not.
    pub fn runs(&self) -> bool {
        self.child.is_some()
    }

    /// SIGKILL, whatever it is doing.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            // It may have ended by itself.
            drop(child.kill());
            drop(child.wait());
        }
        (self.stopping, self.paused) = (None, false);
    }

    /// Another signal, by name.
    ///
    /// # Errors
    /// There is no process.
    pub fn signal(&mut self, name: &str) -> Result<()> {
        let Some(child) = &self.child else { bail!("node {} does not run", self.number + 1) };
        let status = Command::new("kill").args(["-s", name, &child.id().to_string()]).status()?;
        match name {
            "STOP" => self.paused = true,
            "CONT" => self.paused = false,
            "TERM" => self.stopping = Some(Instant::now()),
            _ => {}
        }
        if status.success() { Ok(()) } else { bail!("kill -s {name} failed") }
    }

    /// Fills its volume.
    ///
    /// # Errors
    /// It has none, or the free space cannot be read.
    pub fn fill(&mut self, long: Duration) -> Result<()> {
        self.volume.as_ref().context("no volume")?.fill()?;
        self.full_until = Some(Instant::now() + long + Duration::from_secs(5));
        Ok(())
    }

    /// Gives the space back.
    ///
    /// # Errors
    /// The ballast cannot be removed.
    pub fn free(&self) -> Result<()> {
        self.volume.as_ref().map_or(Ok(()), Volume::free)
    }

    /// What is wrong with it: it ended although nobody asked it to, or does not end although somebody did.
    pub fn surprise(&mut self) -> Option<String> {
        let id = self.number + 1;
        let full = self.is_full();
        match self.child.as_mut()?.try_wait() {
            Ok(Some(status)) => {
                let asked = self.stopping.is_some() && status.success();
                self.child = None;
                if status.code() == Some(1) && full {
                    // A controller that cannot write its metadata log ends, as in Kafka, and is started again by
                    // whoever looks after processes: here it is this test.
                    self.stopping = Some(Instant::now());
                    return None;
                }
                (!asked).then(|| format!("node {id} ended by itself: {status}"))
            }
            Ok(None) if self.stopping.is_some_and(|since| since.elapsed() > STOPS_WITHIN) => {
                self.kill();
                Some(format!("node {id} did not end within {STOPS_WITHIN:?} of SIGTERM"))
            }
            Ok(None) => None,
            Err(error) => Some(format!("node {id}: {error}")),
        }
    }

    fn is_full(&self) -> bool {
        self.full_until.is_some_and(|until| Instant::now() < until)
    }

    /// Whether it ended in order, or with an excuse, and is to be started again.
    pub fn is_to_start(&self) -> bool {
        let patient = !self.is_full() || self.launched.elapsed() > Duration::from_secs(1);
        self.child.is_none() && self.stopping.is_some() && patient
    }

    /// Shifts the clock by seconds; the process sees it within a second.
    ///
    /// # Errors
    /// The file that says so cannot be written.
    pub fn set_clock(&self, by: i64) -> Result<()> {
        // In one piece: the library may read at any moment.
        fs::write(self.home.join("clock.next"), format!("{by:+}\n"))?;
        fs::rename(self.home.join("clock.next"), self.home.join("clock"))?;
        Ok(())
    }

    /// The bytes of a partition's segments, one after the other; `None` when there is no replica here.
    ///
    /// # Errors
    /// A file cannot be read.
    pub fn log(&self, folder: &str) -> Result<Option<Vec<u8>>> {
        let data = self.volume.as_ref().map_or_else(|| self.home.join("data"), Volume::data).join(folder);
        if !data.exists() {
            return Ok(None);
        }
        let mut segments: Vec<PathBuf> = fs::read_dir(data)?.flatten().map(|entry| entry.path()).collect();
        segments.retain(|path| path.extension().is_some_and(|extension| extension == "log"));
        segments.sort();
        let mut bytes = Vec::new();
        for segment in segments {
            bytes.extend(fs::read(segment)?);
        }
        Ok(Some(bytes))
    }
}
