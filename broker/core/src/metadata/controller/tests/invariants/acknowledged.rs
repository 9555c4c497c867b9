//! What is acknowledged is on every member of the in-sync set and on every eligible replica (M3, KIP-966).
//!
//! The model: a write under acks=all is acknowledged by a leader whose committed in-sync set has at least
//! `min.insync.replicas` members; then they all have it, and nobody else. Who joins the in-sync set has all that its
//! leader has. Who comes back from an unclean stop, or with an empty disk, may have lost it.

use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;

use crate::metadata::image::Image;

/// Who has all that was acknowledged, of each partition.
#[derive(Default)]
pub(crate) struct Holders {
    of: BTreeMap<(Uuid, i32), BTreeSet<i32>>,
    /// Brokers that came back from an unclean stop, until their registration is committed.
    unclean: BTreeSet<i32>,
}

impl Holders {
    /// Every leader that may acknowledge a write does.
    pub(crate) fn write(&mut self, image: &Image, min_insync: impl Fn(&str) -> usize) {
        for (topic, index, state) in super::partitions(image) {
            let enough = state.floor(min_insync(&topic.name));
            if state.leader().is_some() && state.isr.len() >= enough {
                self.of.insert((topic.id, index), state.isr.iter().copied().collect());
            }
        }
    }

    /// Whether the broker, when it comes back, may have lost what it had.
    pub(crate) fn unclean(&mut self, broker: i32, unclean: bool) {
        if unclean {
            self.unclean.insert(broker);
        } else {
            self.unclean.remove(&broker);
        }
    }

    /// Whether a registration that says so was not committed yet.
    pub(crate) fn is_unclean(&self, broker: i32) -> bool {
        self.unclean.contains(&broker)
    }

    /// A record was committed.
    pub(super) fn check(&mut self, before: &Image, after: &Image) {
        let changes = after.changes_since(before);
        for id in changes.brokers {
            let incarnation = |image: &Image| image.broker(id).map(|broker| broker.incarnation);
            if incarnation(before) != incarnation(after) && self.unclean.remove(&id) {
                for holders in self.of.values_mut() {
                    holders.remove(&id);
                }
            }
        }
        for at in changes.partitions {
            let Some(new) = after.partition(at.topic_id, at.partition) else { continue };
            let old = before.partition(at.topic_id, at.partition);
            let key = (at.topic_id, at.partition);
            let Some(old) = old else {
                self.of.insert(key, new.isr.iter().copied().collect());
                continue;
            };
            let risky = new.leader().is_some_and(|id| !old.isr.contains(&id) && !old.elr.contains(&id));
            let holders = self.of.entry(key).or_default();
            if risky {
                // The last known leader, or an unclean election: what counts from here on is what it has.
                holders.clear();
            }
            if new.leader().is_some() && (risky || holders.contains(&new.leader)) {
                holders.extend(&new.isr);
            }
            for id in new.isr.iter().chain(&new.elr) {
                assert!(holders.contains(id), "{at:?}: {id} counts as one that has everything: {new:?} after {old:?}");
            }
        }
    }
}
