//! A network namespace for each process, all on one bridge in a namespace of its own, so that nothing of the machine's
//! own network changes but one interface and its address.

use std::collections::BTreeMap;
use std::process::Command;

use anyhow::{Context, Result, bail};
use odradek_e2e::tools;

use crate::plan::{Direction, From};

/// The namespaces, removed with the value.
#[derive(Debug)]
pub struct Network {
    tag: String,
    /// Third number of the addresses.
    subnet: u8,
    nodes: usize,
    /// Cuts that hold, by node and number.
    cuts: BTreeMap<(usize, u64), (From, Direction)>,
}

fn ip(arguments: &str) -> Result<()> {
    let output = tools::run(Command::new("ip").args(arguments.split(' ')), b"")?;
    output.ok().with_context(|| format!("ip {arguments}"))?;
    Ok(())
}

impl Network {
    /// Makes them for as many processes.
    ///
    /// # Errors
    /// The machine does not allow it; what was made until then is removed.
    pub fn make(tag: &str, nodes: usize) -> Result<Network> {
        let used = tools::run(Command::new("ip").args(["-4", "addr"]), b"")?.ok()?;
        let Some(subnet) = (0..250).find(|number| !used.contains(&format!("10.213.{number}."))) else {
            bail!("no network in 10.213.0.0/16 is free");
        };
        let network = Network { tag: tag.to_owned(), subnet, nodes, cuts: BTreeMap::new() };
        network.lay()?;
        Ok(network)
    }

    fn lay(&self) -> Result<()> {
        let (hub, tag) = (self.hub(), &self.tag);
        ip(&format!("netns add {hub}"))?;
        ip(&format!("-n {hub} link add name bridge0 type bridge"))?;
        ip(&format!("-n {hub} link set bridge0 up"))?;
        ip(&format!("link add {tag}h type veth peer name clients netns {hub}"))?;
        ip(&format!("-n {hub} link set clients master bridge0 up"))?;
        ip(&format!("addr add {}/24 dev {tag}h", self.client()))?;
        ip(&format!("link set {tag}h up"))?;
        for node in 0..self.nodes {
            let namespace = self.namespace(node);
            ip(&format!("netns add {namespace}"))?;
            ip(&format!("-n {namespace} link set lo up"))?;
            ip(&format!("-n {hub} link add n{node} type veth peer name eth0 netns {namespace}"))?;
            ip(&format!("-n {hub} link set n{node} master bridge0 up"))?;
            ip(&format!("-n {namespace} addr add {}/24 dev eth0", self.address(node)))?;
            ip(&format!("-n {namespace} link set eth0 up"))?;
        }
        Ok(())
    }

    fn hub(&self) -> String {
        format!("{}hub", self.tag)
    }

    fn namespace(&self, node: usize) -> String {
        format!("{}n{node}", self.tag)
    }

    /// What goes before a command so that it runs as that process.
    pub fn inside(&self, node: usize) -> Vec<String> {
        ["ip", "netns", "exec"].map(str::to_owned).into_iter().chain([self.namespace(node)]).collect()
    }

    /// The address of a process.
    pub fn address(&self, node: usize) -> String {
        format!("10.213.{}.{}", self.subnet, node + 11)
    }

    fn client(&self) -> String {
        format!("10.213.{}.1", self.subnet)
    }

    /// Drops packets from now on.
    ///
    /// # Errors
    /// iptables refuses.
    pub fn cut(&mut self, number: u64, node: usize, from: From, direction: Direction) -> Result<()> {
        self.cuts.insert((node, number), (from, direction));
        self.apply(node)
    }

    /// Ends one cut.
    ///
    /// # Errors
    /// iptables refuses.
    pub fn mend(&mut self, number: u64, node: usize) -> Result<()> {
        self.cuts.remove(&(node, number));
        self.apply(node)
    }

    /// Puts the rules of a process' namespace in place, all at once.
    fn apply(&self, node: usize) -> Result<()> {
        let mut rules = String::from("*filter\n:INPUT ACCEPT\n:OUTPUT ACCEPT\n");
        for (_, (from, direction)) in self.cuts.iter().filter(|((cut, _), _)| *cut == node) {
            let peers: Vec<Option<String>> = match from {
                From::All => vec![None],
                From::Cluster => {
                    (0..self.nodes).filter(|other| *other != node).map(|other| Some(self.address(other))).collect()
                }
                From::One(other) => vec![Some(self.address(*other))],
            };
            for peer in peers {
                let of = |flag: &str| peer.as_ref().map(|peer| format!("{flag} {peer} ")).unwrap_or_default();
                if *direction != Direction::Out {
                    rules += &format!("-A INPUT ! -i lo {}-j DROP\n", of("-s"));
                }
                if *direction != Direction::In {
                    rules += &format!("-A OUTPUT ! -o lo {}-j DROP\n", of("-d"));
                }
            }
        }
        rules += "COMMIT\n";
        let namespace = self.namespace(node);
        let output =
            tools::run(Command::new("ip").args(["netns", "exec", &namespace, "iptables-restore"]), rules.as_bytes())?;
        output.ok().with_context(|| rules)?;
        Ok(())
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        // What was not made is not there to remove.
        for node in 0..self.nodes {
            drop(ip(&format!("netns del {}", self.namespace(node))));
        }
        drop(ip(&format!("netns del {}", self.hub())));
        drop(ip(&format!("link del {}h", self.tag)));
    }
}
