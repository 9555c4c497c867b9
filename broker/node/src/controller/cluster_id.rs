//! Names for new clusters.

/// A cluster id in Kafka's form: a random UUID (version 4) as 22 characters of URL-safe base64. The same seed gives
/// the same id.
pub(super) fn generate(seed: u64) -> String {
    let mut bytes = [0; 16];
    let mut state = seed;
    for half in bytes.chunks_mut(8) {
        state = splitmix(state);
        half.copy_from_slice(&state.to_be_bytes());
    }
    let id = uuid::Builder::from_random_bytes(bytes).into_uuid();
    let encoded = base64(id.as_bytes());
    // Kafka never gives out an id that a command line would take for an option.
    if encoded.starts_with('-') { generate(state) } else { encoded }
}

/// One step of splitmix64 (Steele, Lea and Flood, 2014).
pub(super) fn splitmix(value: u64) -> u64 {
    let mut z = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

fn base64(bytes: &[u8; 16]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    // 128 bits are 21 digits of 6 bits and one of 2, filled up with zeros.
    let number = u128::from_be_bytes(*bytes);
    let digit = |place: u32| {
        let bits = if place < 21 { number >> (122 - 6 * place) } else { number << 4 };
        ALPHABET[(bits & 63) as usize] as char
    };
    (0..22).map(digit).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_have_kafkas_form() {
        // As Kafka's Uuid prints them.
        assert_eq!(base64(&[0xff; 16]), "_____________________w");
        assert_eq!(base64(&[0; 16]), "AAAAAAAAAAAAAAAAAAAAAA");
        assert_eq!(base64(&[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]), "AAAAAAAAAAAAAAAAAAAAAQ");
        for seed in 0..1_000 {
            let id = generate(seed);
            assert_eq!(id.len(), 22);
            assert!(!id.starts_with('-'));
            assert_eq!(id, generate(seed));
            assert_ne!(id, generate(seed + 1));
        }
    }
}
