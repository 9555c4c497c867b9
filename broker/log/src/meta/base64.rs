//! Ids as Kafka writes them: 22 signs of URL-safe base64 without padding.

use uuid::Uuid;

const SIGNS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// The text of an id.
pub fn uuid_text(id: Uuid) -> String {
    let mut bits = id.as_u128();
    // 132 bits are written, the last four of them zero.
    let mut signs = [0u8; 22];
    let low = (bits & 0b11) << 4;
    signs[21] = SIGNS[low as usize];
    bits >>= 2;
    for sign in signs[..21].iter_mut().rev() {
        *sign = SIGNS[(bits & 0x3f) as usize];
        bits >>= 6;
    }
    signs.iter().map(|&sign| char::from(sign)).collect()
}

/// The id of a text; none when it is not one.
pub fn parse_uuid(text: &str) -> Option<Uuid> {
    let signs = text.as_bytes();
    if signs.len() != 22 {
        return None;
    }
    let value = |sign: u8| SIGNS.iter().position(|&s| s == sign).map(|v| v as u128);
    let mut bits: u128 = 0;
    for &sign in &signs[..21] {
        bits = (bits << 6) | value(sign)?;
    }
    let last = value(signs[21])?;
    if last & 0xf != 0 {
        return None;
    }
    Some(Uuid::from_u128((bits << 2) | (last >> 4)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_go_both_ways() {
        for id in [0, 1, u128::MAX, 0x0123_4567_89ab_cdef_0011_2233_4455_6677] {
            let id = Uuid::from_u128(id);
            let text = uuid_text(id);
            assert_eq!((text.len(), parse_uuid(&text)), (22, Some(id)));
        }
        assert_eq!(uuid_text(Uuid::from_u128(1)), "AAAAAAAAAAAAAAAAAAAAAQ", "as Kafka writes its metadata topic's id");
        for bad in ["", "AAAAAAAAAAAAAAAAAAAAA", "AAAAAAAAAAAAAAAAAAAAA+", "AAAAAAAAAAAAAAAAAAAAAB"] {
            assert_eq!(parse_uuid(bad), None, "{bad}");
        }
    }
}
