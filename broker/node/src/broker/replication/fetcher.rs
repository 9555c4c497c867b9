//! One fetcher: which partitions it fetches how.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::{Bound, RangeInclusive};

use odradek_core::fetch_session::{Asked, FetchSessionHandler};

use crate::event::LogKey;

/// Fetches without a session that may be under way at once: what is new need not wait for a long poll to end.
const MAX_LANES: usize = 3;
/// Partitions of one such fetch.
const MAX_IN_LANE: usize = 500;

/// The first wait after a refusal or a failure; each further one in a row doubles it, up to `replica.fetch.backoff.ms`.
/// Most are over in a moment: a leader that has yet to hear of the epoch that its follower knows, a connection that broke.
/// Waiting for longer holds up producers with acks=all, for a follower that waits is still in sync.
const FIRST_BACKOFF_MS: u64 = 10;

/// The wait after so many failures in a row before this one.
fn backoff_ms(failures: u32, longest_ms: u64) -> u64 {
    FIRST_BACKOFF_MS.saturating_mul(1 << failures.min(32)).min(longest_ms)
}

/// 2^32 over the golden ratio.
const GOLDEN: u32 = 0x9e37_79b9;

/// Which fetcher of which leader.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::broker) struct FetcherId {
    pub leader: i32,
    index: u32,
}

impl FetcherId {
    /// The fetcher of a partition among `fetchers` of them.
    pub fn of(leader: i32, key: LogKey, fetchers: u32) -> FetcherId {
        // A broker leads every third partition of a topic, or every fifth: with the remainder, all of them would fall to
        // one fetcher where as many fetchers are configured as there are brokers. Multiples of the golden ratio spread
        // evenly whatever the step (Knuth, TAOCP 3, 6.4). Where a topic's first partition is depends on the topic.
        let topic = key.topic_id.as_u128();
        let start = (topic ^ (topic >> 64)) as u32;
        let at = start.wrapping_add(key.partition.unsigned_abs()).wrapping_mul(GOLDEN);
        FetcherId { leader, index: ((u64::from(at) * u64::from(fetchers.max(1))) >> 32) as u32 }
    }

    /// Every fetcher of a leader.
    pub fn all_of(leader: i32) -> RangeInclusive<FetcherId> {
        FetcherId { leader, index: 0 }..=FetcherId { leader, index: u32::MAX }
    }
}

/// A fetch that is under way.
#[derive(Debug)]
pub(in crate::broker) struct FetchInFlight {
    pub id: FetcherId,
    /// The fetcher's, when it was sent.
    pub generation: u64,
    pub kind: Fetching,
}

/// What a fetch is for.
#[derive(Debug)]
pub(in crate::broker) enum Fetching {
    /// The next one of the session.
    Session,
    /// These, as they were asked for.
    Lane {
        /// All of them are throttled.
        throttled: bool,
        /// What was asked.
        asked: BTreeMap<LogKey, Asked>,
    },
}

/// Fetches from one leader.
#[derive(Debug, Default)]
pub(in crate::broker) struct Fetcher {
    /// What is copied from it.
    partitions: BTreeSet<LogKey>,
    /// Level with the leader.
    pub session: FetchSessionHandler<LogKey, Asked>,
    session_busy: bool,
    /// In the session, and to be asked for anew.
    stale: BTreeSet<LogKey>,
    /// Not in the session, and in no fetch.
    loose: BTreeSet<LogKey>,
    /// In a fetch without a session.
    busy: BTreeSet<LogKey>,
    /// Of `loose` and `busy`: those that are not known to be level with the leader.
    behind: BTreeSet<LogKey>,
    lanes: usize,
    /// Of these, for throttled partitions.
    throttled_lanes: usize,
    /// Where the next fetch without a session begins: after the last one that got something.
    turn: Option<LogKey>,
    /// Put off until that time: refused by the leader.
    delayed: BTreeMap<LogKey, u64>,
    /// How often in a row the leader refused it.
    refused: BTreeMap<LogKey, u32>,
    /// How many fetches in a row failed as a whole.
    failures: u32,
    not_before_ms: u64,
    wake_ms: Option<u64>,
    pub generation: u64,
}

impl Fetcher {
    pub fn new(generation: u64) -> Fetcher {
        Fetcher { generation, ..Fetcher::default() }
    }

    pub fn follow(&mut self, key: LogKey) {
        self.partitions.insert(key);
        self.loose.insert(key);
        self.behind.insert(key);
    }

    pub fn unfollow(&mut self, key: LogKey) {
        self.partitions.remove(&key);
        self.loose.remove(&key);
        self.busy.remove(&key);
        self.behind.remove(&key);
        self.stale.remove(&key);
        self.delayed.remove(&key);
        self.refused.remove(&key);
        self.session.remove(&key);
    }

    pub fn follows(&self, key: LogKey) -> bool {
        self.partitions.contains(&key)
    }

    pub fn all(&self) -> impl Iterator<Item = LogKey> + '_ {
        self.partitions.iter().copied()
    }

    /// Nothing to fetch, and nothing to be heard. (A session that is left is closed by its leader in its time.)
    pub fn is_over(&self) -> bool {
        self.partitions.is_empty() && self.lanes == 0 && !self.session_busy
    }

    /// The log of `key` changed.
    pub fn changed(&mut self, key: LogKey) {
        if self.session.get(&key).is_some() {
            self.stale.insert(key);
        }
    }

    /// A fetch failed: others are sent after a wait.
    pub fn failed(&mut self, now_ms: u64, longest_ms: u64) {
        self.not_before_ms = now_ms + backoff_ms(self.failures, longest_ms);
        self.failures = self.failures.saturating_add(1);
        self.wake_at(self.not_before_ms);
    }

    /// Whatever it waits for, the leader may be another one now.
    pub fn retry_now(&mut self, now_ms: u64) {
        self.failures = 0;
        self.not_before_ms = now_ms;
        self.wake_at(now_ms);
    }

    /// A fetch was answered.
    pub fn succeeded(&mut self) {
        self.failures = 0;
    }

    pub fn wake_at(&mut self, due_ms: u64) {
        self.wake_ms = Some(self.wake_ms.map_or(due_ms, |wake| wake.min(due_ms)));
    }

    /// When something that was put off is due.
    pub fn next_deadline(&self) -> Option<u64> {
        self.wake_ms
    }

    /// Whether that time has come.
    pub fn wakes(&mut self, now_ms: u64) -> bool {
        let due = self.wake_ms.is_some_and(|due| due <= now_ms);
        if due {
            self.wake_ms = None;
        }
        due
    }

    /// Whether fetches may be sent. What was put off until now is to be fetched again.
    pub fn ready(&mut self, now_ms: u64) -> bool {
        if now_ms < self.not_before_ms {
            self.wake_at(self.not_before_ms);
            return false;
        }
        let due: Vec<LogKey> =
            self.delayed.iter().filter(|(_, until)| **until <= now_ms).map(|(key, _)| *key).collect();
        for key in due {
            self.delayed.remove(&key);
            self.loose.insert(key);
            self.behind.insert(key);
        }
        if let Some(next) = self.delayed.values().copied().min() {
            self.wake_at(next);
        }
        true
    }

    /// What the session's next fetch has to say anew; `None` while one is under way. Partitions that are level and
    /// fetched without the session come into it, even while such a fetch still waits.
    pub fn session_changes(&mut self) -> Option<BTreeSet<LogKey>> {
        if self.session_busy {
            return None;
        }
        let mut changes = std::mem::take(&mut self.stale);
        changes.extend(self.loose.iter().chain(&self.busy).filter(|key| !self.behind.contains(key)));
        Some(changes)
    }

    /// `key` is asked for in the session, as it is now; or not, when there is nothing that may be asked.
    pub fn in_session(&mut self, key: LogKey, asked: Option<Asked>) {
        match asked {
            Some(asked) => {
                self.loose.remove(&key);
                self.session.set(key, asked);
            }
            None => self.session.remove(&key),
        }
    }

    pub fn session_sent(&mut self) {
        self.session_busy = true;
    }

    pub fn session_ended(&mut self) {
        self.session_busy = false;
    }

    /// What the next fetch without a session is to name, unless enough of them are under way: what `throttled` says
    /// nothing of, or only what it names. Of the throttled, one such fetch is under way at a time.
    pub fn next_lane(&self, throttled: bool, is_throttled: impl Fn(LogKey) -> bool) -> Vec<LogKey> {
        if self.lanes >= MAX_LANES || (throttled && self.throttled_lanes > 0) {
            return Vec::new();
        }
        let fits = |key: &LogKey| (self.behind.contains(key) && is_throttled(*key)) == throttled;
        let turn = self.turn.map_or(Bound::Unbounded, Bound::Excluded);
        let after = self.loose.range((turn, Bound::Unbounded));
        let before = self.turn.into_iter().flat_map(|turn| self.loose.range(..=turn));
        after.chain(before).copied().filter(fits).take(MAX_IN_LANE).collect()
    }

    /// Whether something waits that is throttled.
    pub fn has_throttled(&self, is_throttled: impl Fn(LogKey) -> bool) -> bool {
        self.loose.iter().any(|key| self.behind.contains(key) && is_throttled(*key))
    }

    /// `key` cannot be fetched at all.
    pub fn skip(&mut self, key: LogKey) {
        self.loose.remove(&key);
    }

    pub fn lane_sent(&mut self, throttled: bool, keys: impl Iterator<Item = LogKey>) {
        self.lanes += 1;
        self.throttled_lanes += usize::from(throttled);
        for key in keys {
            self.loose.remove(&key);
            self.busy.insert(key);
        }
    }

    pub fn lane_ended<'a>(&mut self, throttled: bool, keys: impl Iterator<Item = &'a LogKey>) {
        self.lanes -= 1;
        self.throttled_lanes -= usize::from(throttled);
        for key in keys {
            let mine = self.busy.remove(key);
            if mine && self.session.get(key).is_none() {
                self.loose.insert(*key);
            }
        }
    }

    /// The leader answered for `key`: there is more, or this log is level with it now. `got`: some records came.
    pub fn answered(&mut self, key: LogKey, behind: bool, got: bool) {
        if !self.follows(key) {
            return;
        }
        self.refused.remove(&key);
        if behind {
            self.behind.insert(key);
            // The session is for those that are level.
            if self.session.get(&key).is_some() {
                self.session.remove(&key);
                self.stale.remove(&key);
                if !self.busy.contains(&key) {
                    self.loose.insert(key);
                }
            }
            if got {
                self.turn = Some(key);
            }
        } else {
            self.behind.remove(&key);
            self.changed(key);
        }
    }

    /// The leader refused `key`, or its answer could not be taken: again at that time.
    pub fn delay(&mut self, key: LogKey, now_ms: u64, longest_ms: u64) {
        if !self.follows(key) {
            return;
        }
        let refused = self.refused.entry(key).or_default();
        let until_ms = now_ms + backoff_ms(*refused, longest_ms);
        *refused = refused.saturating_add(1);
        self.session.remove(&key);
        self.stale.remove(&key);
        self.loose.remove(&key);
        self.behind.remove(&key);
        self.delayed.insert(key, until_ms);
        self.wake_at(until_ms);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_one_broker_leads_is_spread_over_all_its_fetchers() {
        for (topic, brokers, fetchers) in (1..=12).flat_map(|brokers| {
            (1..=8).flat_map(move |fetchers| (1..=10).map(move |topic: u128| (topic, brokers, fetchers)))
        }) {
            let topic_id = uuid::Uuid::from_u128(topic.wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835));
            let mut held = vec![0_u32; fetchers as usize];
            for partition in (0..60 * brokers).step_by(brokers as usize) {
                held[FetcherId::of(1, LogKey { topic_id, partition }, fetchers).index as usize] += 1;
            }
            let most = held.iter().max().copied().unwrap_or_default();
            assert!(most <= 60 / fetchers + 8, "{brokers} brokers, {fetchers} fetchers: {held:?}");
        }
    }

    #[test]
    fn waits_double_up_to_the_longest_and_begin_anew_after_an_answer() {
        let key = LogKey { topic_id: uuid::Uuid::from_u128(7), partition: 0 };
        let mut fetcher = Fetcher::new(1);
        fetcher.follow(key);
        let mut now = 0;
        let mut refuse = |fetcher: &mut Fetcher| {
            fetcher.delay(key, now, 1000);
            let due = fetcher.next_deadline().expect("a deadline");
            assert!(fetcher.wakes(due) && fetcher.ready(due));
            now = due;
            due
        };
        let dues: Vec<u64> = (0..9).map(|_| refuse(&mut fetcher)).collect();
        assert_eq!(dues, [10, 30, 70, 150, 310, 630, 1270, 2270, 3270]);
        fetcher.answered(key, false, false);
        assert_eq!(refuse(&mut fetcher), 3280);
        fetcher.failed(5000, 1000);
        assert_eq!(fetcher.next_deadline(), Some(5010));
        fetcher.failed(5010, 15);
        assert_eq!(fetcher.not_before_ms, 5025);
        fetcher.succeeded();
        fetcher.failed(6000, 1000);
        assert_eq!(fetcher.not_before_ms, 6010);
    }
}
