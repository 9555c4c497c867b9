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
    /// Brokers, with their incarnations, that came back from an unclean stop, until their registration is committed.
    unclean: BTreeSet<(i32, u8)>,
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

    /// The broker's process with that incarnation may have lost what the one before had.
    pub(crate) fn unclean(&mut self, broker: i32, incarnation: u8) {
        self.unclean.insert((broker, incarnation));
    }

    /// It was refused.
    pub(crate) fn forget(&mut self, broker: i32, incarnation: u8) {
        self.unclean.remove(&(broker, incarnation));
    }

    /// Whether a registration that says so was not committed yet.
    pub(crate) fn is_unclean(&self, broker: i32) -> bool {
        self.unclean.iter().any(|(id, _)| *id == broker)
    }

    /// A record was committed.
    pub(super) fn check(&mut self, before: &Image, after: &Image) {
        let changes = after.changes_since(before);
        for id in changes.brokers {
            let Some(incarnation) = after.broker(id).map(|broker| broker.incarnation.as_bytes()[0]) else { continue };
            if self.unclean.contains(&(id, incarnation)) {
                // One before it, too, whose registration was lost.
                self.unclean.retain(|(other, before)| *other != id || *before > incarnation);
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
