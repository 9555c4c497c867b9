//! Configuration of topics.

use std::collections::BTreeMap;

use odradek_wire::messages::describe_configs_request::DescribeConfigsResource;
use odradek_wire::messages::incremental_alter_configs_request::{AlterConfigsResource, AlterableConfig};
use odradek_wire::messages::{DescribeConfigsRequest, IncrementalAlterConfigsRequest};

use super::types::{ConfigEntry, ConfigOp, ConfigSource};
use super::{Admin, text};
use crate::{Error, KafkaError};

/// Kafka's number of the resource type.
const TOPIC: i8 = 2;
const SET: i8 = 0;
const DELETE: i8 = 1;

impl Admin {
    /// All keys of topics' configurations with the values in force, sorted by key.
    pub async fn describe_topic_configs(
        &self,
        names: &[String],
    ) -> Result<BTreeMap<String, Result<Vec<ConfigEntry>, KafkaError>>, Error> {
        if names.is_empty() {
            return Ok(BTreeMap::new());
        }
        let (_, answer) = self
            .read(1, |_| {
                let resources = names.iter().map(|name| {
                    DescribeConfigsResource::default()
                        .with_resource_type(TOPIC)
                        .with_resource_name(text(name))
                        .with_configuration_keys(None)
                });
                DescribeConfigsRequest::default().with_resources(resources.collect())
            })
            .await?;
        let results = answer.results.iter().map(|resource| {
            let result = KafkaError::check(resource.error_code, resource.error_message.as_deref());
            let entries = result.map(|()| {
                let mut entries: Vec<_> = resource
                    .configs
                    .iter()
                    .map(|config| ConfigEntry {
                        name: config.name.to_string(),
                        value: config.value.as_ref().map(ToString::to_string),
                        source: ConfigSource::from_id(config.config_source),
                        read_only: config.read_only,
                        sensitive: config.is_sensitive,
                    })
                    .collect();
                entries.sort_by(|left, right| left.name.cmp(&right.name));
                entries
            });
            (resource.resource_name.to_string(), entries)
        });
        Ok(results.collect())
    }

    /// Changes single keys of topics' configurations; the others stay as they are.
    pub async fn alter_topic_configs(
        &self,
        ops: &[(String, Vec<ConfigOp>)],
    ) -> Result<BTreeMap<String, Result<(), KafkaError>>, Error> {
        if ops.is_empty() {
            return Ok(BTreeMap::new());
        }
        let (_, answer) = self
            .exchange(0, &|_| {
                let resources = ops.iter().map(|(name, ops)| {
                    AlterConfigsResource::default()
                        .with_resource_type(TOPIC)
                        .with_resource_name(text(name))
                        .with_configs(ops.iter().map(alterable).collect())
                });
                IncrementalAlterConfigsRequest::default().with_resources(resources.collect()).with_validate_only(false)
            })
            .await?;
        let results = answer.responses.iter().map(|resource| {
            let result = KafkaError::check(resource.error_code, resource.error_message.as_deref());
            (resource.resource_name.to_string(), result)
        });
        Ok(results.collect())
    }
}

pub(super) fn alterable(op: &ConfigOp) -> AlterableConfig {
    let config = AlterableConfig::default();
    match op {
        ConfigOp::Set { key, value } => {
            config.with_name(text(key)).with_config_operation(SET).with_value(Some(text(value)))
        }
        ConfigOp::Delete { key } => config.with_name(text(key)).with_config_operation(DELETE).with_value(None),
    }
}
