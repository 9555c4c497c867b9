//! Which values of a key brokers take beyond its type, so that what they would refuse is told before anything moves.

use std::{collections::BTreeMap, sync::LazyLock};

use super::keys::Scope;

/// What values a key takes.
#[derive(Clone, Debug, PartialEq)]
enum Bound {
    /// From one number to another, or -1 besides.
    Range { lowest: f64, highest: f64, or_minus_one: bool },
    /// One of these; a list holds only these.
    OneOf { choices: Vec<&'static str>, any_case: bool },
}

/// The broker's own tests hold the list to what it does.
static BOUNDS: LazyLock<BTreeMap<(Scope, &'static str), Bound>> =
    LazyLock::new(|| include_str!("bounds.txt").lines().filter_map(parse_line).collect());

/// `SCOPE KEY BOUND`: `1..`, `1..17`, `-1|1..9`, `=a,b` or `~a,b` (in any case).
fn parse_line(line: &'static str) -> Option<((Scope, &'static str), Bound)> {
    let mut words = line.split(' ');
    let scope = Scope::named(words.next()?)?;
    let (key, bound) = (words.next()?, words.next()?);
    let choices = |text: &'static str, any_case| Bound::OneOf { choices: text.split(',').collect(), any_case };
    let bound = match (bound.strip_prefix('='), bound.strip_prefix('~')) {
        (Some(text), _) => choices(text, false),
        (_, Some(text)) => choices(text, true),
        _ => {
            let (or_minus_one, range) = bound.strip_prefix("-1|").map_or((false, bound), |range| (true, range));
            let (lowest, highest) = range.split_once("..")?;
            let highest = if highest.is_empty() { f64::INFINITY } else { highest.parse().ok()? };
            Bound::Range { lowest: lowest.parse().ok()?, highest, or_minus_one }
        }
    };
    Some(((scope, key), bound))
}

/// What is wrong with a value of the right type.
pub(super) fn out_of_bounds(scope: Scope, key: &str, text: &str) -> Option<String> {
    let (fits, wanted) = match BOUNDS.get(&(scope, key))? {
        Bound::Range { lowest, highest, or_minus_one } => {
            let number: f64 = text.trim().parse().ok()?;
            let fits = (*lowest..=*highest).contains(&number) || (*or_minus_one && number == -1.0);
            let to = if highest.is_finite() { format!(" to {highest}") } else { " or more".to_owned() };
            (fits, format!("{lowest}{to}{}", if *or_minus_one { ", or -1" } else { "" }))
        }
        Bound::OneOf { choices, any_case } => {
            let known = |item: &str| choices.iter().any(|c| *c == item || (*any_case && c.eq_ignore_ascii_case(item)));
            let fits = text.split(',').map(str::trim).filter(|item| !item.is_empty()).all(known);
            (fits, format!("of {}", choices.join(", ")))
        }
    };
    (!fits).then(|| format!("the value {text} is not {wanted}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_of_the_list_is_read() {
        let lines = include_str!("bounds.txt").lines().filter(|line| !line.starts_with('#')).count();
        assert_eq!(BOUNDS.len(), lines);
        assert!(lines > 200);
    }

    #[test]
    fn bounds_are_told() {
        let told = |key, text| out_of_bounds(Scope::Broker, key, text);
        assert_eq!(told("num.io.threads", "-7"), Some("the value -7 is not 1 or more".to_owned()));
        assert_eq!(told("num.io.threads", "1"), None);
        assert_eq!(told("compression.gzip.level", "-1"), None);
        assert_eq!(told("compression.gzip.level", "0"), Some("the value 0 is not 1 to 9, or -1".to_owned()));
        assert_eq!(told("compression.gzip.level", "9"), None);
        assert_eq!(told("log.cleanup.policy", "compact, delete"), None);
        let policies = "the value delete,none is not of compact, delete";
        assert_eq!(told("log.cleanup.policy", "delete,none"), Some(policies.to_owned()));
        assert_eq!(told("log.cleaner.min.cleanable.ratio", "1.5"), Some("the value 1.5 is not 0 to 1".to_owned()));
        assert_eq!(out_of_bounds(Scope::Topic, "segment.bytes", "9223372036854775807"), None);
    }
}
