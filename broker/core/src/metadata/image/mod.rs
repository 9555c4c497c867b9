//! The metadata as a whole at one offset of the controllers' log.

mod brokers;
mod changes;
mod configs;
mod error;
#[cfg(test)]
mod tests;
mod topics;

pub use brokers::Broker;
pub use changes::Changes;
pub use configs::{ConfigMap, Resource};
pub use error::ApplyError;
pub use topics::{Partition, Topic, TopicPartition};

use std::sync::Arc;

use imbl::OrdMap;
use uuid::Uuid;

use self::brokers::Brokers;
use self::configs::Configs;
use self::topics::Topics;
use super::record::{self, Change, Record};
use odradek_wire::features::{METADATA_VERSION, MetadataVersion};

/// The metadata at one offset. A clone costs a few reference counts, and shares all that did
/// not change; iteration is always in the order of the keys.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Image {
    offset: u64,
    cluster_id: Option<Arc<str>>,
    features: OrdMap<String, i32>,
    brokers: Brokers,
    topics: Topics,
    configs: Configs,
    next_producer_id: i64,
    min_insync_replicas: Option<u32>,
    restart_lease: Option<Arc<record::RestartLease>>,
}

impl Image {
    /// The empty image, at offset 0.
    #[must_use]
    pub fn new() -> Image {
        Image::default()
    }

    /// The image that `records` of a snapshot at `offset` add up to.
    ///
    /// # Errors
    ///
    /// When a record cannot be applied; the snapshot is then of no use.
    pub fn from_records<'a>(offset: u64, records: impl IntoIterator<Item = &'a Record>) -> Result<Image, ApplyError> {
        let mut image = Image::new();
        for record in records {
            image.apply(offset, record)?;
        }
        image.advance_to(offset);
        Ok(image)
    }

    /// Applies one record of the entry at `offset`. Several records may share an offset.
    ///
    /// # Errors
    ///
    /// When the record contradicts the image or is of a newer release. The image is then as it
    /// was, and the node that meets this in a committed entry must stop: it cannot know the
    /// metadata any more.
    pub fn apply(&mut self, offset: u64, record: &Record) -> Result<(), ApplyError> {
        let change = record.change.as_ref().ok_or(ApplyError::UnknownKind { offset })?;
        match change {
            Change::RegisterBroker(change) => self.brokers.register(change)?,
            Change::BrokerChange(change) => self.brokers.change(change)?,
            Change::UnregisterBroker(change) => self.brokers.unregister(change)?,
            Change::Topic(change) => self.topics.create(change)?,
            Change::Partition(change) => self.topics.create_partition(change)?,
            Change::PartitionChange(change) => self.topics.change_partition(change)?,
            Change::PartitionChanges(change) => self.topics.change_partitions(change)?,
            Change::RemoveTopic(change) => {
                let name = self.topics.remove(change)?;
                self.configs.remove_resource(&Resource::Topic(name.to_string()));
            }
            Change::Config(change) => self.apply_config(change)?,
            Change::ProducerIds(change) => {
                if change.next < self.next_producer_id {
                    return Err(ApplyError::ProducerIdsBack { next: change.next, had: self.next_producer_id });
                }
                self.next_producer_id = change.next;
            }
            Change::Feature(change) => self.apply_feature(change)?,
            Change::ClusterDefaults(change) => self.min_insync_replicas = Some(change.min_insync_replicas.max(1)),
            Change::RestartLease(change) => {
                self.restart_lease = (!change.holder.is_empty()).then(|| Arc::new(change.clone()));
            }
            Change::ClusterId(change) => {
                if self.cluster_id.as_deref().is_some_and(|had| had != change.cluster_id) {
                    return Err(ApplyError::ClusterIdChanged { to: change.cluster_id.clone() });
                }
                self.cluster_id = Some(change.cluster_id.as_str().into());
            }
        }
        self.advance_to(offset);
        Ok(())
    }

    /// Notes that everything up to `offset` is applied: for entries that hold no records.
    pub fn advance_to(&mut self, offset: u64) {
        self.offset = self.offset.max(offset);
    }

    fn apply_config(&mut self, change: &record::Config) -> Result<(), ApplyError> {
        let resource = Resource::from_parts(change.resource_type, &change.resource_name)?;
        if let Resource::Topic(name) = &resource
            && self.topic(name).is_none()
        {
            return Err(ApplyError::UnknownTopicName { name: name.clone() });
        }
        self.configs.set(resource, &change.key, change.value.as_deref());
        Ok(())
    }

    fn apply_feature(&mut self, change: &record::Feature) -> Result<(), ApplyError> {
        if change.name == METADATA_VERSION {
            let latest = i32::from(MetadataVersion::LATEST.level());
            if change.level > latest {
                return Err(ApplyError::NewerMetadataVersion { level: change.level, latest });
            }
            let version = i16::try_from(change.level).ok().and_then(MetadataVersion::from_level);
            version.ok_or(ApplyError::OlderMetadataVersion { level: change.level })?;
        }
        if change.level == 0 {
            self.features.remove(&change.name);
        } else {
            self.features.insert(change.name.clone(), change.level);
        }
        Ok(())
    }

    /// Records that, applied to an empty image, make this one (the offset aside): a snapshot.
    #[must_use]
    pub fn to_records(&self) -> Vec<Record> {
        let mut records = Vec::new();
        if let Some(cluster_id) = &self.cluster_id {
            records.push(record::ClusterId { cluster_id: cluster_id.to_string() }.into());
        }
        for (name, level) in &self.features {
            records.push(record::Feature { name: name.clone(), level: *level }.into());
        }
        if let Some(min_insync_replicas) = self.min_insync_replicas {
            records.push(record::ClusterDefaults { min_insync_replicas }.into());
        }
        if let Some(lease) = &self.restart_lease {
            records.push(record::RestartLease::clone(lease).into());
        }
        self.brokers.to_records(&mut records);
        self.topics.to_records(&mut records);
        self.configs.to_records(&mut records);
        if self.next_producer_id > 0 {
            records.push(record::ProducerIds { broker_id: -1, broker_epoch: -1, next: self.next_producer_id }.into());
        }
        records
    }

    /// The offset of the last entry applied.
    #[must_use]
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// The cluster's id; `None` before the first controller wrote it.
    #[must_use]
    pub fn cluster_id(&self) -> Option<&str> {
        self.cluster_id.as_deref()
    }

    /// The level of `metadata.version`; `None` before the first controller wrote it.
    #[must_use]
    pub fn metadata_version(&self) -> Option<MetadataVersion> {
        MetadataVersion::from_level(i16::try_from(self.feature(METADATA_VERSION)).ok()?)
    }

    /// The level of a feature; 0 of one that is not on.
    #[must_use]
    pub fn feature(&self, name: &str) -> i32 {
        self.features.get(name).copied().unwrap_or(0)
    }

    /// The features that are on, with their levels, in the order of their names.
    pub fn features(&self) -> impl Iterator<Item = (&str, i32)> {
        self.features.iter().map(|(name, level)| (name.as_str(), *level))
    }

    /// `min.insync.replicas` of the controllers' server.properties; `None` before the first controller wrote it.
    #[must_use]
    pub fn min_insync_replicas(&self) -> Option<u32> {
        self.min_insync_replicas
    }

    /// Who may stop processes; `None` when nobody asked, gave it back, or let it end.
    #[must_use]
    pub fn restart_lease(&self) -> Option<&record::RestartLease> {
        self.restart_lease.as_deref()
    }

    /// The first producer id that was not handed out.
    #[must_use]
    pub fn next_producer_id(&self) -> i64 {
        self.next_producer_id
    }

    /// A registered broker, fenced or not.
    #[must_use]
    pub fn broker(&self, id: i32) -> Option<&Arc<Broker>> {
        self.brokers.get(id)
    }

    /// All registered brokers, by id.
    pub fn brokers(&self) -> impl Iterator<Item = &Arc<Broker>> {
        self.brokers.iter()
    }

    /// The brokers that clients may be told of: registered and not fenced, by id.
    pub fn alive_brokers(&self) -> impl Iterator<Item = &Arc<Broker>> {
        self.brokers.iter().filter(|broker| !broker.fenced)
    }

    /// A topic by its name.
    #[must_use]
    pub fn topic(&self, name: &str) -> Option<&Arc<Topic>> {
        self.topics.by_name(name)
    }

    /// A topic by its id.
    #[must_use]
    pub fn topic_by_id(&self, id: Uuid) -> Option<&Arc<Topic>> {
        self.topics.by_id(id)
    }

    /// All topics, in the order of their names.
    pub fn topics(&self) -> impl Iterator<Item = &Arc<Topic>> {
        self.topics.iter()
    }

    /// How many topics there are.
    #[must_use]
    pub fn topic_count(&self) -> usize {
        self.topics.len()
    }

    /// A partition by its topic's id.
    #[must_use]
    pub fn partition(&self, topic_id: Uuid, partition: i32) -> Option<&Arc<Partition>> {
        self.topics.by_id(topic_id)?.partitions.get(&partition)
    }

    /// The partitions with a reassignment under way, in the order of their topics' ids; found without a scan.
    pub fn reassigning(&self) -> impl Iterator<Item = TopicPartition> + '_ {
        self.topics.reassigning().iter().copied()
    }

    /// What was set on a resource; `None` when nothing was. For what is in force see
    /// [`super::topic_config`].
    #[must_use]
    pub fn config(&self, resource: &Resource) -> Option<&ConfigMap> {
        self.configs.get(resource)
    }

    /// All resources that something was set on.
    pub fn configs(&self) -> impl Iterator<Item = (&Resource, &ConfigMap)> {
        self.configs.iter()
    }

    /// What differs from an `older` image; costs in proportion to the differences.
    #[must_use]
    pub fn changes_since(&self, older: &Image) -> Changes {
        Changes::between(older, self)
    }
}
