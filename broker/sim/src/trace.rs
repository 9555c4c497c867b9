//! A hash over all that happened, in order: two runs of one seed must have the same.

/// FNV-1a over 64 bits.
#[derive(Debug, Clone)]
pub struct Trace {
    hash: u64,
    /// How many things were hashed.
    pub events: u64,
}

impl Default for Trace {
    fn default() -> Trace {
        Trace { hash: 0xcbf2_9ce4_8422_2325, events: 0 }
    }
}

impl Trace {
    /// Takes a few numbers.
    pub fn numbers(&mut self, numbers: &[u64]) {
        self.events += 1;
        for number in numbers {
            self.bytes(&number.to_le_bytes());
        }
    }

    /// Takes bytes.
    pub fn bytes(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.hash = (self.hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    /// The hash so far.
    #[must_use]
    pub fn hash(&self) -> u64 {
        self.hash
    }
}
