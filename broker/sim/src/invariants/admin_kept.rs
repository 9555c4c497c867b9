//! What an administrator was told is done stays done (Raft: a committed entry is never lost): topics that were made are
//! there, topics that were removed are not, and configurations are as set.

use odradek_core::metadata::image::Resource;

use crate::client::{CONFIG_KEY, Expected, Ledger};
use crate::world::World;

/// Holds the ledger against the newest committed metadata.
#[must_use]
pub fn admin_kept(world: &World, ledger: &Ledger) -> Vec<String> {
    let Some(image) = world.newest_image() else { return vec!["nobody has any metadata".to_owned()] };
    let mut broken = Vec::new();
    for (topic, expected) in &ledger.topics {
        let there = image.topic(topic).is_some();
        if let Expected::Known(expected) = expected
            && *expected != there
        {
            broken.push(format!("topic {topic}: there must be one: {expected}; there is one: {there}"));
        }
    }
    for (topic, expected) in &ledger.configs {
        let Expected::Known(expected) = expected else { continue };
        let found = image.config(&Resource::Topic(topic.clone())).and_then(|config| config.get(CONFIG_KEY));
        if found.map(ToString::to_string).as_deref() != Some(expected.as_str()) {
            broken.push(format!("topic {topic}: {CONFIG_KEY} was set to {expected}, and is {found:?}"));
        }
    }
    broken
}
