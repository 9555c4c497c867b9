//! A partition's leader: remote log ends, the in-sync set and the high watermark.

use std::collections::{BTreeMap, BTreeSet};

use odradek_probe::{Mutation, mutated, reached};

/// What a leader is told once; the rest comes with each event.
#[derive(Debug, Clone, Copy)]
pub struct LeaderConfig {
    /// A follower that was not caught up for this long leaves the in-sync set (`replica.lag.time.max.ms`).
    pub lag_time_max_ms: u64,
    /// `min.insync.replicas` of the topic, at least 1.
    pub min_insync: usize,
}

/// A new in-sync set, to be decided by the controller (KIP-497).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IsrProposal {
    /// The set, with the broker epoch that each member fetched with (KIP-903); -1 where it is not known.
    pub isr: Vec<(i32, i64)>,
    /// Under this leader epoch.
    pub leader_epoch: i32,
    /// On top of this partition epoch.
    pub partition_epoch: i32,
}

/// What a follower's fetch changed.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct FetchOutcome {
    /// The high watermark moved: waiting producers and consumers want to know.
    pub high_watermark_advanced: bool,
    /// To be sent to the controller.
    pub proposal: Option<IsrProposal>,
}

#[derive(Debug, Clone)]
struct Remote {
    broker_epoch: i64,
    log_end: i64,
    log_start: i64,
    /// The leader's log end and time when the follower last fetched: a fetch from at least that end means that it was
    /// caught up at that time.
    last_fetch_leader_end: i64,
    last_fetch_ms: u64,
    last_caught_up_ms: u64,
}

/// The leader of one partition under one leader epoch.
#[derive(Debug, Clone)]
pub struct Leader {
    me: i32,
    config: LeaderConfig,
    leader_epoch: i32,
    partition_epoch: i32,
    replicas: Vec<i32>,
    isr: BTreeSet<i32>,
    /// Sent to the controller and not answered: counted as in sync for the high watermark, since the controller may
    /// have accepted it already; never counted for `min.insync.replicas`.
    pending: Option<BTreeSet<i32>>,
    remotes: BTreeMap<i32, Remote>,
    log_end: i64,
    high_watermark: i64,
    /// Where this epoch starts in the log.
    epoch_start: i64,
}

impl Leader {
    /// Takes the lead: `log_end` and `high_watermark` as the log has them, the rest as the controller decided.
    #[must_use]
    #[allow(clippy::too_many_arguments)]
    pub fn new(
        me: i32,
        config: LeaderConfig,
        leader_epoch: i32,
        partition_epoch: i32,
        replicas: &[i32],
        isr: &[i32],
        log_end: i64,
        high_watermark: i64,
        now_ms: u64,
    ) -> Leader {
        let mut leader = Leader {
            me,
            config,
            leader_epoch,
            partition_epoch,
            replicas: replicas.to_vec(),
            isr: isr.iter().copied().collect(),
            pending: None,
            remotes: BTreeMap::new(),
            log_end,
            high_watermark: high_watermark.min(log_end),
            epoch_start: log_end,
        };
        leader.rebuild_remotes(now_ms);
        leader.advance_high_watermark();
        leader
    }

    fn rebuild_remotes(&mut self, now_ms: u64) {
        let replicas: BTreeSet<i32> = self.replicas.iter().copied().filter(|id| *id != self.me).collect();
        self.remotes.retain(|id, _| replicas.contains(id));
        for id in replicas {
            // Nobody is blamed for the time before this epoch.
            self.remotes.entry(id).or_insert(Remote {
                broker_epoch: -1,
                log_end: -1,
                log_start: -1,
                last_fetch_leader_end: 0,
                last_fetch_ms: 0,
                last_caught_up_ms: now_ms,
            });
        }
    }

    /// The leader epoch.
    #[must_use]
    pub fn epoch(&self) -> i32 {
        self.leader_epoch
    }

    /// The partition epoch that the committed in-sync set has.
    #[must_use]
    pub fn partition_epoch(&self) -> i32 {
        self.partition_epoch
    }

    /// All replicas, in the order of the assignment.
    #[must_use]
    pub fn replicas(&self) -> &[i32] {
        &self.replicas
    }

    /// First offset that is not known to be on every in-sync replica.
    #[must_use]
    pub fn high_watermark(&self) -> i64 {
        self.high_watermark
    }

    /// Where this epoch starts.
    #[must_use]
    pub fn epoch_start(&self) -> i64 {
        self.epoch_start
    }

    /// The in-sync set that the controller committed.
    pub fn isr(&self) -> impl Iterator<Item = i32> + '_ {
        self.isr.iter().copied()
    }

    /// In-sync followers that have `offset`, each with where its log ends: a consumer may read there (KIP-392).
    pub fn followers_with(&self, offset: i64) -> impl Iterator<Item = (i32, i64)> + '_ {
        self.remotes
            .iter()
            .filter(move |(id, remote)| self.isr.contains(id) && remote.log_start <= offset && remote.log_end >= offset)
            .map(|(id, remote)| (*id, remote.log_end))
    }

    /// Whether acks=all may be taken: the committed set is at least `min.insync.replicas` large. More than there are
    /// replicas is never asked for.
    #[must_use]
    pub fn has_min_insync(&self) -> bool {
        self.isr.len() >= self.config.min_insync.min(self.replicas.len()).max(1)
    }

    /// Takes over changed configuration.
    pub fn set_config(&mut self, config: LeaderConfig) -> bool {
        self.config = config;
        self.advance_high_watermark()
    }

    /// The log grew. True when the high watermark moved.
    pub fn appended(&mut self, now_ms: u64, log_end: i64) -> bool {
        // Who had everything until now was caught up until now: in a fetch session it had no reason to say so.
        for remote in self.remotes.values_mut().filter(|remote| remote.log_end == self.log_end) {
            remote.last_caught_up_ms = remote.last_caught_up_ms.max(now_ms);
        }
        self.log_end = log_end;
        self.advance_high_watermark()
    }

    /// A follower fetched from `fetch_offset`, which says that it has all below.
    pub fn follower_fetched(
        &mut self,
        now_ms: u64,
        follower: i32,
        broker_epoch: i64,
        fetch_offset: i64,
        follower_log_start: i64,
    ) -> FetchOutcome {
        let log_end = self.log_end;
        let Some(remote) = self.remotes.get_mut(&follower) else {
            return FetchOutcome::default();
        };
        if broker_epoch >= 0 && broker_epoch < remote.broker_epoch && !mutated(Mutation::IgnoreBrokerEpoch) {
            reached("fetch of an earlier life");
            // A fetch of an earlier life of that broker says nothing about the log that it has now.
            return FetchOutcome::default();
        }
        if fetch_offset >= log_end {
            remote.last_caught_up_ms = remote.last_caught_up_ms.max(now_ms);
        } else if fetch_offset >= remote.last_fetch_leader_end && remote.last_fetch_ms > 0 {
            remote.last_caught_up_ms = remote.last_caught_up_ms.max(remote.last_fetch_ms);
        }
        remote.broker_epoch = broker_epoch;
        remote.log_end = fetch_offset;
        remote.log_start = follower_log_start;
        remote.last_fetch_leader_end = log_end;
        remote.last_fetch_ms = now_ms;
        // In sync again: it has all that is committed and all of this epoch's start.
        let caught_up = (fetch_offset >= self.high_watermark && fetch_offset >= self.epoch_start)
            || mutated(Mutation::CountLaggingFollower);
        let proposal = if self.pending.is_none() && caught_up && !self.isr.contains(&follower) {
            let mut isr = self.isr.clone();
            isr.insert(follower);
            Some(self.propose(isr))
        } else {
            None
        };
        FetchOutcome { high_watermark_advanced: self.advance_high_watermark(), proposal }
    }

    fn propose(&mut self, isr: BTreeSet<i32>) -> IsrProposal {
        let proposal = IsrProposal {
            isr: isr.iter().map(|id| (*id, self.remotes.get(id).map_or(-1, |remote| remote.broker_epoch))).collect(),
            leader_epoch: self.leader_epoch,
            partition_epoch: self.partition_epoch,
        };
        self.pending = Some(isr);
        proposal
    }

    /// Whether some in-sync follower is behind, so that [`Leader::check_lag`] is worth a call later.
    #[must_use]
    pub fn has_lagging(&self) -> bool {
        self.isr.iter().any(|id| self.remotes.get(id).is_some_and(|remote| remote.log_end != self.log_end))
    }

    /// Drops from the in-sync set who was behind for longer than allowed (M4).
    pub fn check_lag(&mut self, now_ms: u64) -> Option<IsrProposal> {
        if self.pending.is_some() {
            return None;
        }
        let max = self.config.lag_time_max_ms;
        let log_end = self.log_end;
        let late = |id: &i32| {
            self.remotes.get(id).is_some_and(|remote| {
                remote.log_end != log_end && now_ms.saturating_sub(remote.last_caught_up_ms) > max
            })
        };
        let isr: BTreeSet<i32> = self.isr.iter().copied().filter(|id| !late(id)).collect();
        (isr != self.isr).then(|| self.propose(isr))
    }

    /// The controller refused: the next event may propose anew. A lost answer is not a refusal, since the controller
    /// may have accepted: send the proposal again instead.
    pub fn proposal_failed(&mut self) {
        self.pending = None;
    }

    /// What the controller committed for this leader epoch. A partition epoch that is known is ignored. True when the high
    /// watermark moved.
    pub fn committed(
        &mut self,
        config: LeaderConfig,
        partition_epoch: i32,
        replicas: &[i32],
        isr: &[i32],
        now_ms: u64,
    ) -> bool {
        if partition_epoch <= self.partition_epoch {
            return false;
        }
        // The floor goes with the state: with an old one a smaller in-sync set could move the high watermark.
        self.config = config;
        self.partition_epoch = partition_epoch;
        self.pending = None;
        self.isr = isr.iter().copied().collect();
        if self.replicas != replicas {
            self.replicas = replicas.to_vec();
            self.rebuild_remotes(now_ms);
        }
        self.advance_high_watermark()
    }

    /// The smallest log start of the replicas that fetched, for DeleteRecords' low watermark.
    #[must_use]
    pub fn low_watermark(&self, own_log_start: i64) -> i64 {
        self.remotes.values().map(|remote| remote.log_start).fold(own_log_start, i64::min)
    }

    /// Moves up to the smallest log end of the in-sync set, pending members included. It never moves while the
    /// committed set is smaller than `min.insync.replicas` (KIP-966): what is above may be lost then.
    fn advance_high_watermark(&mut self) -> bool {
        if !self.has_min_insync() {
            reached("high watermark held below min.insync.replicas");
            return false;
        }
        let mut smallest = self.log_end;
        for id in self.isr.iter().chain(self.pending.iter().flatten()) {
            if *id != self.me {
                smallest = smallest.min(self.remotes.get(id).map_or(-1, |remote| remote.log_end));
            }
        }
        let advanced =
            smallest > self.high_watermark || (mutated(Mutation::HighWatermarkBack) && smallest < self.high_watermark);
        if advanced {
            self.high_watermark = smallest;
        }
        advanced
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leader(isr: &[i32], min_insync: usize) -> Leader {
        Leader::new(1, LeaderConfig { lag_time_max_ms: 100, min_insync }, 5, 9, &[1, 2, 3], isr, 10, 4, 1000)
    }

    #[test]
    fn high_watermark_is_the_smallest_end_of_the_in_sync_set() {
        let mut leader = leader(&[1, 2, 3], 2);
        assert_eq!(leader.high_watermark(), 4);
        assert!(!leader.follower_fetched(1001, 2, 7, 10, 0).high_watermark_advanced);
        assert!(leader.follower_fetched(1002, 3, 7, 8, 0).high_watermark_advanced);
        assert_eq!(leader.high_watermark(), 8);
    }

    #[test]
    fn high_watermark_stands_still_below_min_insync() {
        let mut leader = leader(&[1], 2);
        assert!(!leader.appended(1001, 20));
        assert_eq!(leader.high_watermark(), 4);
        assert!(!leader.has_min_insync());
    }

    #[test]
    fn a_follower_that_caught_up_is_proposed_once_and_holds_the_watermark_meanwhile() {
        let mut leader = leader(&[1, 2], 1);
        leader.follower_fetched(1001, 2, 7, 10, 0);
        let proposal = leader.follower_fetched(1001, 3, 8, 10, 0).proposal.expect("caught up");
        assert_eq!(proposal.isr, vec![(1, -1), (2, 7), (3, 8)]);
        assert!(leader.follower_fetched(1002, 3, 8, 10, 0).proposal.is_none());
        leader.appended(1002, 12);
        leader.follower_fetched(1003, 2, 7, 12, 0);
        assert_eq!(leader.high_watermark(), 10, "3 may be in the set already");
        leader.committed(leader.config, 10, &[1, 2, 3], &[1, 2, 3], 1003);
        leader.follower_fetched(1004, 3, 8, 12, 0);
        assert_eq!(leader.high_watermark(), 12);
    }

    #[test]
    fn a_follower_behind_the_epoch_start_is_not_in_sync() {
        let mut leader = leader(&[1, 2], 1);
        assert!(leader.follower_fetched(1001, 3, 8, 9, 0).proposal.is_none());
    }

    #[test]
    fn who_lags_too_long_leaves_and_who_is_level_does_not() {
        let mut leader = leader(&[1, 2, 3], 1);
        leader.follower_fetched(1001, 2, 7, 10, 0);
        leader.follower_fetched(1001, 3, 7, 9, 0);
        assert!(leader.has_lagging());
        assert!(leader.check_lag(1100).is_none());
        let proposal = leader.check_lag(1102).expect("3 lags");
        assert_eq!(proposal.isr.iter().map(|(id, _)| *id).collect::<Vec<_>>(), vec![1, 2]);
        assert_eq!(proposal.partition_epoch, 9);
        leader.proposal_failed();
        assert!(leader.check_lag(1103).is_some());
    }

    #[test]
    fn who_was_level_until_the_log_grew_has_all_its_time() {
        let mut leader = leader(&[1, 2], 1);
        leader.follower_fetched(1001, 2, 7, 10, 0);
        leader.appended(5000, 11);
        assert!(leader.check_lag(5100).is_none(), "it said nothing, since there was nothing to say");
        leader.appended(5101, 12);
        assert!(leader.check_lag(5101).is_some(), "and now it had its time");
    }

    #[test]
    fn an_earlier_life_of_a_follower_is_not_heard() {
        let mut leader = leader(&[1, 2], 1);
        leader.follower_fetched(1001, 2, 9, 2, 0);
        assert!(!leader.follower_fetched(1002, 2, 7, 10, 0).high_watermark_advanced);
    }

    #[test]
    fn a_stale_partition_epoch_changes_nothing() {
        let mut leader = leader(&[1, 2], 1);
        leader.committed(leader.config, 8, &[1, 2, 3], &[1], 1000);
        assert_eq!(leader.isr().collect::<Vec<_>>(), vec![1, 2]);
    }
}
