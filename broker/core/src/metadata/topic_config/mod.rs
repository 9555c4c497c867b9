//! Topic configuration: every key that Kafka 4.4 knows, how its values are checked, and which
//! value is in force.

mod definition;
mod effective;
mod table;

pub use definition::{Rule, Synonym, TopicConfig, Type, Unit, validate_together};
pub use effective::{Effective, EffectiveConfig, Source};
pub use table::TOPIC_CONFIGS;

/// The definition of a topic's key.
#[must_use]
pub fn definition(name: &str) -> Option<&'static TopicConfig> {
    TOPIC_CONFIGS.binary_search_by(|config| config.name.cmp(name)).ok().and_then(|at| TOPIC_CONFIGS.get(at))
}

/// The topic's key whose default the broker's key `name` sets.
#[must_use]
pub fn definition_of_synonym(name: &str) -> Option<&'static TopicConfig> {
    TOPIC_CONFIGS.iter().find(|config| config.synonyms.iter().any(|synonym| synonym.name == name))
}
