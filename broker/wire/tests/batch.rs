//! Batches: what is built is read back, and every kind of damage is found.

use bytes::{Bytes, BytesMut};
use odradek_wire::ResponseError;
use odradek_wire::batch::{
    ATTRIBUTES_OFFSET, BatchBuilder, BatchError, BatchHeader, CRC_OFFSET, Compression, HEADER_SIZE, RecordBatches,
    TimestampType, records, records_within,
};
use proptest::collection::vec;
use proptest::prelude::*;

const CODECS: [Compression; 5] =
    [Compression::None, Compression::Gzip, Compression::Snappy, Compression::Lz4, Compression::Zstd];
const LIMIT: usize = 1 << 20;

fn batch(values: &[&str]) -> Bytes {
    let mut builder = BatchBuilder::new(0);
    for (index, value) in values.iter().enumerate() {
        builder.append(1_000 + index as i64, Some(b"key"), Some(value.as_bytes()), &[]);
    }
    builder.build().expect("it builds")
}

/// Puts the right checksum on a batch that was changed.
fn sign(mut bytes: BytesMut) -> Bytes {
    let crc = crc32c::crc32c(&bytes[ATTRIBUTES_OFFSET..]);
    bytes[CRC_OFFSET..CRC_OFFSET + 4].copy_from_slice(&crc.to_be_bytes());
    bytes.freeze()
}

fn changed(bytes: &Bytes, at: usize, with: &[u8]) -> BytesMut {
    let mut bytes = BytesMut::from(&bytes[..]);
    bytes[at..at + with.len()].copy_from_slice(with);
    bytes
}

#[derive(Debug, Clone)]
struct Input {
    timestamp: i64,
    key: Option<Vec<u8>>,
    value: Option<Vec<u8>>,
    headers: Vec<(Vec<u8>, Option<Vec<u8>>)>,
}

fn input() -> impl Strategy<Value = Input> {
    let bytes = || vec(any::<u8>(), 0..80);
    let optional = || proptest::option::of(vec(any::<u8>(), 0..80));
    (0i64..1 << 50, optional(), optional(), vec((bytes(), optional()), 0..3))
        .prop_map(|(timestamp, key, value, headers)| Input { timestamp, key, value, headers })
}

proptest! {
    #[test]
    fn what_is_built_is_read_back(
        inputs in vec(input(), 1..20),
        base in 0i64..1 << 40,
        codec in prop::sample::select(&CODECS[..]),
        (id, epoch, sequence) in (0i64..1 << 40, 0i16..100, 0i32..1000),
        (transactional, control) in any::<(bool, bool)>(),
    ) {
        let mut builder = BatchBuilder::new(base)
            .producer(id, epoch, sequence)
            .leader_epoch(4)
            .compression(codec)
            .transactional(transactional)
            .control(control);
        for input in &inputs {
            let headers: Vec<_> = input.headers.iter().map(|(k, v)| (k.as_slice(), v.as_deref())).collect();
            builder.append(input.timestamp, input.key.as_deref(), input.value.as_deref(), &headers);
        }
        let bytes = builder.build().expect("it builds");
        if codec == Compression::None {
            prop_assert_eq!(builder.size(), bytes.len());
        }
        let set = RecordBatches::validate(bytes.clone(), LIMIT).expect("it is valid");
        let header = set.batches[0].header;
        prop_assert_eq!(header.size(), bytes.len());
        prop_assert_eq!(header.compression().expect("known"), codec);
        prop_assert_eq!((header.producer_id, header.producer_epoch, header.base_sequence), (id, epoch, sequence));
        prop_assert_eq!(header.last_sequence(), sequence + inputs.len() as i32 - 1);
        prop_assert_eq!((header.is_transactional(), header.is_control()), (transactional, control));
        prop_assert_eq!(header.partition_leader_epoch, 4);
        prop_assert_eq!(header.max_timestamp, inputs.iter().map(|input| input.timestamp).max().expect("some"));
        let read: Vec<_> = records(&bytes).expect("it opens").map(|record| record.expect("whole")).collect();
        prop_assert_eq!(read.len(), inputs.len());
        for (index, (record, input)) in read.iter().zip(&inputs).enumerate() {
            prop_assert_eq!(record.offset, base + index as i64);
            prop_assert_eq!(record.timestamp, input.timestamp);
            prop_assert_eq!(record.key.as_deref(), input.key.as_deref());
            prop_assert_eq!(record.value.as_deref(), input.value.as_deref());
            let headers: Vec<_> =
                record.headers.iter().map(|header| (header.key.to_vec(), header.value.as_ref().map(|v| v.to_vec()))).collect();
            prop_assert_eq!(&headers, &input.headers);
        }
    }

    #[test]
    fn any_flipped_bit_under_the_checksum_is_found(at: prop::sample::Index, bit in 0u8..8) {
        let good = batch(&["one", "two", "three"]);
        let at = ATTRIBUTES_OFFSET + at.index(good.len() - ATTRIBUTES_OFFSET);
        let bad = changed(&good, at, &[good[at] ^ (1 << bit)]).freeze();
        let error = RecordBatches::validate(bad, LIMIT).expect_err("it is damaged");
        prop_assert!(matches!(error, BatchError::BadCrc { .. }), "{}", error);
    }

    #[test]
    fn signed_nonsense_does_not_panic(body in vec(any::<u8>(), 0..200), codec in 0u8..8) {
        let mut bytes = BytesMut::from(&batch(&["x"])[..HEADER_SIZE]);
        bytes.extend_from_slice(&body);
        let length = (bytes.len() - 12) as u32;
        bytes[8..12].copy_from_slice(&length.to_be_bytes());
        bytes[22] = codec;
        bytes[57..61].copy_from_slice(&9u32.to_be_bytes());
        let bytes = sign(bytes);
        if let Ok(records) = records_within(&bytes, LIMIT) {
            records.for_each(drop);
        }
    }
}

#[test]
fn damage_is_named() {
    let good = batch(&["one", "two"]);
    let refused = |bytes: Bytes| RecordBatches::validate(bytes, LIMIT).expect_err("it is damaged");
    for end in 1..good.len() {
        assert!(matches!(refused(good.slice(..end)), BatchError::Truncated { .. }), "cut at {end}");
    }
    for magic in [0, 1, 3] {
        let error = refused(changed(&good, 16, &[magic]).freeze());
        assert!(matches!(error, BatchError::UnsupportedMagic { .. }), "{error}");
    }
    for length in [-1i32, 0, 48] {
        let error = refused(changed(&good, 8, &length.to_be_bytes()).freeze());
        assert!(matches!(error, BatchError::BadLength { .. }), "{error}");
        assert_eq!(error.response_error(), ResponseError::CorruptMessage);
    }
    let error = refused(changed(&good, 8, &(LIMIT as i32).to_be_bytes()).freeze());
    assert_eq!(error.response_error(), ResponseError::MessageTooLarge);
    // Record count and last offset delta that do not go together.
    for (at, value) in [(57, 3i32), (57, 0), (57, -1), (23, 5), (23, -1)] {
        let error = refused(sign(changed(&good, at, &value.to_be_bytes())));
        assert_eq!(error.response_error(), ResponseError::InvalidRecord, "{error}");
    }
    for codec in 5u8..8 {
        let error = refused(sign(changed(&good, 22, &[codec])));
        assert_eq!(error.response_error(), ResponseError::UnsupportedCompressionType);
    }
    assert_eq!(refused(changed(&good, 17, &[0; 4]).freeze()).code(), 2);
}

#[test]
fn clients_may_not_send_everything() {
    let refused = |bytes: Bytes| RecordBatches::validate_produced(bytes, 9, LIMIT).expect_err("it is refused");
    assert_eq!(refused(Bytes::new()), BatchError::Empty);
    let good = batch(&["one"]);
    RecordBatches::validate_produced(good.clone(), 9, LIMIT).expect("it is good");
    let twice = Bytes::from([&good[..], &good[..]].concat());
    assert_eq!(refused(twice), BatchError::MoreThanOne { batches: 2 });
    let build = |builder: BatchBuilder| {
        let mut builder = builder;
        builder.append(1, None, Some(b"v"), &[]);
        builder.build().expect("it builds")
    };
    for bad in [BatchBuilder::new(0).control(true), BatchBuilder::new(5), BatchBuilder::new(0).producer(7, 0, -1)] {
        let error = refused(build(bad));
        assert_eq!(error.response_error(), ResponseError::InvalidRecord, "{error}");
    }
    let zstd = build(BatchBuilder::new(0).compression(Compression::Zstd));
    RecordBatches::validate_produced(zstd.clone(), 7, LIMIT).expect("version 7 has zstd");
    let error = RecordBatches::validate_produced(zstd, 6, LIMIT).expect_err("version 6 has none");
    assert_eq!(error.response_error(), ResponseError::UnsupportedCompressionType);
}

#[test]
fn a_cut_last_batch_is_dropped() {
    let one = batch(&["one", "two"]);
    let two = batch(&["three"]);
    let both = Bytes::from([&one[..], &two[..]].concat());
    for end in 0..=both.len() {
        let set = RecordBatches::parse_trailing(both.slice(..end)).expect("whole batches are good");
        let expected = usize::from(end >= one.len()) + usize::from(end >= both.len());
        assert_eq!(set.batches.len(), expected, "cut at {end}");
        assert_eq!(set.size(), set.batches.iter().map(|batch| batch.size).sum::<usize>());
    }
    let set = RecordBatches::parse_trailing(both.clone()).expect("it is good");
    assert_eq!(set.batch_bytes(&set.batches[1]), two);
    assert_eq!(set.record_count(), 3);
    let damaged = changed(&both, both.len() - 1, &[0xff]).freeze();
    assert!(RecordBatches::parse_trailing(damaged).is_err());
}

#[test]
fn compacted_batches_have_gaps() {
    let mut builder = BatchBuilder::new(100);
    builder.append_at(103, 1, Some(b"a"), None, &[]).append_at(109, 2, Some(b"b"), None, &[]);
    let bytes = builder.build().expect("it builds");
    assert!(RecordBatches::validate(bytes.clone(), LIMIT).is_err(), "a producer leaves no gaps");
    let set = RecordBatches::parse_trailing(bytes.clone()).expect("it is good");
    assert_eq!(set.last_offset(), Some(109));
    let offsets: Vec<_> = records(&bytes).expect("it opens").map(|record| record.expect("whole").offset).collect();
    assert_eq!(offsets, [103, 109]);
}

#[test]
fn log_append_time_is_the_batch_s() {
    let mut builder = BatchBuilder::new(0).timestamp_type(TimestampType::LogAppendTime);
    builder.append(5, None, None, &[]).append(9, None, None, &[]);
    let bytes = builder.build().expect("it builds");
    assert!(records(&bytes).expect("it opens").all(|record| record.expect("whole").timestamp == 9));
}

#[test]
fn bombs_are_stopped() {
    for codec in CODECS {
        let mut builder = BatchBuilder::new(0).compression(codec);
        builder.append(0, None, Some(&vec![0; 4 << 20]), &[]);
        let bytes = builder.build().expect("it builds");
        let error = records_within(&bytes, LIMIT).expect_err("it is too large");
        assert_eq!(error, BatchError::UncompressedTooLarge { limit: LIMIT }, "{codec:?}");
        assert_eq!(records_within(&bytes, 8 << 20).expect("it opens").count(), 1);
    }
}

#[test]
fn sequences_wrap() {
    let header = BatchHeader::parse(&batch(&["one", "two"])).expect("a header");
    assert_eq!(header.last_sequence(), -1);
    let header = BatchHeader { base_sequence: i32::MAX, ..header };
    assert_eq!(header.last_sequence(), 0);
}
