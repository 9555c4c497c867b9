//! The content of a record, made of nothing but its identity, so that every byte of it can be checked.

use std::fmt::Write as _;

/// Which record it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Id {
    /// Number of the producer, from 0.
    pub producer: u32,
    /// Partition that it was sent to.
    pub partition: i32,
    /// Its number in what this producer sent to this partition, from 0 without holes.
    pub sequence: u64,
}

/// The record's value: the identity and the length in clear, then letters that follow from both. `bytes` is raised to
/// what the identity needs.
#[must_use]
pub fn encode(id: Id, bytes: usize) -> Vec<u8> {
    let mut text = String::with_capacity(bytes.max(64));
    // A String takes all that is written.
    let _ = write!(text, "{} {} {} {bytes} ", id.producer, id.partition, id.sequence);
    let mut value = text.into_bytes();
    let mut state = (u64::from(id.producer) << 48) ^ (u64::from(id.partition.unsigned_abs()) << 32) ^ id.sequence;
    while value.len() < bytes {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        for letter in (state >> 16).to_be_bytes() {
            if value.len() < bytes {
                value.push(b'a' + letter % 26);
            }
        }
    }
    value
}

/// The identity in a value.
///
/// # Errors
/// The value is not what [`encode`] makes: where and how they differ.
pub fn decode(value: &[u8]) -> Result<Id, String> {
    let head = String::from_utf8_lossy(&value[..value.len().min(80)]).into_owned();
    let mut words = head.split(' ');
    let mut number = |what: &str| -> Result<u64, String> {
        let word = words.next().unwrap_or_default();
        word.parse().map_err(|_| format!("{what} is {word:?} in a value that begins {head:?}"))
    };
    let narrow = |what: &str, number: u64| u32::try_from(number).map_err(|_| format!("{what} is {number}"));
    let producer = narrow("the producer", number("the producer")?)?;
    let partition = number("the partition")?;
    let partition = i32::try_from(partition).map_err(|_| format!("the partition is {partition}"))?;
    let id = Id { producer, partition, sequence: number("the sequence")? };
    let bytes = usize::try_from(number("the length")?).map_err(|error| error.to_string())?;
    let wanted = if bytes > value.len().max(128) { Vec::new() } else { encode(id, bytes) };
    if wanted == value {
        return Ok(id);
    }
    let at = wanted.iter().zip(value).position(|(left, right)| left != right);
    Err(format!("the value of {id:?} has {} bytes of {bytes}, the first wrong one at {at:?}", value.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: Id = Id { producer: 3, partition: 11, sequence: 123_456 };

    #[test]
    fn what_is_encoded_is_decoded_in_every_length() {
        for bytes in [0, 1, 17, 18, 64, 100, 1000] {
            assert_eq!(decode(&encode(ID, bytes)), Ok(ID), "{bytes} bytes");
        }
    }

    #[test]
    fn a_changed_a_missing_and_an_added_byte_are_seen() {
        let value = encode(ID, 200);
        for at in [0, 20, 199] {
            let mut changed = value.clone();
            changed[at] ^= 1;
            assert!(decode(&changed) != Ok(ID), "byte {at}");
        }
        assert!(decode(&value[..199]).is_err());
        let longer: Vec<u8> = value.iter().copied().chain([b'x']).collect();
        assert!(decode(&longer).is_err());
        assert!(decode(b"").is_err());
        assert!(decode(&[0xff; 50]).is_err());
    }

    #[test]
    fn two_records_have_two_contents() {
        assert_ne!(encode(ID, 100)[30..], encode(Id { sequence: 123_457, ..ID }, 100)[30..]);
    }
}
