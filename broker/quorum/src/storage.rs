//! This node's log, snapshot and vote, and how they get onto the disk.

mod open;
mod recover;
mod view;

pub use recover::Recovered;

use std::cell::RefCell;
use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use odradek_log::Disk;
use prost::Message as _;
use raft::eraftpb::{Entry, HardState, Snapshot};

use crate::disk_log::DiskLog;
use crate::entry::OVERHEAD;
use crate::error::QuorumError;
use crate::member::{Member, named_at};
use crate::snapshot_file::{self, SnapshotFile};
use crate::state_file::{self, PersistedState};
use crate::terms::Terms;

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
    fn write_state(&mut self, state: PersistedState) -> Result<(), QuorumError> {
        if state != self.state {
            state_file::write(self.disk.as_ref(), &self.dir, &state)?;
            self.state = state;
        }
        Ok(())
    }

    /// The disk that it is on.
    pub(crate) fn disk(&self) -> Arc<dyn Disk> {
        self.disk.clone()
    }

    /// The folder that it is in.
    pub(crate) fn dir(&self) -> PathBuf {
        self.dir.clone()
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

    /// Everybody who takes part, in no order that means anything.
    pub(crate) fn members(&self) -> &[Member] {
        &self.state.voters
    }

    /// The entry that named the members as they are; 0 before the quorum has formed.
    pub(crate) fn members_index(&self) -> u64 {
        self.state.voters_index
    }

    /// This controller's id in the library.
    pub(crate) fn raft_id(&self) -> u64 {
        self.state.raft_id
    }

    /// This folder's id.
    pub(crate) fn directory_id(&self) -> &Bytes {
        &self.state.directory_id
    }

    /// How often the quorum was begun anew.
    pub(crate) fn generation(&self) -> u64 {
        self.state.generation
    }

    /// Who takes part from entry `index` on, which is committed.
    pub(crate) fn set_members(&mut self, members: Vec<Member>, index: u64) -> Result<(), QuorumError> {
        let commit = self.state.commit.max(index.min(self.last()));
        self.write_state(PersistedState { voters: members, voters_index: index, commit, ..self.state.clone() })
    }

    /// Takes another id in the library: this disk is not the one that the members' list knows under the first one.
    /// Nothing is known of the members then.
    pub(crate) fn set_raft_id(&mut self, raft_id: u64) -> Result<(), QuorumError> {
        let mut state = PersistedState { raft_id, vote: 0, ..self.state.clone() };
        if state.voters_index == 0 {
            state.voters.clear();
        }
        self.write_state(state)
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

    /// Takes over a snapshot from the leader: it replaces the whole log. Returns its state.
    pub(crate) fn install(&mut self, snapshot: &Snapshot) -> Result<Bytes, QuorumError> {
        let meta = snapshot.get_metadata();
        let unreadable = |reason| QuorumError::Snapshot { index: meta.index, reason };
        let file = SnapshotFile::decode(snapshot.data.clone()).map_err(|error| unreadable(error.to_string()))?;
        if (file.index, file.term) != (meta.index, meta.term) {
            return Err(unreadable(format!("it holds entry {} of term {}", file.index, file.term)));
        }
        snapshot_file::write(self.disk.as_ref(), &self.dir, &file, false)?;
        self.snapshot = (meta.index, meta.term);
        let state = PersistedState {
            term: self.state.term.max(meta.term),
            vote: if meta.term > self.state.term { 0 } else { self.state.vote },
            commit: meta.index,
            voters_index: named_at(&file.voters, meta.index),
            voters: file.voters,
            generation: file.generation,
            ..self.state.clone()
        };
        self.forget_log(meta.index, meta.term)?;
        self.write_state(state)?;
        Ok(file.data)
    }

    /// Writes a snapshot of what is applied up to `index`, and drops what the log holds before the snapshot that was
    /// there before, but for `keep` entries.
    pub(crate) fn compact(&mut self, index: u64, data: Bytes, keep: u64, wall_ms: i64) -> Result<(), QuorumError> {
        let Some(term) = self.term_of(index).filter(|_| index > self.snapshot.0) else { return Ok(()) };
        if self.state.voters_index > index {
            // The members at that entry are not known any more; the next snapshot is not far.
            return Ok(());
        }
        let (voters, generation) = (self.state.voters.clone(), self.state.generation);
        let file = SnapshotFile { index, term, voters, data, generation };
        snapshot_file::write(self.disk.as_ref(), &self.dir, &file, true)?;
        // The one before is kept, with the entries behind it, in case the newest does not check one day.
        let previous = std::mem::replace(&mut self.snapshot, (index, term)).0;
        self.set_commit(self.state.commit.max(index))?;
        let first = (previous + 1).saturating_sub(keep).max(1);
        if first > self.log.start() {
            self.log.drop_before(first, wall_ms)?;
            self.terms.drop_before(self.log.start());
        }
        self.trim(index);
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
}

fn size(entry: &Entry) -> usize {
    entry.data.len() + entry.context.len() + OVERHEAD
}
