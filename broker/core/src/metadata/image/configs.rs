//! What was set on topics and brokers.

use imbl::OrdMap;

use super::error::ApplyError;
use crate::metadata::record::{self, Record};

/// Kafka's number for topics among resource types.
const TOPIC: i32 = 2;
/// Kafka's number for brokers among resource types.
const BROKER: i32 = 4;

/// Keys and values, in the order of the keys.
pub type ConfigMap = OrdMap<String, String>;

/// What a configuration is set on.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Resource {
    /// A topic, by its name.
    Topic(String),
    /// All brokers: Kafka's "cluster-wide default".
    DefaultBroker,
    /// One broker.
    Broker(i32),
}

impl Resource {
    /// A resource from Kafka's type number and name.
    ///
    /// # Errors
    ///
    /// When the type is not known, or a broker's name is no number.
    pub fn from_parts(kind: i32, name: &str) -> Result<Resource, ApplyError> {
        match kind {
            TOPIC => Ok(Resource::Topic(name.to_owned())),
            BROKER if name.is_empty() => Ok(Resource::DefaultBroker),
            BROKER => {
                name.parse().map(Resource::Broker).map_err(|_| ApplyError::BadBrokerName { name: name.to_owned() })
            }
            kind => Err(ApplyError::UnknownResourceType { kind }),
        }
    }

    /// Kafka's type number and name.
    #[must_use]
    pub fn to_parts(&self) -> (i32, String) {
        match self {
            Resource::Topic(name) => (TOPIC, name.clone()),
            Resource::DefaultBroker => (BROKER, String::new()),
            Resource::Broker(id) => (BROKER, id.to_string()),
        }
    }
}

#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Configs {
    by_resource: OrdMap<Resource, ConfigMap>,
}

impl Configs {
    pub(super) fn get(&self, resource: &Resource) -> Option<&ConfigMap> {
        self.by_resource.get(resource)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&Resource, &ConfigMap)> {
        self.by_resource.iter()
    }

    pub(super) fn map(&self) -> &OrdMap<Resource, ConfigMap> {
        &self.by_resource
    }

    pub(super) fn set(&mut self, resource: Resource, key: &str, value: Option<&str>) {
        let mut keys = self.by_resource.get(&resource).cloned().unwrap_or_default();
        match value {
            Some(value) => {
                keys.insert(key.to_owned(), value.to_owned());
            }
            None => {
                keys.remove(key);
            }
        }
        if keys.is_empty() {
            self.by_resource.remove(&resource);
        } else {
            self.by_resource.insert(resource, keys);
        }
    }

    pub(super) fn remove_resource(&mut self, resource: &Resource) {
        self.by_resource.remove(resource);
    }

    pub(super) fn to_records(&self, records: &mut Vec<Record>) {
        for (resource, keys) in &self.by_resource {
            let (resource_type, resource_name) = resource.to_parts();
            for (key, value) in keys {
                records.push(
                    record::Config {
                        resource_type,
                        resource_name: resource_name.clone(),
                        key: key.clone(),
                        value: Some(value.clone()),
                    }
                    .into(),
                );
            }
        }
    }
}
