//! What a seed stands for: the cluster's shape, the load and the faults.

use crate::rng::Rng;

/// A topic under load.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicPlan {
    /// Its name.
    pub name: &'static str,
    /// Its partitions.
    pub partitions: i32,
    /// Its replication factor.
    pub replication_factor: i16,
    /// Its `min.insync.replicas`.
    pub min_insync: i32,
}

/// What a controller does that finds that it does not vote (KIP-1186).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AutoJoin {
    /// `controller.quorum.auto.join.enable=false`: it observes until an administrator adds it.
    Never,
    /// With `odradek.quorum.auto.join.newcomers=false`, as the operator has it: it takes the place of its own lost disk.
    InPlace,
    /// It makes itself a voter.
    Always,
}

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
    /// The topics under load.
    pub topics: Vec<TopicPlan>,
    /// Idempotent producers with acks=all.
    pub producers: u32,
    /// Producers with acks 1 or 0.
    pub loose_producers: u32,
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
    /// In 1,000 messages, how many are late by up to three seconds.
    pub late_per_thousand: u64,
    /// In 1,000 consensus messages, how many are lost, and how many come twice.
    pub raft_loss_per_thousand: u64,
    /// `num.replica.fetchers`.
    pub replica_fetchers: u32,
    /// Log directories of each broker.
    pub log_dirs: usize,
    /// Consumers read from a replica in their rack.
    pub rack_aware_reads: bool,
    /// `max.incremental.fetch.session.cache.slots`.
    pub fetch_session_slots: usize,
    /// Records between two snapshots of the metadata.
    pub snapshot_every: u64,
    /// Entries that stay in the controllers' log before a snapshot.
    pub keep_entries: u64,
    /// Bytes of metadata entries that controllers keep for brokers; further back there is only the snapshot.
    pub window_bytes: usize,
    /// Voters that an administrator takes out or adds; 0: the voters stay who they are.
    pub voter_changes: u32,
    /// What controllers do that do not vote.
    pub auto_join: AutoJoin,
}

/// `min.insync.replicas` of the brokers themselves: of topics that set none.
pub const DEFAULT_MIN_INSYNC: i32 = 2;

impl Plan {
    /// The plan of a seed.
    #[must_use]
    pub fn of(seed: u64) -> Plan {
        let mut rng = Rng::new(seed);
        let brokers = *rng.pick(&[3, 3, 3, 4, 4, 5, 6, 7]);
        let controllers = *rng.pick(&[1, 3, 3, 3, 3, 5]);
        let combined = rng.chance(300) && controllers <= brokers;
        let mut topics = vec![TopicPlan {
            name: "ledger",
            partitions: rng.range(1, 4) as i32,
            replication_factor: if brokers >= 5 && rng.chance(300) { 4 } else { 3 },
            min_insync: 2,
        }];
        let replication_factor = rng.range(1, 3) as i16;
        topics.push(TopicPlan { name: "loose", partitions: rng.range(1, 2) as i32, replication_factor, min_insync: 1 });
        if rng.chance(500) {
            let min_insync = rng.range(1, 2) as i32;
            topics.push(TopicPlan { name: "pairs", partitions: 2, replication_factor: 2, min_insync });
        }
        let producers = rng.range(2, 3) as u32;
        let plan = Plan {
            seed,
            brokers,
            controllers,
            combined,
            topics,
            producers,
            loose_producers: 1,
            // So that every seed comes to 2,000 client operations.
            records: (1_200 + rng.range(0, 300) as u32).max(1_340) / (producers + 1),
            faults: rng.range(6, 10) as u32,
            fault_gap_ms: rng.range(800, 4_000),
            delay_us: *rng.pick(&[(50, 500), (200, 5_000), (1_000, 30_000)]),
            break_per_thousand: *rng.pick(&[0, 1, 10, 30]),
            late_per_thousand: *rng.pick(&[0, 1, 5]),
            raft_loss_per_thousand: *rng.pick(&[0, 10, 50]),
            replica_fetchers: *rng.pick(&[1, 1, 2, 3]),
            log_dirs: 1,
            rack_aware_reads: rng.chance(500),
            fetch_session_slots: *rng.pick(&[0, 1, 1_000, 1_000]),
            snapshot_every: *rng.pick(&[10, 40, 10_000]),
            keep_entries: *rng.pick(&[5, 1_000]),
            window_bytes: *rng.pick(&[2_000, 8 << 20]),
            voter_changes: 0,
            auto_join: AutoJoin::Always,
        };
        // From a stream of its own: the rest of a plan is the same with and without.
        let mut rng = Rng::new(seed ^ 0x0853);
        if controllers < 3 || !rng.chance(700) {
            return plan;
        }
        let auto_join = *rng.pick(&[AutoJoin::Never, AutoJoin::InPlace, AutoJoin::InPlace, AutoJoin::Always]);
        Plan { voter_changes: rng.range(3, 10) as u32, auto_join, ..plan }
    }

    /// The same plan with the voters that it begins with.
    #[must_use]
    pub fn with_fixed_voters(self) -> Plan {
        Plan { voter_changes: 0, auto_join: AutoJoin::Always, ..self }
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

    /// How long the faults take together, about.
    #[must_use]
    pub fn load_us(&self) -> u64 {
        u64::from(self.faults) * (200 + self.fault_gap_ms) / 2 * 1_000
    }

    /// A partition of the topics under load by its topic's name.
    #[must_use]
    pub fn topic_index(&self, name: &str) -> Option<usize> {
        self.topics.iter().position(|topic| topic.name == name)
    }

    /// How many in-sync replicas acks=all asks for at least, of a topic with so many replicas.
    #[must_use]
    pub fn min_insync(&self, topic: &str, replicas: usize) -> usize {
        let wanted = self.topic_index(topic).map_or(DEFAULT_MIN_INSYNC, |index| self.topics[index].min_insync);
        (wanted as usize).min(replicas)
    }
}
