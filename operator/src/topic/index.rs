//! Which resources stand for which topic, kept up by the watch, so that no reconcile looks at all topics.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    hash::{DefaultHasher, Hash, Hasher},
    sync::{Mutex, MutexGuard, PoisonError},
};

use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt;
use odradek_crds::KafkaTopic;

use super::{
    finalize::is_guarded,
    observe::{ClusterRef, cluster_ref, is_managed, topic_name},
};

/// A resource, by namespace and name.
pub type TopicRef = (String, String);

/// The resources that are known, by the topic that they stand for.
#[derive(Debug, Default)]
pub struct Index(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    entries: HashMap<TopicRef, Entry>,
    clusters: BTreeMap<ClusterRef, BTreeMap<String, BTreeSet<Claim>>>,
    /// Those that a list in progress has shown.
    listed: Option<HashSet<TopicRef>>,
}

#[derive(Debug)]
struct Entry {
    place: Option<(ClusterRef, String)>,
    claim: Claim,
    facts: u64,
    guarded: bool,
    /// The topic as the last reconcile left it in Kafka.
    digest: Option<u64>,
}

/// What a resource has to say for itself against others that stand for the same topic: the smallest goes first.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Claim {
    /// One that manages nothing is behind all others.
    unmanaged: bool,
    created: Option<Timestamp>,
    namespace: String,
    name: String,
}

/// What an event brings about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stir {
    /// The resource itself has to be looked at.
    pub itself: bool,
    /// Others that stand for the same topic have to be.
    pub others: Vec<TopicRef>,
}

/// The resource as the index names it.
pub fn reference(topic: &KafkaTopic) -> TopicRef {
    (topic.namespace().unwrap_or_default(), topic.name_any())
}

impl Claim {
    fn of(topic: &KafkaTopic) -> Claim {
        let (namespace, name) = reference(topic);
        let created = topic.metadata.creation_timestamp.as_ref().map(|time| time.0);
        Claim { unmanaged: !is_managed(topic), created, namespace, name }
    }

    fn reference(&self) -> TopicRef {
        (self.namespace.clone(), self.name.clone())
    }
}

/// All of a resource that a reconcile depends on. Its status and finalizers are what reconciles write themselves.
fn facts(topic: &KafkaTopic) -> u64 {
    let mut hasher = DefaultHasher::new();
    let meta = &topic.metadata;
    (meta.uid.as_ref(), meta.generation, meta.deletion_timestamp.is_some()).hash(&mut hasher);
    (meta.labels.as_ref(), meta.annotations.as_ref()).hash(&mut hasher);
    hasher.finish()
}

impl Index {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Every change is made in one piece, and a panic leaves at most one entry behind that the next list mends.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A list begins.
    pub fn list_begins(&self) {
        self.lock().listed = Some(HashSet::new());
    }

    /// A list is done: what it did not show is gone.
    pub fn list_ends(&self) -> Vec<TopicRef> {
        let mut inner = self.lock();
        let Some(listed) = inner.listed.take() else { return Vec::new() };
        let gone: Vec<TopicRef> = inner.entries.keys().filter(|key| !listed.contains(*key)).cloned().collect();
        gone.iter().flat_map(|key| inner.remove(key)).collect()
    }

    /// A resource is there, new or changed.
    pub fn apply(&self, topic: &KafkaTopic) -> Stir {
        let mut inner = self.lock();
        let key = reference(topic);
        let place = cluster_ref(topic).map(|cluster| (cluster, topic_name(topic)));
        let (claim, facts, guarded) = (Claim::of(topic), facts(topic), is_guarded(topic));
        if let Some(listed) = &mut inner.listed {
            listed.insert(key.clone());
        }
        let old = inner.entries.get(&key);
        let digest = old.and_then(|entry| entry.digest);
        // The finalizer was taken off by somebody else, or the resource changed.
        let itself = old.is_none_or(|old| old.facts != facts || old.guarded && !guarded);
        if old.is_some_and(|old| old.place == place && old.claim == claim) {
            if let Some(entry) = inner.entries.get_mut(&key) {
                (entry.facts, entry.guarded) = (facts, guarded);
            }
            return Stir { itself, others: Vec::new() };
        }
        let mut others = inner.remove(&key);
        if let Some((cluster, name)) = &place {
            let claims = inner.clusters.entry(cluster.clone()).or_default().entry(name.clone()).or_default();
            claims.insert(claim.clone());
            others.extend(claims.iter().map(Claim::reference).filter(|other| *other != key));
        }
        others.sort();
        others.dedup();
        inner.entries.insert(key, Entry { place, claim, facts, guarded, digest });
        Stir { itself, others }
    }

    /// A resource is gone; those that may follow it are returned.
    pub fn remove(&self, topic: &KafkaTopic) -> Vec<TopicRef> {
        self.lock().remove(&reference(topic))
    }

    /// The resource that stands for the same topic and goes first: the oldest does, and of two of the same age the one
    /// whose namespace and name come first. One that manages nothing stands in nobody's way.
    pub fn before(&self, topic: &KafkaTopic) -> Option<TopicRef> {
        let inner = self.lock();
        let first = inner.clusters.get(&cluster_ref(topic)?)?.get(&topic_name(topic))?.first()?;
        (!first.unmanaged && *first < Claim::of(topic)).then(|| first.reference())
    }

    /// The resources of a cluster.
    pub fn of_cluster(&self, cluster: &ClusterRef) -> Vec<TopicRef> {
        let inner = self.lock();
        inner.clusters.get(cluster).into_iter().flat_map(BTreeMap::values).flatten().map(Claim::reference).collect()
    }

    /// The clusters that have topics, with the number of them.
    pub fn clusters(&self) -> Vec<(ClusterRef, usize)> {
        self.lock().clusters.iter().map(|(cluster, topics)| (cluster.clone(), topics.len())).collect()
    }

    /// Names of a cluster's topics in Kafka.
    pub fn topic_names(&self, cluster: &ClusterRef) -> Vec<String> {
        self.lock().clusters.get(cluster).into_iter().flat_map(BTreeMap::keys).cloned().collect()
    }

    /// Remembers how a reconcile left the topic in Kafka.
    pub fn left(&self, topic: &KafkaTopic, digest: Option<u64>) {
        if let Some(entry) = self.lock().entries.get_mut(&reference(topic)) {
            entry.digest = digest;
        }
    }

    /// The resources whose topic is no longer as their last reconcile left it. One that has not come so far is tried
    /// again anyway, and is not among them.
    pub fn drifted(&self, cluster: &ClusterRef, topic: &str, now: Option<u64>) -> Vec<TopicRef> {
        let inner = self.lock();
        let claims = inner.clusters.get(cluster).and_then(|topics| topics.get(topic));
        let keys = claims.into_iter().flatten().map(Claim::reference);
        keys.filter(|key| inner.entries.get(key).is_some_and(|e| e.digest.is_some() && e.digest != now)).collect()
    }
}

impl Inner {
    fn remove(&mut self, key: &TopicRef) -> Vec<TopicRef> {
        let Some(Entry { place: Some((cluster, name)), claim, .. }) = self.entries.remove(key) else {
            return Vec::new();
        };
        let Some(topics) = self.clusters.get_mut(&cluster) else { return Vec::new() };
        let Some(claims) = topics.get_mut(&name) else { return Vec::new() };
        claims.remove(&claim);
        let others = claims.iter().map(Claim::reference).collect();
        if claims.is_empty() {
            topics.remove(&name);
        }
        if topics.is_empty() {
            self.clusters.remove(&cluster);
        }
        others
    }
}

#[cfg(test)]
mod tests {
    use odradek_crds::{CLUSTER_LABEL, MANAGED_ANNOTATION};
    use serde_json::json;

    use super::*;

    fn topic(name: &str, day: u8, topic_name: &str) -> KafkaTopic {
        serde_json::from_value(json!({
            "apiVersion": "odradek.dev/v1alpha1", "kind": "KafkaTopic",
            "metadata": {
                "name": name, "namespace": "n", "uid": name, "generation": 1,
                "creationTimestamp": format!("2026-01-{day:02}T00:00:00Z"),
                "labels": { CLUSTER_LABEL: "demo" },
            },
            "spec": { "topicName": topic_name },
        }))
        .expect("a topic")
    }

    fn key(name: &str) -> TopicRef {
        ("n".to_owned(), name.to_owned())
    }

    #[test]
    fn the_oldest_goes_first_and_the_next_is_told_when_it_goes() {
        let index = Index::default();
        let (first, second, other) = (topic("b", 1, "orders"), topic("a", 2, "orders"), topic("c", 1, "payments"));
        assert_eq!(index.apply(&second), Stir { itself: true, others: vec![] });
        assert_eq!(index.apply(&first), Stir { itself: true, others: vec![key("a")] });
        index.apply(&other);
        assert_eq!(index.before(&second), Some(key("b")));
        assert_eq!(index.before(&first), None);
        assert_eq!(index.before(&other), None);
        assert_eq!(index.remove(&first), [key("a")]);
        assert_eq!(index.before(&second), None);
    }

    #[test]
    fn one_that_manages_nothing_stands_in_nobodys_way() {
        let index = Index::default();
        let (mut first, second) = (topic("b", 1, "orders"), topic("a", 2, "orders"));
        index.apply(&first);
        index.apply(&second);
        first.metadata.annotations = Some([(MANAGED_ANNOTATION.to_owned(), "false".to_owned())].into());
        assert_eq!(index.apply(&first), Stir { itself: true, others: vec![key("a")] });
        assert_eq!(index.before(&second), None);
    }

    #[test]
    fn what_a_reconcile_writes_itself_brings_no_other() {
        let index = Index::default();
        let mut topic = topic("a", 1, "orders");
        assert!(index.apply(&topic).itself);
        topic.metadata.finalizers = Some(vec![crate::topic::finalize::FINALIZER.to_owned()]);
        topic.metadata.resource_version = Some("2".to_owned());
        topic.status = Some(odradek_crds::KafkaTopicStatus::default());
        assert!(!index.apply(&topic).itself);
        topic.metadata.finalizers = None;
        assert!(index.apply(&topic).itself, "somebody took the finalizer off");
        topic.metadata.generation = Some(2);
        assert!(index.apply(&topic).itself);
    }

    #[test]
    fn a_list_shows_what_is_gone() {
        let index = Index::default();
        let (first, second) = (topic("b", 1, "orders"), topic("a", 2, "orders"));
        index.apply(&first);
        index.apply(&second);
        index.list_begins();
        assert!(!index.apply(&second).itself);
        assert_eq!(index.list_ends(), [key("a")]);
        assert_eq!(index.before(&second), None);
    }

    #[test]
    fn drift_is_told_once_a_reconcile_has_left_something() {
        let index = Index::default();
        let topic = topic("a", 1, "orders");
        index.apply(&topic);
        let cluster = cluster_ref(&topic).expect("a cluster");
        assert!(index.drifted(&cluster, "orders", Some(1)).is_empty());
        index.left(&topic, Some(1));
        assert!(index.drifted(&cluster, "orders", Some(1)).is_empty());
        assert_eq!(index.drifted(&cluster, "orders", Some(2)), [key("a")]);
        assert_eq!(index.drifted(&cluster, "orders", None), [key("a")]);
    }
}
