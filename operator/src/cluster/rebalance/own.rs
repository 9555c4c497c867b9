//! The reassignments that the operator began itself, as the status holds them: the only ones that it throttles, takes
//! back, and follows until their leaders are as they should be. They are written before they are begun.

use std::collections::{BTreeMap, BTreeSet};

/// Partitions by topic.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Own(BTreeMap<String, BTreeSet<i32>>);

impl Own {
    /// What the status says. What is no range is nothing that was written here, and is left out.
    pub fn read(written: &BTreeMap<String, String>) -> Own {
        let topics = written
            .iter()
            .map(|(topic, ranges)| (topic.clone(), ranges.split(',').filter_map(range).flatten().collect()));
        Own(topics.filter(|(_, partitions): &(String, BTreeSet<i32>)| !partitions.is_empty()).collect())
    }

    /// As the status holds it, such as `0-3,7`.
    pub fn written(&self) -> BTreeMap<String, String> {
        self.0.iter().map(|(topic, partitions)| (topic.clone(), ranges(partitions))).collect()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether this one is.
    pub fn has(&self, topic: &str, partition: i32) -> bool {
        self.0.get(topic).is_some_and(|partitions| partitions.contains(&partition))
    }

    /// One more.
    pub fn insert(&mut self, topic: &str, partition: i32) {
        self.0.entry(topic.to_owned()).or_default().insert(partition);
    }

    /// Every partition.
    pub fn iter(&self) -> impl Iterator<Item = (&String, i32)> {
        self.0.iter().flat_map(|(topic, partitions)| partitions.iter().map(move |partition| (topic, *partition)))
    }

    /// The topics.
    pub fn topics(&self) -> impl Iterator<Item = (&String, &BTreeSet<i32>)> {
        self.0.iter()
    }
}

impl<'a> FromIterator<(&'a String, i32)> for Own {
    fn from_iter<T: IntoIterator<Item = (&'a String, i32)>>(partitions: T) -> Self {
        let mut own = Own::default();
        for (topic, partition) in partitions {
            own.insert(topic, partition);
        }
        own
    }
}

/// Partitions of a range that was written here at most: a hand edit of the status must not cost memory.
const LONGEST: i32 = 100_000;

fn range(text: &str) -> Option<std::ops::RangeInclusive<i32>> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let (first, last) = (first.trim().parse::<i32>().ok()?, last.trim().parse::<i32>().ok()?);
    (first >= 0 && last.saturating_sub(first) < LONGEST).then_some(first..=last)
}

fn ranges(partitions: &BTreeSet<i32>) -> String {
    let mut spans: Vec<(i32, i32)> = Vec::new();
    for partition in partitions {
        match spans.last_mut() {
            Some((_, last)) if *last + 1 == *partition => *last = *partition,
            _ => spans.push((*partition, *partition)),
        }
    }
    let text = spans.iter().map(|(first, last)| match first == last {
        true => first.to_string(),
        false => format!("{first}-{last}"),
    });
    text.collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let names = ["a".to_owned(), "b".to_owned()];
        let own: Own =
            [(&names[0], 7), (&names[0], 0), (&names[0], 2), (&names[0], 1), (&names[1], 4)].into_iter().collect();
        let written = own.written();
        assert_eq!((written["a"].as_str(), written["b"].as_str()), ("0-2,7", "4"));
        assert_eq!(Own::read(&written), own);
        assert!(own.has("a", 2) && !own.has("a", 3) && !own.has("c", 0));
    }

    #[test]
    fn what_nobody_wrote_is_nothing() {
        let strange =
            BTreeMap::from([("a".to_owned(), "x,3-1,-4,0-99999999,5".to_owned()), ("b".to_owned(), String::new())]);
        assert_eq!(Own::read(&strange).written(), BTreeMap::from([("a".to_owned(), "5".to_owned())]));
    }
}
