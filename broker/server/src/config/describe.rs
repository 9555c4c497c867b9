//! The configuration as DescribeConfigs tells it.

use super::key::{Class, Key, Kind, Update};
use super::tables;
use super::values::Values;

/// One key of this broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Described {
    /// The key.
    pub name: &'static str,
    /// Its value; `None` when it has none, and for secrets.
    pub value: Option<String>,
    /// Nobody set it.
    pub default: bool,
    /// Only a restart changes it (`Update::ReadOnly` in Kafka).
    pub read_only: bool,
    /// The value is a secret.
    pub sensitive: bool,
    /// The type as a number (KIP-569).
    pub kind: i8,
    /// Where the value may come from, the strongest first: those that have a value.
    pub synonyms: Vec<Synonym>,
}

/// One place that a value may come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Synonym {
    /// The key.
    pub name: &'static str,
    /// Its value; `None` for secrets.
    pub value: Option<String>,
    /// It is the default, not something that was set.
    pub default: bool,
}

/// Keys that have others as fall-backs: Kafka's `brokerConfigSynonyms`.
fn fall_backs(name: &str) -> &'static [&'static str] {
    match name {
        "log.roll.ms" => &["log.roll.hours"],
        "log.roll.jitter.ms" => &["log.roll.jitter.hours"],
        "log.flush.interval.ms" => &["log.flush.scheduler.interval.ms"],
        "log.retention.ms" => &["log.retention.minutes", "log.retention.hours"],
        _ => &[],
    }
}

pub(super) fn describe(values: &Values) -> Vec<Described> {
    let mut all: Vec<Described> = tables::all()
        .filter(|key| !matches!(key.class, Class::Renamed { .. } | Class::Replaced { .. }))
        // Names of the past without effect have no default and are not worth a line unless they were given.
        .filter(|key| key.default.is_some() || is_of_today(key) || values.is_given(key.name))
        .map(|key| one(key, values))
        .collect();
    all.sort_by_key(|described| described.name);
    all
}

fn is_of_today(key: &Key) -> bool {
    !super::old::KEYS.iter().any(|old| old.name == key.name)
}

fn one(key: &'static Key, values: &Values) -> Described {
    let sensitive = key.kind == Kind::Password;
    let mut synonyms = Vec::new();
    for name in std::iter::once(&key.name).chain(fall_backs(key.name)) {
        let Some(source) = tables::find(name) else { continue };
        let show = |value: &str| (!sensitive).then(|| value.to_owned());
        if let Some(given) = values.given(name) {
            synonyms.push(Synonym { name: source.name, value: show(given.value.trim()), default: false });
        }
        if let Some(default) = source.default {
            synonyms.push(Synonym { name: source.name, value: show(default), default: true });
        }
    }
    let given = values.given(key.name);
    let value = match given {
        Some(given) => Some(given.value.trim().to_owned()),
        None => key.default.map(str::to_owned),
    };
    Described {
        name: key.name,
        value: value.filter(|_| !sensitive),
        default: given.is_none(),
        read_only: key.update == Update::ReadOnly,
        sensitive,
        kind: key.kind.code(),
        synonyms,
    }
}
