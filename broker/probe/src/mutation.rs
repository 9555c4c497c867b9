//! Rules that the simulator breaks on purpose, one at a time, to show that its invariants see it.

/// A rule that is broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mutation {
    /// A follower keeps records that a new leader does not have (KIP-101).
    SkipTruncation,
    /// A leader proposes a follower for the in-sync set that is behind.
    CountLaggingFollower,
    /// acks=all is answered before the in-sync set has the records.
    AnswerBeforeHighWatermark,
    /// A fetch is answered whatever leader epoch it names (KIP-320).
    IgnoreFetchEpoch,
    /// An in-sync change is taken whatever partition epoch it was made from (KIP-497).
    IgnorePartitionEpoch,
    /// A restarted broker's earlier life is heard (KIP-380, KIP-903).
    IgnoreBrokerEpoch,
    /// A broker that lost its disk stays in the in-sync sets.
    EmptyDiskStaysInSync,
    /// A leader comes from outside of the in-sync set.
    ElectOutsideInSync,
    /// A consumer gets what is not committed.
    ServeAboveHighWatermark,
    /// A new leader does not know the producers of the one before (KIP-98).
    ForgetProducers,
    /// Controllers apply entries that no majority has.
    ApplyUncommitted,
    /// A controller that lost its disk votes as if it had not.
    VoteAfterLostDisk,
    /// A torn log is opened without a look at its checksums.
    TornLogWithoutCrc,
    /// A leader's high watermark goes back.
    HighWatermarkBack,
    /// A reassignment is finished before the new replicas are in sync.
    FinishReassignmentEarly,
    /// The last voter waits, without a clock, for the leader that took itself out.
    LastVoterDoesNotLead,
}

impl Mutation {
    /// All of them.
    pub const ALL: [Mutation; 16] = [
        Mutation::SkipTruncation,
        Mutation::CountLaggingFollower,
        Mutation::AnswerBeforeHighWatermark,
        Mutation::IgnoreFetchEpoch,
        Mutation::IgnorePartitionEpoch,
        Mutation::IgnoreBrokerEpoch,
        Mutation::EmptyDiskStaysInSync,
        Mutation::ElectOutsideInSync,
        Mutation::ServeAboveHighWatermark,
        Mutation::ForgetProducers,
        Mutation::ApplyUncommitted,
        Mutation::VoteAfterLostDisk,
        Mutation::TornLogWithoutCrc,
        Mutation::HighWatermarkBack,
        Mutation::FinishReassignmentEarly,
        Mutation::LastVoterDoesNotLead,
    ];

    /// Its name on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Mutation::SkipTruncation => "skip-truncation",
            Mutation::CountLaggingFollower => "count-lagging-follower",
            Mutation::AnswerBeforeHighWatermark => "answer-before-high-watermark",
            Mutation::IgnoreFetchEpoch => "ignore-fetch-epoch",
            Mutation::IgnorePartitionEpoch => "ignore-partition-epoch",
            Mutation::IgnoreBrokerEpoch => "ignore-broker-epoch",
            Mutation::EmptyDiskStaysInSync => "empty-disk-stays-in-sync",
            Mutation::ElectOutsideInSync => "elect-outside-in-sync",
            Mutation::ServeAboveHighWatermark => "serve-above-high-watermark",
            Mutation::ForgetProducers => "forget-producers",
            Mutation::ApplyUncommitted => "apply-uncommitted",
            Mutation::VoteAfterLostDisk => "vote-after-lost-disk",
            Mutation::TornLogWithoutCrc => "torn-log-without-crc",
            Mutation::HighWatermarkBack => "high-watermark-back",
            Mutation::FinishReassignmentEarly => "finish-reassignment-early",
            Mutation::LastVoterDoesNotLead => "last-voter-does-not-lead",
        }
    }

    /// By its name.
    #[must_use]
    pub fn named(name: &str) -> Option<Mutation> {
        Mutation::ALL.into_iter().find(|mutation| mutation.name() == name)
    }
}
