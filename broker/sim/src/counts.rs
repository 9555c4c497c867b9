//! How often each fault and each rare path occurred; a fault that never occurred over many seeds was never tested.

use std::collections::BTreeMap;

/// Counters by name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counts {
    by_name: BTreeMap<&'static str, u64>,
}

/// What a set of runs must have seen at least once, all seeds together.
pub const MUST_OCCUR: &[&str] = &[
    "produce acknowledged",
    "produce retried",
    "records consumed",
    "broker killed",
    "broker stopped in order",
    "process paused",
    "controller killed",
    "link cut one way",
    "node cut off",
    "connection broken before the request",
    "connection broken after the request",
    "raft message lost",
    "raft message duplicated",
    "leader changed",
    "duplicate answered as success",
    "not enough replicas",
    "log cut by a follower",
];

impl Counts {
    /// One more.
    pub fn add(&mut self, name: &'static str) {
        self.add_many(name, 1);
    }

    /// Some more.
    pub fn add_many(&mut self, name: &'static str, many: u64) {
        *self.by_name.entry(name).or_default() += many;
    }

    /// How many.
    #[must_use]
    pub fn get(&self, name: &str) -> u64 {
        self.by_name.get(name).copied().unwrap_or(0)
    }

    /// Adds another run's.
    pub fn merge(&mut self, other: &Counts) {
        for (name, many) in &other.by_name {
            *self.by_name.entry(name).or_default() += many;
        }
    }

    /// What had to occur and did not.
    #[must_use]
    pub fn missing(&self) -> Vec<&'static str> {
        MUST_OCCUR.iter().copied().filter(|name| self.get(name) == 0).collect()
    }

    /// All, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        self.by_name.iter().map(|(name, many)| (*name, *many))
    }
}
