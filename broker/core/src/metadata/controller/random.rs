//! Numbers that look random and follow from a seed.

use uuid::{Builder, Uuid};

/// SplitMix64: enough for ids and for a place to begin, and the same for the same seed.
#[derive(Clone, Debug)]
pub(super) struct Random {
    state: u64,
}

impl Random {
    /// `offset` keeps two controllers with the same seed apart, since logs only grow.
    pub(super) fn new(seed: u64, offset: u64) -> Random {
        let mut random = Random { state: seed };
        random.state = random.next_u64() ^ offset;
        Random { state: random.next_u64() }
    }

    pub(super) fn next_u64(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.state;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }

    /// A topic id. None begins with a dash in base64, which tools would take for an option.
    pub(super) fn topic_id(&mut self) -> Uuid {
        loop {
            let bits = (u128::from(self.next_u64()) << 64) | u128::from(self.next_u64());
            let bytes = bits.to_be_bytes();
            if bytes[0] >> 2 != 62 {
                return Builder::from_random_bytes(bytes).into_uuid();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_later_gives_other_ids() {
        let mut first = Random::new(7, 100);
        assert_eq!(first.topic_id(), Random::new(7, 100).topic_id());
        assert_ne!(first.topic_id(), Random::new(7, 100).topic_id());
        assert_ne!(Random::new(7, 100).topic_id(), Random::new(7, 101).topic_id());
        assert_ne!(Random::new(7, 100).topic_id(), Random::new(8, 100).topic_id());
    }
}
