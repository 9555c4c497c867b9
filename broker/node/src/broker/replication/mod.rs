//! Followers' fetches (KIP-595's way: the fetch names the last epoch, and the answer says where the logs part).
//!
//! Each leader has `num.replica.fetchers` fetchers, with the partitions spread over them. A fetcher keeps the partitions
//! that are level with their leader in a fetch session (KIP-227), one fetch at a time, which costs what changed. What is
//! new or has to catch up is fetched beside it without a session, so that neither waits for the other.

mod fetcher;
mod send;
mod take;

pub(super) use fetcher::{FetchInFlight, Fetcher, FetcherId};

use odradek_core::time::Now;

use super::BrokerNode;
use crate::event::LogKey;

impl BrokerNode {
    pub(super) fn follow_partition(&mut self, key: LogKey, leader: i32) {
        let id = FetcherId::of(leader, key, self.replica_fetchers);
        let generations = &mut self.fetcher_generations;
        let fetcher = self.fetchers.entry(id).or_insert_with(|| {
            *generations += 1;
            Fetcher::new(*generations)
        });
        fetcher.follow(key);
        self.fetchers_due.insert(id);
    }

    pub(super) fn unfollow(&mut self, key: LogKey) {
        let Some(id) = self.fetcher_of(key) else { return };
        if let Some(fetcher) = self.fetchers.get_mut(&id) {
            fetcher.unfollow(key);
            if fetcher.is_over() {
                self.fetchers.remove(&id);
            }
        }
    }

    /// The fetcher that has the partition now.
    fn fetcher_of(&self, key: LogKey) -> Option<FetcherId> {
        let mine = |id: &FetcherId| self.fetchers.get(id).is_some_and(|fetcher| fetcher.follows(key));
        // As many as there are leaders, and usually the first look finds it.
        let leader = self.leader_of(key).map(|(leader, _)| FetcherId::of(leader, key, self.replica_fetchers));
        leader.filter(mine).or_else(|| self.fetchers.keys().find(|id| mine(id)).copied())
    }

    /// The log of a partition changed by something other than a fetch.
    pub(super) fn refetch(&mut self, key: LogKey) {
        if let Some(id) = self.fetcher_of(key)
            && let Some(fetcher) = self.fetchers.get_mut(&id)
        {
            fetcher.changed(key);
        }
    }

    /// A broker came back or moved: no reason to wait any longer.
    pub(super) fn broker_changed(&mut self, now: Now, broker: i32) {
        for (id, fetcher) in self.fetchers.range_mut(FetcherId::all_of(broker)) {
            fetcher.retry_now(now.mono_ms);
            self.fetchers_due.insert(*id);
        }
    }

    /// `num.replica.fetchers` changed: all partitions find their new fetcher. Answers on their way are not heard.
    pub(super) fn set_replica_fetchers(&mut self, fetchers: u32) {
        if fetchers.max(1) == self.replica_fetchers {
            return;
        }
        self.replica_fetchers = fetchers.max(1);
        for (id, fetcher) in std::mem::take(&mut self.fetchers) {
            for key in fetcher.all() {
                self.follow_partition(key, id.leader);
            }
        }
    }
}
