//! The leader's fetch sessions, within `max.incremental.fetch.session.cache.slots`.

use std::collections::{BTreeMap, BTreeSet};

use super::session::{Asked, Next, Session, Told};
use super::{FINAL_EPOCH, INITIAL_EPOCH, NO_SESSION, next_epoch};

/// A session that was not used for so long may go, milliseconds; one as old may go for a larger one.
pub const EVICTION_MS: u64 = 120_000;

/// Why a fetch is refused as a whole. The fetcher starts over with a full fetch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SessionError {
    /// FETCH_SESSION_ID_NOT_FOUND: never opened here, evicted, or another fetcher's.
    IdNotFound,
    /// INVALID_FETCH_SESSION_EPOCH: a request was lost, repeated or overtaken.
    InvalidEpoch,
    /// FETCH_SESSION_TOPIC_ID_ERROR: opened with names and continued with ids, or the other way round (KIP-516).
    TopicId,
}

impl SessionError {
    /// Kafka's error code.
    #[must_use]
    pub fn code(self) -> i16 {
        match self {
            SessionError::IdNotFound => 70,
            SessionError::InvalidEpoch => 71,
            SessionError::TopicId => 106,
        }
    }
}

/// What a fetch says about sessions.
#[derive(Debug)]
pub struct SessionRequest<K, W> {
    /// 0 for none.
    pub session_id: i32,
    /// -1 and 0 make it a full fetch.
    pub epoch: i32,
    /// The follower's broker id; -1 from a consumer.
    pub owner: i32,
    /// Whether this version names topics by id.
    pub uses_topic_ids: bool,
    /// The partitions, with what to watch for each; nothing for those that are not known.
    pub asked: Vec<(K, Option<W>, Asked)>,
    /// Partitions to be left out from now on.
    pub forgotten: Vec<K>,
}

/// What a fetch is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Opened {
    /// Exactly what it names.
    Sessionless,
    /// What it names, which is a session from now on.
    Full {
        /// The session's id.
        session: i32,
    },
    /// What is to be said of its session's partitions.
    Incremental {
        /// The session's id.
        session: i32,
    },
}

/// Of the sessions that may go for a larger one, the smallest goes first, and a follower's last.
type Evictable = (bool, usize, i32);

/// All sessions of a broker.
#[derive(Debug)]
pub struct SessionCache<K, W> {
    slots: usize,
    seed: u64,
    sessions: BTreeMap<i32, Session<K, W>>,
    last_used: BTreeSet<(u64, i32)>,
    /// What a follower's new session may take the place of.
    evictable_by_followers: BTreeSet<Evictable>,
    /// What any new session may take the place of.
    evictable_by_all: BTreeSet<Evictable>,
    watchers: BTreeMap<W, Vec<(i32, K)>>,
    partitions: usize,
    evictions: u64,
}

impl<K: Ord + Clone, W: Ord + Clone> SessionCache<K, W> {
    /// Room for `slots` sessions; `seed` feeds their ids, so that a fetcher of an earlier life of this broker is not
    /// taken for one of this life's.
    #[must_use]
    pub fn new(slots: usize, seed: u64) -> SessionCache<K, W> {
        SessionCache {
            slots,
            seed,
            sessions: BTreeMap::new(),
            last_used: BTreeSet::new(),
            evictable_by_followers: BTreeSet::new(),
            evictable_by_all: BTreeSet::new(),
            watchers: BTreeMap::new(),
            partitions: 0,
            evictions: 0,
        }
    }

    /// How many sessions there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.sessions.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.sessions.is_empty()
    }

    /// Partitions of all sessions together.
    #[must_use]
    pub fn partitions(&self) -> usize {
        self.partitions
    }

    /// Sessions that had to go for others since the start.
    #[must_use]
    pub fn evictions(&self) -> u64 {
        self.evictions
    }

    /// Takes a fetch up: opens, continues or closes a session.
    ///
    /// # Errors
    /// The session that it continues is not the one that this broker knows.
    pub fn open(&mut self, now_ms: u64, request: SessionRequest<K, W>) -> Result<Opened, SessionError> {
        let SessionRequest { session_id, epoch, owner, uses_topic_ids, asked, forgotten } = request;
        if matches!(epoch, FINAL_EPOCH | INITIAL_EPOCH) {
            // A full fetch ends the session that it names, whoever has it now.
            if session_id != NO_SESSION && self.sessions.get(&session_id).is_some_and(|known| known.owner == owner) {
                self.close(session_id);
            }
            if epoch == FINAL_EPOCH || asked.is_empty() {
                return Ok(Opened::Sessionless);
            }
            return Ok(self.create(now_ms, owner, uses_topic_ids, asked));
        }
        let known = self.sessions.get_mut(&session_id).filter(|known| known.owner == owner);
        let known = known.ok_or(SessionError::IdNotFound)?;
        if known.epoch != epoch {
            return Err(SessionError::InvalidEpoch);
        }
        if known.uses_topic_ids != uses_topic_ids {
            return Err(SessionError::TopicId);
        }
        known.epoch = next_epoch(epoch);
        for key in &forgotten {
            if let Some(watch) = known.forget(key) {
                unwatch(&mut self.watchers, &watch, session_id, key);
            }
        }
        for (key, watch, asked) in asked {
            if known.ask(&key, watch.clone(), asked)
                && let Some(watch) = watch
            {
                self.watchers.entry(watch).or_default().push((session_id, key));
            }
        }
        if known.entries.is_empty() {
            self.close(session_id);
            return Ok(Opened::Sessionless);
        }
        self.touch(now_ms, session_id);
        Ok(Opened::Incremental { session: session_id })
    }

    fn create(&mut self, now_ms: u64, owner: i32, uses_topic_ids: bool, asked: Vec<(K, Option<W>, Asked)>) -> Opened {
        if self.sessions.len() >= self.slots && !self.evict(now_ms, owner >= 0, asked.len()) {
            return Opened::Sessionless;
        }
        let id = self.new_id();
        let mut session = Session::new(owner, uses_topic_ids, now_ms);
        for (key, watch, asked) in asked {
            if session.ask(&key, watch.clone(), asked)
                && let Some(watch) = watch
            {
                self.watchers.entry(watch).or_default().push((id, key));
            }
        }
        self.sessions.insert(id, session);
        self.touch(now_ms, id);
        Opened::Full { session: id }
    }

    fn new_id(&mut self) -> i32 {
        loop {
            // SplitMix64: every seed walks through all numbers.
            self.seed = self.seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut mixed = self.seed;
            mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            let id = (mixed >> 33) as i32;
            if id != NO_SESSION && !self.sessions.contains_key(&id) {
                return id;
            }
        }
    }

    /// Makes room for a session of `size` partitions, as KIP-227 wants it: first goes who was not heard of for two
    /// minutes; then, for a follower, the smallest session of a consumer, and for anybody a smaller one that had its
    /// two minutes.
    fn evict(&mut self, now_ms: u64, follower: bool, size: usize) -> bool {
        let Some(&(used_ms, oldest)) = self.last_used.first() else { return false };
        let victim = if now_ms.saturating_sub(used_ms) > EVICTION_MS {
            Some(oldest)
        } else {
            let index = if follower { &self.evictable_by_followers } else { &self.evictable_by_all };
            index.first().filter(|smallest| **smallest <= (follower, size, 0)).map(|(_, _, id)| *id)
        };
        if let Some(id) = victim {
            self.close(id);
            self.evictions += 1;
        }
        victim.is_some()
    }

    fn touch(&mut self, now_ms: u64, id: i32) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        let size = session.entries.len();
        self.last_used.remove(&(session.last_used_ms, id));
        if let Some(before) = session.indexed_size.replace(size) {
            let key = (session.is_follower(), before, id);
            self.evictable_by_followers.remove(&key);
            self.evictable_by_all.remove(&key);
            self.partitions -= before;
        }
        session.last_used_ms = now_ms;
        self.partitions += size;
        self.last_used.insert((now_ms, id));
        let key = (session.is_follower(), size, id);
        let old = now_ms.saturating_sub(session.created_ms) > EVICTION_MS;
        if old || !session.is_follower() {
            self.evictable_by_followers.insert(key);
        }
        if old {
            self.evictable_by_all.insert(key);
        }
    }

    /// Ends a session.
    pub fn close(&mut self, id: i32) {
        let Some(session) = self.sessions.remove(&id) else { return };
        self.last_used.remove(&(session.last_used_ms, id));
        if let Some(size) = session.indexed_size {
            let key = (session.is_follower(), size, id);
            self.evictable_by_followers.remove(&key);
            self.evictable_by_all.remove(&key);
            self.partitions -= size;
        }
        for (key, entry) in &session.entries {
            if let Some(watch) = &entry.watch {
                unwatch(&mut self.watchers, watch, id, key);
            }
        }
    }

    /// The epoch that the next request of a session must have; `None` when it is gone.
    #[must_use]
    pub fn epoch(&self, id: i32) -> Option<i32> {
        self.sessions.get(&id).map(|session| session.epoch)
    }

    /// Something happened to a partition. The sessions that have it, which may now have something to say.
    pub fn mark(&mut self, watch: &W) -> Vec<i32> {
        let mut marked = Vec::new();
        for (id, key) in self.watchers.get(watch).into_iter().flatten() {
            if let Some(session) = self.sessions.get_mut(id) {
                session.mark(key);
                marked.push(*id);
            }
        }
        marked
    }

    /// A partition that was not known when it was asked for is known now, or as another one.
    pub fn watch(&mut self, id: i32, key: &K, watch: Option<W>) {
        let Some(entry) = self.sessions.get_mut(&id).and_then(|session| session.entries.get_mut(key)) else { return };
        if entry.watch == watch {
            return;
        }
        if let Some(before) = std::mem::replace(&mut entry.watch, watch.clone()) {
            unwatch(&mut self.watchers, &before, id, key);
        }
        if let Some(watch) = watch {
            self.watchers.entry(watch).or_default().push((id, key.clone()));
        }
    }

    /// What is to be looked at in a session, in order.
    pub fn due(&self, id: i32) -> impl Iterator<Item = (&K, Option<&W>, Asked, Told)> {
        let session = self.sessions.get(&id);
        session.into_iter().flat_map(|session| {
            session.due().filter_map(|key| {
                let entry = session.entries.get(key)?;
                Some((key, entry.watch.as_ref(), entry.asked, entry.told))
            })
        })
    }

    /// A partition of a session was looked at; `told` is what the fetcher is told of it now.
    pub fn looked(&mut self, id: i32, key: &K, told: Option<Told>, next: Next) {
        if let Some(session) = self.sessions.get_mut(&id) {
            session.looked(key, told, next);
        }
    }
}

fn unwatch<K: Ord, W: Ord>(watchers: &mut BTreeMap<W, Vec<(i32, K)>>, watch: &W, id: i32, key: &K) {
    if let Some(list) = watchers.get_mut(watch) {
        list.retain(|(other, name)| *other != id || name != key);
        if list.is_empty() {
            watchers.remove(watch);
        }
    }
}
