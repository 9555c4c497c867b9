//! The bytes of one entry of the metadata log, and of a snapshot: `[format version 1]`, then each record with its
//! length before it.

use odradek_core::metadata::record::{Record, decode_records, encode_records};

/// The format that this release writes.
const FORMAT: u8 = 1;

/// Puts records into an entry.
pub(super) fn encode(records: &[Record]) -> Vec<u8> {
    let mut bytes = vec![FORMAT];
    bytes.extend_from_slice(&encode_records(records));
    bytes
}

/// The records of an entry; none for the empty entry with which a leader begins its term.
pub(super) fn decode(bytes: &[u8]) -> Result<Vec<Record>, String> {
    match bytes.split_first() {
        None => Ok(Vec::new()),
        Some((&FORMAT, records)) => decode_records(records).map_err(|error| error.to_string()),
        Some((format, _)) => {
            Err(format!("its format is {format}, and this release reads {FORMAT}: use a newer release"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use odradek_core::metadata::record::ClusterId;

    #[test]
    fn records_come_back_and_other_formats_do_not() {
        let records = vec![Record::from(ClusterId { cluster_id: "a".to_owned() }); 3];
        assert_eq!(decode(&encode(&records)), Ok(records.clone()));
        assert_eq!(decode(&encode(&[])), Ok(Vec::new()));
        assert_eq!(decode(&[]), Ok(Vec::new()));
        assert!(decode(&[2]).unwrap_err().contains("newer release"));
        let cut = &encode(&records)[..5];
        assert!(decode(cut).is_err());
    }

    /// What is on disk of clusters that exist: this must never change.
    #[test]
    fn the_format_is_frozen() {
        let records = vec![Record::from(ClusterId { cluster_id: "abc".to_owned() })];
        assert_eq!(encode(&records), [1, 7, 0x5a, 5, 0x0a, 3, b'a', b'b', b'c']);
    }
}
