//! What a topic configuration is, and how its values are checked.

/// The type of a value. The numbers are those of DescribeConfigs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    /// `true` or `false`.
    Boolean = 1,
    /// Text.
    String = 2,
    /// 32 bits.
    Int = 3,
    /// 64 bits.
    Long = 5,
    /// A floating point number.
    Double = 6,
    /// Texts with commas between them.
    List = 7,
}

impl Type {
    fn name(self) -> &'static str {
        match self {
            Type::Boolean => "BOOLEAN",
            Type::String => "STRING",
            Type::Int => "INT",
            Type::Long => "LONG",
            Type::Double => "DOUBLE",
            Type::List => "LIST",
        }
    }
}

/// Which values of the type are possible.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// All.
    Any,
    /// This and above.
    AtLeast(i64),
    /// From one to another, both included.
    Between(i64, i64),
    /// From one to another, or a third.
    BetweenOr(i64, i64, i64),
    /// One of these; in a list, only these.
    OneOf(&'static [&'static str]),
    /// `*`, or a list of `partition:broker`.
    ThrottledReplicas,
}

/// In which unit a broker's key counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// In the same as the topic's key.
    Same,
    /// In minutes where the topic's key has milliseconds.
    Minutes,
    /// In hours where the topic's key has milliseconds.
    Hours,
}

/// A broker's key that sets a topic key's default.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Synonym {
    /// The broker's key.
    pub name: &'static str,
    /// Its unit.
    pub unit: Unit,
}

impl Synonym {
    /// A value of the broker's key in the unit of the topic's key; as it is when it is no number.
    #[must_use]
    pub fn convert(&self, value: &str) -> String {
        let factor: i64 = match self.unit {
            Unit::Same => return value.to_owned(),
            Unit::Minutes => 60_000,
            Unit::Hours => 3_600_000,
        };
        match value.trim().parse::<i64>() {
            // Any negative number means "without a limit".
            Ok(number) if number < 0 => "-1".to_owned(),
            Ok(number) => number.saturating_mul(factor).to_string(),
            Err(_) => value.to_owned(),
        }
    }
}

/// One topic configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TopicConfig {
    /// The topic's key.
    pub name: &'static str,
    /// The type of its values.
    pub kind: Type,
    /// Kafka's default; `None` when there is none.
    pub default: Option<&'static str>,
    /// Which values are possible.
    pub rule: Rule,
    /// The broker's keys that set its default, the strongest first.
    pub synonyms: &'static [Synonym],
    /// Accepted, and not shown to anybody.
    pub internal: bool,
}

impl TopicConfig {
    /// The broker's key that shows this default, when there is one.
    #[must_use]
    pub fn broker_key(&self) -> Option<&'static str> {
        self.synonyms.first().map(|synonym| synonym.name)
    }

    /// Checks a value.
    ///
    /// # Errors
    ///
    /// Kafka's sentence on what is wrong with it.
    pub fn validate(&self, value: &str) -> Result<(), String> {
        let invalid =
            |value: &str, why: &str| Err(format!("Invalid value {value} for configuration {}: {why}", self.name));
        let trimmed = value.trim();
        match self.kind {
            Type::Boolean => {
                if !trimmed.eq_ignore_ascii_case("true") && !trimmed.eq_ignore_ascii_case("false") {
                    return invalid(value, "Expected value to be either true or false");
                }
            }
            Type::Int | Type::Long => {
                let number = match self.kind {
                    Type::Int => trimmed.parse::<i32>().map(i64::from),
                    _ => trimmed.parse::<i64>(),
                };
                let Ok(number) = number else {
                    return invalid(value, &format!("Not a number of type {}", self.kind.name()));
                };
                if let Err(why) = self.rule.check_number(number) {
                    return invalid(trimmed, &why);
                }
            }
            Type::Double => {
                let Ok(number) = trimmed.parse::<f64>() else {
                    return invalid(value, "Not a number of type DOUBLE");
                };
                if let Err(why) = self.rule.check_double(number) {
                    return invalid(&format!("{number:?}"), &why);
                }
            }
            Type::String => {
                if let Err(why) = self.rule.check_text(trimmed) {
                    return invalid(trimmed, &why);
                }
            }
            Type::List => return self.validate_list(trimmed),
        }
        Ok(())
    }

    fn validate_list(&self, value: &str) -> Result<(), String> {
        let items = list_items(value);
        let checked = match self.rule {
            Rule::ThrottledReplicas => check_throttled(self.name, &items),
            rule => items.iter().try_for_each(|item| rule.check_text(item).map_err(|why| (item.to_string(), why))),
        };
        checked.map_err(|(value, why)| format!("Invalid value {value} for configuration {}: {why}", self.name))
    }
}

/// The items of a list value.
pub(super) fn list_items(value: &str) -> Vec<&str> {
    value.split(',').map(str::trim).filter(|item| !item.is_empty()).collect()
}

fn check_throttled(key: &str, items: &[&str]) -> Result<(), (String, String)> {
    let numbers = |item: &&str| {
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        item.split_once(':').is_some_and(|(left, right)| digits(left) && digits(right))
    };
    if items == ["*"] || items.iter().all(numbers) {
        return Ok(());
    }
    Err((
        format!("[{}]", items.join(", ")),
        format!(
            "{key} must be the literal '*' or a list of replicas in the following format: \
             [partitionId]:[brokerId],[partitionId]:[brokerId],..."
        ),
    ))
}

impl Rule {
    fn check_number(&self, number: i64) -> Result<(), String> {
        match *self {
            Rule::AtLeast(least) | Rule::Between(least, _) if number < least => {
                Err(format!("Value must be at least {least}"))
            }
            Rule::Between(_, most) if number > most => Err(format!("Value must be no more than {most}")),
            Rule::BetweenOr(least, most, or) if number != or && !(least..=most).contains(&number) => {
                Err(format!("Value must be between {least} and {most} or equal to {or}"))
            }
            _ => Ok(()),
        }
    }

    fn check_double(&self, number: f64) -> Result<(), String> {
        match *self {
            Rule::Between(least, _) if number.is_nan() || number < least as f64 => {
                Err(format!("Value must be at least {least}"))
            }
            Rule::Between(_, most) if number > most as f64 => Err(format!("Value must be no more than {most}")),
            _ => Ok(()),
        }
    }

    fn check_text(&self, text: &str) -> Result<(), String> {
        match *self {
            Rule::OneOf(texts) if !texts.contains(&text) => Err(format!("String must be one of: {}", texts.join(", "))),
            _ => Ok(()),
        }
    }
}

/// Checks the values of a topic against each other. `get` gives what is set on the topic.
///
/// # Errors
///
/// Kafka's sentence on what is wrong with them.
pub fn validate_together<'a>(get: impl Fn(&str) -> Option<&'a str>) -> Result<(), String> {
    let long = |key: &str, default: i64| get(key).and_then(|value| value.trim().parse().ok()).unwrap_or(default);
    let (least, most) = (long("min.compaction.lag.ms", 0), long("max.compaction.lag.ms", i64::MAX));
    if least > most {
        return Err(format!(
            "conflict topic config setting min.compaction.lag.ms ({least}) > \
             max.compaction.lag.ms ({most})"
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::{TOPIC_CONFIGS, definition, definition_of_synonym};
    use super::*;

    fn check(key: &str, value: &str) -> Result<(), String> {
        definition(key).unwrap().validate(value)
    }

    #[test]
    fn the_table_is_in_order_and_its_defaults_are_valid() {
        assert!(TOPIC_CONFIGS.windows(2).all(|pair| pair[0].name < pair[1].name));
        for config in TOPIC_CONFIGS {
            if let Some(default) = config.default {
                assert_eq!(config.validate(default), Ok(()), "{}", config.name);
            }
        }
        assert_eq!(definition("nope"), None);
        assert_eq!(definition_of_synonym("log.roll.hours").unwrap().name, "segment.ms");
    }

    #[test]
    fn values_are_judged_as_in_kafka() {
        // What Apache Kafka 4.4.0 itself says.
        let refused = [
            ("retention.ms", "abc", "Invalid value abc for configuration retention.ms: Not a number of type LONG"),
            ("retention.ms", "-2", "Invalid value -2 for configuration retention.ms: Value must be at least -1"),
            (
                "cleanup.policy",
                "foo",
                "Invalid value foo for configuration cleanup.policy: String must be one of: compact, delete",
            ),
            (
                "compression.type",
                "foo",
                "Invalid value foo for configuration compression.type: String must be one of: uncompressed, zstd, lz4, snappy, gzip, producer",
            ),
            (
                "min.insync.replicas",
                "0",
                "Invalid value 0 for configuration min.insync.replicas: Value must be at least 1",
            ),
            ("segment.bytes", "10", "Invalid value 10 for configuration segment.bytes: Value must be at least 1048576"),
            (
                "segment.bytes",
                "99999999999",
                "Invalid value 99999999999 for configuration segment.bytes: Not a number of type INT",
            ),
            (
                "unclean.leader.election.enable",
                "maybe",
                "Invalid value maybe for configuration unclean.leader.election.enable: Expected value to be either true or false",
            ),
            (
                "min.cleanable.dirty.ratio",
                "2",
                "Invalid value 2.0 for configuration min.cleanable.dirty.ratio: Value must be no more than 1",
            ),
            (
                "leader.replication.throttled.replicas",
                "x",
                "Invalid value [x] for configuration leader.replication.throttled.replicas: leader.replication.throttled.replicas must be the literal '*' or a list of replicas in the following format: [partitionId]:[brokerId],[partitionId]:[brokerId],...",
            ),
            (
                "compression.gzip.level",
                "0",
                "Invalid value 0 for configuration compression.gzip.level: Value must be between 1 and 9 or equal to -1",
            ),
            (
                "compression.zstd.level",
                "50",
                "Invalid value 50 for configuration compression.zstd.level: Value must be no more than 22",
            ),
        ];
        for (key, value, why) in refused {
            assert_eq!(check(key, value), Err(why.to_owned()));
        }
        let taken = [
            ("cleanup.policy", ""),
            ("cleanup.policy", "compact, delete"),
            ("leader.replication.throttled.replicas", "1:2,3:4"),
            ("leader.replication.throttled.replicas", "*"),
            ("leader.replication.throttled.replicas", ""),
            ("retention.ms", " 5 "),
            ("preallocate", "TRUE"),
            ("compression.gzip.level", "-1"),
        ];
        for (key, value) in taken {
            assert_eq!(check(key, value), Ok(()), "{key}={value}");
        }
    }

    #[test]
    fn lags_are_compared() {
        let get = |key: &str| match key {
            "min.compaction.lag.ms" => Some("10"),
            "max.compaction.lag.ms" => Some("5"),
            _ => None,
        };
        assert!(validate_together(get).unwrap_err().contains("(10) > max.compaction.lag.ms (5)"));
        assert_eq!(validate_together(|_| None), Ok(()));
    }

    #[test]
    fn units_are_converted() {
        let hours = Synonym { name: "log.retention.hours", unit: Unit::Hours };
        assert_eq!(hours.convert("168"), "604800000");
        assert_eq!(hours.convert("-1"), "-1");
    }
}
