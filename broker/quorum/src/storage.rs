//! What the library reads of this node's log, snapshot and vote, and how they get onto the disk.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use odradek_log::Disk;
use raft::eraftpb::{ConfState, Entry, HardState, Snapshot};
use raft::{GetEntriesContext, RaftState, StorageError};

use crate::config::{QuorumConfig, Voter, ids};
use crate::disk_log::DiskLog;
use crate::entry::OVERHEAD;
use crate::error::QuorumError;
use crate::snapshot_file::{self, SnapshotFile};
use crate::state_file::{self, PersistedState, PersistedVoter};
use crate::terms::Terms;

/// The library's ids: 0 means nobody there, and is a proper node id here.
pub(crate) fn raft_id(node_id: u64) -> u64 {
    node_id + 1
}

/// The node id behind one of the library's ids; `None` for nobody.
pub(crate) fn node_id(raft_id: u64) -> Option<u64> {
    raft_id.checked_sub(1)
}

/// The storage of one node. What is written is on the device when the call returns.
#[derive(Debug)]
pub(crate) struct Store {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    log: DiskLog,
    state: PersistedState,
    /// (index, term) of the newest snapshot; (0, 0) when there is none.
    snapshot: (u64, u64),
    terms: Terms,
    /// The newest entries, all that are not applied yet among them.
    cache: VecDeque<Entry>,
    cache_bytes: usize,
    cache_limit: usize,
    /// A read that failed inside the library, which has no use for the reason.
    failure: RefCell<Option<QuorumError>>,
}

impl Store {
    /// Opens or makes the folder of one node's part of the quorum.
    pub(crate) fn open(
        disk: Arc<dyn Disk>,
        dir: PathBuf,
        config: &QuorumConfig,
        wall_ms: i64,
    ) -> Result<Store, QuorumError> {
        make_dir(disk.as_ref(), &dir)?;
        let snapshot = snapshot_file::read_newest(disk.as_ref(), &dir)?;
        let known = state_file::read(disk.as_ref(), &dir, config.node_id)?;
        let missing = known.is_none();
        let state = match known {
            Some(state) => state,
            None => {
                let state = PersistedState { node_id: config.node_id, ..PersistedState::default() };
                // Before the log, so that a log without its vote can only mean that the vote was lost.
                if snapshot.is_none() && !holds_segments(disk.as_ref(), &dir)? {
                    state_file::write(disk.as_ref(), &dir, &state)?;
                }
                state
            }
        };
        let log = DiskLog::open(disk.clone(), dir.clone(), config.segment_bytes, wall_ms)?;
        let mut store = Store {
            disk,
            dir,
            log,
            state,
            snapshot: snapshot.as_ref().map_or((0, 0), |snapshot| (snapshot.index, snapshot.term)),
            terms: Terms::default(),
            cache: VecDeque::new(),
            cache_bytes: 0,
            cache_limit: config.cache_bytes,
            failure: RefCell::new(None),
        };
        store.read_log()?;
        let path = store.dir.join(state_file::NAME);
        if missing && store.last() > 0 {
            let reason = format!("it is not there, and the log holds entries up to {}", store.last());
            return Err(QuorumError::Damaged { path, reason });
        }
        store.settle_state(snapshot.map(|snapshot| snapshot.voters), config)?;
        Ok(store)
    }

    /// Reads every entry that is not part of the snapshot, and cuts what does not follow from what is before it.
    fn read_log(&mut self) -> Result<(), QuorumError> {
        let (index, term) = self.snapshot;
        self.terms = if self.log.start() == index + 1 { Terms::after(index, term) } else { Terms::default() };
        let (mut next, end) = (self.log.start(), self.log.end());
        while next < end {
            let read = self.log.read(next, end, 1 << 20)?;
            let mut cut = read.is_empty();
            for entry in read {
                // An entry of an older term behind a newer one was overwritten, and the length of the file came back.
                if entry.index != next || self.terms.last().is_some_and(|last| entry.term < last) {
                    cut = true;
                    break;
                }
                self.terms.push(entry.index, entry.term);
                next += 1;
                if entry.index > index {
                    self.remember(entry);
                }
            }
            if cut {
                tracing::warn!(dir = %self.dir.display(), next, end, "metadata log cut: what follows does not belong to it");
                self.log.truncate(next)?;
                break;
            }
        }
        if index == 0 && self.log.start() > 1 {
            let reason =
                format!("the log begins with entry {}, and there is no snapshot of what was before", self.log.start());
            return Err(QuorumError::Damaged { path: self.dir.clone(), reason });
        }
        let begins_after = self.log.start() == index + 1;
        let holds = index < self.log.end() && self.terms.get(index) == Some(term);
        if index > 0 && !begins_after && !holds {
            // A snapshot came from the leader, and the process ended before the log was emptied for it.
            if self.log.start() > index + 1 {
                let reason =
                    format!("the snapshot ends with entry {index}, and the log begins with entry {}", self.log.start());
                return Err(QuorumError::Damaged { path: self.dir.clone(), reason });
            }
            self.forget_log(index, term)?;
        }
        Ok(())
    }

    /// Brings the stored state in line with the snapshot, and refuses a log that forgot what was committed.
    fn settle_state(
        &mut self,
        snapshot: Option<Vec<PersistedVoter>>,
        config: &QuorumConfig,
    ) -> Result<(), QuorumError> {
        if self.state.commit > self.last() {
            let reason = format!(
                "the log ends with entry {}, and entries up to {} were committed here",
                self.last(),
                self.state.commit
            );
            return Err(QuorumError::Damaged { path: self.dir.clone(), reason });
        }
        let mut state = self.state.clone();
        state.commit = state.commit.max(self.snapshot.0);
        state.term = state.term.max(self.terms.last().unwrap_or(0));
        if state.term > self.state.term {
            state.vote = 0;
        }
        match snapshot {
            Some(voters) if state.voters_index <= self.snapshot.0 => {
                (state.voters, state.voters_index) = (voters, self.snapshot.0);
            }
            _ if state.voters.is_empty() || state.commit == 0 => state.voters = persisted(&config.voters),
            _ => {}
        }
        let configured: Vec<u64> = config.voters.keys().copied().collect();
        let stored: Vec<u64> = state.voters.iter().map(|voter| voter.id).collect();
        if configured != stored {
            tracing::warn!(
                configured = ids(configured),
                stored = ids(stored.clone()),
                "controller.quorum.voters differs from the voters that the quorum was formed with; the latter count"
            );
        }
        if !stored.contains(&config.node_id) {
            return Err(QuorumError::Config(format!(
                "node {} is no voter of this quorum ({}), whose voters were fixed when it was formed",
                config.node_id,
                ids(stored)
            )));
        }
        self.write_state(state)
    }

    fn write_state(&mut self, state: PersistedState) -> Result<(), QuorumError> {
        if state != self.state {
            state_file::write(self.disk.as_ref(), &self.dir, &state)?;
            self.state = state;
        }
        Ok(())
    }

    /// The first index that can be read.
    pub(crate) fn first(&self) -> u64 {
        self.log.start()
    }

    /// The last index, of the log or of the snapshot.
    pub(crate) fn last(&self) -> u64 {
        self.log.end() - 1
    }

    /// Bytes of the log on disk.
    pub(crate) fn log_bytes(&self) -> u64 {
        self.log.size_bytes()
    }

    /// The newest snapshot's index; 0 when there is none.
    pub(crate) fn snapshot_index(&self) -> u64 {
        self.snapshot.0
    }

    /// The entry that is known to be committed by what is on disk.
    pub(crate) fn stored_commit(&self) -> u64 {
        self.state.commit
    }

    /// The term of an entry of the log, or of the one before it.
    pub(crate) fn term_of(&self, index: u64) -> Option<u64> {
        if index == 0 {
            return Some(0);
        }
        if index == self.snapshot.0 {
            return Some(self.snapshot.1);
        }
        if index > self.last() { None } else { self.terms.get(index) }
    }

    /// Node ids of the voters.
    pub(crate) fn voters(&self) -> impl Iterator<Item = u64> + '_ {
        self.state.voters.iter().map(|voter| voter.id)
    }

    /// Why a read failed inside the library, once.
    pub(crate) fn take_failure(&self) -> Option<QuorumError> {
        self.failure.borrow_mut().take()
    }

    /// Writes entries, replacing what the log holds from the first of them on.
    pub(crate) fn append(&mut self, entries: &[Entry], wall_ms: i64) -> Result<(), QuorumError> {
        let Some(first) = entries.first().map(|entry| entry.index) else { return Ok(()) };
        if first <= self.last() {
            self.log.truncate(first)?;
            self.terms.truncate(first);
            while self.cache.back().is_some_and(|entry| entry.index >= first) {
                if let Some(entry) = self.cache.pop_back() {
                    self.cache_bytes -= size(&entry);
                }
            }
        }
        self.log.append(entries, wall_ms)?;
        self.log.sync()?;
        for entry in entries {
            self.terms.push(entry.index, entry.term);
            self.remember(entry.clone());
        }
        Ok(())
    }

    /// Writes term and vote; a commit index that moved alone is not worth a write.
    pub(crate) fn set_hard_state(&mut self, hard: &HardState) -> Result<(), QuorumError> {
        if hard.term == self.state.term && hard.vote == self.state.vote {
            return Ok(());
        }
        let commit = self.state.commit.max(hard.commit.min(self.last()));
        self.write_state(PersistedState { term: hard.term, vote: hard.vote, commit, ..self.state.clone() })
    }

    /// Notes how far entries are committed, so that a log that loses them is noticed.
    pub(crate) fn set_commit(&mut self, commit: u64) -> Result<(), QuorumError> {
        let state = PersistedState { commit, ..self.state.clone() };
        self.write_state(state)
    }

    /// Completes the log's indexes, for Kafka's tools and for a quicker start, and notes the commit index.
    pub(crate) fn close(&mut self, commit: u64) -> Result<(), QuorumError> {
        self.set_commit(commit.min(self.last()))?;
        self.log.close()
    }

    /// Takes over a snapshot from the leader: it replaces the whole log.
    pub(crate) fn install(&mut self, snapshot: &Snapshot) -> Result<(), QuorumError> {
        let meta = snapshot.get_metadata();
        let voters = meta.get_conf_state().voters.iter().filter_map(|id| node_id(*id));
        let voters: Vec<_> = voters.map(|id| self.voter(id)).collect();
        self.write_snapshot(meta.index, meta.term, voters.clone(), snapshot.data.clone())?;
        let state = PersistedState {
            term: self.state.term.max(meta.term),
            vote: if meta.term > self.state.term { 0 } else { self.state.vote },
            commit: meta.index,
            voters,
            voters_index: meta.index,
            ..self.state.clone()
        };
        self.forget_log(meta.index, meta.term)?;
        self.write_state(state)
    }

    /// Writes a snapshot of what is applied up to `index`, and drops what the log holds before it but for `keep`
    /// entries.
    pub(crate) fn compact(&mut self, index: u64, data: Bytes, keep: u64, wall_ms: i64) -> Result<(), QuorumError> {
        let Some(term) = self.term_of(index).filter(|_| index > self.snapshot.0) else { return Ok(()) };
        self.write_snapshot(index, term, self.state.voters.clone(), data)?;
        self.set_commit(self.state.commit.max(index))?;
        let first = (index + 1).saturating_sub(keep).max(1);
        if first > self.log.start() {
            self.log.drop_before(first, wall_ms)?;
            self.terms.drop_before(self.log.start());
        }
        self.trim(index);
        Ok(())
    }

    fn write_snapshot(
        &mut self,
        index: u64,
        term: u64,
        voters: Vec<PersistedVoter>,
        data: Bytes,
    ) -> Result<(), QuorumError> {
        snapshot_file::write(self.disk.as_ref(), &self.dir, &SnapshotFile { index, term, voters, data })?;
        self.snapshot = (index, term);
        Ok(())
    }

    fn forget_log(&mut self, index: u64, term: u64) -> Result<(), QuorumError> {
        self.log.reset(index + 1)?;
        self.log.sync()?;
        self.terms = Terms::after(index, term);
        self.cache.clear();
        self.cache_bytes = 0;
        Ok(())
    }

    /// Reads the newest snapshot from disk.
    pub(crate) fn read_snapshot(&self) -> Result<Option<SnapshotFile>, QuorumError> {
        match self.snapshot {
            (0, _) => Ok(None),
            (index, term) => snapshot_file::read_at(self.disk.as_ref(), &self.dir, index, term).map(Some),
        }
    }

    /// Lets applied entries go that are more than the cache should hold.
    pub(crate) fn trim(&mut self, applied: u64) {
        while self.cache_bytes > self.cache_limit && self.cache.front().is_some_and(|entry| entry.index <= applied) {
            if let Some(entry) = self.cache.pop_front() {
                self.cache_bytes -= size(&entry);
            }
        }
    }

    fn remember(&mut self, entry: Entry) {
        self.cache_bytes += size(&entry);
        self.cache.push_back(entry);
    }

    fn voter(&self, id: u64) -> PersistedVoter {
        let known = self.state.voters.iter().find(|voter| voter.id == id).cloned();
        known.unwrap_or(PersistedVoter { id, directory_id: Bytes::new() })
    }

    fn conf_state(&self) -> ConfState {
        conf_state(&self.state.voters)
    }

    fn read(&self, low: u64, high: u64, max_bytes: usize) -> Result<Vec<Entry>, QuorumError> {
        let cached_from = self.cache.front().map_or(high, |entry| entry.index);
        let mut entries = Vec::new();
        if low < cached_from {
            entries = self.log.read(low, cached_from.min(high), max_bytes)?;
        }
        let mut bytes: usize = entries.iter().map(size).sum();
        let mut next = entries.last().map_or(low, |entry| entry.index + 1);
        if next >= cached_from {
            for entry in self.cache.iter().skip((next - cached_from) as usize) {
                if next >= high || (bytes + size(entry) > max_bytes && !entries.is_empty()) {
                    break;
                }
                bytes += size(entry);
                entries.push(entry.clone());
                next += 1;
            }
        }
        Ok(entries)
    }
}

fn size(entry: &Entry) -> usize {
    entry.data.len() + entry.context.len() + OVERHEAD
}

fn persisted(voters: &BTreeMap<u64, Voter>) -> Vec<PersistedVoter> {
    let directory = |voter: &Voter| voter.directory_id.map(|id| Bytes::copy_from_slice(&id)).unwrap_or_default();
    voters.iter().map(|(id, voter)| PersistedVoter { id: *id, directory_id: directory(voter) }).collect()
}

fn conf_state(voters: &[PersistedVoter]) -> ConfState {
    let mut state = ConfState::default();
    state.set_voters(voters.iter().map(|voter| raft_id(voter.id)).collect());
    state
}

/// Makes the folder and those above it, so that they survive a power loss.
fn make_dir(disk: &dyn Disk, dir: &Path) -> Result<(), QuorumError> {
    let fail = |action, path: &Path| {
        let path = path.to_owned();
        move |source| QuorumError::Io { action, path, source }
    };
    let missing = dir.ancestors().take_while(|dir| !dir.as_os_str().is_empty() && !disk.exists(dir));
    let parents: Vec<_> = missing.filter_map(Path::parent).filter(|parent| !parent.as_os_str().is_empty()).collect();
    disk.create_dir_all(dir).map_err(fail("creating", dir))?;
    parents.into_iter().rev().try_for_each(|parent| disk.sync_dir(parent).map_err(fail("syncing", parent)))
}

fn holds_segments(disk: &dyn Disk, dir: &Path) -> Result<bool, QuorumError> {
    let list = disk.list(dir);
    let list = list.map_err(|source| QuorumError::Io { action: "listing", path: dir.to_owned(), source })?;
    Ok(list.iter().any(|entry| entry.name.ends_with(".log") && entry.len > 0))
}

impl raft::Storage for Store {
    fn initial_state(&self) -> raft::Result<RaftState> {
        let PersistedState { term, vote, commit, .. } = self.state;
        let hard = HardState { term, vote, commit, ..HardState::default() };
        Ok(RaftState::new(hard, self.conf_state()))
    }

    fn entries(
        &self,
        low: u64,
        high: u64,
        max_size: impl Into<Option<u64>>,
        _context: GetEntriesContext,
    ) -> raft::Result<Vec<Entry>> {
        if low < self.first() {
            return Err(StorageError::Compacted.into());
        }
        let max_bytes = max_size.into().map_or(usize::MAX, |max| usize::try_from(max).unwrap_or(usize::MAX));
        self.read(low, high, max_bytes).map_err(|error| {
            *self.failure.borrow_mut() = Some(error);
            StorageError::LogTemporarilyUnavailable.into()
        })
    }

    fn term(&self, index: u64) -> raft::Result<u64> {
        self.term_of(index).ok_or_else(|| StorageError::Compacted.into())
    }

    fn first_index(&self) -> raft::Result<u64> {
        Ok(self.first())
    }

    fn last_index(&self) -> raft::Result<u64> {
        Ok(self.last())
    }

    fn snapshot(&self, request_index: u64, _to: u64) -> raft::Result<Snapshot> {
        let unavailable = || raft::Error::Store(StorageError::SnapshotTemporarilyUnavailable);
        if request_index > self.snapshot.0 {
            return Err(unavailable());
        }
        match self.read_snapshot() {
            Ok(Some(file)) => {
                let mut snapshot = Snapshot { data: file.data, ..Snapshot::default() };
                let meta = snapshot.mut_metadata();
                (meta.index, meta.term) = (file.index, file.term);
                meta.set_conf_state(conf_state(&file.voters));
                Ok(snapshot)
            }
            Ok(None) => Err(unavailable()),
            Err(error) => {
                *self.failure.borrow_mut() = Some(error);
                Err(unavailable())
            }
        }
    }
}
