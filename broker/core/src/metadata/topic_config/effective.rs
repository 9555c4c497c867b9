//! Which value of a topic's configuration is in force, and where it comes from.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::definition::{TopicConfig, list_items};
use super::{TOPIC_CONFIGS, definition};
use crate::metadata::image::{ConfigMap, Image, Resource};

/// Where a value comes from. The numbers are those of DescribeConfigs and CreateTopics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Source {
    /// Set on the topic.
    Topic = 1,
    /// Set at run time on this broker.
    Broker = 2,
    /// Set at run time on all brokers.
    DefaultBroker = 3,
    /// From server.properties.
    Static = 4,
    /// Kafka's default.
    Default = 5,
}

/// A value, the key under which it was found and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Effective<'a> {
    /// The topic's key, or the broker's key that stands for it.
    pub key: &'a str,
    /// The value, in the unit of the topic's key.
    pub value: Cow<'a, str>,
    /// Where it was found.
    pub source: Source,
}

/// A view of one topic's configuration in force.
///
/// The order is Kafka's: the topic, then this broker, then all brokers, then server.properties,
/// then the default. Cheap to make: it borrows all that it reads.
#[derive(Clone, Copy, Debug)]
pub struct EffectiveConfig<'a> {
    topic: Option<&'a ConfigMap>,
    broker: Option<&'a ConfigMap>,
    default_broker: Option<&'a ConfigMap>,
    server: &'a BTreeMap<String, String>,
    /// Of the controllers' server.properties.
    min_insync_replicas: Option<u32>,
}

impl<'a> EffectiveConfig<'a> {
    /// The configuration of the topic called `topic` (which need not exist) in `image`, on the
    /// broker `broker_id` (`None` on a controller), whose server.properties are `server`.
    #[must_use]
    pub fn new(
        image: &'a Image,
        topic: &str,
        broker_id: Option<i32>,
        server: &'a BTreeMap<String, String>,
    ) -> EffectiveConfig<'a> {
        EffectiveConfig {
            topic: image.config(&Resource::Topic(topic.to_owned())),
            broker: broker_id.and_then(|id| image.config(&Resource::Broker(id))),
            default_broker: image.config(&Resource::DefaultBroker),
            server,
            min_insync_replicas: image.min_insync_replicas(),
        }
    }

    /// The same with `topic` in place of what the image holds: for a topic that is being made.
    #[must_use]
    pub fn with_topic(self, topic: &'a ConfigMap) -> EffectiveConfig<'a> {
        EffectiveConfig { topic: Some(topic), ..self }
    }

    /// Every value found, the one in force first: what DescribeConfigs shows as synonyms.
    #[must_use]
    pub fn layers(&self, config: &TopicConfig) -> Vec<Effective<'a>> {
        let mut found = Vec::new();
        let on_topic = self.topic.and_then(|map| map.get_key_value(config.name));
        if let Some((key, value)) = on_topic {
            found.push(Effective { key, value: value.into(), source: Source::Topic });
        }
        let dynamic = [(self.broker, Source::Broker), (self.default_broker, Source::DefaultBroker)];
        for (map, source) in dynamic {
            for synonym in config.synonyms {
                if let Some((key, value)) = map.and_then(|map| map.get_key_value(synonym.name)) {
                    found.push(Effective { key, value: synonym.convert(value).into(), source });
                }
            }
        }
        for synonym in config.synonyms {
            if let Some((key, value)) = self.server.get_key_value(synonym.name) {
                let value = synonym.convert(value).into();
                found.push(Effective { key, value, source: Source::Static });
            }
        }
        if let Some(default) = config.default {
            let key = config.broker_key().unwrap_or(config.name);
            found.push(Effective { key, value: default.into(), source: Source::Default });
        }
        found
    }

    /// The value in force, `None` only for a key without a default that nobody set.
    #[must_use]
    pub fn of(&self, config: &TopicConfig) -> Option<Effective<'a>> {
        self.layers(config).into_iter().next()
    }

    /// Every key that may be shown, with its value in force, in the order of the keys.
    pub fn all(&self) -> impl Iterator<Item = (&'static TopicConfig, Effective<'a>)> + '_ {
        TOPIC_CONFIGS.iter().filter(|config| !config.internal).filter_map(|config| Some((config, self.of(config)?)))
    }

    /// The value in force of `key`; `None` when there is no such topic configuration.
    #[must_use]
    pub fn text(&self, key: &str) -> Option<Cow<'a, str>> {
        Some(self.of(definition(key)?)?.value)
    }

    /// A number in force. A value that is none (server.properties are checked elsewhere) counts
    /// as not set; `None` for a key that is no number or unknown.
    #[must_use]
    pub fn long(&self, key: &str) -> Option<i64> {
        self.layers(definition(key)?).iter().find_map(|found| found.value.trim().parse().ok())
    }

    /// A floating point number in force, as [`EffectiveConfig::long`].
    #[must_use]
    pub fn double(&self, key: &str) -> Option<f64> {
        self.layers(definition(key)?).iter().find_map(|found| found.value.trim().parse().ok())
    }

    /// Whether `key` is `true`; false for a key that is unknown.
    #[must_use]
    pub fn flag(&self, key: &str) -> bool {
        self.text(key).is_some_and(|value| value.trim().eq_ignore_ascii_case("true"))
    }

    /// The items of a list; empty for a key that is unknown.
    #[must_use]
    pub fn list(&self, key: &str) -> Vec<String> {
        self.text(key).map(|value| list_items(&value).into_iter().map(str::to_owned).collect()).unwrap_or_default()
    }

    /// `min.insync.replicas`, at least 1. What one broker alone says of it does not count: the controller decides by it
    /// who is eligible to lead, and every leader has to mean the same (KIP-966).
    #[must_use]
    pub fn min_insync_replicas(&self) -> usize {
        let key = "min.insync.replicas";
        let set =
            [self.topic, self.default_broker].into_iter().flatten().find_map(|map| map.get(key)?.trim().parse().ok());
        let number: i64 = set
            .or(self.min_insync_replicas.map(i64::from))
            .or_else(|| self.server.get(key)?.trim().parse().ok())
            .unwrap_or(1);
        usize::try_from(number).unwrap_or(1).max(1)
    }

    /// `unclean.leader.election.enable`.
    #[must_use]
    pub fn unclean_leader_election(&self) -> bool {
        self.flag("unclean.leader.election.enable")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metadata::record;

    fn set(image: &mut Image, kind: i32, name: &str, key: &str, value: &str) {
        let record = record::Config {
            resource_type: kind,
            resource_name: name.to_owned(),
            key: key.to_owned(),
            value: Some(value.to_owned()),
        };
        image.apply(1, &record.into()).unwrap();
    }

    #[test]
    fn the_nearest_value_wins() {
        let mut image = Image::new();
        let mut server = BTreeMap::new();
        image.apply(1, &record::Topic { topic_id: vec![7; 16], name: "t".to_owned() }.into()).unwrap();
        let retention = |image: &Image, server: &BTreeMap<String, String>| {
            let config = EffectiveConfig::new(image, "t", Some(1), server);
            let found = config.of(definition("retention.ms").unwrap()).unwrap();
            (found.value.into_owned(), found.source)
        };
        assert_eq!(retention(&image, &server), ("604800000".to_owned(), Source::Default));
        server.insert("log.retention.hours".to_owned(), "2".to_owned());
        assert_eq!(retention(&image, &server), ("7200000".to_owned(), Source::Static));
        server.insert("log.retention.ms".to_owned(), "3".to_owned());
        assert_eq!(retention(&image, &server), ("3".to_owned(), Source::Static));
        set(&mut image, 4, "", "log.retention.ms", "4");
        assert_eq!(retention(&image, &server), ("4".to_owned(), Source::DefaultBroker));
        set(&mut image, 4, "1", "log.retention.ms", "5");
        assert_eq!(retention(&image, &server), ("5".to_owned(), Source::Broker));
        set(&mut image, 2, "t", "retention.ms", "6");
        assert_eq!(retention(&image, &server), ("6".to_owned(), Source::Topic));
        let config = EffectiveConfig::new(&image, "t", Some(1), &server);
        let sources: Vec<_> = config
            .layers(definition("retention.ms").unwrap())
            .into_iter()
            .map(|found| (found.source as u8, found.value.into_owned()))
            .collect();
        assert_eq!(
            sources,
            [(1, "6"), (2, "5"), (3, "4"), (4, "3"), (4, "7200000"), (5, "604800000")]
                .map(|(source, value)| (source, value.to_owned()))
        );
        assert_eq!(config.long("retention.ms"), Some(6));
    }

    #[test]
    fn everything_shown_has_a_value() {
        let (image, server) = (Image::new(), BTreeMap::new());
        let config = EffectiveConfig::new(&image, "t", None, &server);
        assert_eq!(config.all().count(), TOPIC_CONFIGS.len() - 1);
        assert_eq!(config.min_insync_replicas(), 1);
        assert!(!config.unclean_leader_election());
        assert_eq!(config.list("cleanup.policy"), ["delete"]);
        assert_eq!(config.double("min.cleanable.dirty.ratio"), Some(0.5));
        assert_eq!(config.long("nope"), None);
    }
}
