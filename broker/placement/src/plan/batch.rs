//! How much of a plan is under way at a time.

use std::collections::BTreeMap;

use super::{Move, Plan};

/// How much may be under way at a time. A limit of 0 counts as 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchLimits {
    /// Partitions in all.
    pub max_partitions: usize,
    /// Bytes in all. One move that is larger by itself runs alone.
    pub max_bytes: u64,
    /// Partitions that are copied to one broker.
    pub max_per_broker: usize,
}

/// What is under way.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InFlight {
    /// Partitions in all.
    pub partitions: usize,
    /// Bytes that are copied in all: whole replicas, however far they are.
    pub bytes: u64,
    /// Partitions that are copied to each broker.
    pub per_broker: BTreeMap<i32, usize>,
}

impl InFlight {
    /// Adds one partition that copies this many bytes to each of these brokers together.
    pub fn add(&mut self, bytes: u64, to: impl IntoIterator<Item = i32>) {
        self.partitions += 1;
        self.bytes = self.bytes.saturating_add(bytes);
        for id in to {
            *self.per_broker.entry(id).or_default() += 1;
        }
    }
}

impl Plan {
    /// The moves that may start now beside what is under way: [`next_batch`] of all of them.
    #[must_use]
    pub fn next_batch(&self, limits: &BatchLimits, in_flight: &InFlight) -> Vec<&Move> {
        next_batch(self.moves.iter(), limits, in_flight)
    }
}

/// Of these moves of a plan, those that may start now, in this order, beside what is under way. Moves whose brokers have
/// enough to do are passed over; one that is too large for what is left of `max_bytes` holds up those behind it that copy
/// something, so that it gets its turn. What replaces something under way starts at once, and counts.
#[must_use]
pub fn next_batch<'a>(
    moves: impl Iterator<Item = &'a Move> + Clone,
    limits: &BatchLimits,
    in_flight: &InFlight,
) -> Vec<&'a Move> {
    let mut running = in_flight.clone();
    let mut batch: Vec<&Move> = moves.clone().filter(|one| one.replaces).collect();
    batch.iter().for_each(|one| running.add(one.bytes, one.adding()));
    let mut held_up = false;
    for one in moves.filter(|one| !one.replaces) {
        if running.partitions >= limits.max_partitions.max(1) {
            break;
        }
        let copies = one.bytes > 0;
        if copies && held_up {
            continue;
        }
        let busy = |id| running.per_broker.get(&id).is_some_and(|moves| *moves >= limits.max_per_broker.max(1));
        if one.adding().any(busy) {
            continue;
        }
        if copies && running.bytes > 0 && running.bytes.saturating_add(one.bytes) > limits.max_bytes.max(1) {
            held_up = true;
            continue;
        }
        running.add(one.bytes, one.adding());
        batch.push(one);
    }
    batch
}

#[cfg(test)]
mod tests {
    use super::super::Why;
    use super::*;

    fn plan(moves: &[(i32, u64)]) -> Plan {
        let one = |(at, (to, bytes)): (usize, &(i32, u64))| Move {
            topic: 0,
            partition: at as i32,
            from: vec![0],
            to: vec![*to],
            bytes: *bytes,
            why: Why::Leaves { broker: 0 },
            replaces: false,
        };
        Plan { moves: moves.iter().enumerate().map(one).collect(), ..Plan::default() }
    }

    fn partitions(batch: &[&Move]) -> Vec<i32> {
        batch.iter().map(|one| one.partition).collect()
    }

    const LIMITS: BatchLimits = BatchLimits { max_partitions: 3, max_bytes: 100, max_per_broker: 2 };

    #[test]
    fn each_limit_holds() {
        let none = InFlight::default();
        let small = plan(&[(1, 1), (1, 1), (1, 1), (2, 1), (3, 1)]);
        assert_eq!(partitions(&small.next_batch(&LIMITS, &none)), [0, 1, 3], "two to a broker, three in all");
        let large = plan(&[(1, 60), (2, 60), (3, 10)]);
        assert_eq!(partitions(&large.next_batch(&LIMITS, &none)), [0], "what is behind the large one waits for it");
        let mut busy = InFlight::default();
        busy.add(10, [1]);
        busy.add(10, [1]);
        assert_eq!(partitions(&small.next_batch(&LIMITS, &busy)), [3], "one more in all, and not to broker 1");
    }

    #[test]
    fn what_is_larger_than_the_limit_runs_alone() {
        let huge = plan(&[(1, 1_000), (2, 1)]);
        assert_eq!(partitions(&huge.next_batch(&LIMITS, &InFlight::default())), [0]);
        let mut busy = InFlight::default();
        busy.add(1, [3]);
        assert_eq!(partitions(&huge.next_batch(&LIMITS, &busy)), [] as [i32; 0]);
    }

    #[test]
    fn what_replaces_something_does_not_wait() {
        let mut changed = plan(&[(1, 60), (2, 60), (3, 60), (3, 0)]);
        changed.moves[2].replaces = true;
        let mut busy = InFlight::default();
        busy.add(90, [3]);
        assert_eq!(
            partitions(&changed.next_batch(&LIMITS, &busy)),
            [2],
            "and then no broker nor byte is left for more"
        );
    }

    #[test]
    fn no_limits_still_go_on() {
        let zero = BatchLimits { max_partitions: 0, max_bytes: 0, max_per_broker: 0 };
        assert_eq!(partitions(&plan(&[(1, 5), (2, 5)]).next_batch(&zero, &InFlight::default())), [0]);
    }
}
