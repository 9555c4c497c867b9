//! CreateTopics.

use std::collections::{BTreeMap, BTreeSet};

use odradek_wire::ResponseError;
use odradek_wire::messages::create_topics_request::CreatableTopic;
use odradek_wire::messages::create_topics_response::{CreatableTopicConfigs, CreatableTopicResult};
use odradek_wire::messages::{CreateTopicsRequest, CreateTopicsResponse};
use odradek_wire::protocol::StrBytes;
use uuid::Uuid;

use super::Controller;
use super::api_error::ApiError;
use super::assignment::{Planned, note_planned};
use crate::metadata::image::{ConfigMap, Resource};
use crate::metadata::record;
use crate::metadata::topic_config::{self, EffectiveConfig};
use crate::metadata::topic_name;

/// The name of the controllers' own log, which is no topic here.
const CLUSTER_METADATA: &str = "__cluster_metadata";

/// A topic that can be made.
struct Plan {
    name: String,
    partitions: Vec<Vec<i32>>,
    configs: ConfigMap,
}

impl Controller {
    pub(super) fn create_topics(&mut self, request: CreateTopicsRequest, version: i16) -> CreateTopicsResponse {
        let mut count_of = BTreeMap::<&str, usize>::new();
        for topic in &request.topics {
            *count_of.entry(topic.name.as_str()).or_default() += 1;
        }
        let too_large = self.is_too_large(&request);
        let mut collisions = Collisions::new(self);
        let mut planned = Planned::new();
        let mut answered = BTreeSet::new();
        let mut topics = Vec::with_capacity(request.topics.len());
        for topic in &request.topics {
            let name = topic.name.as_str();
            if !answered.insert(name) {
                continue;
            }
            let plan = if count_of.get(name).is_some_and(|count| *count > 1) {
                Err(ApiError::new(ResponseError::InvalidRequest, "Duplicate topic name."))
            } else if too_large {
                Err(ApiError::new(
                    ResponseError::PolicyViolation,
                    "Excessively large number of partitions per request.",
                ))
            } else {
                self.plan_topic(topic, &collisions, &planned)
            };
            topics.push(match plan {
                Ok(plan) => {
                    collisions.add(&plan.name);
                    note_planned(&mut planned, &plan.partitions);
                    let topic_id = if request.validate_only { Uuid::nil() } else { self.make_topic(&plan) };
                    self.created(topic, &plan, topic_id, version)
                }
                Err(error) => refused(topic, &error),
            });
        }
        CreateTopicsResponse::default().with_topics(topics)
    }

    fn is_too_large(&self, request: &CreateTopicsRequest) -> bool {
        let partitions: usize = request
            .topics
            .iter()
            .map(|topic| {
                let wanted = match topic.num_partitions {
                    -1 => self.config.num_partitions,
                    count => count,
                };
                topic.assignments.len().max(usize::try_from(wanted).unwrap_or(0))
            })
            .fold(0, usize::saturating_add);
        partitions > self.config.max_records_per_request
    }

    fn plan_topic(
        &mut self,
        topic: &CreatableTopic,
        collisions: &Collisions,
        planned: &Planned,
    ) -> Result<Plan, ApiError> {
        let name = topic.name.as_str();
        let invalid = |message| ApiError::new(ResponseError::InvalidTopicException, message);
        if name == CLUSTER_METADATA {
            return Err(ApiError::new(
                ResponseError::InvalidRequest,
                format!("Creation of internal topic {CLUSTER_METADATA} is prohibited."),
            ));
        }
        topic_name::validate(name).map_err(invalid)?;
        if self.image.topic(name).is_some() {
            return Err(ApiError::new(ResponseError::TopicAlreadyExists, format!("Topic '{name}' already exists.")));
        }
        if let Some(other) = collisions.with(name) {
            return Err(invalid(format!("Topic '{name}' collides with existing topic: {other}")));
        }
        let configs = check_configs(topic)?;
        let partitions =
            if topic.assignments.is_empty() { self.plan_placement(topic, planned)? } else { self.plan_manual(topic)? };
        Ok(Plan { name: name.to_owned(), partitions, configs })
    }

    fn plan_placement(&mut self, topic: &CreatableTopic, planned: &Planned) -> Result<Vec<Vec<i32>>, ApiError> {
        let replication_factor = match topic.replication_factor {
            -1 => self.config.default_replication_factor,
            factor => factor,
        };
        let count = match topic.num_partitions {
            -1 => self.config.num_partitions,
            count => count,
        };
        let replication_factor =
            usize::try_from(replication_factor).ok().filter(|factor| *factor > 0).ok_or_else(|| {
                ApiError::new(
                    ResponseError::InvalidReplicationFactor,
                    "Replication factor must be larger than 0, or -1 to use the default value.",
                )
            })?;
        let count = usize::try_from(count).ok().filter(|count| *count > 0).ok_or_else(|| {
            ApiError::new(
                ResponseError::InvalidPartitions,
                "Number of partitions was set to an invalid non-positive value.",
            )
        })?;
        self.place_partitions(None, count, replication_factor, planned)
    }

    fn plan_manual(&self, topic: &CreatableTopic) -> Result<Vec<Vec<i32>>, ApiError> {
        let set_as_well = |what: &str| {
            ApiError::new(
                ResponseError::InvalidRequest,
                format!("A manual partition assignment was specified, but {what} was not set to -1."),
            )
        };
        if topic.replication_factor != -1 {
            return Err(set_as_well("replication factor"));
        }
        if topic.num_partitions != -1 {
            return Err(set_as_well("numPartitions"));
        }
        let mut by_index = BTreeMap::new();
        for assignment in &topic.assignments {
            let index = assignment.partition_index;
            let replicas: Vec<i32> = assignment.broker_ids.iter().map(|broker| broker.0).collect();
            let expected = by_index.values().next().map(Vec::len);
            self.check_manual(index, &replicas, expected)?;
            if by_index.insert(index, replicas).is_some() {
                return Err(ApiError::new(
                    ResponseError::InvalidReplicaAssignment,
                    format!("Found multiple manual partition assignments for partition {index}"),
                ));
            }
        }
        if by_index.keys().zip(0..).any(|(index, expected)| *index != expected) {
            return Err(ApiError::new(
                ResponseError::InvalidReplicaAssignment,
                "partitions should be a consecutive 0-based integer sequence",
            ));
        }
        Ok(by_index.into_values().collect())
    }

    fn make_topic(&mut self, plan: &Plan) -> Uuid {
        let topic_id = loop {
            let id = self.random.topic_id();
            if self.image.topic_by_id(id).is_none() {
                break id;
            }
        };
        self.write(record::Topic { topic_id: topic_id.as_bytes().to_vec(), name: plan.name.clone() });
        for (replicas, partition) in plan.partitions.iter().zip(0..) {
            let record = self.new_partition(topic_id, partition, replicas);
            self.write(record);
        }
        let (resource_type, resource_name) = Resource::Topic(plan.name.clone()).to_parts();
        for (key, value) in &plan.configs {
            self.write(record::Config {
                resource_type,
                resource_name: resource_name.clone(),
                key: key.clone(),
                value: Some(value.clone()),
            });
        }
        topic_id
    }

    fn created(&self, topic: &CreatableTopic, plan: &Plan, topic_id: Uuid, version: i16) -> CreatableTopicResult {
        let result = CreatableTopicResult::default().with_name(topic.name.clone());
        // Older versions have no place for what follows.
        if version < 5 {
            return result;
        }
        let config = EffectiveConfig::new(&self.image, &plan.name, None, &self.config.server_properties)
            .with_topic(&plan.configs);
        let configs = config
            .all()
            .map(|(definition, found)| {
                CreatableTopicConfigs::default()
                    .with_name(StrBytes::from_static_str(definition.name))
                    .with_value(Some(StrBytes::from_string(found.value.into_owned())))
                    .with_config_source(found.source as i8)
            })
            .collect();
        let factor = plan.partitions.first().map_or(0, Vec::len);
        result
            .with_topic_id(if version >= 7 { topic_id } else { Uuid::nil() })
            .with_num_partitions(i32::try_from(plan.partitions.len()).unwrap_or(i32::MAX))
            .with_replication_factor(i16::try_from(factor).unwrap_or(i16::MAX))
            .with_configs(Some(configs))
    }
}

fn refused(topic: &CreatableTopic, error: &ApiError) -> CreatableTopicResult {
    CreatableTopicResult::default()
        .with_name(topic.name.clone())
        .with_error_code(error.code())
        .with_error_message(Some(error.text()))
}

fn check_configs(topic: &CreatableTopic) -> Result<ConfigMap, ApiError> {
    let invalid = |message| ApiError::new(ResponseError::InvalidConfig, message);
    let nulls: Vec<&str> =
        topic.configs.iter().filter(|config| config.value.is_none()).map(|config| config.name.as_str()).collect();
    if !nulls.is_empty() {
        return Err(invalid(format!("Null value not supported for topic configs: {}", nulls.join(","))));
    }
    let configs: ConfigMap = topic
        .configs
        .iter()
        .filter_map(|config| Some((config.name.to_string(), config.value.as_ref()?.to_string())))
        .collect();
    check_topic_configs(&configs)?;
    Ok(configs)
}

/// Checks all that is set on a topic.
pub(super) fn check_topic_configs(configs: &ConfigMap) -> Result<(), ApiError> {
    let invalid = |message| ApiError::new(ResponseError::InvalidConfig, message);
    for (key, value) in configs {
        let definition =
            topic_config::definition(key).ok_or_else(|| invalid(format!("Unknown topic config name: {key}")))?;
        definition.validate(value).map_err(invalid)?;
    }
    topic_config::validate_together(|key| configs.get(key).map(String::as_str)).map_err(invalid)
}

/// The names that a new one must not collide with.
struct Collisions(BTreeMap<String, String>);

impl Collisions {
    /// Only names with a dot or an underscore can collide.
    fn new(controller: &Controller) -> Collisions {
        let mut collisions = Collisions(BTreeMap::new());
        for topic in controller.image.topics() {
            collisions.add(&topic.name);
        }
        collisions
    }

    fn add(&mut self, name: &str) {
        if name.contains(['.', '_']) {
            self.0.insert(topic_name::collision_key(name), name.to_owned());
        }
    }

    fn with(&self, name: &str) -> Option<&String> {
        self.0.get(&topic_name::collision_key(name)).filter(|other| *other != name)
    }
}
