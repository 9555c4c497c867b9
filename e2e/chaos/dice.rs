//! Numbers from a seed: the same on every machine and with every release of every library.

use std::time::Duration;

/// SplitMix64.
#[derive(Debug, Clone)]
pub struct Dice(u64);

impl Dice {
    /// A row of numbers that follows from the seed.
    pub fn new(seed: u64) -> Dice {
        Dice(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ (word >> 31)
    }

    /// From 0 to `below - 1`; 0 when there is nothing to choose from.
    pub fn below(&mut self, below: usize) -> usize {
        // The remainder prefers small numbers by less than 2^-40 here.
        usize::try_from(self.next() % (below.max(1) as u64)).unwrap_or_default()
    }

    /// One of them.
    pub fn one_of<T: Clone>(&mut self, all: &[T]) -> T {
        all[self.below(all.len())].clone()
    }

    /// True once in `many` times.
    pub fn once_in(&mut self, many: usize) -> bool {
        self.below(many) == 0
    }

    /// A time between two, short ones as likely as long ones: each doubling has the same weight.
    pub fn time(&mut self, least: Duration, most: Duration) -> Duration {
        let share = self.below(1000) as f64 / 999.0;
        let ratio = most.as_secs_f64() / least.as_secs_f64();
        Duration::from_millis((least.as_secs_f64() * ratio.powf(share) * 1000.0).round() as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_is_a_row_of_numbers() {
        let row = |seed| -> Vec<usize> {
            let mut dice = Dice::new(seed);
            (0..8).map(|_| dice.below(1000)).collect()
        };
        assert_eq!(row(7), row(7));
        assert_ne!(row(7), row(8));
    }

    #[test]
    fn times_stay_within_their_bounds() {
        let (least, most) = (Duration::from_millis(200), Duration::from_secs(20));
        let mut dice = Dice::new(1);
        let times: Vec<Duration> = (0..500).map(|_| dice.time(least, most)).collect();
        assert!(times.iter().all(|time| (least..=most).contains(time)));
        let short = times.iter().filter(|time| **time < Duration::from_secs(2)).count();
        assert!((150..350).contains(&short), "{short} of 500 are below the middle");
    }
}
