//! How long nothing was acknowledged.

use std::collections::BTreeMap;
use std::time::Duration;

/// The longest times between two acknowledgements that follow each other, over all and for each partition.
#[derive(Debug, Clone, Default)]
pub struct Stalls {
    overall: Gap,
    partitions: BTreeMap<i32, Gap>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Gap {
    last: Option<Duration>,
    longest: Duration,
}

impl Gap {
    fn note(&mut self, at: Duration) {
        if let Some(last) = self.last {
            self.longest = self.longest.max(at.saturating_sub(last));
        }
        self.last = Some(at);
    }
}

impl Stalls {
    /// An acknowledgement for a partition, in the order in which they came. `at` counts from any fixed moment.
    pub fn note(&mut self, partition: i32, at: Duration) {
        self.overall.note(at);
        self.partitions.entry(partition).or_default().note(at);
    }

    /// Forgets when the last ones were, since nothing was sent in between.
    pub fn pause(&mut self) {
        self.overall.last = None;
        self.partitions.values_mut().for_each(|gap| gap.last = None);
    }

    /// The longest time without any acknowledgement.
    #[must_use]
    pub fn overall(&self) -> Duration {
        self.overall.longest
    }

    /// The longest time of the partition that had to wait longest.
    #[must_use]
    pub fn worst_partition(&self) -> Duration {
        self.partitions.values().map(|gap| gap.longest).max().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_are_between_neighbours_and_pauses_do_not_count() {
        let ms = Duration::from_millis;
        let mut stalls = Stalls::default();
        for (partition, at) in [(0, 0), (1, 10), (0, 40), (1, 100)] {
            stalls.note(partition, ms(at));
        }
        assert_eq!((stalls.overall(), stalls.worst_partition()), (ms(60), ms(90)));
        stalls.pause();
        stalls.note(0, ms(5000));
        stalls.note(0, ms(5050));
        assert_eq!((stalls.overall(), stalls.worst_partition()), (ms(60), ms(90)));
    }
}
