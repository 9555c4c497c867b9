//! `kubectl` and what it tells of the whole cluster.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdout, Command, Stdio};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::tools::run;

/// Runs `kubectl` and gives what it printed.
///
/// # Errors
/// It failed; the error has all that it printed.
pub fn kubectl(arguments: &[&str]) -> Result<String> {
    run(Command::new("kubectl").args(arguments), b"")?.ok().with_context(|| format!("kubectl {}", arguments.join(" ")))
}

/// The same, read as JSON.
///
/// # Errors
/// It failed, or printed something else.
pub fn kubectl_json(arguments: &[&str]) -> Result<Value> {
    let text = kubectl(&[arguments, &["--output", "json"]].concat())?;
    serde_json::from_str(&text).with_context(|| format!("kubectl {} gave no JSON", arguments.join(" ")))
}

/// The zones of the nodes.
///
/// # Errors
/// The nodes cannot be listed, or have no zones.
pub fn zones() -> Result<BTreeSet<String>> {
    let nodes = kubectl_json(&["get", "nodes"])?;
    let zone = |node: &Value| node["metadata"]["labels"]["topology.kubernetes.io/zone"].as_str().map(str::to_owned);
    let zones: BTreeSet<String> = nodes["items"].as_array().into_iter().flatten().filter_map(zone).collect();
    if zones.is_empty() {
        bail!("no node has a zone");
    }
    Ok(zones)
}

/// A way from this machine to a port of a pod or service, for as long as the value lives.
#[derive(Debug)]
pub struct Forward {
    child: Child,
    /// Where it begins on this machine.
    pub address: String,
    /// Left open: kubectl ends when it cannot tell of a connection.
    _stdout: BufReader<ChildStdout>,
}

impl Forward {
    /// Opens it; `target` is such as `service/demo-bootstrap`.
    ///
    /// # Errors
    /// The target is not there, or none of its pods runs.
    pub fn open(namespace: &str, target: &str, port: u16) -> Result<Forward> {
        let mut child = Command::new("kubectl")
            .args(["--namespace", namespace, "port-forward", target, &format!(":{port}")])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut stdout = BufReader::new(child.stdout.take().context("no output")?);
        let mut line = String::new();
        stdout.read_line(&mut line)?;
        // "Forwarding from 127.0.0.1:40123 -> 9092"
        let address = line.split_whitespace().nth(2).unwrap_or_default().to_owned();
        let forward = Forward { child, address, _stdout: stdout };
        if forward.address.is_empty() {
            bail!("kubectl port-forward to {target} says {line:?}");
        }
        Ok(forward)
    }
}

impl Drop for Forward {
    fn drop(&mut self) {
        // It may have ended by itself, with its pod.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
