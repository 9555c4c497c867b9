//! Replication throttles (KIP-73): how many bytes a second followers may copy of the replicas that are named for it.
//!
//! Who is in sync is never throttled, and what is throttled always goes on in time: the rate is looked at over a window,
//! and what is older than the window is forgotten.

use std::collections::{BTreeSet, VecDeque};

/// Bytes a second over a window of samples.
#[derive(Debug, Clone)]
pub struct ReplicationQuota {
    /// Bytes a second; `i64::MAX` for no bound.
    bound: i64,
    /// `replication.quota.window.num`.
    samples: usize,
    /// `replication.quota.window.size.seconds`, in milliseconds.
    window_ms: u64,
    /// When each began, and its bytes; the oldest first.
    seen: VecDeque<(u64, u64)>,
}

impl ReplicationQuota {
    /// No bound yet. `samples` of `window_ms` each, both at least 1.
    #[must_use]
    pub fn new(samples: usize, window_ms: u64) -> ReplicationQuota {
        ReplicationQuota {
            bound: i64::MAX,
            samples: samples.max(1),
            window_ms: window_ms.max(1),
            seen: VecDeque::new(),
        }
    }

    /// Bytes a second from now on; `i64::MAX` for no bound.
    pub fn set_bound(&mut self, bound: i64) {
        self.bound = bound.max(0);
    }

    /// Whether there is a bound at all.
    #[must_use]
    pub fn is_bound(&self) -> bool {
        self.bound < i64::MAX
    }

    /// So many bytes were copied.
    pub fn record(&mut self, now_ms: u64, bytes: usize) {
        self.forget(now_ms);
        let bytes = bytes as u64;
        match self.seen.back_mut() {
            Some((began, sum)) if now_ms.saturating_sub(*began) < self.window_ms => *sum += bytes,
            _ => self.seen.push_back((now_ms, bytes)),
        }
    }

    fn forget(&mut self, now_ms: u64) {
        let age = self.age();
        while self.seen.front().is_some_and(|(began, _)| now_ms.saturating_sub(*began) >= age) {
            self.seen.pop_front();
        }
    }

    fn age(&self) -> u64 {
        self.window_ms.saturating_mul(self.samples as u64)
    }

    /// What counts at that time: bytes, and the milliseconds that they are spread over.
    fn measure(&self, now_ms: u64) -> (u64, u64) {
        let age = self.age();
        let mut live = self.seen.iter().filter(|(began, _)| now_ms.saturating_sub(*began) < age).peekable();
        let Some((oldest, _)) = live.peek().copied() else { return (0, self.window_ms) };
        let spread = now_ms.saturating_sub(*oldest).max(self.window_ms);
        (live.map(|(_, bytes)| bytes).sum(), spread)
    }

    /// How many bytes may be copied now without going over the bound; `u64::MAX` without one, 0 when it is exceeded.
    #[must_use]
    pub fn budget(&self, now_ms: u64) -> u64 {
        let Some(bound) = self.bound() else { return u64::MAX };
        let (bytes, spread) = self.measure(now_ms);
        let allowed = u64::try_from(u128::from(bound) * u128::from(spread) / 1_000).unwrap_or(u64::MAX);
        allowed.saturating_sub(bytes)
    }

    fn bound(&self) -> Option<u64> {
        self.is_bound().then(|| u64::try_from(self.bound).unwrap_or(0))
    }

    /// Whether more was copied than the bound allows.
    #[must_use]
    pub fn is_exceeded(&self, now_ms: u64) -> bool {
        let Some(bound) = self.bound() else { return false };
        let (bytes, spread) = self.measure(now_ms);
        u128::from(bytes) * 1_000 > u128::from(bound) * u128::from(spread)
    }

    /// When it is exceeded no longer if nothing is copied until then, in monotonic milliseconds.
    #[must_use]
    pub fn free_at(&self, now_ms: u64) -> u64 {
        let Some(bound) = self.bound() else { return now_ms };
        let mut at = now_ms;
        while self.is_exceeded(at) {
            let (bytes, _) = self.measure(at);
            let age = self.age();
            let oldest = self.seen.iter().map(|(began, _)| *began).find(|began| at.saturating_sub(*began) < age);
            let Some(oldest) = oldest else { break };
            // Either the same bytes are spread over enough time, or the oldest of them are forgotten before.
            let forgotten = oldest + age;
            let spread = match bound {
                0 => u64::MAX,
                bound => u64::try_from((u128::from(bytes) * 1_000).div_ceil(u128::from(bound))).unwrap_or(u64::MAX),
            };
            at = oldest.saturating_add(spread).min(forgotten).max(at + 1);
        }
        at
    }
}

/// Which partitions of a topic are throttled on one broker: `{leader,follower}.replication.throttled.replicas`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum ThrottledReplicas {
    /// None of them.
    #[default]
    None,
    /// All of them: `*`.
    All,
    /// These.
    Partitions(BTreeSet<i32>),
}

impl ThrottledReplicas {
    /// From the items of the list, `partition:broker` each, what concerns `broker`.
    #[must_use]
    pub fn of(items: &[String], broker: i32) -> ThrottledReplicas {
        if items.iter().any(|item| item == "*") {
            return ThrottledReplicas::All;
        }
        let partitions: BTreeSet<i32> = items
            .iter()
            .filter_map(|item| {
                let (partition, on) = item.split_once(':')?;
                (on.trim().parse() == Ok(broker)).then(|| partition.trim().parse().ok())?
            })
            .collect();
        if partitions.is_empty() { ThrottledReplicas::None } else { ThrottledReplicas::Partitions(partitions) }
    }

    /// Whether that partition is.
    #[must_use]
    pub fn has(&self, partition: i32) -> bool {
        match self {
            ThrottledReplicas::None => false,
            ThrottledReplicas::All => true,
            ThrottledReplicas::Partitions(partitions) => partitions.contains(&partition),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn quota(bound: i64) -> ReplicationQuota {
        let mut quota = ReplicationQuota::new(11, 1_000);
        quota.set_bound(bound);
        quota
    }

    #[test]
    fn without_a_bound_nothing_is_exceeded() {
        let mut quota = ReplicationQuota::new(11, 1_000);
        quota.record(5, usize::MAX / 4);
        assert!(!quota.is_exceeded(5) && !quota.is_bound());
        assert_eq!((quota.budget(5), quota.free_at(5)), (u64::MAX, 5));
    }

    #[test]
    fn a_burst_is_paid_for_with_time() {
        let mut quota = quota(100);
        assert_eq!(quota.budget(0), 100);
        quota.record(0, 500);
        assert!(quota.is_exceeded(0) && quota.is_exceeded(4_999));
        assert_eq!(quota.budget(4_999), 0);
        assert_eq!(quota.free_at(0), 5_000);
        assert!(!quota.is_exceeded(5_000));
        assert_eq!(quota.budget(6_000), 100);
    }

    #[test]
    fn what_is_older_than_the_window_is_forgotten_even_without_any_allowance() {
        let mut quota = quota(0);
        assert!(!quota.is_exceeded(0), "something has to come first");
        quota.record(0, 1);
        assert!(quota.is_exceeded(10_999));
        assert_eq!(quota.free_at(3), 11_000);
        assert!(!quota.is_exceeded(11_000));
    }

    #[test]
    fn lists_name_replicas_of_one_broker() {
        let list = |items: &[&str]| items.iter().map(|item| (*item).to_owned()).collect::<Vec<_>>();
        assert_eq!(ThrottledReplicas::of(&list(&["*"]), 1), ThrottledReplicas::All);
        assert_eq!(ThrottledReplicas::of(&[], 1), ThrottledReplicas::None);
        let some = ThrottledReplicas::of(&list(&["0:1", "1:2", "2: 1", "none"]), 1);
        assert_eq!([0, 1, 2, 3].map(|partition| some.has(partition)), [true, false, true, false]);
        assert!(ThrottledReplicas::All.has(7) && !ThrottledReplicas::None.has(7));
    }

    proptest! {
        /// Whoever copies when it is allowed, and only as much as the budget says (or one thing larger than it), stays at
        /// the bound over time, and never waits longer than the whole window.
        #[test]
        fn the_rate_holds_and_nobody_starves(bound in 1i64..5_000, sizes in prop::collection::vec(1usize..20_000, 1..60)) {
            let mut quota = quota(bound);
            let (mut now, mut total) = (0u64, 0u64);
            let largest = *sizes.iter().max().unwrap() as u64;
            for size in sizes {
                let free = quota.free_at(now);
                prop_assert!(free - now <= 11_000);
                prop_assert!(free == now || quota.is_exceeded(free - 1));
                now = free;
                prop_assert!(!quota.is_exceeded(now));
                quota.record(now, size);
                total += size as u64;
            }
            // What the window has forgotten before it was paid for is the largest thing at most, once a window.
            let windows = now / 11_000 + 1;
            prop_assert!(total <= (now + 1_000) * bound as u64 / 1_000 + largest * (windows + 1));
        }
    }
}
