//! In one leader epoch a partition has one leader at most, for ever.

use std::collections::BTreeMap;

use uuid::Uuid;

use crate::metadata::image::Image;

/// Who led what under which epoch.
#[derive(Default)]
pub(super) struct History(BTreeMap<(Uuid, i32, i32), i32>);

impl History {
    pub(super) fn check(&mut self, image: &Image) {
        for (topic, index, state) in super::partitions(image) {
            let key = (topic.id, index, state.leader_epoch);
            let led_by = *self.0.entry(key).or_insert(state.leader);
            assert_eq!(led_by, state.leader, "{}-{index} has two leaders: {state:?}", topic.name);
        }
    }
}
