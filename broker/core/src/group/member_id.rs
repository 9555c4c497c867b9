//! Ids for members: a name and a UUID, as Kafka makes them.

use super::Name;

/// Makes member ids from a seed: the simulator replays them, and a server that takes its seed from
/// the system's randomness does not repeat them.
#[derive(Debug)]
pub(super) struct MemberIds {
    state: u64,
}

impl MemberIds {
    pub(super) fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    /// `prefix` is the group instance id, or else the client id.
    pub(super) fn next(&mut self, prefix: &str) -> Name {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&self.next_u64().to_be_bytes());
        bytes[8..].copy_from_slice(&self.next_u64().to_be_bytes());
        let uuid = uuid::Builder::from_random_bytes(bytes).into_uuid();
        format!("{prefix}-{uuid}").into()
    }

    /// SplitMix64: a counter whose bits are mixed, so every seed gives 2^64 different numbers.
    fn next_u64(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_ids_and_none_twice() {
        let (mut one, mut other) = (MemberIds::new(7), MemberIds::new(7));
        let ids: std::collections::BTreeSet<_> = (0..1000).map(|_| one.next("app")).collect();
        assert_eq!(ids.len(), 1000);
        assert!((0..1000).all(|_| ids.contains(&other.next("app"))));
        assert_ne!(MemberIds::new(8).next("app"), MemberIds::new(7).next("app"));
        let id = MemberIds::new(7).next("app");
        // A version 4 UUID after the prefix.
        assert_eq!((id.len(), &id[..4], &id[18..19]), (40, "app-", "4"));
    }
}
