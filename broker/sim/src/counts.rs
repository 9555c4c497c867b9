//! How often each fault and each rare path occurred; a fault that never occurred over many seeds was never tested.

use std::collections::BTreeMap;

/// Counters by name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counts {
    by_name: BTreeMap<&'static str, u64>,
}

/// What a set of runs must have seen at least once, all seeds together.
pub const MUST_OCCUR: &[&str] = &[
    // Clients.
    "records acknowledged",
    "produce retried",
    "gap in the sequence refused",
    "duplicate answered as success",
    "not enough replicas",
    "acks=all timed out",
    "records consumed",
    "consumer sent to a near replica",
    "consumer read from a follower",
    "offset committed",
    "committed offset read back",
    "topic made by an administrator",
    "topic removed by an administrator",
    "partitions added by an administrator",
    "configuration changed by an administrator",
    "preferred leaders asked for",
    "voter added by an administrator",
    "voter added with another disk than its first",
    "voter removed by an administrator",
    "voter with a lost disk removed by an administrator",
    "active controller removed by an administrator",
    "one voter left",
    "change of the voters asked for again",
    "controller killed while the voters change",
    "controller stopped by an administrator",
    "controller stopped by an administrator, its disk replaced",
    // Faults.
    "fault: process killed",
    "fault: all killed at once",
    "fault: broker stopped in order",
    "broker stopped in order",
    "fault: process paused",
    "fault: node cut off",
    "fault: link cut one way",
    "fault: broker lost its power",
    "fault: controller lost its power",
    "fault: broker with an empty disk",
    "fault: controller with an empty disk",
    "fault: disk failed",
    "fault: disk full",
    "fault: disk slow",
    "fault: clock jumped",
    "fault: active controller and a leader killed",
    "fault: leader paused, follower lost its power",
    "connection broken before the request",
    "connection broken after the request",
    "message late",
    "raft message lost",
    "raft message duplicated",
    // Rare paths.
    "leader changed",
    "controller became active",
    "controller lost its leadership",
    "active controller taken out",
    "last voter leads at once",
    "log cut by a follower",
    "torn log cut at its recovery",
    "half-made replica removed",
    "hosted at another try",
    "high watermark held below min.insync.replicas",
    "in-sync set shrunk by its leader",
    "in-sync set expanded by its leader",
    "in-sync change with an ineligible replica",
    "in-sync change on a stale partition epoch",
    "in-sync change under a stale leader epoch",
    "stale broker epoch at the controller",
    "fetch of an earlier life",
    "replica fetch under a stale leader epoch",
    "replica fetch under a leader epoch to come",
    "an eligible replica elected",
    "the last known leader elected",
    "reassignment asked for",
    "reassignment done",
    "reassignment done with a new leader",
    "reassignment replaced",
    "reassignment cancelled",
    "replica that cannot be written given up",
    "fetch session refused",
    "registration after an unclean stop",
    "registration with an empty disk",
    "a whole in-sync set lost",
    "metadata snapshot written",
    "metadata snapshot taken by a broker",
    "metadata snapshot installed by a controller",
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

    /// How many faults there were, of all kinds.
    #[must_use]
    pub fn faults(&self) -> u64 {
        self.iter().filter(|(name, _)| name.starts_with("fault: ")).map(|(_, many)| many).sum()
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
