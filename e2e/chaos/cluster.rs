//! The processes of one cluster, and what is asked of all of them.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Result;
use odradek_client::{Admin, ClientConfig, NewTopic};
use odradek_e2e::process::free_port;
use odradek_wire::messages::DescribeQuorumRequest;
use odradek_wire::messages::describe_quorum_request::{PartitionData, TopicData};
use odradek_wire::protocol::StrBytes;

use crate::network::Network;
use crate::node::Node;
use crate::plan::{Able, CLOCK_NODE, Shape};
use crate::volume::Volume;

/// The topic that all load goes to.
pub const TOPIC: &str = "chaos";
/// Its partitions.
pub const PARTITIONS: i32 = 12;
/// Controllers of every cluster.
const CONTROLLERS: usize = 3;

/// All processes, ended with the value.
#[derive(Debug)]
pub struct Cluster {
    /// By number.
    pub nodes: Vec<Node>,
    /// With namespaces.
    pub network: Option<Network>,
    admin: Admin,
    runtime: tokio::runtime::Runtime,
    faketime: Option<PathBuf>,
}

/// The library that shifts a process' clock, where Debian's package `faketime` has it.
pub fn faketime() -> Option<PathBuf> {
    let folders = fs::read_dir("/usr/lib").ok()?.flatten();
    folders.map(|folder| folder.path().join("faketime/libfaketime.so.1")).find(|path| path.exists())
}

impl Cluster {
    /// Starts all processes and waits until every broker takes part, then makes the topic.
    ///
    /// # Errors
    /// One does not come up.
    pub fn start(dir: &Path, tag: &str, shape: Shape, able: Able) -> Result<Cluster> {
        let network = if able.network { Some(Network::make(tag, shape.nodes())?) } else { None };
        let mut nodes = Vec::new();
        let mut voters = Vec::new();
        for number in 0..shape.nodes() {
            let home = dir.join(format!("node-{}", number + 1));
            fs::create_dir_all(&home)?;
            let (host, port, controller) = match &network {
                Some(network) => (network.address(number), 9092, 9093),
                None => ("127.0.0.1".to_owned(), free_port()?, free_port()?),
            };
            let is_controller = if shape.separate { number >= shape.brokers } else { number < CONTROLLERS };
            if is_controller {
                voters.push(format!("{}@{host}:{controller}", number + 1));
            }
            let volume = if able.disks { Some(Volume::make(&home)?) } else { None };
            let is_broker = number < shape.brokers;
            let node = Node::new(number, home, host, port, is_broker, volume);
            nodes.push((node, is_controller.then_some(controller)));
        }
        for (node, controller) in &nodes {
            node.configure(*controller, &voters)?;
        }
        let nodes: Vec<Node> = nodes.into_iter().map(|(node, _)| node).collect();
        let admin = Admin::new(ClientConfig {
            bootstrap: nodes.iter().filter(|node| node.is_broker).map(Node::address).collect(),
            client_id: "chaos".to_owned(),
            connect_timeout: Duration::from_secs(1),
            request_timeout: Duration::from_secs(5),
        });
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let faketime = if able.clock { faketime() } else { None };
        let mut cluster = Cluster { nodes, network, admin, runtime, faketime };
        for number in 0..cluster.nodes.len() {
            cluster.launch(number)?;
        }
        cluster.make_topic(shape)?;
        cluster.wait_whole(Duration::from_secs(60))?;
        Ok(cluster)
    }

    fn make_topic(&self, shape: Shape) -> Result<()> {
        odradek_e2e::wait::until("the topic is made", Duration::from_secs(60), || {
            self.count_brokers(shape.brokers)?;
            let topic = NewTopic {
                name: TOPIC.to_owned(),
                partitions: PARTITIONS,
                replication_factor: 3,
                configs: [("min.insync.replicas", "2"), ("retention.ms", "-1"), ("segment.bytes", "4194304")]
                    .map(|(key, value)| (key.to_owned(), value.to_owned()))
                    .into(),
            };
            let answer = self.runtime.block_on(self.admin.create_topics(&[topic], false)).map_err(|e| e.to_string())?;
            match answer.into_values().next() {
                Some(Ok(_)) => Ok(()),
                Some(Err(error)) if error.to_string().contains("TOPIC_ALREADY_EXISTS") => Ok(()),
                Some(Err(error)) => Err(error.to_string()),
                None => Err("no answer".to_owned()),
            }
        })
    }

    /// For `bootstrap.servers`.
    pub fn bootstrap(&self) -> String {
        let all: Vec<String> = self.nodes.iter().filter(|node| node.is_broker).map(Node::address).collect();
        all.join(",")
    }

    /// Starts a process that does not run.
    ///
    /// # Errors
    /// The binary is not there.
    pub fn launch(&mut self, number: usize) -> Result<()> {
        let prefix = self.network.as_ref().map(|network| network.inside(number)).unwrap_or_default();
        let faketime = self.faketime.as_deref().filter(|_| number == CLOCK_NODE);
        self.nodes[number].launch(&prefix, faketime)
    }

    /// The active controller's number, as any broker says.
    pub fn active_controller(&self) -> Option<usize> {
        let asked = async {
            for node in self.nodes.iter().filter(|node| node.is_broker && node.runs() && !node.paused) {
                let (timeout, address) = (Duration::from_millis(500), node.address());
                let Ok(connection) =
                    odradek_client::conn::Connection::connect(&address, "chaos", timeout, timeout).await
                else {
                    continue;
                };
                let topic = TopicData::default()
                    .with_topic_name(StrBytes::from_static_str("__cluster_metadata").into())
                    .with_partitions(vec![PartitionData::default()]);
                let request = DescribeQuorumRequest::default().with_topics(vec![topic]);
                let Ok(version) = connection.version::<DescribeQuorumRequest>() else { continue };
                let Ok(answer) = connection.call(version, &request).await else { continue };
                let leader = answer.topics.first().and_then(|topic| topic.partitions.first()).map(|p| p.leader_id.0);
                if let Some(number) = leader.and_then(|id| usize::try_from(id - 1).ok()) {
                    return Some(number);
                }
            }
            None
        };
        self.runtime.block_on(asked)
    }

    fn count_brokers(&self, many: usize) -> Result<(), String> {
        let cluster = self.runtime.block_on(self.admin.describe_cluster()).map_err(|error| error.to_string())?;
        let alive = cluster.brokers.iter().filter(|broker| !broker.fenced).count();
        if alive == many { Ok(()) } else { Err(format!("{alive} of {many} brokers are alive")) }
    }

    /// Waits until all brokers are alive and every replica is in sync, and says how long it took.
    ///
    /// # Errors
    /// They are not; what is missing.
    pub fn wait_whole(&self, within: Duration) -> Result<Duration> {
        let began = Instant::now();
        let brokers = self.nodes.iter().filter(|node| node.is_broker).count();
        odradek_e2e::wait::until("the cluster is whole", within, || {
            self.count_brokers(brokers)?;
            let wanted = [TOPIC.to_owned()];
            let asked = self.admin.describe_topics(&wanted);
            let topics = self.runtime.block_on(asked).map_err(|error| error.to_string())?;
            let topic = topics.into_values().next().ok_or("no answer")?.map_err(|error| error.to_string())?;
            let lacking: Vec<String> = topic
                .partitions
                .iter()
                .filter(|partition| partition.isr.len() < partition.replicas.len() || partition.leader.is_none())
                .map(|partition| {
                    let (number, leader) = (partition.partition, partition.leader);
                    format!(
                        "partition {number}: leader {leader:?}, in sync {:?} of {:?}",
                        partition.isr, partition.replicas
                    )
                })
                .collect();
            if lacking.is_empty() { Ok(()) } else { Err(lacking.join("; ")) }
        })?;
        Ok(began.elapsed())
    }

    /// Whether every replica of every partition has the same bytes; waits for followers that are a moment behind.
    ///
    /// # Errors
    /// Which do not.
    pub fn same_logs(&self) -> Result<()> {
        for partition in 0..PARTITIONS {
            let folder = format!("{TOPIC}-{partition}");
            let same = || -> Result<(), String> {
                let mut first: Option<(usize, Vec<u8>)> = None;
                for node in self.nodes.iter().filter(|node| node.is_broker) {
                    let Some(bytes) = node.log(&folder).map_err(|error| error.to_string())? else { continue };
                    match &first {
                        None => first = Some((node.number, bytes)),
                        Some((_, other)) if *other == bytes => {}
                        Some((number, other)) => {
                            let at = other.iter().zip(&bytes).position(|(left, right)| left != right);
                            return Err(format!(
                                "{folder}: {} bytes at node {}, {} at node {}, the first difference at {at:?}",
                                other.len(),
                                number + 1,
                                bytes.len(),
                                node.number + 1
                            ));
                        }
                    }
                }
                Ok(())
            };
            odradek_e2e::wait::until("the replicas have the same bytes", Duration::from_secs(10), same)?;
        }
        Ok(())
    }

    /// Processes that ended although nobody asked them to, or do not end although somebody did.
    pub fn surprises(&mut self) -> Vec<String> {
        self.nodes.iter_mut().filter_map(Node::surprise).collect()
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.nodes.iter_mut().for_each(Node::kill);
    }
}
