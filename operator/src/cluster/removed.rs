//! Pools that the spec no longer has and whose brokers have yet to leave. Pure.

use k8s_openapi::api::apps::v1::StatefulSet;
use kube::ResourceExt;
use odradek_crds::NodePool;

use crate::names::DECLARED_ANNOTATION;

/// The pools of sets that are still there and that are not in the spec, as the spec had them last, without replicas.
pub(super) fn removed_pools(spec: &[NodePool], sets: &[StatefulSet]) -> Vec<NodePool> {
    let mut removed: Vec<NodePool> = Vec::new();
    for declared in sets.iter().filter_map(|set| set.annotations().get(DECLARED_ANNOTATION)) {
        let Ok(pool) = serde_json::from_str::<NodePool>(declared) else { continue };
        if !spec.iter().chain(&removed).any(|known| known.name == pool.name) {
            removed.push(NodePool { replicas: 0, ..pool });
        }
    }
    removed
}

/// What is written on the sets of a pool: all that its pods follow from, whatever their number.
pub(super) fn declared(pool: &NodePool) -> String {
    serde_json::to_string(&NodePool { replicas: 0, ..pool.clone() }).unwrap_or_default()
}
