//! Names, labels and annotations of everything that the operator makes.

use std::collections::{BTreeMap, BTreeSet};

use odradek_crds::CLUSTER_LABEL;
use uuid::Uuid;

/// The field manager of every server-side apply, and the manager label of everything made.
pub const MANAGER: &str = "odradek-operator";
/// Label that names the manager, on everything made.
pub const MANAGED_BY_LABEL: &str = "app.kubernetes.io/managed-by";
/// Label of pods, claims and sets that names their pool.
pub const POOL_LABEL: &str = "odradek.dev/pool";
/// Label of pods, claims and sets that names their StatefulSet.
pub const SET_LABEL: &str = "odradek.dev/set";
/// Label of pods, claims and sets that names their zone.
pub const ZONE_LABEL: &str = "odradek.dev/zone";
/// Label of the pods that are brokers.
pub const BROKER_LABEL: &str = "odradek.dev/broker";
/// Label of the pods that are controllers.
pub const CONTROLLER_LABEL: &str = "odradek.dev/controller";
/// Annotation of sets and claims that says whose they are: see [`crate::cluster::layout::Identity`].
pub const IDENTITY_ANNOTATION: &str = "odradek.dev/identity";
/// Annotation of sets that lists the zones that the cluster is pinned to.
pub const ZONES_ANNOTATION: &str = "odradek.dev/zones";
/// Annotation of sets: the level of `metadata.version` that the spec named when the cluster was made.
pub const INITIAL_LEVEL_ANNOTATION: &str = "odradek.dev/initial-metadata-version";
/// Annotation of sets with the number of nodes that the operator gave them, which is not what `kubectl scale` changes.
pub const REPLICAS_ANNOTATION: &str = "odradek.dev/replicas";
/// Annotation of brokers' sets with their pool as the spec had it last, so that one that is taken out of the spec is still
/// known while its brokers leave.
pub const DECLARED_ANNOTATION: &str = "odradek.dev/declared";
/// Annotation of the claims of brokers that have left: they stand for no node until that comes back.
pub const LEFT_ANNOTATION: &str = "odradek.dev/left";
/// Annotation of pods that changes when their configuration does.
pub const CONFIG_HASH_ANNOTATION: &str = "odradek.dev/config-hash";
/// Annotation of every object made, with the hash of what was applied.
pub const APPLIED_ANNOTATION: &str = "odradek.dev/applied";
/// Annotation of sets with the hash of the template of their pods.
pub const TEMPLATE_ANNOTATION: &str = "odradek.dev/template";
/// The pool of the controllers that are no brokers.
pub const CONTROLLERS_POOL: &str = "controllers";

/// Longest name of a StatefulSet: its pods carry `<name>-<hash>` in a label of 63 characters.
const MAX_SET_NAME: usize = 52;

/// Longest name of a resource.
const MAX_RESOURCE_NAME: usize = 253;

/// Labels of everything made for a cluster. `app.kubernetes.io/instance` is left out on purpose:
/// Argo CD tracks its own resources by it.
pub fn common_labels(cluster: &str) -> BTreeMap<String, String> {
    BTreeMap::from([
        ("app.kubernetes.io/name".to_owned(), "odradek".to_owned()),
        (MANAGED_BY_LABEL.to_owned(), MANAGER.to_owned()),
        (CLUSTER_LABEL.to_owned(), cluster.to_owned()),
    ])
}

/// The headless service of the brokers.
pub fn brokers_service(cluster: &str) -> String {
    format!("{cluster}-brokers")
}

/// The headless service of the controllers.
pub fn controllers_service(cluster: &str) -> String {
    format!("{cluster}-controllers")
}

/// The service that clients bootstrap from.
pub fn bootstrap_service(cluster: &str) -> String {
    format!("{cluster}-bootstrap")
}

/// The DNS name of a service, or of a pod of a headless one. Without the cluster's domain, which
/// the operator cannot know.
pub fn service_host(service: &str, namespace: &str) -> String {
    format!("{service}.{namespace}.svc")
}

/// The StatefulSet of the controllers that are no brokers.
pub fn controllers_set(cluster: &str) -> String {
    format!("{cluster}-controller")
}

/// The ConfigMap of a pool.
pub fn config_map(cluster: &str, pool: &str) -> String {
    format!("{cluster}-{pool}-config")
}

/// A name for the StatefulSet of a pool in a zone, unlike any that is `taken`. It reads
/// `<cluster>-<pool>-<zone>` where that is a valid and free name, and ends in a hash where not.
pub fn set_name(cluster: &str, pool: &str, zone: Option<&str>, taken: &BTreeSet<String>) -> String {
    let exact = match zone {
        Some(zone) => format!("{cluster}-{pool}-{zone}"),
        None => format!("{cluster}-{pool}"),
    };
    let clean = sanitise(&exact);
    if clean == exact && clean.len() <= MAX_SET_NAME && !taken.contains(&clean) {
        return clean;
    }
    // The parts are told apart in what is hashed, so that a-b + c and a + b-c differ.
    let key = format!("{cluster}/{pool}/{}", zone.unwrap_or_default());
    let mut salt = 0u32;
    loop {
        let hash = format!("{:08x}", fnv1a(format!("{key}/{salt}").as_bytes()) as u32);
        let kept: String = clean.chars().take(MAX_SET_NAME - 9).collect();
        let name = format!("{}-{hash}", kept.trim_end_matches('-'));
        if !taken.contains(&name) {
            return name;
        }
        salt += 1;
    }
}

/// A name for the KafkaTopic of a topic, unlike any that is `taken`: the topic's own where Kubernetes takes it, else one
/// that ends in a hash of it.
pub fn topic_resource(topic: &str, taken: &BTreeSet<String>) -> String {
    let edge = |c: Option<char>| c.is_some_and(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
    let label = |label: &str| {
        let inside = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        edge(label.chars().next()) && edge(label.chars().last()) && label.chars().all(inside)
    };
    if topic.split('.').all(label) && !taken.contains(topic) {
        return topic.to_owned();
    }
    let mut salt = 0u32;
    loop {
        let hash = format!("{:08x}", fnv1a(format!("{topic}/{salt}").as_bytes()) as u32);
        let kept: String = sanitise(topic).chars().take(MAX_RESOURCE_NAME - 9).collect();
        let name = format!("{kept}-{hash}").trim_start_matches('-').to_owned();
        if !taken.contains(&name) {
            return name;
        }
        salt += 1;
    }
}

/// Lower-case letters, digits and single hyphens between them.
fn sanitise(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    for c in text.chars().map(|c| c.to_ascii_lowercase()) {
        match c {
            'a'..='z' | '0'..='9' => clean.push(c),
            '-' => clean.push('-'),
            _ if !clean.ends_with('-') => clean.push('-'),
            _ => {}
        }
    }
    clean.trim_matches('-').to_owned()
}

/// FNV-1a, which stays the same over releases (the standard library's hasher may not).
pub fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3))
}

/// A Kafka id: 16 bytes as 22 characters of URL-safe base64.
pub fn kafka_id(id: Uuid) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let bits = id.as_u128();
    (0..22u32)
        .map(|i| {
            let shift = 128 - 6 * (i as i32 + 1);
            let value = if shift >= 0 { bits >> shift } else { bits << -shift };
            char::from(DIGITS[(value & 63) as usize])
        })
        .collect()
}

/// The cluster id of a new cluster, from the UID of its resource: the same however often the first
/// reconcile is repeated. Kafka's tools take no id that starts with a hyphen.
pub fn new_cluster_id(uid: &str) -> Option<String> {
    let mut bytes = Uuid::parse_str(uid).ok()?.into_bytes();
    bytes[0] &= 0x7f;
    Some(kafka_id(Uuid::from_bytes(bytes)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readable_names_stay_as_they_are() {
        let none = BTreeSet::new();
        assert_eq!(set_name("demo", "broker", Some("zone-a"), &none), "demo-broker-zone-a");
        assert_eq!(set_name("demo", "broker", None, &none), "demo-broker");
    }

    #[test]
    fn odd_and_long_zones_get_a_hash_and_never_collide() {
        let none = BTreeSet::new();
        let odd = set_name("demo", "broker", Some("Zone_A.1"), &none);
        assert!(odd.starts_with("demo-broker-zone-a-1-"), "{odd}");
        assert_ne!(odd, set_name("demo", "broker", Some("zone_a.1"), &none));
        let long = set_name(&"c".repeat(40), &"p".repeat(30), Some(&"z".repeat(63)), &none);
        assert!(long.len() <= MAX_SET_NAME);
        let taken = BTreeSet::from(["a-b-c-d".to_owned()]);
        assert_ne!(set_name("a", "b", Some("c-d"), &taken), "a-b-c-d");
    }

    #[test]
    fn ids_are_kafkas_base64() {
        let id = Uuid::from_bytes([0xff; 16]);
        assert_eq!(kafka_id(id), "_____________________w");
        assert_eq!(kafka_id(Uuid::from_bytes([0; 16])), "AAAAAAAAAAAAAAAAAAAAAA");
        let new = new_cluster_id("ffffffff-ffff-4fff-bfff-ffffffffffff").expect("a UID");
        assert_eq!(new.len(), 22);
        assert!(new.starts_with('f'));
    }

    #[test]
    fn a_topic_keeps_its_name_where_kubernetes_takes_it() {
        let none = BTreeSet::new();
        for good in ["orders", "a", "team.orders-1", "0"] {
            assert_eq!(topic_resource(good, &none), good);
        }
        let names: BTreeSet<String> =
            ["Orders", "orders_1", "-", "a..b", "a.", "_", "ORDERS"].map(|t| topic_resource(t, &none)).into();
        assert_eq!(names.len(), 7, "{names:?}");
        for name in &names {
            assert_eq!(topic_resource(name, &none), *name, "it is no name that Kubernetes takes");
        }
        let long = "X".repeat(249);
        assert!(topic_resource(&long, &none).len() <= MAX_RESOURCE_NAME);
        assert_ne!(topic_resource("orders", &["orders".to_owned()].into()), "orders");
    }
}
