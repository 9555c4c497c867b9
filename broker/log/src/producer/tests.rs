use bytes::Bytes;
use odradek_wire::batch::BatchBuilder;

use super::*;

fn batch(id: i64, epoch: i16, sequence: i32, records: i32) -> RecordBatches {
    let mut builder = BatchBuilder::new(0).producer(id, epoch, sequence);
    for i in 0..records {
        builder.append(1000 + i64::from(i), None, Some(b"v"), &[]);
    }
    RecordBatches::validate(builder.build().unwrap(), 1 << 20).unwrap()
}

fn append(producers: &mut Producers, set: &RecordBatches, base: i64) -> Result<Option<ProducerBatch>, AppendError> {
    match producers.judge(set, Some(base), None, true)? {
        Verdict::New(update) => {
            producers.take(update);
            Ok(None)
        }
        Verdict::Duplicate(batch) => Ok(Some(batch)),
    }
}

#[test]
fn a_duplicate_of_the_last_five_is_known() {
    let mut producers = Producers::default();
    for i in 0..7 {
        assert_eq!(append(&mut producers, &batch(7, 0, i * 2, 2), i64::from(i) * 10).unwrap(), None);
    }
    for i in 2..7 {
        let earlier = append(&mut producers, &batch(7, 0, i * 2, 2), 99).unwrap().unwrap();
        assert_eq!(earlier.first_offset(), i64::from(i) * 10);
    }
    let error = append(&mut producers, &batch(7, 0, 2, 2), 99).unwrap_err();
    assert!(matches!(error, AppendError::OutOfOrderSequence { sequence: 2, expected: 14, .. }), "{error}");
    assert_eq!(error.code(), 45);
}

#[test]
fn epochs_fence_and_start_at_zero() {
    let mut producers = Producers::default();
    append(&mut producers, &batch(7, 3, 40, 1), 0).unwrap();
    let error = append(&mut producers, &batch(7, 2, 41, 1), 1).unwrap_err();
    assert_eq!(error.code(), 47);
    let error = append(&mut producers, &batch(7, 4, 41, 1), 1).unwrap_err();
    assert_eq!(error.code(), 45);
    assert_eq!(append(&mut producers, &batch(7, 4, 0, 1), 1).unwrap(), None);
    assert_eq!(producers.get(7).unwrap().batches().len(), 1, "batches of an older epoch are no duplicates");
}

#[test]
fn sequences_wrap() {
    let mut producers = Producers::default();
    append(&mut producers, &batch(7, 0, i32::MAX - 1, 2), 0).unwrap();
    assert_eq!(append(&mut producers, &batch(7, 0, 0, 3), 2).unwrap(), None);
    let mut producers = Producers::default();
    append(&mut producers, &batch(7, 0, i32::MAX - 1, 4), 0).unwrap();
    assert_eq!(producers.get(7).unwrap().last_sequence(), 1);
    assert!(append(&mut producers, &batch(7, 0, i32::MAX - 1, 4), 4).unwrap().is_some());
    assert_eq!(append(&mut producers, &batch(7, 0, 2, 1), 4).unwrap(), None);
}

#[test]
fn a_snapshot_keeps_what_matters() {
    let mut producers = Producers::default();
    for i in 0..3 {
        append(&mut producers, &batch(7, 1, i, 1), i64::from(i)).unwrap();
        append(&mut producers, &batch(9, 0, i * 5, 5), i64::from(i) * 5).unwrap();
    }
    let bytes = producers.to_snapshot();
    let mut loaded = Producers::from_snapshot(&bytes).unwrap();
    assert_eq!(loaded.to_snapshot(), bytes);
    // All that may be on its way is known, not only the last one.
    for (sequence, offset) in [(0, 0), (5, 5), (10, 10)] {
        let known = append(&mut loaded, &batch(9, 0, sequence, 5), 99).unwrap();
        assert_eq!(known.map(|batch| batch.first_offset()), Some(offset));
    }
    assert_eq!(append(&mut loaded, &batch(9, 0, 15, 1), 99).unwrap(), None);
}

#[test]
fn a_snapshot_of_kafka_has_the_last_batches_only() {
    let mut producers = Producers::default();
    append(&mut producers, &batch(7, 1, 0, 1), 0).unwrap();
    append(&mut producers, &batch(7, 1, 1, 1), 1).unwrap();
    let ours = producers.to_snapshot();
    // The count, one entry, and nothing behind it.
    let mut kafkas = ours[..10 + 46].to_vec();
    let crc = crc32c::crc32c(&kafkas[6..]);
    kafkas[2..6].copy_from_slice(&crc.to_be_bytes());
    let loaded = Producers::from_snapshot(&kafkas).unwrap();
    assert_eq!(loaded.get(7).unwrap().batches().len(), 1);
    assert_eq!(loaded.get(7).unwrap().last_sequence(), 1);
}

#[test]
fn a_damaged_snapshot_is_refused() {
    let mut producers = Producers::default();
    append(&mut producers, &batch(7, 1, 0, 1), 0).unwrap();
    let bytes = producers.to_snapshot();
    for at in 0..bytes.len() {
        let mut flipped = bytes.clone();
        flipped[at] ^= 0x40;
        assert!(Producers::from_snapshot(&flipped).is_err(), "byte {at}");
        assert!(Producers::from_snapshot(&bytes[..at]).is_err(), "cut at {at}");
    }
    assert!(Producers::from_snapshot(&[bytes.as_slice(), &[0]].concat()).is_err());
}

#[test]
fn silent_producers_go_unless_a_transaction_is_open() {
    let mut producers = Producers::default();
    append(&mut producers, &batch(7, 0, 0, 1), 0).unwrap();
    let mut open = BatchBuilder::new(0).producer(8, 0, 0).transactional(true);
    open.append(1000, None, Some(b"v"), &[]);
    let open = RecordBatches::validate(open.build().unwrap(), 1 << 20).unwrap();
    append(&mut producers, &open, 1).unwrap();
    assert_eq!(producers.first_open_transaction(), Some(1));
    assert!(!producers.expire(1999, 1000));
    assert!(producers.expire(2000, 1000));
    assert!(producers.get(7).is_none() && producers.get(8).is_some());

    let mut marker = BatchBuilder::new(0).producer(8, 1, -1).transactional(true).control(true);
    marker.append(3000, Some(&[0, 0, 0, 1]), Some(&[0, 0, 0, 0, 0, 9]), &[]);
    let marker = RecordBatches { bytes: marker.build().unwrap(), batches: Vec::new() };
    let marker = RecordBatches::parse_trailing(Bytes::clone(&marker.bytes)).unwrap();
    let Verdict::New(update) = producers.judge(&marker, Some(2), None, false).unwrap() else { panic!("duplicate") };
    producers.take(update);
    let producer = producers.get(8).unwrap();
    assert_eq!((producer.epoch, producer.coordinator_epoch, producer.txn_first_offset), (1, 9, None));
}
