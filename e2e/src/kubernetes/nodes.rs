//! The nodes of Kubernetes, which tests add, stop and take away through `e2e/cluster/cluster`.

use std::process::Command;

use anyhow::{Context, Result};

use super::{kubectl_json, name};
use crate::tools::{root, run};

/// A node that a test added. It is taken away with its volumes when this is dropped.
#[derive(Debug)]
pub struct AddedNode {
    /// Its name.
    pub name: String,
}

/// `e2e/cluster/cluster` with these arguments; gives what it printed.
///
/// # Errors
/// It failed; the error has all that it printed.
pub fn cluster_tool(arguments: &[&str]) -> Result<String> {
    let tool = root().join("e2e/cluster/cluster");
    let out = run(Command::new(tool).args(arguments), b"")?.ok()?;
    Ok(out.trim().to_owned())
}

/// The node of a zone.
///
/// # Errors
/// There is none.
pub fn node_in(zone: &str) -> Result<String> {
    let nodes = kubectl_json(&["get", "nodes", "--selector", &format!("topology.kubernetes.io/zone={zone}")])?;
    let first = nodes["items"].as_array().and_then(|nodes| nodes.first()).map(name);
    first.map(str::to_owned).with_context(|| format!("no node in {zone}"))
}

impl AddedNode {
    /// Adds a node in a zone, with the images of this checkout on it.
    ///
    /// # Errors
    /// It does not become ready.
    pub fn in_zone(zone: &str) -> Result<AddedNode> {
        let node = AddedNode { name: cluster_tool(&["add-node", zone])? };
        // `e2e/kubernetes` names those that it has loaded.
        let images = match std::env::var("ODRADEK_IMAGES") {
            Ok(images) => images,
            Err(_) => run(&mut Command::new(root().join("images/build")), b"")?.ok()?,
        };
        let mut arguments = vec!["load"];
        arguments.extend(images.split_whitespace());
        cluster_tool(&arguments)?;
        Ok(node)
    }
}

impl Drop for AddedNode {
    fn drop(&mut self) {
        if let Err(error) = cluster_tool(&["remove-node", &self.name]) {
            eprintln!("node {} stays: {error:#}", self.name);
        }
    }
}
