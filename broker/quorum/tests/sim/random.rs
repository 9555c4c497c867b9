//! What is drawn from the seed: numbers, and what breaks.

/// Small seeded numbers.
pub struct Rng(u64);

impl Rng {
    pub fn new(seed: u64) -> Rng {
        Rng(seed)
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    /// True in `percent` of all cases.
    pub fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }
}

/// What happens, in per cent of the occasions.
#[derive(Clone, Copy, Debug)]
pub struct Faults {
    pub lose: u64,
    pub double: u64,
    pub delay: u64,
    pub kill: u64,
    pub power_loss: u64,
    pub cut: u64,
    pub compact: u64,
    /// A voter is taken out, or one that is none is made one.
    pub change: u64,
}

impl Faults {
    pub const NONE: Faults =
        Faults { lose: 0, double: 0, delay: 0, kill: 0, power_loss: 0, cut: 0, compact: 0, change: 0 };
    pub const ROUGH: Faults =
        Faults { lose: 5, double: 5, delay: 30, kill: 1, power_loss: 1, cut: 1, compact: 6, change: 0 };
    pub const MEMBERS: Faults = Faults { change: 3, ..Faults::ROUGH };
}
