//! From what was written to one value for each key, with everything that is wrong on the way.

use std::collections::BTreeMap;

use super::key::{Class, Key, Kind, split_list};
use super::problems::{Origin, Problem, Problems};
use super::tables;

/// One `key=value` as it was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Given {
    /// As it was written; not yet known to be a key.
    pub key: String,
    /// As it was written.
    pub value: String,
    /// Where.
    pub origin: Origin,
}

/// The values that were given and make sense, by the key's name of today.
#[derive(Debug, Clone, Default)]
pub struct Values {
    given: BTreeMap<&'static str, Given>,
}

/// Keys of one listener start with this and the listener's name.
const LISTENER_PREFIX: &str = "listener.name.";

impl Values {
    /// Sorts what was given by what is known of each key. Later ones replace earlier ones.
    pub fn resolve(given: Vec<Given>, problems: &mut Problems) -> Self {
        let mut last: BTreeMap<String, Given> = BTreeMap::new();
        for one in given {
            if let Some(before) = last.insert(one.key.clone(), one) {
                let now = &last[&before.key];
                if matches!((&before.origin, &now.origin), (Origin::File { .. }, Origin::File { .. })) {
                    let what = format!("replaced by {} further down: remove one of the two", now.origin);
                    problems.warnings.push(tell(&before, what));
                }
            }
        }
        let mut values = Self::default();
        let mut renamed = Vec::new();
        for one in last.into_values() {
            match tables::find(&one.key) {
                Some(key) => values.take(key, one, &mut renamed, problems),
                None => unknown(one, problems),
            }
        }
        for (key, one) in renamed {
            if values.given.contains_key(key.name) {
                let what = format!("ignored: {} is set too, and is today's name of it", key.name);
                problems.warnings.push(tell(&one, what));
            } else {
                values.given.insert(key.name, one);
            }
        }
        values
    }

    fn take(&mut self, key: &'static Key, one: Given, renamed: &mut Vec<(&'static Key, Given)>, out: &mut Problems) {
        match key.class {
            Class::Replaced { by } => {
                let what = format!("no longer understood: {by}");
                out.errors.push(tell(&one, what));
                return;
            }
            Class::NotYet { what } if !key.is_default(&one.value) => {
                let what = format!("{what} not served yet: remove this line");
                out.errors.push(tell(&one, what));
                return;
            }
            _ => {}
        }
        if let Err(must) = key.accepts(&one.value) {
            let what = match key.default {
                Some(default) => format!("{must} (the default is {default})"),
                None => must,
            };
            out.errors.push(tell(&one, what));
            return;
        }
        match key.class {
            Class::NoEffect { why } if !key.is_default(&one.value) && one.origin != Origin::BuiltIn => {
                let what = format!("has no effect here: {why}");
                out.warnings.push(tell(&one, what));
            }
            Class::Renamed { to, times } => {
                let Some(today) = tables::find(to) else { return };
                let what = format!("an old name: write {to}{}", unit(times));
                out.warnings.push(tell(&one, what));
                let value = match one.value.trim().parse::<i64>() {
                    Ok(number) => number.saturating_mul(times).to_string(),
                    Err(_) => one.value.clone(),
                };
                let converted = Given { value, ..one };
                match today.accepts(&converted.value) {
                    Ok(()) => renamed.push((today, converted)),
                    Err(must) => out.errors.push(tell(&converted, format!("{to} {must}"))),
                }
                return;
            }
            _ => {}
        }
        self.given.insert(key.name, one);
    }

    /// Whether the key was given a value.
    pub fn is_given(&self, name: &str) -> bool {
        self.given.contains_key(name)
    }

    /// What was given for the key, and where.
    pub fn given(&self, name: &str) -> Option<&Given> {
        self.given.get(name)
    }

    /// Everything that was given, by the key's name of today.
    pub fn all_given(&self) -> impl Iterator<Item = (&'static str, &Given)> {
        self.given.iter().map(|(name, given)| (*name, given))
    }

    /// The value without the spaces around it: what was given, else the default, else nothing. An empty text is no
    /// value.
    pub fn text(&self, name: &str) -> Option<&str> {
        let text = match self.given.get(name) {
            Some(given) => Some(given.value.trim()),
            None => tables::find(name).and_then(|key| key.default),
        };
        text.filter(|text| !text.is_empty())
    }

    /// The value of an integer key; `None`: it was not given and has no default.
    pub fn integer(&self, name: &str) -> Option<i64> {
        self.text(name).and_then(|text| text.parse().ok())
    }

    /// The value of an integer key that has a default.
    pub fn int(&self, name: &str) -> i64 {
        debug_assert!(
            tables::find(name).is_some_and(|key| key.default.is_some_and(|text| text.parse::<i64>().is_ok())),
            "{name} is no integer key with a default"
        );
        self.integer(name).unwrap_or_default()
    }

    /// The value of a key that counts something, a length or a time; less than zero counts as zero.
    pub fn unsigned(&self, name: &str) -> u64 {
        self.int(name).max(0).unsigned_abs()
    }

    /// The value of a key that counts something in memory; less than zero counts as zero.
    pub fn size(&self, name: &str) -> usize {
        usize::try_from(self.int(name).max(0)).unwrap_or(usize::MAX)
    }

    /// The value of an INT key that has a default.
    pub fn int32(&self, name: &str) -> i32 {
        let number = self.int(name);
        i32::try_from(number).unwrap_or(if number < 0 { i32::MIN } else { i32::MAX })
    }

    /// The value of a Boolean key.
    pub fn flag(&self, name: &str) -> bool {
        self.text(name).is_some_and(|text| text.eq_ignore_ascii_case("true"))
    }

    /// The items of a list.
    pub fn list(&self, name: &str) -> Vec<&str> {
        self.text(name).map(|text| split_list(text).collect()).unwrap_or_default()
    }

    /// Something to say about a key and the value that it was given.
    pub fn problem(&self, name: &str, what: impl Into<String>) -> Problem {
        match self.given.get(name) {
            Some(given) => tell(given, what.into()),
            None => Problem { key: name.to_owned(), given: None, what: what.into() },
        }
    }
}

fn unit(times: i64) -> &'static str {
    match times {
        60_000 => " (in milliseconds)",
        _ => "",
    }
}

fn tell(given: &Given, what: String) -> Problem {
    let known = tables::find(&given.key);
    // The key of a secret may be misspelt: what looks like one is not shown either.
    let secret = known.is_some_and(|key| key.kind == Kind::Password)
        || ["password", "secret", "jaas", "passphrase"]
            .iter()
            .any(|word| given.key.to_ascii_lowercase().contains(word));
    let value = if secret { "[hidden]".to_owned() } else { given.value.clone() };
    Problem { key: given.key.clone(), given: Some((value, given.origin.clone())), what }
}

fn unknown(one: Given, problems: &mut Problems) {
    let base = one.key.strip_prefix(LISTENER_PREFIX).and_then(|rest| rest.split_once('.')).map(|(_, base)| base);
    // SASL's keys may have the mechanism before them: listener.name.internal.plain.sasl.jaas.config.
    let base = base.and_then(|base| {
        tables::find(base).or_else(|| base.split_once('.').and_then(|(_, after)| tables::find(after)))
    });
    if let Some(key) = base {
        let what = match key.class {
            Class::NotYet { what } => format!("{what} not served yet: remove this line"),
            _ => format!("a value for one listener is not served yet: set {} for all of them", key.name),
        };
        problems.errors.push(tell(&one, what));
    } else if one.key.starts_with("zookeeper.") {
        problems.errors.push(tell(&one, format!("no longer understood: {}", tables::NO_ZOOKEEPER)));
    } else {
        problems.warnings.push(tell(&one, "unknown key, ignored: check the spelling".to_owned()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolve(pairs: &[(&str, &str)]) -> (Values, Vec<String>, Vec<String>) {
        let mut problems = Problems::default();
        let given = pairs
            .iter()
            .map(|(key, value)| Given { key: (*key).into(), value: (*value).into(), origin: Origin::Override })
            .collect();
        let values = Values::resolve(given, &mut problems);
        let lines = |list: &[Problem]| list.iter().map(ToString::to_string).collect::<Vec<_>>();
        (values, lines(&problems.errors), lines(&problems.warnings))
    }

    #[test]
    fn given_else_default() {
        let (values, errors, warnings) = resolve(&[("num.partitions", " 12 "), ("auto.create.topics.enable", "FALSE")]);
        assert!(errors.is_empty() && warnings.is_empty());
        assert_eq!(values.int32("num.partitions"), 12);
        assert_eq!(values.int32("default.replication.factor"), 1);
        assert!(!values.flag("auto.create.topics.enable") && values.flag("delete.topic.enable"));
        assert_eq!(values.integer("log.retention.ms"), None);
    }

    #[test]
    fn an_impossible_value_is_named_with_what_to_do() {
        let (_, errors, _) = resolve(&[("num.network.threads", "0"), ("num.partitions", "many")]);
        assert_eq!(
            errors,
            [
                "--override: num.network.threads=0: must be at least 1 (the default is 3)",
                "--override: num.partitions=many: must be a whole number (the default is 1)",
            ]
        );
    }

    #[test]
    fn old_names() {
        let (values, errors, warnings) = resolve(&[("log.cleanup.interval.mins", "5"), ("log.delete.delay.ms", "1")]);
        assert!(errors.is_empty());
        assert_eq!(values.int("log.retention.check.interval.ms"), 300_000);
        assert_eq!(values.int("log.segment.delete.delay.ms"), 1);
        assert!(warnings[0].contains("log.retention.check.interval.ms (in milliseconds)"), "{warnings:?}");

        let (values, _, warnings) = resolve(&[("log.delete.delay.ms", "1"), ("log.segment.delete.delay.ms", "2")]);
        assert_eq!(values.int("log.segment.delete.delay.ms"), 2);
        assert!(warnings.iter().any(|line| line.contains("ignored")), "{warnings:?}");

        for (key, word) in [
            ("zookeeper.connect", "controller.quorum.voters"),
            ("zookeeper.session.timeout.ms", "controller.quorum.voters"),
            ("zookeeper.connection.timeout.ms", "controller.quorum.voters"),
            ("zookeeper.sync.time.ms", "controller.quorum.voters"),
            ("zookeeper.something", "controller.quorum.voters"),
            ("port", "listeners"),
            ("host.name", "listeners"),
            ("advertised.host.name", "advertised.listeners"),
            ("advertised.port", "advertised.listeners"),
            ("replica.lag.max.messages", "replica.lag.time.max.ms"),
            ("quota.producer.default", "producer_byte_rate"),
            ("quota.consumer.default", "consumer_byte_rate"),
        ] {
            let (_, errors, _) = resolve(&[(key, "1")]);
            assert!(errors.len() == 1 && errors[0].contains(word), "{key}: {errors:?}");
        }
        for key in ["controller.message.queue.size", "metadata.max.age.ms", "controlled.shutdown.max.retries"] {
            let (_, errors, warnings) = resolve(&[(key, "1")]);
            assert!(errors.is_empty() && warnings.len() == 1, "{key}: {errors:?} {warnings:?}");
        }
    }

    #[test]
    fn what_is_not_served_is_refused_unless_it_is_the_default() {
        let (_, errors, _) = resolve(&[("ssl.client.auth", "none"), ("ssl.protocol", "TLSv1.3")]);
        assert!(errors.is_empty(), "{errors:?}");
        let (_, errors, _) = resolve(&[("ssl.keystore.password", "s3cret"), ("authorizer.class.name", "A")]);
        assert_eq!(errors.len(), 2);
        assert!(errors.iter().all(|line| !line.contains("s3cret")), "{errors:?}");
        let (_, errors, _) = resolve(&[("listener.name.internal.plain.sasl.jaas.config", "x")]);
        assert!(errors[0].contains("SASL") && !errors[0].contains("=x"), "{errors:?}");
    }

    #[test]
    fn unknown_keys_are_warned_of() {
        let (_, errors, warnings) = resolve(&[("num.partitons", "3"), ("my.pasword.secret", "hush")]);
        assert!(errors.is_empty());
        assert_eq!(warnings.len(), 2);
        assert!(warnings.iter().all(|line| line.contains("unknown key") && !line.contains("hush")));
    }
}
