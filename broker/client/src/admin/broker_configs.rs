//! Configuration that brokers take while they run, as the default of all of them (KIP-226).

use std::collections::BTreeMap;

use odradek_wire::messages::describe_configs_request::DescribeConfigsResource;
use odradek_wire::messages::incremental_alter_configs_request::AlterConfigsResource;
use odradek_wire::messages::{DescribeConfigsRequest, IncrementalAlterConfigsRequest};

use super::configs::alterable;
use super::types::ConfigOp;
use super::{Admin, text};
use crate::{Error, KafkaError};

/// Kafka's number of the resource type.
const BROKER: i8 = 4;
/// Kafka's number of the source of what is set for all brokers.
const DYNAMIC_DEFAULT_BROKER: i8 = 3;
/// The name that stands for all brokers.
const ALL: &str = "";

impl Admin {
    /// What is set as the default of all brokers. The value of a key that is a secret is not told.
    pub async fn describe_default_broker_configs(&self) -> Result<BTreeMap<String, Option<String>>, Error> {
        let (_, answer) = self
            .read(1, |_| {
                let resource = DescribeConfigsResource::default()
                    .with_resource_type(BROKER)
                    .with_resource_name(text(ALL))
                    .with_configuration_keys(None);
                DescribeConfigsRequest::default().with_resources(vec![resource])
            })
            .await?;
        let mut found = BTreeMap::new();
        for resource in &answer.results {
            KafkaError::check(resource.error_code, resource.error_message.as_deref())?;
            let set = resource.configs.iter().filter(|config| config.config_source == DYNAMIC_DEFAULT_BROKER);
            let pairs = set.map(|config| (config.name.to_string(), config.value.as_ref()));
            found.extend(pairs.map(|(name, value)| (name, value.map(ToString::to_string))));
        }
        Ok(found)
    }

    /// Changes single keys of the default of all brokers; the others stay as they are. All or none are changed.
    pub async fn alter_default_broker_configs(&self, ops: &[ConfigOp]) -> Result<(), Error> {
        if ops.is_empty() {
            return Ok(());
        }
        let (_, answer) = self
            .exchange(0, &|_| {
                let resource = AlterConfigsResource::default()
                    .with_resource_type(BROKER)
                    .with_resource_name(text(ALL))
                    .with_configs(ops.iter().map(alterable).collect());
                IncrementalAlterConfigsRequest::default().with_resources(vec![resource]).with_validate_only(false)
            })
            .await?;
        for resource in &answer.responses {
            KafkaError::check(resource.error_code, resource.error_message.as_deref())?;
        }
        Ok(())
    }
}
