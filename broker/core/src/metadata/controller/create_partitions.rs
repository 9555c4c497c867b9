//! CreatePartitions.

use std::collections::{BTreeMap, BTreeSet};

use odradek_wire::ResponseError;
use odradek_wire::messages::create_partitions_request::CreatePartitionsTopic;
use odradek_wire::messages::create_partitions_response::CreatePartitionsTopicResult;
use odradek_wire::messages::{CreatePartitionsRequest, CreatePartitionsResponse};
use uuid::Uuid;

use super::Controller;
use super::api_error::ApiError;
use super::assignment::{Planned, note_planned};

/// Partitions that can be added.
struct Plan {
    topic_id: Uuid,
    /// The number of the first new one.
    first: i32,
    partitions: Vec<Vec<i32>>,
}

impl Controller {
    pub(super) fn create_partitions(&mut self, request: CreatePartitionsRequest) -> CreatePartitionsResponse {
        let mut count_of = BTreeMap::<&str, usize>::new();
        for topic in &request.topics {
            *count_of.entry(topic.name.as_str()).or_default() += 1;
        }
        let mut left = self.config.max_records_per_request;
        let mut planned = Planned::new();
        let mut answered = BTreeSet::new();
        let mut results = Vec::with_capacity(request.topics.len());
        for topic in &request.topics {
            let name = topic.name.as_str();
            if !answered.insert(name) {
                continue;
            }
            let plan = if count_of.get(name).is_some_and(|count| *count > 1) {
                Err(ApiError::new(ResponseError::InvalidRequest, "Duplicate topic name."))
            } else {
                self.plan_more(topic, left, &planned)
            };
            let done = plan.map(|plan| {
                left -= plan.partitions.len();
                note_planned(&mut planned, &plan.partitions);
                if !request.validate_only {
                    self.add_partitions(&plan);
                }
            });
            let (code, message) = ApiError::split(&done);
            results.push(
                CreatePartitionsTopicResult::default()
                    .with_name(topic.name.clone())
                    .with_error_code(code)
                    .with_error_message(message),
            );
        }
        CreatePartitionsResponse::default().with_results(results)
    }

    fn plan_more(&mut self, topic: &CreatePartitionsTopic, most: usize, planned: &Planned) -> Result<Plan, ApiError> {
        let found = self.image.topic(&topic.name).cloned().ok_or_else(ApiError::unknown_topic)?;
        let current = i32::try_from(found.partitions.len()).unwrap_or(i32::MAX);
        if topic.count <= current {
            let message = if topic.count == current {
                format!("Topic already has {current} partition(s).")
            } else {
                format!(
                    "The topic {} currently has {current} partition(s); {} would not be an \
                     increase.",
                    found.name, topic.count
                )
            };
            return Err(ApiError::new(ResponseError::InvalidPartitions, message));
        }
        let additional = usize::try_from(topic.count - current).unwrap_or(usize::MAX);
        if additional > most {
            return Err(ApiError::new(
                ResponseError::PolicyViolation,
                "Excessively large number of additional partitions per request.",
            ));
        }
        let factor = found.replication_factor();
        let partitions = match &topic.assignments {
            None => self.place_partitions(Some(&found), additional, factor, planned)?,
            Some(assignments) if assignments.len() != additional => {
                return Err(ApiError::new(
                    ResponseError::InvalidReplicaAssignment,
                    format!(
                        "Attempted to add {additional} additional partition(s), but only {} \
                         assignment(s) were specified.",
                        assignments.len()
                    ),
                ));
            }
            Some(assignments) => {
                let mut partitions = Vec::with_capacity(additional);
                for (assignment, partition) in assignments.iter().zip(current..) {
                    let replicas: Vec<i32> = assignment.broker_ids.iter().map(|broker| broker.0).collect();
                    self.check_manual(partition, &replicas, Some(factor))?;
                    partitions.push(replicas);
                }
                partitions
            }
        };
        Ok(Plan { topic_id: found.id, first: current, partitions })
    }

    fn add_partitions(&mut self, plan: &Plan) {
        for (replicas, partition) in plan.partitions.iter().zip(plan.first..) {
            let record = self.new_partition(plan.topic_id, partition, replicas);
            self.write(record);
        }
    }
}
