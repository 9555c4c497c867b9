//! What the library reads.

use raft::eraftpb::{ConfState, Entry, HardState, Snapshot};
use raft::{GetEntriesContext, RaftState, StorageError};

use prost::Message as _;

use super::{Store, size};
use crate::error::QuorumError;
use crate::member::Member;
use crate::state_file::PersistedState;

impl Store {
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

pub(super) fn conf_state(members: &[Member]) -> ConfState {
    let (observers, voters): (Vec<_>, Vec<_>) = members.iter().partition(|member| member.observer);
    let mut state = ConfState::default();
    state.set_voters(voters.into_iter().map(Member::raft).collect());
    state.set_learners(observers.into_iter().map(Member::raft).collect());
    state
}

impl raft::Storage for Store {
    fn initial_state(&self) -> raft::Result<RaftState> {
        let PersistedState { term, vote, commit, .. } = self.state;
        let hard = HardState { term, vote, commit, ..HardState::default() };
        Ok(RaftState::new(hard, conf_state(&self.state.voters)))
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

    fn snapshot(&self, request_index: u64, to: u64) -> raft::Result<Snapshot> {
        let unavailable = || raft::Error::Store(StorageError::SnapshotTemporarilyUnavailable);
        if request_index > self.snapshot.0 {
            return Err(unavailable());
        }
        match self.read_snapshot() {
            Ok(Some(file)) => {
                // All of it: the library's own fields have no room for the members' disks and addresses.
                let mut snapshot = Snapshot { data: file.encode_to_vec().into(), ..Snapshot::default() };
                let meta = snapshot.mut_metadata();
                (meta.index, meta.term) = (file.index, file.term);
                let mut members = conf_state(&file.voters);
                // Who came later than the snapshot is not in it, and the library takes none that lacks itself. The
                // entries behind the snapshot say what it is.
                if !members.voters.contains(&to) && !members.learners.contains(&to) {
                    members.learners.push(to);
                }
                meta.set_conf_state(members);
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
