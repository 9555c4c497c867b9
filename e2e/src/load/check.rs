//! Whether a log holds what was acknowledged: exactly once, in order, where it was said to be.

use std::collections::BTreeMap;
use std::fmt;

use super::producer::Delivery;
use super::reader::Log;
use super::record::Id;

/// What one producer sent to one partition.
#[derive(Debug, Clone, Default)]
pub struct Stream {
    /// Offsets of the records that were acknowledged, by sequence; negative where the client learned only that the record
    /// had been stored (the answer to a retry).
    pub acknowledged: BTreeMap<u64, i64>,
    /// Records that the client gave up, with its error: each may be in the log once, or not.
    pub refused: BTreeMap<u64, String>,
}

/// What all producers know about what they sent.
#[derive(Debug, Clone, Default)]
pub struct Ledger {
    /// By producer and partition.
    pub streams: BTreeMap<(u32, i32), Stream>,
}

/// Something that a correct cluster never does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Violation {
    /// An acknowledged record that is not in the log.
    Lost(Id, i64),
    /// A record that is in the log at two offsets.
    Twice(Id, i64, i64),
    /// A record that is in the log after a later one of its producer.
    OutOfOrder(Id, i64),
    /// A record that is in the log, and not where its acknowledgement said.
    Moved(Id, i64, i64),
    /// A record that nobody sent, or not to this partition.
    Stranger(i32, i64, String),
    /// An offset that a consumer saw earlier with another record.
    Changed(i32, i64, String),
    /// A consumer was told of offsets that it cannot have skipped, or of an error that a consumer must not see.
    Consumer(String),
    /// The client gave a producer up.
    Client(String),
}

impl fmt::Display for Violation {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Violation::Lost(id, offset) => write!(to, "lost: {id:?}, acknowledged at offset {offset}"),
            Violation::Twice(id, one, two) => write!(to, "twice: {id:?} at offsets {one} and {two}"),
            Violation::OutOfOrder(id, offset) => write!(to, "out of order: {id:?} at offset {offset}"),
            Violation::Moved(id, said, found) => write!(to, "moved: {id:?} acknowledged at {said}, found at {found}"),
            Violation::Stranger(partition, offset, what) => write!(to, "stranger in {partition} at {offset}: {what}"),
            Violation::Changed(partition, offset, what) => write!(to, "changed in {partition} at {offset}: {what}"),
            Violation::Consumer(what) => write!(to, "consumer: {what}"),
            Violation::Client(what) => write!(to, "producer: {what}"),
        }
    }
}

impl Ledger {
    /// Takes in what a client said about a record.
    pub fn note(&mut self, delivery: &Delivery) {
        let stream = self.streams.entry((delivery.id.producer, delivery.id.partition)).or_default();
        match &delivery.result {
            Ok(offset) => drop(stream.acknowledged.insert(delivery.id.sequence, *offset)),
            Err(error) => drop(stream.refused.insert(delivery.id.sequence, error.clone())),
        }
    }

    /// How many records were acknowledged.
    #[must_use]
    pub fn acknowledged(&self) -> usize {
        self.streams.values().map(|stream| stream.acknowledged.len()).sum()
    }

    /// How many records the clients gave up.
    #[must_use]
    pub fn refused(&self) -> usize {
        self.streams.values().map(|stream| stream.refused.len()).sum()
    }

    /// Compares with all that is in the log.
    #[must_use]
    pub fn check(&self, log: &Log) -> Vec<Violation> {
        let mut violations = log.violations.clone();
        let mut found: BTreeMap<Id, i64> = BTreeMap::new();
        for (partition, records) in &log.partitions {
            let mut last: BTreeMap<u32, u64> = BTreeMap::new();
            for (offset, id) in records {
                if id.partition != *partition || !self.streams.contains_key(&(id.producer, id.partition)) {
                    violations.push(Violation::Stranger(*partition, *offset, format!("{id:?}")));
                    continue;
                }
                if let Some(first) = found.get(id) {
                    violations.push(Violation::Twice(*id, *first, *offset));
                    continue;
                }
                found.insert(*id, *offset);
                if last.get(&id.producer).is_some_and(|last| *last > id.sequence) {
                    violations.push(Violation::OutOfOrder(*id, *offset));
                }
                last.insert(id.producer, id.sequence);
            }
        }
        for ((producer, partition), stream) in &self.streams {
            for (sequence, said) in &stream.acknowledged {
                let id = Id { producer: *producer, partition: *partition, sequence: *sequence };
                match found.get(&id) {
                    None => violations.push(Violation::Lost(id, *said)),
                    Some(at) if *said >= 0 && at != said => violations.push(Violation::Moved(id, *said, *at)),
                    Some(_) => {}
                }
            }
        }
        violations
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn id(sequence: u64) -> Id {
        Id { producer: 0, partition: 2, sequence }
    }

    fn ledger(acknowledged: &[(u64, i64)], refused: &[u64]) -> Ledger {
        let mut ledger = Ledger::default();
        let mut note = |sequence, result| {
            ledger.note(&Delivery { id: id(sequence), at: Duration::ZERO, latency: Duration::ZERO, result });
        };
        for (sequence, offset) in acknowledged {
            note(*sequence, Ok(*offset));
        }
        for sequence in refused {
            note(*sequence, Err("gave up".to_owned()));
        }
        ledger
    }

    fn log(records: &[(i64, u64)]) -> Log {
        let records = records.iter().map(|(offset, sequence)| (*offset, id(*sequence))).collect();
        Log { partitions: BTreeMap::from([(2, records)]), violations: Vec::new() }
    }

    #[test]
    fn what_is_there_once_in_order_at_its_offset_is_right() {
        assert_eq!(ledger(&[(0, 0), (1, 1), (3, 2)], &[2]).check(&log(&[(0, 0), (1, 1), (2, 3)])), []);
        assert_eq!(ledger(&[(0, 0), (1, -1001)], &[]).check(&log(&[(0, 0), (1, 1)])), []);
        assert_eq!(ledger(&[(0, 0), (2, 2)], &[1]).check(&log(&[(0, 0), (1, 1), (2, 2)])), []);
    }

    #[test]
    fn each_violation_is_found() {
        let sent = ledger(&[(0, 0), (1, 1)], &[]);
        assert_eq!(sent.check(&log(&[(0, 0)])), [Violation::Lost(id(1), 1)]);
        assert_eq!(sent.check(&log(&[(0, 0), (1, 1), (2, 1)])), [Violation::Twice(id(1), 1, 2)]);
        assert_eq!(sent.check(&log(&[(0, 0), (5, 1)])), [Violation::Moved(id(1), 1, 5)]);
        let swapped = ledger(&[(0, 1), (1, 0)], &[]).check(&log(&[(0, 1), (1, 0)]));
        assert_eq!(swapped, [Violation::OutOfOrder(id(0), 1)]);
        let elsewhere = Log { partitions: BTreeMap::from([(3, vec![(0, id(0))])]), violations: Vec::new() };
        assert!(matches!(ledger(&[], &[0]).check(&elsewhere)[..], [Violation::Stranger(3, 0, _)]));
        let told = Log { violations: vec![Violation::Consumer("x".to_owned())], ..log(&[(0, 0), (1, 1)]) };
        assert_eq!(sent.check(&told).len(), 1);
    }
}
