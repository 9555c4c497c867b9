//! Every read of a reconcile: the cluster, the other resources, and the topic in Kafka.

use std::{fmt, sync::Arc};

use kube::{Api, ResourceExt};
use kube_runtime::reflector::{ObjectRef, Store};
use odradek_crds::{CLUSTER_LABEL, CLUSTER_NAMESPACE_LABEL, KafkaCluster, KafkaTopic, MANAGED_ANNOTATION};

use super::{error::Error, index::Index};
use crate::context::Context;

/// What is there, in Kubernetes.
#[derive(Clone, Debug, Default)]
pub struct Observed {
    /// The cluster of the topic.
    pub cluster: Option<Arc<KafkaCluster>>,
    /// An older resource for the same topic of the same cluster.
    pub older: Option<String>,
    /// The only namespace that the operator looks at, or all.
    pub watched: Option<String>,
}

/// What a topic's reconcile shares with others.
#[derive(Clone, Debug)]
pub struct TopicContext {
    /// What every reconcile shares.
    pub base: Arc<Context>,
    /// The topics that are known.
    pub index: Arc<Index>,
    /// The clusters that are known.
    pub clusters: Store<KafkaCluster>,
}

/// A cluster, by namespace and name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClusterRef {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

impl ClusterRef {
    /// The name of a cluster that is there.
    pub fn of(cluster: &KafkaCluster) -> Self {
        ClusterRef { namespace: cluster.namespace().unwrap_or_default(), name: cluster.name_any() }
    }
}

impl fmt::Display for ClusterRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

/// The cluster that the labels of a topic name: in another namespace only if they say so.
pub fn labelled_cluster(topic: &KafkaTopic) -> Option<ClusterRef> {
    let name = topic.labels().get(CLUSTER_LABEL)?.clone();
    let namespace = topic.labels().get(CLUSTER_NAMESPACE_LABEL).cloned();
    Some(ClusterRef { namespace: namespace.or_else(|| topic.namespace()).unwrap_or_default(), name })
}

/// The cluster that a topic is in already.
pub fn known_cluster(topic: &KafkaTopic) -> Option<ClusterRef> {
    let status = topic.status.as_ref()?;
    let name = status.cluster.clone()?;
    let namespace = status.cluster_namespace.clone().or_else(|| topic.namespace()).unwrap_or_default();
    Some(ClusterRef { namespace, name })
}

/// The cluster that a topic is of: the one it is in already, else the one its labels name.
pub fn cluster_ref(topic: &KafkaTopic) -> Option<ClusterRef> {
    known_cluster(topic).or_else(|| labelled_cluster(topic))
}

/// Name of the topic in Kafka.
pub fn topic_name(topic: &KafkaTopic) -> String {
    topic.spec.topic_name.clone().unwrap_or_else(|| topic.name_any())
}

/// Whether the operator may change or delete the topic.
pub fn is_managed(topic: &KafkaTopic) -> bool {
    topic.annotations().get(MANAGED_ANNOTATION).is_none_or(|value| value != "false")
}

/// Reads all that a reconcile needs of Kubernetes.
pub async fn observe(topic: &KafkaTopic, ctx: &TopicContext) -> Result<Observed, Error> {
    let watched = ctx.base.namespace.clone();
    let Some(of) = cluster_ref(topic) else { return Ok(Observed { watched, ..Observed::default() }) };
    let known = ctx.clusters.get(&ObjectRef::new(&of.name).within(&of.namespace));
    let cluster = match known {
        Some(cluster) => Some(cluster),
        // Not this operator's to see.
        None if watched.as_ref().is_some_and(|only| *only != of.namespace) => None,
        // The store may be young. That a cluster is gone lets topics go, and has to be certain.
        None => {
            let api = Api::<KafkaCluster>::namespaced(ctx.base.client.clone(), &of.namespace);
            api.get_opt(&of.name).await.map_err(Error::Read)?.map(Arc::new)
        }
    };
    let here = topic.namespace().unwrap_or_default();
    let older = ctx.index.before(topic).map(
        |(namespace, name)| {
            if namespace == here { name } else { format!("{namespace}/{name}") }
        },
    );
    Ok(Observed { cluster, older, watched })
}
