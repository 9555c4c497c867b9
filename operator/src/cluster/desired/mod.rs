//! What should be there: pure builders from a validated cluster, one kind a file.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta};
use odradek_crds::{CLUSTER_LABEL, Role};

use super::validate::Validated;
use crate::{
    apply::{ApplyError, Object},
    names,
};

mod affinity;
pub mod budget;
pub mod config_map;
mod pod;
pub mod properties;
pub mod service;
pub mod stateful_set;

/// Every object of the cluster, in the order in which they are applied.
pub fn objects(cluster: &Validated, allowed_disruptions: i32) -> Result<Vec<Object>, ApplyError> {
    let mut objects = Vec::new();
    for service in service::services(cluster) {
        objects.push(Object::of(&service)?);
    }
    for pool in cluster.all_pools() {
        objects.push(Object::of(&config_map::config_map(cluster, pool))?);
    }
    objects.push(Object::of(&budget::budget(cluster, allowed_disruptions))?);
    for pool in cluster.all_pools() {
        for set in &pool.sets {
            objects.push(Object::of(&stateful_set::stateful_set(cluster, pool, set))?);
        }
    }
    Ok(objects)
}

/// Metadata of an object of the cluster.
fn meta(cluster: &Validated, name: String) -> ObjectMeta {
    ObjectMeta {
        name: Some(name),
        namespace: Some(cluster.namespace.clone()),
        labels: Some(names::common_labels(&cluster.name)),
        owner_references: Some(vec![cluster.owner.clone()]),
        ..ObjectMeta::default()
    }
}

/// Selects the pods of the cluster that have a role.
fn role_selector(cluster: &Validated, role: Role) -> BTreeMap<String, String> {
    let label = match role {
        Role::Broker => names::BROKER_LABEL,
        Role::Controller => names::CONTROLLER_LABEL,
    };
    BTreeMap::from([(CLUSTER_LABEL.to_owned(), cluster.name.clone()), (label.to_owned(), "true".to_owned())])
}

fn label_selector(labels: BTreeMap<String, String>) -> LabelSelector {
    LabelSelector { match_labels: Some(labels), ..LabelSelector::default() }
}

#[cfg(test)]
mod tests;
