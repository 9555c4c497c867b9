//! IncrementalAlterConfigs and AlterConfigs, of topics and brokers.

use std::collections::{BTreeMap, BTreeSet};

use odradek_wire::ResponseError;
use odradek_wire::messages::{
    AlterConfigsRequest, AlterConfigsResponse, IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse,
    alter_configs_response, incremental_alter_configs_response,
};

use super::Controller;
use super::api_error::ApiError;
use super::create_topics::check_topic_configs;
use crate::metadata::image::{ConfigMap, Resource};
use crate::metadata::record;
use crate::metadata::topic_config::{self, Type};

/// The longest value, in bytes.
const MAX_VALUE: usize = 32_767;

const TOPIC: i8 = 2;
const BROKER: i8 = 4;

const MIN_INSYNC: &str = "min.insync.replicas";
const UNCLEAN: &str = "unclean.leader.election.enable";

/// What a request wants of one key.
struct Change<'a> {
    key: &'a str,
    operation: i8,
    value: Option<&'a str>,
}

const SET: i8 = 0;
const DELETE: i8 = 1;
const APPEND: i8 = 2;
const SUBTRACT: i8 = 3;

impl Controller {
    pub(super) fn incremental_alter_configs(
        &mut self,
        request: IncrementalAlterConfigsRequest,
    ) -> IncrementalAlterConfigsResponse {
        let twice = named_twice(request.resources.iter().map(|it| (it.resource_type, it.resource_name.as_str())));
        let mut responses = Vec::with_capacity(request.resources.len());
        for resource in &request.resources {
            let (kind, name) = (resource.resource_type, resource.resource_name.as_str());
            let done = check_once(&twice, kind, name).and_then(|()| self.find_resource(kind, name)).and_then(|found| {
                let changes: Vec<Change<'_>> = resource
                    .configs
                    .iter()
                    .map(|config| Change {
                        key: config.name.as_str(),
                        operation: config.config_operation,
                        value: config.value.as_deref(),
                    })
                    .collect();
                let wanted = self.after_changes(&found, &changes)?;
                self.set_configs(found, &wanted, request.validate_only)
            });
            let (code, message) = ApiError::split(&done);
            responses.push(
                incremental_alter_configs_response::AlterConfigsResourceResponse::default()
                    .with_error_code(code)
                    .with_error_message(message)
                    .with_resource_type(kind)
                    .with_resource_name(resource.resource_name.clone()),
            );
        }
        IncrementalAlterConfigsResponse::default().with_responses(responses)
    }

    pub(super) fn alter_configs(&mut self, request: AlterConfigsRequest) -> AlterConfigsResponse {
        let twice = named_twice(request.resources.iter().map(|it| (it.resource_type, it.resource_name.as_str())));
        let mut responses = Vec::with_capacity(request.resources.len());
        for resource in &request.resources {
            let (kind, name) = (resource.resource_type, resource.resource_name.as_str());
            let done = check_once(&twice, kind, name).and_then(|()| self.find_resource(kind, name)).and_then(|found| {
                // This older request replaces all that was set.
                let mut wanted = ConfigMap::new();
                for config in &resource.configs {
                    let value = config.value.as_deref().ok_or_else(|| null(&config.name))?;
                    wanted.insert(config.name.to_string(), value.to_owned());
                }
                self.set_configs(found, &wanted, request.validate_only)
            });
            let (code, message) = ApiError::split(&done);
            responses.push(
                alter_configs_response::AlterConfigsResourceResponse::default()
                    .with_error_code(code)
                    .with_error_message(message)
                    .with_resource_type(kind)
                    .with_resource_name(resource.resource_name.clone()),
            );
        }
        AlterConfigsResponse::default().with_responses(responses)
    }

    fn find_resource(&self, kind: i8, name: &str) -> Result<Resource, ApiError> {
        let invalid = |message: &str| ApiError::new(ResponseError::InvalidRequest, message);
        match kind {
            TOPIC if name.is_empty() => Err(invalid("Default topic resources are not allowed.")),
            TOPIC if self.image.topic(name).is_none() => Err(ApiError::new(
                ResponseError::UnknownTopicOrPartition,
                format!("The topic '{name}' does not exist."),
            )),
            TOPIC => Ok(Resource::Topic(name.to_owned())),
            BROKER if name.is_empty() => Ok(Resource::DefaultBroker),
            BROKER => {
                let id: i32 = name.parse().map_err(|_| invalid("Unable to parse broker name as a base 10 number."))?;
                if id < 0 {
                    return Err(invalid("Invalid negative broker ID."));
                }
                if self.image.broker(id).is_none() && !self.controller_ids.contains(&id) {
                    return Err(ApiError::new(
                        ResponseError::BrokerIdNotRegistered,
                        format!("No node with id {id} found."),
                    ));
                }
                Ok(Resource::Broker(id))
            }
            kind => Err(invalid(&format!("Unexpected resource type {kind}."))),
        }
    }

    /// All that will be set on the resource after the changes.
    fn after_changes(&self, resource: &Resource, changes: &[Change<'_>]) -> Result<ConfigMap, ApiError> {
        let mut wanted = self.image.config(resource).cloned().unwrap_or_default();
        let mut seen = BTreeSet::new();
        for change in changes {
            if !seen.insert(change.key) {
                return Err(ApiError::new(
                    ResponseError::InvalidRequest,
                    format!("Error due to duplicate config keys: {}", change.key),
                ));
            }
            if change.operation == DELETE {
                wanted.remove(change.key);
                continue;
            }
            let value = change.value.ok_or_else(|| null(change.key))?;
            let value = match change.operation {
                SET => value.to_owned(),
                APPEND | SUBTRACT => self.altered_list(resource, change.key, value, change.operation)?,
                operation => {
                    return Err(ApiError::new(
                        ResponseError::InvalidRequest,
                        format!("Unknown config operation {operation} of {}", change.key),
                    ));
                }
            };
            wanted.insert(change.key.to_owned(), value);
        }
        Ok(wanted)
    }

    fn altered_list(&self, resource: &Resource, key: &str, value: &str, operation: i8) -> Result<String, ApiError> {
        let verb = if operation == APPEND { "APPEND" } else { "SUBTRACT" };
        let definition = match resource {
            Resource::Topic(_) => topic_config::definition(key),
            _ => topic_config::definition_of_synonym(key),
        };
        let definition = definition.filter(|definition| definition.kind == Type::List).ok_or_else(|| {
            ApiError::new(
                ResponseError::InvalidConfig,
                format!("Can't {verb} to key {key} because its type is not LIST."),
            )
        })?;
        let current = match resource {
            Resource::Topic(topic) => self.topic_config(topic).list(definition.name),
            // What the broker has in its own properties is not known here.
            _ => {
                let set = self.image.config(resource).and_then(|map| map.get(key).cloned());
                let value = set.or(definition.default.map(str::to_owned)).unwrap_or_default();
                items(&value).map(str::to_owned).collect()
            }
        };
        let mut list = current;
        for item in items(value) {
            if operation == SUBTRACT {
                list.retain(|had| had != item);
            } else if !list.iter().any(|had| had == item) {
                list.push(item.to_owned());
            }
        }
        Ok(list.join(","))
    }

    /// Checks a broker's keys that are not set to that value already: what a release before this one took can be
    /// kept or removed.
    fn check_broker_configs(&self, before: &ConfigMap, wanted: &ConfigMap, one_broker: bool) -> Result<(), ApiError> {
        let invalid = |message: String| ApiError::new(ResponseError::InvalidConfig, message);
        for (key, value) in wanted {
            if before.get(key) == Some(value) {
                continue;
            }
            (self.config.check_broker_setting)(key, value, one_broker).map_err(invalid)?;
            if let Some(definition) = topic_config::definition_of_synonym(key) {
                let synonym = definition.synonyms.iter().find(|synonym| synonym.name == key);
                let value = synonym.map_or_else(|| value.clone(), |synonym| synonym.convert(value));
                definition.validate(&value).map_err(invalid)?;
            }
        }
        Ok(())
    }

    /// Checks what is wanted, and writes what differs from what is set.
    fn set_configs(&mut self, resource: Resource, wanted: &ConfigMap, validate_only: bool) -> Result<(), ApiError> {
        if wanted.values().any(|value| value.len() > MAX_VALUE) {
            return Err(ApiError::new(
                ResponseError::InvalidConfig,
                format!(
                    "The configuration value cannot be added because it exceeds the maximum value \
                     size of {MAX_VALUE} bytes."
                ),
            ));
        }
        let before = self.image.config(&resource).cloned().unwrap_or_default();
        match &resource {
            Resource::Topic(_) => check_topic_configs(wanted)?,
            // Tools that ask the controllers take throttles back from all nodes that they see.
            Resource::Broker(id) if self.image.broker(*id).is_none() && !wanted.is_empty() => {
                return Err(ApiError::new(
                    ResponseError::InvalidRequest,
                    format!(
                        "Node {id} is a controller and no broker: nothing is set on it at run time. Change its \
                         server.properties and restart it."
                    ),
                ));
            }
            Resource::Broker(_) => {
                check_not_of_one_broker(wanted)?;
                self.check_broker_configs(&before, wanted, true)?;
            }
            Resource::DefaultBroker => self.check_broker_configs(&before, wanted, false)?,
        }
        if validate_only {
            return Ok(());
        }
        let (resource_type, resource_name) = resource.to_parts();
        let keys: BTreeSet<&String> = before.keys().chain(wanted.keys()).collect();
        for key in keys {
            if before.get(key) != wanted.get(key) {
                self.write(record::Config {
                    resource_type,
                    resource_name: resource_name.clone(),
                    key: key.clone(),
                    value: wanted.get(key).cloned(),
                });
            }
        }
        if before.get(MIN_INSYNC) != wanted.get(MIN_INSYNC) {
            match &resource {
                Resource::Topic(name) => {
                    let id = self.image.topic(name).map(|topic| topic.id);
                    self.min_insync_changed(id);
                }
                Resource::DefaultBroker => self.min_insync_changed(None),
                Resource::Broker(_) => {}
            }
        }
        if before.get(UNCLEAN) != wanted.get(UNCLEAN) {
            // What waited for this may have a leader at once.
            match resource {
                Resource::Topic(name) => self.elect_leaderless(|topic, _| *topic.name == *name),
                Resource::DefaultBroker => self.elect_leaderless(|_, _| true),
                Resource::Broker(_) => {}
            }
        }
        Ok(())
    }
}

/// KIP-966: all leaders and the controller have to mean the same by `min.insync.replicas`.
fn check_not_of_one_broker(configs: &ConfigMap) -> Result<(), ApiError> {
    if configs.contains_key(MIN_INSYNC) {
        return Err(ApiError::new(
            ResponseError::InvalidConfig,
            format!(
                "{MIN_INSYNC} cannot be set on one broker: set it on the topic, or on all brokers (--entity-default)."
            ),
        ));
    }
    Ok(())
}

fn items(list: &str) -> impl Iterator<Item = &str> {
    list.split(',').map(str::trim).filter(|item| !item.is_empty())
}

fn null(key: &str) -> ApiError {
    ApiError::new(ResponseError::InvalidConfig, format!("Null value not supported for config {key}"))
}

fn named_twice<'a>(resources: impl Iterator<Item = (i8, &'a str)>) -> BTreeSet<(i8, String)> {
    let mut times = BTreeMap::<(i8, &str), usize>::new();
    for resource in resources {
        *times.entry(resource).or_default() += 1;
    }
    times.into_iter().filter(|(_, times)| *times > 1).map(|((kind, name), _)| (kind, name.to_owned())).collect()
}

fn check_once(twice: &BTreeSet<(i8, String)>, kind: i8, name: &str) -> Result<(), ApiError> {
    if twice.contains(&(kind, name.to_owned())) {
        return Err(ApiError::new(ResponseError::InvalidRequest, "Duplicate resource."));
    }
    Ok(())
}
