//! One fetch session as the leader keeps it.

use std::collections::BTreeMap;

/// What a fetcher asked of a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asked {
    /// The leader epoch that the fetcher knows; -1 for none.
    pub current_leader_epoch: i32,
    /// The first offset that it wants.
    pub fetch_offset: i64,
    /// The epoch of its last record; -1 for none (KIP-595).
    pub last_fetched_epoch: i32,
    /// Where the follower's log starts; -1 from consumers.
    pub log_start_offset: i64,
    /// At most so many bytes of this partition.
    pub max_bytes: i32,
}

/// What a fetcher was last told of a partition besides records; -1 before the first answer and after an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Told {
    /// The high watermark.
    pub high_watermark: i64,
    /// Where the leader's log starts.
    pub log_start_offset: i64,
}

impl Told {
    /// Nothing yet, or an error: whatever comes next is news.
    pub const NOTHING: Told = Told { high_watermark: -1, log_start_offset: -1 };
}

/// What is to become of a partition that was looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Nothing is to be said until something happens to it.
    Rest,
    /// The next fetch looks at it again, in its place.
    Again,
    /// It gave records: the next fetch looks at it again, after all others, so that a full answer starves nobody.
    Last,
}

#[derive(Debug, Clone)]
pub(super) struct Entry<W> {
    pub asked: Asked,
    pub watch: Option<W>,
    pub told: Told,
    /// Its place among those that are to be looked at.
    place: Option<u64>,
}

/// One session.
#[derive(Debug, Clone)]
pub(super) struct Session<K, W> {
    /// The follower's broker id; -1 for a consumer.
    pub owner: i32,
    pub uses_topic_ids: bool,
    /// What the next request must have.
    pub epoch: i32,
    pub created_ms: u64,
    pub last_used_ms: u64,
    /// How many partitions the eviction index counts it with.
    pub indexed_size: Option<usize>,
    pub entries: BTreeMap<K, Entry<W>>,
    /// By place: what is to be looked at.
    due: BTreeMap<u64, K>,
    next_place: u64,
}

impl<K: Ord + Clone, W> Session<K, W> {
    pub fn new(owner: i32, uses_topic_ids: bool, now_ms: u64) -> Session<K, W> {
        Session {
            owner,
            uses_topic_ids,
            epoch: 1,
            created_ms: now_ms,
            last_used_ms: now_ms,
            indexed_size: None,
            entries: BTreeMap::new(),
            due: BTreeMap::new(),
            next_place: 0,
        }
    }

    pub fn is_follower(&self) -> bool {
        self.owner >= 0
    }

    /// Takes what the fetcher asks of `key` now. True when the partition is new here.
    pub fn ask(&mut self, key: &K, watch: Option<W>, asked: Asked) -> bool {
        let known = self.entries.get_mut(key).map(|entry| entry.asked = asked).is_some();
        if !known {
            self.entries.insert(key.clone(), Entry { asked, watch, told: Told::NOTHING, place: None });
        }
        self.mark(key);
        !known
    }

    /// The fetcher wants no more of `key`. What was watched for it.
    pub fn forget(&mut self, key: &K) -> Option<W> {
        let entry = self.entries.remove(key)?;
        if let Some(place) = entry.place {
            self.due.remove(&place);
        }
        entry.watch
    }

    /// Something happened to `key`: the next look sees it.
    pub fn mark(&mut self, key: &K) {
        let Some(entry) = self.entries.get_mut(key) else { return };
        if entry.place.is_none() {
            entry.place = Some(self.next_place);
            self.due.insert(self.next_place, key.clone());
            self.next_place += 1;
        }
    }

    /// What is to be looked at, in order.
    pub fn due(&self) -> impl Iterator<Item = &K> {
        self.due.values()
    }

    /// `key` was looked at.
    pub fn looked(&mut self, key: &K, told: Option<Told>, next: Next) {
        let Some(entry) = self.entries.get_mut(key) else { return };
        if let Some(told) = told {
            entry.told = told;
        }
        if next != Next::Again
            && let Some(place) = entry.place.take()
        {
            self.due.remove(&place);
        }
        if next != Next::Rest {
            self.mark(key);
        }
    }
}
