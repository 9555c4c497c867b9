//! A payload with a name, a format version, its length and a CRC-32C: `[magic 8][version 1][length 8][payload][crc 4]`,
//! numbers big-endian, the CRC over everything before it.

const VERSION: u8 = 1;
const HEAD: usize = 8 + 1 + 8;
const TAIL: usize = 4;

/// Puts a frame around the payload.
pub(crate) fn seal(magic: &[u8; 8], payload: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(HEAD + payload.len() + TAIL);
    bytes.extend_from_slice(magic);
    bytes.push(VERSION);
    bytes.extend_from_slice(&(payload.len() as u64).to_be_bytes());
    bytes.extend_from_slice(payload);
    let crc = crc32c::crc32c(&bytes);
    bytes.extend_from_slice(&crc.to_be_bytes());
    bytes
}

/// The payload of a frame that checks, or what does not fit.
pub(crate) fn open<'a>(magic: &[u8; 8], bytes: &'a [u8]) -> Result<&'a [u8], String> {
    if bytes.len() < HEAD + TAIL {
        return Err(format!("{} bytes, and the smallest has {}", bytes.len(), HEAD + TAIL));
    }
    let (body, tail) = bytes.split_at(bytes.len() - TAIL);
    if &body[..8] != magic {
        return Err("it does not begin as such a file does".to_owned());
    }
    let stored = u32::from_be_bytes([tail[0], tail[1], tail[2], tail[3]]);
    let found = crc32c::crc32c(body);
    if stored != found {
        return Err(format!("its CRC is {found:08x}, and {stored:08x} is stored"));
    }
    if body[8] != VERSION {
        return Err(format!("format version {}, and this release reads {VERSION}: use a newer release", body[8]));
    }
    let mut length = [0; 8];
    length.copy_from_slice(&body[9..HEAD]);
    let (length, payload) = (u64::from_be_bytes(length), &body[HEAD..]);
    if length != payload.len() as u64 {
        return Err(format!("it names {length} bytes and holds {}", payload.len()));
    }
    Ok(payload)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_changed_bit_and_every_cut_is_noticed() {
        let sealed = seal(b"testtest", b"payload");
        assert_eq!(open(b"testtest", &sealed), Ok(b"payload".as_slice()));
        assert!(open(b"othertst", &sealed).is_err());
        for bit in 0..sealed.len() * 8 {
            let mut damaged = sealed.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert!(open(b"testtest", &damaged).is_err(), "bit {bit}");
        }
        for len in 0..sealed.len() {
            assert!(open(b"testtest", &sealed[..len]).is_err(), "cut at {len}");
        }
    }
}
