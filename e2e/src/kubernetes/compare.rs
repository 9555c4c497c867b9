//! What was sent against what is there.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Result, ensure};

use super::Record;
use super::producer::{key, value};

/// Compares what is in a topic with the records `0..many` that were sent to it: each there once, as it was sent, and in
/// the order of sending within its partition.
///
/// # Errors
/// One is lost, there twice, changed, or out of order; or one was acknowledged at a place where nothing is.
pub fn compare(many: usize, acknowledged: &BTreeSet<(i32, i64)>, records: &[Record]) -> Result<()> {
    let mut count: BTreeMap<&str, usize> = BTreeMap::new();
    for record in records {
        *count.entry(&record.key).or_default() += 1;
    }
    let lost: Vec<String> = (0..many).map(key).filter(|key| !count.contains_key(key.as_str())).collect();
    let twice: Vec<(&str, usize)> = count.iter().filter(|(_, many)| **many > 1).map(|(k, n)| (*k, *n)).collect();
    ensure!(lost.is_empty(), "{} records are lost: {:?}", lost.len(), &lost[..lost.len().min(5)]);
    ensure!(twice.is_empty(), "{} records are there again: {:?}", twice.len(), &twice[..twice.len().min(5)]);
    let sent: BTreeMap<String, String> = (0..many).map(|number| (key(number), value(number))).collect();
    let mut last: BTreeMap<i32, &Record> = BTreeMap::new();
    let mut places = BTreeSet::new();
    for record in records {
        ensure!(sent.get(&record.key) == Some(&record.value), "this was never sent: {record:?}");
        places.insert((record.partition, record.offset));
        if let Some(before) = last.insert(record.partition, record) {
            let in_order = before.offset < record.offset && before.key < record.key;
            ensure!(in_order, "{} stands before {} in partition {}", before.key, record.key, record.partition);
        }
    }
    let unfounded: Vec<_> = acknowledged.difference(&places).collect();
    ensure!(unfounded.is_empty(), "acknowledged, and nothing is there: {unfounded:?}");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_is_told() {
        let record = |number, offset| Record { key: key(number), partition: 0, offset, value: value(number) };
        let whole = [record(0, 5), record(1, 6)];
        compare(2, &BTreeSet::from([(0, 5)]), &whole).expect("whole");
        let told = |many, acks: &[(i32, i64)], records: &[Record]| {
            compare(many, &acks.iter().copied().collect(), records).expect_err("wrong").to_string()
        };
        assert!(told(3, &[], &whole).contains("lost"));
        assert!(told(2, &[], &[record(0, 5), record(1, 6), record(1, 7)]).contains("again"));
        assert!(told(2, &[], &[record(1, 5), record(0, 6)]).contains("stands before"));
        assert!(told(2, &[(0, 9)], &whole).contains("nothing is there"));
        assert!(told(1, &[], &whole).contains("never sent"));
    }
}
