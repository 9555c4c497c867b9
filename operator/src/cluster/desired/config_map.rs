//! The configuration file of a pool.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::ConfigMap;

use super::{meta, properties};
use crate::{
    cluster::validate::{Pool, Validated},
    names,
};

/// The key of the file.
pub const SERVER_PROPERTIES: &str = "server.properties";

/// The ConfigMap with `server.properties` of a pool.
pub fn config_map(cluster: &Validated, pool: &Pool) -> ConfigMap {
    ConfigMap {
        metadata: meta(cluster, names::config_map(&cluster.name, &pool.name)),
        data: Some(BTreeMap::from([(SERVER_PROPERTIES.to_owned(), properties::server_properties(cluster, pool))])),
        ..ConfigMap::default()
    }
}
