//! Bytes of strangers: no decoder panics, and none reserves what a sender claims to send.
//!
//! An array that is believed to have 2^31 elements ends the process here (its memory cannot be
//! had), so that these tests need no look at the allocator.

mod common;

use bytes::{Bytes, BytesMut};
use common::{Vector, vectors};
use odradek_wire::batch::{RecordBatches, records_within};
use odradek_wire::frame::{FrameDecoder, FrameError};
use odradek_wire::messages::{
    ApiVersionsResponse, CreateTopicsResponse, DescribeConfigsResponse, FetchResponse, MetadataResponse,
    ProduceRequest, ProduceResponse,
};
use odradek_wire::protocol::Decodable;
use odradek_wire::request::{self, DecodeError};
use odradek_wire::versions::{self, ListenerKind};
use odradek_wire::{produce, response};
use proptest::prelude::*;

/// Decodes as a request, and as responses of several kinds.
fn decode_all(frame: &Bytes, version: i16) {
    for kind in [ListenerKind::Broker, ListenerKind::Controller] {
        let _ = request::decode(kind, frame.clone());
    }
    let _ = response::decode::<FetchResponse>(1, version, frame.clone());
    let _ = response::decode::<MetadataResponse>(3, version, frame.clone());
    let _ = response::decode::<ProduceResponse>(0, version, frame.clone());
    let _ = response::decode::<ApiVersionsResponse>(18, version, frame.clone());
    let _ = response::decode::<CreateTopicsResponse>(19, version, frame.clone());
    let _ = response::decode::<DescribeConfigsResponse>(32, version, frame.clone());
}

fn all_vectors() -> Vec<Vector> {
    let mut all = vectors("requests");
    all.extend(vectors("responses"));
    all
}

#[test]
fn huge_lengths_anywhere_reserve_nothing() {
    let lengths: [&[u8]; 6] = [
        &[0x7f, 0xff, 0xff, 0xff],
        &[0x40, 0x00, 0x00, 0x00],
        &[0xff, 0xff, 0xff, 0xff],
        &[0x80, 0x00, 0x00, 0x00],
        &[0xff, 0xff, 0xff, 0xff, 0x0f],
        &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
    ];
    for vector in all_vectors() {
        for length in lengths {
            for position in 8..vector.frame.len().saturating_sub(length.len()) {
                let mut frame = BytesMut::from(&vector.frame[..]);
                frame[position..position + length.len()].copy_from_slice(length);
                decode_all(&frame.freeze(), vector.version());
            }
        }
    }
}

#[test]
fn cut_frames_are_errors() {
    for vector in vectors("requests") {
        let whole = request::decode(ListenerKind::Broker, vector.frame.clone());
        for end in 0..vector.frame.len() {
            let cut = request::decode(ListenerKind::Broker, vector.frame.slice(..end));
            assert!(cut.is_err() || whole.is_err(), "{} cut at {end} decodes", vector.name);
        }
    }
}

#[test]
fn large_numbers_that_are_no_lengths_pass() {
    // Fetch of a Java client: max.wait, min and max bytes may all be as large as can be.
    for vector in vectors("requests").iter().filter(|vector| vector.api() == "fetch") {
        let decoded = request::decode(ListenerKind::Broker, vector.frame.clone()).expect("it decodes");
        let request::RequestBody::Kafka(odradek_wire::messages::RequestKind::Fetch(mut fetch)) = decoded.body else {
            panic!("{}: not a fetch", vector.name)
        };
        fetch.max_wait_ms = i32::MAX;
        fetch.min_bytes = i32::MAX - 1;
        fetch.max_bytes = i32::MAX;
        let frame = request::encode(vector.version(), 7, "large", &fetch).expect("it encodes");
        let again = request::decode(ListenerKind::Broker, frame.slice(4..)).expect("it decodes");
        let request::RequestBody::Kafka(odradek_wire::messages::RequestKind::Fetch(again)) = again.body else {
            panic!("not a fetch")
        };
        assert_eq!(again, fetch);
    }
}

#[test]
fn refusals_are_told_apart() {
    let frame = |key: i16, version: i16| {
        let mut out = Vec::new();
        out.extend_from_slice(&key.to_be_bytes());
        out.extend_from_slice(&version.to_be_bytes());
        out.extend_from_slice(&[0, 0, 0, 9, 0, 1, b'c', 0, 0, 0, 0]);
        Bytes::from(out)
    };
    let decode = |key, version| request::decode(ListenerKind::Broker, frame(key, version));
    assert_eq!(decode(4, 0), Err(DecodeError::UnknownApi { api_key: 4, api_version: 0 }));
    assert_eq!(decode(10_000, 0), Err(DecodeError::UnknownApi { api_key: 10_000, api_version: 0 }));
    let too_new = decode(18, 90).expect_err("there is no such version");
    let header = too_new.wants_api_versions().expect("it is to be answered");
    assert_eq!((header.correlation_id, header.client_id.as_deref()), (9, Some("c")));
    for (key, version) in [(3, 90), (0, 2), (1, 3), (18, -1)] {
        let error = decode(key, version).expect_err("there is no such version");
        assert!(matches!(error, DecodeError::UnsupportedVersion { .. }), "{error}");
        assert_eq!(error.wants_api_versions().is_some(), key == 18);
    }
    assert!(matches!(decode(1, 18), Err(DecodeError::Body { .. })));
    assert!(matches!(request::decode(ListenerKind::Broker, Bytes::from_static(&[0; 7])), Err(DecodeError::Header(_))));
    let own = request::decode(ListenerKind::Controller, frame(versions::ODRADEK_CONTROLLER, 0)).expect("ours");
    assert_eq!(own.body, request::RequestBody::Controller(Bytes::from_static(&[0, 0, 0, 0])));
}

#[test]
fn frames_have_bounds() {
    let decoder = FrameDecoder::new(100);
    let mut buffer = BytesMut::from(&[0, 0, 0, 101][..]);
    assert_eq!(decoder.next(&mut buffer), Err(FrameError::TooLarge { size: 101, max: 100 }));
    assert!(FrameError::TooLarge { size: 101, max: 100 }.to_string().contains("socket.request.max.bytes"));
    let mut buffer = BytesMut::from(&[0xff, 0xff, 0xff, 0xfe][..]);
    assert_eq!(decoder.next(&mut buffer), Err(FrameError::Negative(-2)));
}

proptest! {
    #[test]
    fn mutated_frames_do_not_panic(
        index: prop::sample::Index,
        edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut: prop::sample::Index,
        cuts: bool,
    ) {
        let all = all_vectors();
        let vector = index.get(&all);
        let mut frame = BytesMut::from(&vector.frame[..]);
        for (position, byte) in edits {
            let position = position.index(frame.len());
            frame[position] = byte;
        }
        if cuts {
            frame.truncate(cut.index(frame.len()));
        }
        decode_all(&frame.freeze(), vector.version());
    }

    #[test]
    fn random_bytes_do_not_panic(key in 0i16..80, version in 0i16..19, body in prop::collection::vec(any::<u8>(), 0..300)) {
        let mut frame = Vec::new();
        frame.extend_from_slice(&key.to_be_bytes());
        frame.extend_from_slice(&version.to_be_bytes());
        frame.extend_from_slice(&[0, 0, 0, 1, 0xff, 0xff, 0]);
        frame.extend_from_slice(&body);
        decode_all(&frame.into(), version);
    }

    #[test]
    fn random_batches_do_not_panic(mut bytes in prop::collection::vec(any::<u8>(), 0..200), small: bool) {
        if small && bytes.len() > 17 {
            bytes[8..12].copy_from_slice(&60i32.to_be_bytes());
            bytes[16] = 2;
        }
        let bytes = Bytes::from(bytes);
        let _ = RecordBatches::validate(bytes.clone(), 1 << 20);
        let _ = RecordBatches::parse_trailing(bytes.clone());
        if let Ok(records) = records_within(&bytes, 1 << 20) {
            records.for_each(drop);
        }
    }

    #[test]
    fn frames_come_out_as_they_went_in(
        frames in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..60), 0..6),
        step in 1usize..20,
    ) {
        let mut stream = Vec::new();
        for frame in &frames {
            stream.extend_from_slice(&(frame.len() as u32).to_be_bytes());
            stream.extend_from_slice(frame);
        }
        let decoder = FrameDecoder::new(60);
        let mut buffer = BytesMut::new();
        let mut out = Vec::new();
        for part in stream.chunks(step) {
            buffer.extend_from_slice(part);
            while let Some(frame) = decoder.next(&mut buffer).expect("good lengths") {
                out.push(frame.to_vec());
            }
            prop_assert!(decoder.missing(&buffer).expect("good lengths") > 0);
        }
        prop_assert_eq!(out, frames);
    }

    /// The own Produce decoder finds what the crate's finds.
    #[test]
    fn produce_decodes_as_the_crate_does(
        index: prop::sample::Index,
        edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..3),
    ) {
        let all: Vec<_> = vectors("requests").into_iter().filter(|vector| vector.api() == "produce").collect();
        let vector = index.get(&all);
        let mut bytes = vector.frame.clone();
        request::decode_header(ListenerKind::Broker, &mut bytes).expect("a good header");
        let mut body = BytesMut::from(&bytes[..]);
        for (position, byte) in edits {
            // In front of the records, where the structure is.
            let position = position.index(body.len().min(60));
            body[position] = byte;
        }
        let body = body.freeze();
        let ours = produce::decode(body.clone(), vector.version());
        // The crate may reserve what it is told only when the own decoder has seen that it fits.
        if let Ok(ours) = ours {
            let mut theirs = ProduceRequest::decode(&mut body.clone(), vector.version()).expect("it decodes");
            // Tagged fields that nobody knows are skipped here.
            theirs.unknown_tagged_fields.clear();
            for topic in &mut theirs.topic_data {
                topic.unknown_tagged_fields.clear();
                for partition in &mut topic.partition_data {
                    partition.unknown_tagged_fields.clear();
                }
            }
            prop_assert_eq!(ours, theirs);
        }
    }
}
