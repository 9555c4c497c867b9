//! The configuration keys that Kafka knows, with the types of their values and their bounds.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::LazyLock,
};

use odradek_crds::Config;

use super::bounds::out_of_bounds;

/// Where a key is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// In the configuration of brokers and controllers.
    Broker,
    /// In the configuration of a topic.
    Topic,
}

/// The type of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Type {
    Boolean,
    Int,
    Short,
    Long,
    Double,
    Text,
}

/// What is wrong with one key of a `config`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyProblem {
    /// The key.
    pub key: String,
    /// What is wrong with it and what to do.
    pub problem: String,
}

static KEYS: LazyLock<BTreeMap<(Scope, &'static str), Type>> =
    LazyLock::new(|| include_str!("keys.txt").lines().filter_map(parse_line).collect());

/// Whether brokers take a key for all of them while they run. The broker's own tests hold the list to what it does.
pub fn is_dynamic(key: &str) -> bool {
    static DYNAMIC: LazyLock<BTreeSet<&'static str>> =
        LazyLock::new(|| include_str!("dynamic.txt").lines().filter(|line| !line.starts_with('#')).collect());
    DYNAMIC.contains(key)
}

impl Scope {
    /// The scope as the lists name it.
    pub(super) fn named(word: &str) -> Option<Scope> {
        match word {
            "broker" => Some(Scope::Broker),
            "topic" => Some(Scope::Topic),
            _ => None,
        }
    }
}

fn parse_line(line: &'static str) -> Option<((Scope, &'static str), Type)> {
    let mut words = line.split(' ');
    let scope = Scope::named(words.next()?)?;
    let key = words.next()?;
    let type_ = match words.next()? {
        "BOOLEAN" => Type::Boolean,
        "INT" => Type::Int,
        "SHORT" => Type::Short,
        "LONG" => Type::Long,
        "DOUBLE" => Type::Double,
        _ => Type::Text,
    };
    Some(((scope, key), type_))
}

/// Everything that is wrong with the keys and the values of a `config`.
pub fn problems(scope: Scope, config: &Config) -> Vec<KeyProblem> {
    config
        .0
        .iter()
        .filter_map(|(key, value)| {
            let problem = match KEYS.get(&(scope, key.as_str())) {
                None => unknown(scope, key),
                Some(type_) => match value.text() {
                    None => format!("the value {value} is no string, number or boolean"),
                    Some(text) => wrong_type(*type_, &text).or_else(|| out_of_bounds(scope, key, &text))?,
                },
            };
            Some(KeyProblem { key: key.clone(), problem })
        })
        .collect()
}

fn unknown(scope: Scope, key: &str) -> String {
    let other = match scope {
        Scope::Broker if KEYS.contains_key(&(Scope::Topic, key)) => {
            ": it is a key of topics; set it in the config of a KafkaTopic"
        }
        Scope::Topic if KEYS.contains_key(&(Scope::Broker, key)) => {
            ": it is a key of brokers; set it in the config of the KafkaCluster"
        }
        Scope::Broker | Scope::Topic => "",
    };
    let what = match scope {
        Scope::Broker => "brokers",
        Scope::Topic => "topics",
    };
    match nearest(scope, key) {
        Some(near) if other.is_empty() => {
            format!("Kafka knows no such key of {what}; did you mean {near}?")
        }
        _ => format!("Kafka knows no such key of {what}{other}"),
    }
}

fn wrong_type(type_: Type, text: &str) -> Option<String> {
    let (fits, wanted) = match type_ {
        Type::Boolean => (matches!(text, "true" | "false"), "true or false"),
        Type::Int => (text.parse::<i32>().is_ok(), "a whole number of 32 bits"),
        Type::Short => (text.parse::<i16>().is_ok(), "a whole number of 16 bits"),
        Type::Long => (text.parse::<i64>().is_ok(), "a whole number of 64 bits"),
        Type::Double => (text.parse::<f64>().is_ok(), "a number"),
        Type::Text => (!text.contains(['\n', '\r']), "one line of text"),
    };
    (!fits).then(|| format!("the value {text:?} is not {wanted}"))
}

/// The known key that differs least, if it differs little.
fn nearest(scope: Scope, key: &str) -> Option<&'static str> {
    KEYS.keys()
        .filter(|(of, _)| *of == scope)
        .map(|(_, known)| (distance(key, known), *known))
        .min()
        .filter(|(distance, _)| *distance <= 3)
        .map(|(_, known)| known)
}

/// Levenshtein's distance.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.bytes().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.bytes().enumerate() {
            let cost = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = cost.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(scope: Scope, key: &str, value: impl Into<odradek_crds::ConfigValue>) -> Option<String> {
        let config: Config = [(key, value)].into_iter().collect();
        problems(scope, &config).pop().map(|p| p.problem)
    }

    #[test]
    fn every_line_of_the_list_is_read() {
        let lines = include_str!("keys.txt").lines().filter(|l| !l.starts_with('#')).count();
        assert_eq!(KEYS.len(), lines);
        assert!(lines > 400);
    }

    #[test]
    fn known_keys_with_fitting_values_pass() {
        assert_eq!(of(Scope::Topic, "retention.ms", 1000), None);
        assert_eq!(of(Scope::Topic, "retention.ms", "-1"), None);
        assert_eq!(of(Scope::Topic, "preallocate", true), None);
        assert_eq!(of(Scope::Broker, "log.cleanup.policy", "delete"), None);
        assert_eq!(of(Scope::Broker, "log.cleaner.min.cleanable.ratio", 0.5), None);
    }

    #[test]
    fn others_are_told_with_what_to_do() {
        let cases = [
            of(Scope::Topic, "retention.mss", 1),
            of(Scope::Topic, "retention.ms", "soon"),
            of(Scope::Topic, "log.dirs", "x"),
            of(Scope::Broker, "cleanup.policy", "compact"),
            of(Scope::Broker, "zookeeper.connect", "zk:2181"),
            of(Scope::Broker, "num.io.threads", true),
            of(Scope::Broker, "log.roll.ms", serde_json::json!([1])),
        ];
        insta::assert_yaml_snapshot!(cases);
    }
}
