//! Changes of many partitions in few records: what is decided for a whole broker (it is lost, it comes back, it leads
//! again) names each topic once.

use prost::Message;

use super::{Change, PartitionChange, Record};

/// The state of several partitions of one topic moved. Since 4.1-IV1.
#[derive(Clone, PartialEq, Message)]
pub struct PartitionChanges {
    /// 16 bytes.
    #[prost(bytes = "vec", tag = "1")]
    pub topic_id: Vec<u8>,
    /// What moved, in the order of the partitions and each of them once; without their topic's id.
    #[prost(message, repeated, tag = "2")]
    pub changes: Vec<PartitionChange>,
}

/// The same records, with those that change partitions of one topic, and follow on each other, made one.
#[must_use]
pub fn by_topic(records: Vec<Record>) -> Vec<Record> {
    let mut all: Vec<Record> = Vec::with_capacity(records.len());
    for record in records {
        let Some(Change::PartitionChange(change)) = record.change else {
            all.push(record);
            continue;
        };
        match all.last_mut().and_then(|last| last.change.as_mut()) {
            Some(Change::PartitionChanges(last)) if follows(&last.topic_id, last.changes.last(), &change) => {
                last.changes.push(PartitionChange { topic_id: Vec::new(), ..change });
            }
            Some(Change::PartitionChange(first)) if follows(&first.topic_id, Some(first), &change) => {
                let topic_id = std::mem::take(&mut first.topic_id);
                let changes = vec![std::mem::take(first), PartitionChange { topic_id: Vec::new(), ..change }];
                all.pop();
                all.push(PartitionChanges { topic_id, changes }.into());
            }
            _ => all.push(change.into()),
        }
    }
    all
}

fn follows(topic_id: &[u8], last: Option<&PartitionChange>, next: &PartitionChange) -> bool {
    topic_id == next.topic_id && last.is_some_and(|last| last.partition < next.partition)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metadata::record::{Brokers, RemoveTopic, encode_records};

    fn change(topic: u8, partition: i32) -> Record {
        let isr = Some(Brokers { ids: vec![1, 2] });
        PartitionChange { topic_id: vec![topic; 16], partition, isr, ..PartitionChange::default() }.into()
    }

    /// Topics and partitions, one list a record; a record of another kind is empty.
    fn shape(records: &[Record]) -> Vec<Vec<(u8, i32)>> {
        let of = |topic_id: &[u8], change: &PartitionChange| (topic_id[0], change.partition);
        let shape = |record: &Record| match &record.change {
            Some(Change::PartitionChange(change)) => vec![of(&change.topic_id, change)],
            Some(Change::PartitionChanges(changes)) => {
                assert!(changes.changes.iter().all(|change| change.topic_id.is_empty()));
                changes.changes.iter().map(|change| of(&changes.topic_id, change)).collect()
            }
            _ => Vec::new(),
        };
        records.iter().map(shape).collect()
    }

    #[test]
    fn neighbours_of_one_topic_become_one_record() {
        let other: Record = RemoveTopic { topic_id: vec![9; 16] }.into();
        let records = vec![
            change(1, 0),
            change(1, 1),
            change(1, 7),
            change(2, 0),
            other,
            change(2, 1),
            change(2, 2),
            change(2, 2),
        ];
        let shape = shape(&by_topic(records));
        assert_eq!(
            shape,
            [vec![(1, 0), (1, 1), (1, 7)], vec![(2, 0)], vec![], vec![(2, 1), (2, 2)], vec![(2, 2)]],
            "and a partition that changes twice is in two"
        );
        assert!(by_topic(Vec::new()).is_empty());
    }

    #[test]
    fn a_broker_that_is_lost_takes_less_than_half_of_the_log() {
        let records: Vec<Record> = (0..1_000).map(|partition| change(1, partition)).collect();
        let one_by_one = encode_records(&records).len();
        let together = encode_records(&by_topic(records)).len();
        assert!(together * 2 < one_by_one, "{together} bytes, and {one_by_one} one by one");
    }
}
