//! What a seed stands for: the cluster's shape, the load and the faults.

use crate::rng::Rng;

/// Drawn from the seed before anything runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// The seed itself.
    pub seed: u64,
    /// Brokers, with ids from 1 on.
    pub brokers: i32,
    /// Controllers: ids from 101 on, or the first brokers when `combined`.
    pub controllers: i32,
    /// Brokers and controllers share processes.
    pub combined: bool,
    /// Partitions of the topic under load.
    pub partitions: i32,
    /// Its replication factor.
    pub replication_factor: i16,
    /// Its `min.insync.replicas`.
    pub min_insync: i32,
    /// Producers.
    pub producers: u32,
    /// Records that each producer sends in all.
    pub records: u32,
    /// Faults while the load runs.
    pub faults: u32,
    /// Virtual milliseconds between two faults, at most.
    pub fault_gap_ms: u64,
    /// Delay of a message, microseconds, from and to.
    pub delay_us: (u64, u64),
    /// In 1,000 calls, how many lose their connection.
    pub break_per_thousand: u64,
    /// In 1,000 consensus messages, how many are lost.
    pub raft_loss_per_thousand: u64,
    /// `num.replica.fetchers`.
    pub replica_fetchers: u32,
    /// Consumers read from a replica in their rack.
    pub rack_aware_reads: bool,
    /// `max.incremental.fetch.session.cache.slots`.
    pub fetch_session_slots: usize,
}

impl Plan {
    /// The plan of a seed.
    #[must_use]
    pub fn of(seed: u64) -> Plan {
        let mut rng = Rng::new(seed);
        let brokers = rng.range(3, 5) as i32;
        let controllers = *rng.pick(&[1, 3, 3, 3, 5]);
        let combined = rng.chance(300) && controllers <= brokers;
        let replication_factor = rng.range(2, 3) as i16;
        Plan {
            seed,
            brokers,
            controllers,
            combined,
            partitions: rng.range(1, 4) as i32,
            replication_factor,
            min_insync: if rng.chance(700) { 2 } else { 1 },
            producers: rng.range(1, 3) as u32,
            records: rng.range(60, 160) as u32,
            faults: rng.range(5, 10) as u32,
            fault_gap_ms: rng.range(800, 4_000),
            delay_us: *rng.pick(&[(50, 500), (200, 5_000), (1_000, 30_000)]),
            break_per_thousand: *rng.pick(&[0, 1, 10, 30]),
            raft_loss_per_thousand: *rng.pick(&[0, 10, 50]),
            replica_fetchers: *rng.pick(&[1, 1, 2, 3]),
            rack_aware_reads: rng.chance(500),
            fetch_session_slots: *rng.pick(&[0, 1, 1_000, 1_000]),
        }
    }

    /// Ids of the brokers.
    #[must_use]
    pub fn broker_ids(&self) -> Vec<i32> {
        (1..=self.brokers).collect()
    }

    /// Ids of the controllers.
    #[must_use]
    pub fn controller_ids(&self) -> Vec<i32> {
        let first = if self.combined { 1 } else { 101 };
        (first..first + self.controllers).collect()
    }
}
