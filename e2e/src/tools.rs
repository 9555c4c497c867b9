//! Kafka's own tools, kcat and kafka-python.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

/// The checkout.
#[must_use]
pub fn root() -> PathBuf {
    let mut root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    root.pop();
    root
}

/// What a command printed, and whether it went well.
#[derive(Debug, Clone)]
pub struct Output {
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
    /// Exit code 0.
    pub success: bool,
    /// The exit code, of what was not killed.
    pub code: Option<i32>,
}

impl Output {
    /// Standard output of a command that went well.
    ///
    /// # Errors
    /// It did not; the error has all that it printed.
    pub fn ok(self) -> Result<String> {
        if self.success { Ok(self.out) } else { bail!("failed:\n{}\n{}", self.out, self.err) }
    }
}

/// Runs a command with an input.
///
/// # Errors
/// It cannot be started.
pub fn run(command: &mut Command, input: &[u8]) -> Result<Output> {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("{command:?} does not start"))?;
    if let Some(mut stdin) = child.stdin.take() {
        let input = input.to_vec();
        std::thread::spawn(move || stdin.write_all(&input));
    }
    let output = child.wait_with_output()?;
    Ok(Output {
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
        success: output.status.success(),
        code: output.status.code(),
    })
}

/// A tool of Apache Kafka 4.4.0, by its class.
///
/// # Errors
/// The jars cannot be fetched.
pub fn kafka(class: &str) -> Result<Command> {
    java("tools", class)
}

/// MirrorMaker 2, with its configuration file to come as an argument.
///
/// # Errors
/// The jars cannot be fetched.
pub fn mirror_maker() -> Result<Command> {
    java("mirror", "org.apache.kafka.connect.mirror.MirrorMaker")
}

fn java(jars: &str, class: &str) -> Result<Command> {
    let jars = run(Command::new(root().join("e2e/clients/kafka-jars")).arg(jars), b"")?.ok()?;
    let jars = jars.trim();
    let mut command = Command::new("java");
    command.args(["-Xmx256m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"]);
    // By `e2e/clients/kafka-classes`. What a JVM thinks of an archive that is not its own must not get into the output.
    let classes = Path::new(jars).with_file_name("classes.jsa");
    if classes.exists() {
        command.args(["-Xlog:disable", "-Xlog:all=error:stderr"]);
        command.arg(format!("-XX:SharedArchiveFile={}", classes.display()));
    }
    command.arg("-cp").arg(format!("{jars}/*")).arg(class);
    Ok(command)
}

/// kcat (librdkafka).
#[must_use]
pub fn kcat(bootstrap: &str) -> Command {
    let mut command = Command::new("kcat");
    command.args(["-b", bootstrap]);
    // Cargo names folders for tests to find libraries in, and one has the librdkafka of our load, with less in it.
    command.env_remove("LD_LIBRARY_PATH");
    command
}

/// A Python with kafka-python, from a virtual environment in the cache.
///
/// # Errors
/// It cannot be made.
pub fn python() -> Result<Command> {
    let python = run(&mut Command::new(root().join("e2e/clients/kafka-python")), b"")?.ok()?;
    Ok(Command::new(python.trim()))
}
