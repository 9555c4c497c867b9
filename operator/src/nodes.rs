//! The nodes of Kubernetes, as far as they matter: read every few seconds at most, for all clusters together.

use std::{
    fmt,
    sync::Arc,
    time::{Duration, Instant},
};

use k8s_openapi::api::core::v1::{Node, NodeSpec, NodeStatus};
use kube::{Api, Client, ResourceExt, api::ListParams};
use tokio::sync::Mutex;

/// How long an answer counts.
const FRESH: Duration = Duration::from_secs(10);

/// What is known of the nodes.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Nodes {
    /// There was no need to read them.
    #[default]
    NotRead,
    /// The operator may not list nodes.
    Forbidden,
    /// All of them, each with its name, labels, taints and conditions alone.
    All(Arc<Vec<Node>>),
}

impl Nodes {
    /// All nodes, where they are known.
    pub fn all(&self) -> Option<&[Node]> {
        match self {
            Nodes::All(nodes) => Some(nodes),
            Nodes::NotRead | Nodes::Forbidden => None,
        }
    }
}

/// Reads nodes. Clones share what was read.
#[derive(Clone, Default)]
pub struct NodeReader {
    last: Arc<Mutex<Option<(Instant, Nodes)>>>,
}

impl fmt::Debug for NodeReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NodeReader").finish_non_exhaustive()
    }
}

impl NodeReader {
    /// The nodes as they were some seconds ago at most.
    ///
    /// # Errors
    ///
    /// The API server does not answer, or refuses for another reason than that the operator may not list nodes.
    pub async fn read(&self, client: &Client) -> Result<Nodes, kube::Error> {
        // Held while reading, so that reconciles side by side share one answer.
        let mut last = self.last.lock().await;
        if let Some((at, nodes)) = last.as_ref().filter(|(at, _)| at.elapsed() < FRESH) {
            tracing::trace!(age = ?at.elapsed(), "nodes that were read before");
            return Ok(nodes.clone());
        }
        // From the API server's own cache: nothing hangs on the last second.
        let nodes = match Api::<Node>::all(client.clone()).list(&ListParams::default().match_any()).await {
            Ok(list) => Nodes::All(Arc::new(list.items.into_iter().map(part).collect())),
            Err(kube::Error::Api(status)) if status.code == 403 => Nodes::Forbidden,
            Err(error) => return Err(error),
        };
        *last = Some((Instant::now(), nodes.clone()));
        Ok(nodes)
    }
}

/// What is kept of a node: the rest is large, and of no use here.
fn part(node: Node) -> Node {
    let mut kept = Node::default();
    kept.metadata.name = node.metadata.name;
    kept.metadata.labels = node.metadata.labels;
    kept.spec = node.spec.map(|spec| NodeSpec { taints: spec.taints, ..NodeSpec::default() });
    kept.status = node.status.map(|status| NodeStatus { conditions: status.conditions, ..NodeStatus::default() });
    kept
}

/// The zone of a node.
pub fn zone_of<'a>(node: &'a Node, topology_key: &str) -> Option<&'a str> {
    node.labels().get(topology_key).map(String::as_str).filter(|zone| !zone.is_empty())
}

/// Whether the node's agent says that it can run pods.
pub fn is_ready(node: &Node) -> bool {
    let conditions = node.status.as_ref().and_then(|status| status.conditions.as_deref()).unwrap_or_default();
    conditions.iter().any(|condition| condition.type_ == "Ready" && condition.status == "True")
}
