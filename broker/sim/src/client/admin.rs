//! An administrator: makes and removes topics, adds partitions, moves replicas, changes configurations, elects leaders, raises
//! metadata.version.

use std::collections::BTreeSet;

use odradek_wire::features::{METADATA_VERSION, MetadataVersion};
use odradek_wire::messages::alter_partition_reassignments_request::{ReassignablePartition, ReassignableTopic};
use odradek_wire::messages::create_partitions_request::CreatePartitionsTopic;
use odradek_wire::messages::create_topics_request::CreatableTopic;
use odradek_wire::messages::elect_leaders_request::TopicPartitions;
use odradek_wire::messages::incremental_alter_configs_request::{AlterConfigsResource, AlterableConfig};
use odradek_wire::messages::update_features_request::FeatureUpdateKey;
use odradek_wire::messages::{
    AlterPartitionReassignmentsRequest, BrokerId, CreatePartitionsRequest, CreateTopicsRequest, DeleteTopicsRequest,
    ElectLeadersRequest, IncrementalAlterConfigsRequest, RequestKind, ResponseKind, TopicName, UpdateFeaturesRequest,
};
use odradek_wire::protocol::StrBytes;

use super::ledger::Expected;
use super::{Client, Common, Ledger};
use crate::world::{ClientAnswer, World};

const CREATE_TOPICS: (i16, i16) = (19, 7);
const DELETE_TOPICS: (i16, i16) = (20, 5);
const CREATE_PARTITIONS: (i16, i16) = (37, 3);
const INCREMENTAL_ALTER_CONFIGS: (i16, i16) = (44, 1);
const ELECT_LEADERS: (i16, i16) = (43, 2);
const ALTER_PARTITION_REASSIGNMENTS: (i16, i16) = (45, 0);
const UPDATE_FEATURES: (i16, i16) = (57, 1);
const NO_REASSIGNMENT_IN_PROGRESS: i16 = 85;
const TOPIC_RESOURCE: i8 = 2;
const UNKNOWN_TOPIC: i16 = 3;
const TOPIC_ALREADY_EXISTS: i16 = 36;
const TIMEOUT_MS: i32 = 2_500;

/// The key that it changes.
pub const CONFIG_KEY: &str = "max.message.bytes";

#[derive(Debug, Clone, PartialEq, Eq)]
enum Operation {
    Create(String),
    Delete(String),
    Configure(String, String),
    AddPartitions(String, i32),
    ElectPreferred,
    RaiseMetadataVersion,
    /// Other replicas; none cancels what is under way.
    Reassign(String, i32, Option<Vec<i32>>),
    /// The last way out: a leader from outside of the in-sync set.
    ElectUnclean(String, i32),
}

impl Operation {
    fn topic(&self) -> Option<&str> {
        match self {
            Operation::Create(topic)
            | Operation::Delete(topic)
            | Operation::Configure(topic, _)
            | Operation::AddPartitions(topic, _) => Some(topic),
            Operation::ElectPreferred
            | Operation::RaiseMetadataVersion
            | Operation::ElectUnclean(..)
            | Operation::Reassign(..) => None,
        }
    }
}

/// The administrator.
#[derive(Debug)]
pub struct Admin {
    common: Common,
    left: u32,
    pace_us: u64,
    made: u32,
    /// Topics that were made, with their partitions, and not removed.
    topics: Vec<(String, i32)>,
    current: Option<(Operation, u32)>,
    call: Option<u64>,
    /// Topics of which something was asked more than once: an earlier request may yet be carried out.
    tainted: BTreeSet<String>,
}

impl Admin {
    /// One that does so many operations in `over_us`.
    #[must_use]
    pub fn new(common: Common, operations: u32, over_us: u64) -> Admin {
        let pace_us = over_us / u64::from(operations.max(1));
        Admin {
            common,
            left: operations,
            pace_us,
            made: 0,
            topics: Vec::new(),
            current: None,
            call: None,
            tainted: BTreeSet::new(),
        }
    }

    fn next(&mut self, world: &World) -> Option<Operation> {
        if self.left == 0 {
            return world.promise.leaderless(world).map(|(topic, partition)| Operation::ElectUnclean(topic, partition));
        }
        self.left -= 1;
        let any = (!self.topics.is_empty()).then(|| self.common.rng.range(0, self.topics.len() as u64 - 1) as usize);
        Some(match (self.common.rng.range(0, 13), any) {
            (0..=1, Some(index)) => Operation::Delete(self.topics.swap_remove(index).0),
            (2..=3, Some(index)) => {
                let (name, partitions) = &mut self.topics[index];
                *partitions += 1;
                Operation::AddPartitions(name.clone(), *partitions)
            }
            (4..=5, Some(index)) => {
                let value = self.common.rng.range(100_000, 900_000).to_string();
                Operation::Configure(self.topics[index].0.clone(), value)
            }
            (6, _) => Operation::ElectPreferred,
            (7, _) => Operation::RaiseMetadataVersion,
            (8..=10, _) => {
                let topic = self.common.rng.pick(&world.plan.topics).clone();
                let partition = self.common.rng.range(0, u64::from(topic.partitions.unsigned_abs()) - 1) as i32;
                let replicas = (!self.common.rng.chance(250)).then(|| {
                    let mut brokers = world.plan.broker_ids();
                    while brokers.len() > topic.replication_factor as usize {
                        let out = self.common.rng.range(0, brokers.len() as u64 - 1) as usize;
                        brokers.swap_remove(out);
                    }
                    brokers
                });
                Operation::Reassign(topic.name.to_owned(), partition, replicas)
            }
            _ => {
                self.made += 1;
                Operation::Create(format!("made-{}-{}", self.common.place, self.made))
            }
        })
    }

    fn send(&mut self, world: &mut World, ledger: &mut Ledger) {
        let Some((operation, tries)) = &mut self.current else { return };
        *tries += 1;
        if let (true, Some(topic)) = (*tries > 1, operation.topic()) {
            self.tainted.insert(topic.to_owned());
        }
        let name = |name: &str| StrBytes::from_string(name.to_owned());
        let (api, body) = match operation {
            Operation::Create(topic) => {
                ledger.topics.insert(topic.clone(), Expected::Either);
                let new = CreatableTopic::default()
                    .with_name(TopicName(name(topic)))
                    .with_num_partitions(1)
                    .with_replication_factor(3);
                let body = CreateTopicsRequest::default().with_topics(vec![new]).with_timeout_ms(TIMEOUT_MS);
                (CREATE_TOPICS, RequestKind::CreateTopics(body))
            }
            Operation::Delete(topic) => {
                ledger.topics.insert(topic.clone(), Expected::Either);
                ledger.configs.remove(topic);
                let names = vec![TopicName(name(topic))];
                let body = DeleteTopicsRequest::default().with_topic_names(names).with_timeout_ms(TIMEOUT_MS);
                (DELETE_TOPICS, RequestKind::DeleteTopics(body))
            }
            Operation::Configure(topic, value) => {
                ledger.configs.insert(topic.clone(), Expected::Either);
                let config = AlterableConfig::default()
                    .with_name(StrBytes::from_static_str(CONFIG_KEY))
                    .with_config_operation(0)
                    .with_value(Some(name(value)));
                let resource = AlterConfigsResource::default()
                    .with_resource_type(TOPIC_RESOURCE)
                    .with_resource_name(name(topic))
                    .with_configs(vec![config]);
                let body = IncrementalAlterConfigsRequest::default().with_resources(vec![resource]);
                (INCREMENTAL_ALTER_CONFIGS, RequestKind::IncrementalAlterConfigs(body))
            }
            Operation::AddPartitions(topic, count) => {
                let topic = CreatePartitionsTopic::default()
                    .with_name(TopicName(name(topic)))
                    .with_count(*count)
                    .with_assignments(None);
                let body = CreatePartitionsRequest::default().with_topics(vec![topic]).with_timeout_ms(TIMEOUT_MS);
                (CREATE_PARTITIONS, RequestKind::CreatePartitions(body))
            }
            Operation::ElectPreferred => {
                let body = ElectLeadersRequest::default()
                    .with_election_type(0)
                    .with_topic_partitions(None)
                    .with_timeout_ms(TIMEOUT_MS);
                (ELECT_LEADERS, RequestKind::ElectLeaders(body))
            }
            Operation::RaiseMetadataVersion => {
                let update = FeatureUpdateKey::default()
                    .with_feature(StrBytes::from_static_str(METADATA_VERSION))
                    .with_max_version_level(MetadataVersion::LATEST.level());
                let body =
                    UpdateFeaturesRequest::default().with_feature_updates(vec![update]).with_timeout_ms(TIMEOUT_MS);
                (UPDATE_FEATURES, RequestKind::UpdateFeatures(body))
            }
            Operation::Reassign(topic, partition, replicas) => {
                let replicas = replicas.as_ref().map(|ids| ids.iter().map(|id| BrokerId(*id)).collect());
                let partition =
                    ReassignablePartition::default().with_partition_index(*partition).with_replicas(replicas);
                let topic =
                    ReassignableTopic::default().with_name(TopicName(name(topic))).with_partitions(vec![partition]);
                let body =
                    AlterPartitionReassignmentsRequest::default().with_topics(vec![topic]).with_timeout_ms(TIMEOUT_MS);
                (ALTER_PARTITION_REASSIGNMENTS, RequestKind::AlterPartitionReassignments(body))
            }
            Operation::ElectUnclean(topic, partition) => {
                let partitions =
                    TopicPartitions::default().with_topic(TopicName(name(topic))).with_partitions(vec![*partition]);
                let body = ElectLeadersRequest::default()
                    .with_election_type(1)
                    .with_topic_partitions(Some(vec![partitions]))
                    .with_timeout_ms(TIMEOUT_MS);
                (ELECT_LEADERS, RequestKind::ElectLeaders(body))
            }
        };
        let to = self.common.any_broker(world);
        self.call = Some(self.common.ask(world, to, api, body));
    }

    /// The error that an answer gives; `None` when there was no answer.
    fn error(answer: ClientAnswer) -> Option<i16> {
        let ClientAnswer::Kafka(kind) = answer else { return None };
        match *kind {
            ResponseKind::CreateTopics(response) => response.topics.first().map(|it| it.error_code),
            ResponseKind::DeleteTopics(response) => response.responses.first().map(|it| it.error_code),
            ResponseKind::IncrementalAlterConfigs(response) => response.responses.first().map(|it| it.error_code),
            ResponseKind::CreatePartitions(response) => response.results.first().map(|it| it.error_code),
            ResponseKind::ElectLeaders(response) => Some(response.error_code),
            ResponseKind::UpdateFeatures(response) => Some(response.error_code),
            ResponseKind::AlterPartitionReassignments(response) => {
                let partition = response.responses.first().and_then(|topic| topic.partitions.first());
                partition.map(|it| it.error_code).or(Some(response.error_code))
            }
            _ => None,
        }
    }

    fn ended(&mut self, error: Option<i16>, world: &mut World, ledger: &mut Ledger) -> bool {
        let Some((operation, tries)) = &self.current else { return true };
        let once = operation.topic().is_none_or(|topic| !self.tainted.contains(topic));
        let done = match (operation, error) {
            (Operation::Create(topic), Some(0 | TOPIC_ALREADY_EXISTS)) => {
                ledger.topics.insert(topic.clone(), Expected::Known(true));
                self.topics.push((topic.clone(), 1));
                world.counts.add("topic made by an administrator");
                true
            }
            (Operation::Delete(topic), Some(0 | UNKNOWN_TOPIC)) => {
                if once && error == Some(0) {
                    ledger.topics.insert(topic.clone(), Expected::Known(false));
                }
                world.counts.add("topic removed by an administrator");
                true
            }
            (Operation::Configure(topic, value), Some(0)) => {
                if once {
                    ledger.configs.insert(topic.clone(), Expected::Known(value.clone()));
                }
                world.counts.add("configuration changed by an administrator");
                true
            }
            (Operation::AddPartitions(..), Some(0)) => {
                world.counts.add("partitions added by an administrator");
                true
            }
            (Operation::ElectPreferred, Some(0)) => {
                world.counts.add("preferred leaders asked for");
                true
            }
            (Operation::RaiseMetadataVersion, Some(0)) => {
                world.counts.add("metadata.version raised, or it was");
                true
            }
            (Operation::Reassign(_, _, replicas), Some(0 | NO_REASSIGNMENT_IN_PROGRESS)) => {
                world.counts.add(match replicas {
                    Some(_) => "reassignment asked for",
                    None => "reassignment cancelled, or there was none",
                });
                true
            }
            (Operation::ElectUnclean(..), Some(_)) => {
                world.counts.add("unclean election asked for");
                true
            }
            // Another answer to what is asked again and again (as of a topic that is there already) ends it too.
            (
                Operation::AddPartitions(..)
                | Operation::Configure(..)
                | Operation::ElectPreferred
                | Operation::RaiseMetadataVersion,
                Some(_),
            ) => *tries > 3,
            _ => false,
        };
        if done {
            ledger.operations += 1;
        }
        done
    }
}

impl Client for Admin {
    fn wake(&mut self, world: &mut World, ledger: &mut Ledger) {
        if self.call.is_some() {
            return;
        }
        if self.current.is_none() {
            self.current = self.next(world).map(|operation| (operation, 0));
        }
        if self.current.is_some() {
            self.send(world, ledger);
        } else {
            // Something may have to be rescued yet.
            world.schedule_client(world.now_us + 1_000_000, self.common.place);
        }
    }

    fn answer(&mut self, call: u64, answer: ClientAnswer, world: &mut World, ledger: &mut Ledger) {
        if self.call != Some(call) {
            return;
        }
        self.call = None;
        if self.ended(Admin::error(answer), world, ledger) {
            self.current = None;
            let pause = self.common.rng.range(self.pace_us / 2, self.pace_us * 3 / 2);
            world.schedule_client(world.now_us + pause.max(1_000), self.common.place);
        } else {
            self.common.later(world);
        }
    }

    fn is_done(&self) -> bool {
        self.left == 0 && self.current.is_none()
    }
}
