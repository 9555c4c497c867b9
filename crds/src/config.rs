//! `config`: Kafka's configuration keys as they are written in the specs.

use std::{collections::BTreeMap, fmt};

use schemars::{Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Kafka's configuration keys with their values: `retention.ms: 1000`, `preallocate: true` and
/// `cleanup.policy: compact` are all fine.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Config(pub BTreeMap<String, ConfigValue>);

/// One value. Anything that YAML can hold is read, so that one bad value cannot stop the operator
/// from reading its resource; what is no scalar is refused when the spec is judged.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ConfigValue(pub Value);

impl ConfigValue {
    /// The value as Kafka's configuration writes it, or nothing if it is no scalar.
    pub fn text(&self) -> Option<String> {
        match &self.0 {
            Value::String(text) => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            Value::Bool(flag) => Some(flag.to_string()),
            Value::Null | Value::Array(_) | Value::Object(_) => None,
        }
    }
}

impl fmt::Display for ConfigValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.text() {
            Some(text) => f.write_str(&text),
            None => write!(f, "{}", self.0),
        }
    }
}

impl<T: Into<Value>> From<T> for ConfigValue {
    fn from(value: T) -> Self {
        ConfigValue(value.into())
    }
}

impl Config {
    /// The value of a key as text, if it is there and a scalar.
    pub fn text(&self, key: &str) -> Option<String> {
        self.0.get(key).and_then(ConfigValue::text)
    }

    /// Whether no key is set.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<K: Into<String>, V: Into<ConfigValue>> FromIterator<(K, V)> for Config {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(iter: I) -> Self {
        Config(iter.into_iter().map(|(k, v)| (k.into(), v.into())).collect())
    }
}

/// The schema of a cluster's `config`.
pub fn cluster_schema(_: &mut SchemaGenerator) -> Schema {
    schema_with(&["default.replication.factor", "min.insync.replicas", "offsets.topic.replication.factor"])
}

/// The schema of a topic's `config`.
pub fn topic_schema(_: &mut SchemaGenerator) -> Schema {
    schema_with(&["min.insync.replicas"])
}

/// Any keys, of which some are read by CEL rules: those need a schema of their own, because CEL
/// cannot see unknown fields.
fn schema_with(read_by_rules: &[&str]) -> Schema {
    let properties: serde_json::Map<String, Value> = read_by_rules
        .iter()
        .map(|key| {
            let schema = serde_json::json!({
                "description": format!("Kafka's {key}."),
                "x-kubernetes-int-or-string": true,
                "minimum": 1,
                "maximum": 32767,
                "pattern": "^[1-9][0-9]{0,4}$",
                "maxLength": 5,
            });
            ((*key).to_owned(), schema)
        })
        .collect();
    json_schema!({
        "type": "object",
        "properties": properties,
        "x-kubernetes-preserve-unknown-fields": true,
    })
}
