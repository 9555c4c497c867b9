//! Election time-outs that a seed decides.
//!
//! The library draws them from the thread's random generator whenever a node's term or role changes. A simulation
//! must give the same run for the same seed, so after every call into the library its draw is replaced by one of ours.

/// The draws of one node.
#[derive(Debug)]
pub(crate) struct ElectionTimeouts {
    seed: u64,
    min: u32,
    attempt: u64,
}

impl ElectionTimeouts {
    /// Draws for `node_id` from `min` up to, but without, twice `min`.
    pub(crate) fn new(seed: u64, node_id: u64, min: u32) -> ElectionTimeouts {
        ElectionTimeouts { seed: splitmix(seed ^ splitmix(node_id.wrapping_add(1))), min, attempt: 0 }
    }

    /// The next time-out in ticks. The term goes into it, so that a node that restarts does not repeat the draws that
    /// split the vote before.
    pub(crate) fn draw(&mut self, term: u64) -> usize {
        self.attempt += 1;
        let drawn = splitmix(self.seed ^ splitmix(term.rotate_left(32) ^ self.attempt));
        (u64::from(self.min) + drawn % u64::from(self.min)) as usize
    }
}

/// One step of splitmix64 (Steele, Lea and Flood, 2014): small, and good enough to keep nodes apart.
pub(crate) fn splitmix(value: u64) -> u64 {
    let mut z = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_stay_in_range_differ_between_nodes_and_repeat_with_the_seed() {
        let draws = |seed, node| {
            let mut timeouts = ElectionTimeouts::new(seed, node, 10);
            (0..100).map(|term| timeouts.draw(term)).collect::<Vec<_>>()
        };
        assert!(draws(1, 1).iter().all(|ticks| (10..20).contains(ticks)));
        assert_eq!(draws(1, 1), draws(1, 1));
        assert_ne!(draws(1, 1), draws(1, 2));
        assert_ne!(draws(1, 1), draws(2, 1));
    }
}
