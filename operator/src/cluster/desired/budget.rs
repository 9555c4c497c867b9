//! The PodDisruptionBudget: none may be evicted while anything is not in sync.

use std::collections::BTreeMap;

use k8s_openapi::{
    api::policy::v1::{PodDisruptionBudget, PodDisruptionBudgetSpec},
    apimachinery::pkg::util::intstr::IntOrString,
};
use odradek_crds::CLUSTER_LABEL;

use super::{label_selector, meta};
use crate::{
    cluster::validate::Validated,
    names::{MANAGED_BY_LABEL, MANAGER},
};

/// One budget for brokers and controllers alike, so that one pod at most goes at a time.
pub fn budget(cluster: &Validated, allowed: i32) -> PodDisruptionBudget {
    PodDisruptionBudget {
        metadata: meta(cluster, cluster.name.clone()),
        spec: Some(PodDisruptionBudgetSpec {
            max_unavailable: Some(IntOrString::Int(allowed)),
            selector: Some(label_selector(BTreeMap::from([
                (CLUSTER_LABEL.to_owned(), cluster.name.clone()),
                (MANAGED_BY_LABEL.to_owned(), MANAGER.to_owned()),
            ]))),
            ..PodDisruptionBudgetSpec::default()
        }),
        status: None,
    }
}
