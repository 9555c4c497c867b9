//! What a consumer's metadata says about the topics that it reads.

use std::collections::BTreeSet;

use bytes::Buf;

use super::Name;

/// The topics of a `ConsumerProtocolSubscription`, or `None` when the bytes are none.
///
/// They come from clients. Only the topics are read, which every version has at the same place.
pub(super) fn topics(mut metadata: &[u8]) -> Option<BTreeSet<Name>> {
    let version = metadata.try_get_i16().ok()?;
    if version < 0 {
        return None;
    }
    let count = metadata.try_get_i32().ok()?;
    let mut topics = BTreeSet::new();
    for _ in 0..count {
        let length = usize::try_from(metadata.try_get_i16().ok()?).ok()?;
        let (topic, rest) = metadata.split_at_checked(length)?;
        topics.insert(std::str::from_utf8(topic).ok()?.into());
        metadata = rest;
    }
    Some(topics)
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::BytesMut;
    use odradek_wire::messages::ConsumerProtocolSubscription;
    use odradek_wire::protocol::{Encodable, StrBytes};

    #[test]
    fn topics_of_every_version_are_read() {
        for version in 0i16..=3 {
            let mut bytes = BytesMut::new();
            bytes.extend_from_slice(&version.to_be_bytes());
            ConsumerProtocolSubscription::default()
                .with_topics(vec![StrBytes::from_static_str("b"), StrBytes::from_static_str("a")])
                .encode(&mut bytes, version)
                .expect("encodes");
            let want: BTreeSet<Name> = ["a".into(), "b".into()].into();
            assert_eq!(topics(&bytes), Some(want));
        }
    }

    #[test]
    fn anything_else_is_not_a_subscription() {
        assert_eq!(topics(&[]), None);
        assert_eq!(topics(&[0]), None);
        assert_eq!(topics(&[0, 0, 0x7f, 0xff, 0xff, 0xff]), None);
        assert_eq!(topics(&[0xff, 0xff, 0, 0, 0, 0]), None);
        assert_eq!(topics(&[0, 0, 0, 0, 0, 1, 0, 1, 0xff]), None);
    }
}
