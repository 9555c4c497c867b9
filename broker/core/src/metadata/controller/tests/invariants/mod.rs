//! What must hold of the metadata at all times; one invariant a file.

pub(crate) mod acknowledged;
mod clean_elections;
mod eligible;
mod epochs_grow;
mod fenced_are_out;
mod isr_not_empty;
mod isr_within_replicas;
mod leader_in_isr;
mod leader_unfenced;
mod leader_when_possible;
mod one_leader_an_epoch;
mod producer_ids_once;
mod reassignments_keep_data;

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::metadata::image::{Image, Partition, Topic};
use crate::metadata::topic_config::EffectiveConfig;

/// Checked on every entry: as it is decided, and as it is committed.
#[derive(Default)]
pub(crate) struct Invariants {
    speculative: Option<Image>,
    committed_leaders: one_leader_an_epoch::History,
    pub(crate) holders: acknowledged::Holders,
    /// The default of the cluster in this run.
    pub(crate) server_properties: BTreeMap<String, String>,
    /// Unclean elections happen in this run.
    pub(crate) unclean: bool,
}

impl Invariants {
    pub(crate) fn check_speculative(&mut self, image: &Image) {
        let before = self.speculative.take().unwrap_or_else(|| image.clone());
        self.check(&before, image);
        self.speculative = Some(image.clone());
    }

    pub(crate) fn check_committed(&mut self, before: &Image, after: &Image) {
        self.check(before, after);
        self.committed_leaders.check(after);
    }

    /// Some hold of each record, not only of entries as a whole.
    pub(crate) fn check_record(&mut self, before: &Image, after: &Image) {
        self.holders.check(before, after);
        for at in after.changes_since(before).partitions {
            let old = before.partition(at.topic_id, at.partition);
            let new = after.partition(at.topic_id, at.partition);
            if let (Some(old), Some(new)) = (old, new) {
                let place = format!("{at:?}: {new:?}");
                reassignments_keep_data::check(&place, old, new, self.unclean);
                if !self.unclean {
                    clean_elections::check(&place, old, new);
                }
            }
        }
    }

    /// A new controller does not know what was decided and lost.
    pub(crate) fn forget_speculative(&mut self) {
        self.speculative = None;
    }

    fn check(&self, before: &Image, after: &Image) {
        for broker in after.brokers() {
            epochs_grow::check_broker(before, broker);
        }
        producer_ids_once::check(before, after);
        for (topic, index, state) in partitions(after) {
            let place = format!("{}-{index}: {state:?}", topic.name);
            leader_in_isr::check(&place, state);
            isr_within_replicas::check(&place, state);
            isr_not_empty::check(&place, state);
            let config = EffectiveConfig::new(after, &topic.name, None, &self.server_properties);
            eligible::check(&place, state, config.min_insync_replicas());
            leader_unfenced::check(&place, after, state);
            fenced_are_out::check(&place, after, state);
            leader_when_possible::check(&place, after, state);
            if let Some(old) = before.partition(topic.id, index) {
                epochs_grow::check(&place, old, state);
            }
        }
    }
}

fn partitions(image: &Image) -> impl Iterator<Item = (&Arc<Topic>, i32, &Arc<Partition>)> {
    image.topics().flat_map(|topic| topic.partitions.iter().map(move |(index, state)| (topic, *index, state)))
}
