//! What differs between two images.

use std::collections::BTreeSet;

use imbl::ordmap::DiffItem;
use uuid::Uuid;

use super::{Image, Resource, Topic, TopicPartition};

/// What differs between an older image and a newer one, each set in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Brokers that came, went or changed.
    pub brokers: BTreeSet<i32>,
    /// Topics that are only in the newer image.
    pub created_topics: BTreeSet<Uuid>,
    /// Topics that are only in the older image: look their names up there.
    pub removed_topics: BTreeSet<Uuid>,
    /// Partitions that were made or changed, those of created topics included.
    pub partitions: BTreeSet<TopicPartition>,
    /// Resources whose configuration changed.
    pub configs: BTreeSet<Resource>,
}

impl Changes {
    /// Whether nothing changed that this type shows.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Changes::default()
    }

    pub(super) fn between(older: &Image, newer: &Image) -> Changes {
        let mut changes = Changes::default();
        for item in older.brokers.map().diff(newer.brokers.map()) {
            changes.brokers.insert(*key(&item));
        }
        for item in older.configs.map().diff(newer.configs.map()) {
            changes.configs.insert(key(&item).clone());
        }
        for item in older.topics.map().diff(newer.topics.map()) {
            match item {
                DiffItem::Add(id, topic) => {
                    changes.created_topics.insert(*id);
                    changes.all_partitions(topic);
                }
                DiffItem::Remove(id, _) => {
                    changes.removed_topics.insert(*id);
                }
                DiffItem::Update { old: (id, old), new: (_, new) } => {
                    for item in old.partitions.diff(&new.partitions) {
                        if !matches!(item, DiffItem::Remove(..)) {
                            changes.partitions.insert(TopicPartition { topic_id: *id, partition: *key(&item) });
                        }
                    }
                }
            }
        }
        changes
    }

    fn all_partitions(&mut self, topic: &Topic) {
        self.partitions.extend(
            topic.partitions.keys().map(|partition| TopicPartition { topic_id: topic.id, partition: *partition }),
        );
    }
}

fn key<'a, K, V>(item: &DiffItem<'a, 'a, K, V>) -> &'a K {
    match item {
        DiffItem::Add(key, _) | DiffItem::Remove(key, _) => key,
        DiffItem::Update { old: (key, _), .. } => key,
    }
}
