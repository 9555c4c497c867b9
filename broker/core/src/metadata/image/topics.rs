//! The topics and their partitions.

use std::sync::Arc;

use imbl::{OrdMap, OrdSet};
use uuid::Uuid;

use super::error::{ApplyError, uuid};
use crate::metadata::record::{self, NO_LEADER, Record};

/// A partition's name inside the metadata.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicPartition {
    /// The topic.
    pub topic_id: Uuid,
    /// The partition's number.
    pub partition: i32,
}

/// A topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topic {
    /// Its id, never used again.
    pub id: Uuid,
    /// Its name.
    pub name: Arc<str>,
    /// Its partitions, by number.
    pub partitions: OrdMap<i32, Arc<Partition>>,
}

impl Topic {
    /// How many replicas its first partition has, or will have once its reassignment is over; 0 for a topic without
    /// partitions.
    #[must_use]
    pub fn replication_factor(&self) -> usize {
        self.partitions.get_min().map_or(0, |(_, partition)| partition.target_replicas().count())
    }
}

/// A partition's committed state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Partition {
    /// Broker ids in order of preference, never empty, each once.
    pub replicas: Vec<i32>,
    /// The in-sync set, in the order of `replicas`. Empty only when there is no leader.
    pub isr: Vec<i32>,
    /// The leader, [`NO_LEADER`] when there is none.
    pub leader: i32,
    /// Grows with each change of leader.
    pub leader_epoch: i32,
    /// Grows with each change of any kind.
    pub partition_epoch: i32,
    /// Replicas that a reassignment adds.
    pub adding: Vec<i32>,
    /// Replicas that a reassignment removes.
    pub removing: Vec<i32>,
    /// KIP-966: replicas outside of the in-sync set that hold everything acknowledged, in the order of `replicas`. Empty
    /// unless the in-sync set is smaller than `min.insync.replicas`.
    pub elr: Vec<i32>,
    /// Who led last, when the in-sync set is empty.
    pub last_known_leader: Option<i32>,
    /// The last known leader came back without its data.
    pub last_known_leader_lost_data: bool,
    /// KIP-858: the log directory of each replica; empty when unknown.
    pub directories: Vec<Uuid>,
}

impl Partition {
    /// The leader, when there is one.
    #[must_use]
    pub fn leader(&self) -> Option<i32> {
        (self.leader != NO_LEADER).then_some(self.leader)
    }

    /// The first replica of the list.
    #[must_use]
    pub fn preferred_leader(&self) -> Option<i32> {
        self.replicas.first().copied()
    }

    /// Whether a reassignment is under way (KIP-455).
    #[must_use]
    pub fn is_reassigning(&self) -> bool {
        !self.adding.is_empty() || !self.removing.is_empty()
    }

    /// The replicas that stay once the reassignment under way is over, in order of preference; without one, all.
    pub fn target_replicas(&self) -> impl Iterator<Item = i32> + '_ {
        self.replicas.iter().copied().filter(|id| !self.removing.contains(id))
    }

    /// The replicas as they were before the reassignment under way, those that it keeps in its order; without one, all.
    pub fn original_replicas(&self) -> impl Iterator<Item = i32> + '_ {
        self.replicas.iter().copied().filter(|id| !self.adding.contains(id))
    }

    /// How many in-sync replicas acks=all takes, and the high watermark needs to move: `min.insync.replicas`, but no
    /// more than there are replicas. A reassignment that adds some asks for no more than before until it is over, so
    /// that a topic of one replica takes writes while it gets its second. Leaders and controllers must agree on this:
    /// below it, who leaves the in-sync set stays eligible (KIP-966).
    #[must_use]
    pub fn floor(&self, min_insync_replicas: usize) -> usize {
        min_insync_replicas.min(self.original_replicas().count()).max(1)
    }

    fn to_record(&self, topic_id: Uuid, partition: i32) -> Record {
        record::Partition {
            topic_id: topic_id.as_bytes().to_vec(),
            partition,
            replicas: self.replicas.clone(),
            isr: self.isr.clone(),
            leader: self.leader,
            leader_epoch: self.leader_epoch,
            partition_epoch: self.partition_epoch,
            adding: self.adding.clone(),
            removing: self.removing.clone(),
            elr: self.elr.clone(),
            last_known_leader: self.last_known_leader,
            last_known_leader_lost_data: self.last_known_leader_lost_data,
            directories: self.directories.iter().map(|id| id.as_bytes().to_vec()).collect(),
        }
        .into()
    }

    fn from_record(change: &record::Partition) -> Result<Partition, ApplyError> {
        Ok(Partition {
            replicas: change.replicas.clone(),
            isr: change.isr.clone(),
            leader: change.leader,
            leader_epoch: change.leader_epoch,
            partition_epoch: change.partition_epoch,
            adding: change.adding.clone(),
            removing: change.removing.clone(),
            elr: change.elr.clone(),
            last_known_leader: change.last_known_leader,
            last_known_leader_lost_data: change.last_known_leader_lost_data,
            directories: change.directories.iter().map(|id| uuid(id)).collect::<Result<_, _>>()?,
        })
    }

    fn change(&mut self, change: &record::PartitionChange) -> Result<(), ApplyError> {
        if let Some(directories) = &change.directories {
            // First, because only this can fail.
            self.directories = directories.ids.iter().map(|id| uuid(id)).collect::<Result<_, _>>()?;
        }
        let lists = [
            (&change.replicas, &mut self.replicas),
            (&change.isr, &mut self.isr),
            (&change.adding, &mut self.adding),
            (&change.removing, &mut self.removing),
            (&change.elr, &mut self.elr),
        ];
        for (new, list) in lists {
            if let Some(new) = new {
                list.clone_from(&new.ids);
            }
        }
        if let Some(leader) = change.leader {
            self.leader = leader;
            self.leader_epoch += 1;
        }
        if let Some(id) = change.last_known_leader {
            self.last_known_leader = (id != NO_LEADER).then_some(id);
        }
        if let Some(lost) = change.last_known_leader_lost_data {
            self.last_known_leader_lost_data = lost;
        }
        self.partition_epoch += 1;
        Ok(())
    }
}

#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Topics {
    by_id: OrdMap<Uuid, Arc<Topic>>,
    by_name: OrdMap<Arc<str>, Uuid>,
    /// The partitions with a reassignment under way.
    reassigning: OrdSet<TopicPartition>,
}

impl Topics {
    pub(super) fn by_id(&self, id: Uuid) -> Option<&Arc<Topic>> {
        self.by_id.get(&id)
    }

    pub(super) fn by_name(&self, name: &str) -> Option<&Arc<Topic>> {
        self.by_id.get(self.by_name.get(name)?)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Arc<Topic>> {
        self.by_name.values().filter_map(|id| self.by_id.get(id))
    }

    pub(super) fn len(&self) -> usize {
        self.by_id.len()
    }

    pub(super) fn map(&self) -> &OrdMap<Uuid, Arc<Topic>> {
        &self.by_id
    }

    pub(super) fn reassigning(&self) -> &OrdSet<TopicPartition> {
        &self.reassigning
    }

    fn note_reassigning(&mut self, at: TopicPartition, reassigning: bool) {
        if reassigning {
            self.reassigning.insert(at);
        } else {
            self.reassigning.remove(&at);
        }
    }

    pub(super) fn create(&mut self, change: &record::Topic) -> Result<(), ApplyError> {
        let id = uuid(&change.topic_id)?;
        if self.by_id.contains_key(&id) || self.by_name.contains_key(change.name.as_str()) {
            return Err(ApplyError::DuplicateTopic { id, name: change.name.clone() });
        }
        let name: Arc<str> = change.name.as_str().into();
        self.by_name.insert(name.clone(), id);
        self.by_id.insert(id, Arc::new(Topic { id, name, partitions: OrdMap::new() }));
        Ok(())
    }

    pub(super) fn create_partition(&mut self, change: &record::Partition) -> Result<(), ApplyError> {
        let topic_id = uuid(&change.topic_id)?;
        let partition = change.partition;
        let state = Partition::from_record(change)?;
        let topic = self.by_id.get_mut(&topic_id).ok_or(ApplyError::UnknownTopic { id: topic_id })?;
        if topic.partitions.contains_key(&partition) {
            return Err(ApplyError::DuplicatePartition { topic_id, partition });
        }
        let reassigning = state.is_reassigning();
        Arc::make_mut(topic).partitions.insert(partition, Arc::new(state));
        self.note_reassigning(TopicPartition { topic_id, partition }, reassigning);
        Ok(())
    }

    pub(super) fn change_partition(&mut self, change: &record::PartitionChange) -> Result<(), ApplyError> {
        self.change_partition_of(uuid(&change.topic_id)?, change)
    }

    /// All of them, or none when one cannot be.
    pub(super) fn change_partitions(&mut self, changes: &record::PartitionChanges) -> Result<(), ApplyError> {
        let topic_id = uuid(&changes.topic_id)?;
        let before = self.clone();
        let done = changes.changes.iter().try_for_each(|change| self.change_partition_of(topic_id, change));
        if done.is_err() {
            *self = before;
        }
        done
    }

    fn change_partition_of(&mut self, topic_id: Uuid, change: &record::PartitionChange) -> Result<(), ApplyError> {
        let partition = change.partition;
        let topic = self.by_id.get_mut(&topic_id).ok_or(ApplyError::UnknownTopic { id: topic_id })?;
        let state = Arc::make_mut(topic)
            .partitions
            .get_mut(&partition)
            .ok_or(ApplyError::UnknownPartition { topic_id, partition })?;
        let state = Arc::make_mut(state);
        let before = state.is_reassigning();
        state.change(change)?;
        let after = state.is_reassigning();
        if after != before {
            self.note_reassigning(TopicPartition { topic_id, partition }, after);
        }
        Ok(())
    }

    /// The name of the topic that is gone.
    pub(super) fn remove(&mut self, change: &record::RemoveTopic) -> Result<Arc<str>, ApplyError> {
        let id = uuid(&change.topic_id)?;
        let topic = self.by_id.remove(&id).ok_or(ApplyError::UnknownTopic { id })?;
        self.by_name.remove(&topic.name);
        for (partition, _) in topic.partitions.iter().filter(|(_, state)| state.is_reassigning()) {
            self.reassigning.remove(&TopicPartition { topic_id: id, partition: *partition });
        }
        Ok(topic.name.clone())
    }

    pub(super) fn to_records(&self, records: &mut Vec<Record>) {
        for topic in self.by_id.values() {
            records.push(record::Topic { topic_id: topic.id.as_bytes().to_vec(), name: topic.name.to_string() }.into());
            for (index, partition) in &topic.partitions {
                records.push(partition.to_record(topic.id, *index));
            }
        }
    }
}
