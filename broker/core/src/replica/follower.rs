//! What a follower decides when its log and the leader's part ways (KIP-101, KIP-595).

/// The leader's answer to a fetch whose last epoch or offset does not match its own log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Divergence {
    /// The largest epoch of the leader's that is not above the one the follower named.
    pub epoch: i32,
    /// Where that epoch ends in the leader's log.
    pub end_offset: i64,
}

/// The epoch that a fetch names as its last: -1 for an empty log, which nothing can diverge from.
#[must_use]
pub fn first_fetch_epoch(latest: Option<i32>) -> i32 {
    latest.unwrap_or(-1)
}

/// Where the follower cuts its log.
///
/// `own_end` is where the follower's own log ends the largest epoch that is not above the leader's (`(epoch,
/// end_offset)`, `None` when it knows none that old), `log_start` and `log_end` bound the follower's log. The cut is
/// the smaller of both ends when the epochs are equal; when the follower's epoch is older, its own end of that epoch
/// (what follows was written under an epoch that the leader never had), and the next fetch asks again.
#[must_use]
pub fn truncation_for(divergence: Divergence, own_end: Option<(i32, i64)>, log_start: i64, log_end: i64) -> i64 {
    let cut = match own_end {
        Some((epoch, end)) if epoch == divergence.epoch => end.min(divergence.end_offset),
        Some((_, end)) => end.min(divergence.end_offset),
        None => log_start.max(divergence.end_offset.min(log_start)),
    };
    cut.clamp(log_start.min(log_end), log_end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn same_epoch_is_cut_at_the_shorter_end() {
        let at = Divergence { epoch: 3, end_offset: 10 };
        assert_eq!(truncation_for(at, Some((3, 15)), 0, 20), 10);
        assert_eq!(truncation_for(at, Some((3, 7)), 0, 7), 7);
    }

    #[test]
    fn an_epoch_that_the_leader_never_had_is_dropped_whole() {
        // The follower knows epochs 1 (to 5) and 4 (5 to 9); the leader's largest below 4 is 3, ending at 8.
        let at = Divergence { epoch: 3, end_offset: 8 };
        assert_eq!(truncation_for(at, Some((1, 5)), 0, 9), 5);
    }

    #[test]
    fn a_log_without_any_epoch_as_old_starts_over() {
        let at = Divergence { epoch: 0, end_offset: 4 };
        assert_eq!(truncation_for(at, None, 2, 9), 2);
    }
}
