//! Beginning anew after a loss: the log of one voter becomes the quorum's.

use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use odradek_log::Disk;

use super::Store;
use crate::config::QuorumConfig;
use crate::error::QuorumError;
use crate::member::Member;
use crate::ready::{Entry, Snapshot};
use crate::snapshot_file::{self, SnapshotFile};
use crate::state_file::PersistedState;

/// Entries that are left out between the old log and the new one: nobody can have followed the old one that far, so
/// everybody who followed it gets the new state as a whole.
const GAP: u64 = 1_000_000;

/// What a disk holds of a quorum, and what beginning anew with it made of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recovered {
    /// The last entry of the log.
    pub last_index: u64,
    /// Its term.
    pub last_term: u64,
    /// Entries up to here are known to be committed by what is on this disk; those behind may never have been.
    pub known_committed: u64,
    /// The voters so far.
    pub voters: Vec<Member>,
    /// Where the new log begins.
    pub begins: u64,
    /// The term in which it begins.
    pub term: u64,
    /// How often the quorum was begun anew, this time included.
    pub generation: u64,
}

impl Store {
    /// What the disk holds, without changing what it says.
    pub(crate) fn look(
        disk: Arc<dyn Disk>,
        dir: PathBuf,
        config: &QuorumConfig,
        wall_ms: i64,
    ) -> Result<(Store, Option<Snapshot>, Vec<Entry>, Recovered), QuorumError> {
        let store = Store::open(disk, dir, config, wall_ms)?;
        let snapshot = store.read_snapshot()?;
        let from = snapshot.as_ref().map_or(0, |file| file.index) + 1;
        let entries = store.log.read(from.max(store.first()), store.log.end(), usize::MAX)?;
        let last = store.last();
        let voters = store.members().iter().filter(|member| !member.observer).cloned().collect();
        let found = Recovered {
            last_index: last,
            last_term: store.term_of(last).unwrap_or(store.state.term),
            known_committed: store.stored_commit(),
            voters,
            begins: last + GAP,
            term: store.state.term + 1,
            generation: store.generation() + 1,
        };
        let snapshot = snapshot.map(|file| Snapshot { index: file.index, term: file.term, data: file.data });
        let entries = entries
            .into_iter()
            .map(|entry| Entry {
                index: entry.index,
                term: entry.term,
                data: if crate::quorum::is_data(&entry) { entry.data } else { Bytes::new() },
            })
            .collect();
        Ok((store, snapshot, entries, found))
    }

    /// Makes this controller the only voter of a quorum that begins with `data`.
    pub(crate) fn begin_anew(
        &mut self,
        plan: &Recovered,
        config: &QuorumConfig,
        data: Bytes,
    ) -> Result<(), QuorumError> {
        let known = self.state.voters.iter().find(|member| member.is(config.node_id, &self.state.directory_id));
        let endpoints = match config.voters.get(&config.node_id) {
            Some(endpoints) if !endpoints.is_empty() => endpoints.clone(),
            _ => known.map(|member| member.endpoints.clone()).unwrap_or_default(),
        };
        let alone = Member {
            id: config.node_id,
            directory_id: self.state.directory_id.clone(),
            raft_id: self.state.raft_id,
            endpoints,
            observer: false,
        };
        let (index, term, generation) = (plan.begins, plan.term, plan.generation);
        let file = SnapshotFile { index, term, voters: vec![alone.clone()], data, generation };
        // From here on an interrupted call is completed by the next opening: the snapshot stands for everything.
        snapshot_file::write(self.disk.as_ref(), &self.dir, &file, false)?;
        self.snapshot = (index, term);
        self.forget_log(index, term)?;
        self.write_state(PersistedState {
            term,
            vote: 0,
            commit: index,
            voters: vec![alone],
            voters_index: index,
            generation,
            ..self.state.clone()
        })?;
        self.log.close()
    }
}
