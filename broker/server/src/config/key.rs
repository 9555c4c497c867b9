//! What is known of one configuration key: its type, its default, what values it takes, and what is done with it.

/// A key's type, as Kafka names them (`ConfigDef.Type`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `true` or `false`, in any case.
    Boolean,
    /// Text, without the spaces around it.
    String,
    /// 32 bits, signed.
    Int,
    /// 16 bits, signed.
    Short,
    /// 64 bits, signed.
    Long,
    /// 64 bits, floating point.
    Double,
    /// Texts separated by commas.
    List,
    /// The name of a Java class.
    Class,
    /// Text that is never shown.
    Password,
}

impl Kind {
    /// The number that stands for the type in DescribeConfigs answers (KIP-569).
    pub fn code(self) -> i8 {
        match self {
            Self::Boolean => 1,
            Self::String => 2,
            Self::Int => 3,
            Self::Short => 4,
            Self::Long => 5,
            Self::Double => 6,
            Self::List => 7,
            Self::Class => 8,
            Self::Password => 9,
        }
    }

    /// The type's name in messages and in Kafka's own listing.
    pub fn name(self) -> &'static str {
        match self {
            Self::Boolean => "BOOLEAN",
            Self::String => "STRING",
            Self::Int => "INT",
            Self::Short => "SHORT",
            Self::Long => "LONG",
            Self::Double => "DOUBLE",
            Self::List => "LIST",
            Self::Class => "CLASS",
            Self::Password => "PASSWORD",
        }
    }
}

/// What values a key takes beyond its type.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Check {
    /// Whatever the type allows.
    Any,
    /// An integer of at least this.
    AtLeast(i64),
    /// An integer between the two, both included.
    Between(i64, i64),
    /// -1, or an integer between the two.
    MinusOneOr(i64, i64),
    /// -1, or an integer of at least 1; 0 makes no sense (a limit that may be off).
    MinusOneOrPositive,
    /// A number between the two, both included.
    Ratio(f64, f64),
    /// One of these.
    OneOf(&'static [&'static str]),
    /// One of these, in any case.
    OneOfAnyCase(&'static [&'static str]),
    /// A list of some of these.
    EachOf(&'static [&'static str]),
}

/// How a key can be changed while the broker runs, in Kafka.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Update {
    /// Only by a restart.
    ReadOnly,
    /// For one broker.
    PerBroker,
    /// For one broker, or for all of them by default.
    ClusterWide,
}

/// What this broker does with a key.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Class {
    /// It means what it means in Kafka.
    Honoured,
    /// It means what it means in Kafka: the default of a topic's key.
    TopicDefault(&'static str),
    /// A name of the past whose meaning another key has: taken, with a warning that gives today's name.
    Renamed {
        /// Today's name.
        to: &'static str,
        /// The value is multiplied by this on the way (minutes to milliseconds).
        times: i64,
    },
    /// A name of the past that cannot be taken: refused, and told what to use in its place.
    Replaced {
        /// What to do in its place.
        by: &'static str,
    },
    /// Accepted; changes nothing here. Said when it is set to something other than its default.
    NoEffect {
        /// Why it changes nothing.
        why: &'static str,
    },
    /// Part of something that is not served yet: refused when it is set to something other than its default, since
    /// running without it would not be what was asked for.
    NotYet {
        /// What is not served yet.
        what: &'static str,
    },
}

/// One key.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Key {
    /// As it is written in server.properties.
    pub name: &'static str,
    /// Its type.
    pub kind: Kind,
    /// The value when it is not set; `None`: there is none.
    pub default: Option<&'static str>,
    /// What values it takes.
    pub check: Check,
    /// How it can be changed at run time in Kafka.
    pub update: Update,
    /// What is done with it here.
    pub class: Class,
}

/// A key that only a restart changes.
pub const fn fixed(name: &'static str, kind: Kind, default: Option<&'static str>, check: Check, class: Class) -> Key {
    Key { name, kind, default, check, update: Update::ReadOnly, class }
}

/// A key that Kafka lets one change for one broker.
pub const fn per_broker(
    name: &'static str,
    kind: Kind,
    default: Option<&'static str>,
    check: Check,
    class: Class,
) -> Key {
    Key { name, kind, default, check, update: Update::PerBroker, class }
}

/// A key that Kafka lets one change for all brokers.
pub const fn cluster_wide(
    name: &'static str,
    kind: Kind,
    default: Option<&'static str>,
    check: Check,
    class: Class,
) -> Key {
    Key { name, kind, default, check, update: Update::ClusterWide, class }
}

impl Key {
    /// Whether `text` is a value of this key; if not, what it should be.
    ///
    /// # Errors
    ///
    /// What a value must be, as the second half of a sentence: "must be ...".
    pub fn accepts(&self, text: &str) -> Result<(), String> {
        let text = text.trim();
        match self.kind {
            Kind::Boolean => match text.to_ascii_lowercase().as_str() {
                "true" | "false" => Ok(()),
                _ => Err("must be true or false".to_owned()),
            },
            Kind::Int => self.integer(text, i64::from(i32::MIN), i64::from(i32::MAX)),
            Kind::Short => self.integer(text, i64::from(i16::MIN), i64::from(i16::MAX)),
            Kind::Long => self.integer(text, i64::MIN, i64::MAX),
            Kind::Double => match text.parse::<f64>() {
                Ok(number) if number.is_nan() => Err("must be a number".to_owned()),
                Ok(number) => match self.check {
                    Check::Ratio(low, high) if number < low || number > high => {
                        Err(format!("must be between {low} and {high}"))
                    }
                    _ => Ok(()),
                },
                Err(_) => Err("must be a number".to_owned()),
            },
            Kind::String | Kind::Class | Kind::Password => match self.check {
                Check::OneOf(choices) if !choices.contains(&text) => {
                    Err(format!("must be one of {}", choices.join(", ")))
                }
                Check::OneOfAnyCase(choices) if !choices.iter().any(|choice| choice.eq_ignore_ascii_case(text)) => {
                    Err(format!("must be one of {}", choices.join(", ")))
                }
                _ => Ok(()),
            },
            Kind::List => match self.check {
                Check::EachOf(choices) => match split_list(text).find(|item| !choices.contains(item)) {
                    Some(item) => Err(format!("holds {item:?}; each item must be one of {}", choices.join(", "))),
                    None => Ok(()),
                },
                _ => Ok(()),
            },
        }
    }

    fn integer(&self, text: &str, lowest: i64, highest: i64) -> Result<(), String> {
        // Java takes a leading plus sign, and so does Rust.
        let Ok(number) = text.parse::<i64>() else {
            return Err(match text.parse::<i128>() {
                Ok(_) => format!("must be a whole number between {lowest} and {highest}"),
                Err(_) => "must be a whole number".to_owned(),
            });
        };
        if number < lowest || number > highest {
            return Err(format!("must be a whole number between {lowest} and {highest}"));
        }
        match self.check {
            Check::AtLeast(low) if number < low => Err(format!("must be at least {low}")),
            Check::Between(low, high) if number < low || number > high => {
                Err(format!("must be between {low} and {high}"))
            }
            Check::MinusOneOr(low, high) if number != -1 && (number < low || number > high) => {
                Err(format!("must be between {low} and {high}, or -1"))
            }
            Check::MinusOneOrPositive if number != -1 && number < 1 => {
                Err("must be 1 or more, or -1 for no limit".to_owned())
            }
            _ => Ok(()),
        }
    }

    /// Whether `text` says the same as the default.
    pub fn is_default(&self, text: &str) -> bool {
        let text = text.trim();
        let Some(default) = self.default else {
            return text.is_empty();
        };
        match self.kind {
            Kind::Boolean => text.eq_ignore_ascii_case(default),
            Kind::Int | Kind::Short | Kind::Long => {
                text == default || matches!((text.parse::<i64>(), default.parse::<i64>()), (Ok(a), Ok(b)) if a == b)
            }
            Kind::Double => matches!((text.parse::<f64>(), default.parse::<f64>()), (Ok(a), Ok(b)) if a == b),
            Kind::List => split_list(text).eq(split_list(default)),
            Kind::String | Kind::Class | Kind::Password => text == default,
        }
    }
}

/// The items of a list, without the spaces around them; nothing for an empty text.
pub fn split_list(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(str::trim).filter(|item| !item.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(kind: Kind, default: Option<&'static str>, check: Check) -> Key {
        fixed("k", kind, default, check, Class::Honoured)
    }

    #[test]
    fn a_value_has_the_type_and_the_range() {
        let threads = key(Kind::Int, Some("8"), Check::AtLeast(1));
        assert_eq!(threads.accepts(" 8 "), Ok(()));
        assert_eq!(threads.accepts("0"), Err("must be at least 1".to_owned()));
        assert_eq!(threads.accepts("eight"), Err("must be a whole number".to_owned()));
        assert_eq!(
            threads.accepts("2147483648"),
            Err("must be a whole number between -2147483648 and 2147483647".to_owned())
        );
        assert_eq!(
            threads.accepts("99999999999999999999"),
            Err("must be a whole number between -2147483648 and 2147483647".to_owned())
        );
        assert_eq!(key(Kind::Boolean, None, Check::Any).accepts("TRUE"), Ok(()));
        assert!(key(Kind::Boolean, None, Check::Any).accepts("yes").is_err());
        let gzip = key(Kind::Int, Some("-1"), Check::MinusOneOr(1, 9));
        assert!(gzip.accepts("-1").is_ok() && gzip.accepts("9").is_ok() && gzip.accepts("0").is_err());
        let limit = key(Kind::Long, Some("-1"), Check::MinusOneOrPositive);
        assert!(limit.accepts("-1").is_ok() && limit.accepts("0").is_err() && limit.accepts("-2").is_err());
        let ratio = key(Kind::Double, Some("0.5"), Check::Ratio(0.0, 1.0));
        assert!(ratio.accepts("1").is_ok() && ratio.accepts("1.1").is_err() && ratio.accepts("NaN").is_err());
        let roles = key(Kind::List, None, Check::EachOf(&["broker", "controller"]));
        assert!(roles.accepts("broker, controller").is_ok());
        assert!(roles.accepts("zookeeper").unwrap_err().contains("\"zookeeper\""));
    }

    #[test]
    fn a_default_is_known_however_it_is_written() {
        assert!(key(Kind::Boolean, Some("true"), Check::Any).is_default("True"));
        assert!(key(Kind::Double, Some("0.5"), Check::Any).is_default("0.50"));
        assert!(key(Kind::List, Some("a,b"), Check::Any).is_default("a , b"));
        assert!(key(Kind::String, None, Check::Any).is_default(""));
        assert!(!key(Kind::Int, Some("8"), Check::Any).is_default("9"));
    }
}
