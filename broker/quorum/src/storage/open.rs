//! Opening: what is on the disk is brought in line, or refused.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use odradek_log::Disk;

use super::Store;
use crate::config::{QuorumConfig, Voter, ids};
use crate::disk_log::DiskLog;
use crate::error::QuorumError;
use crate::snapshot_file;
use crate::state_file::{self, PersistedState, PersistedVoter};
use crate::terms::Terms;

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
}

fn persisted(voters: &BTreeMap<u64, Voter>) -> Vec<PersistedVoter> {
    let directory = |voter: &Voter| voter.directory_id.map(|id| Bytes::copy_from_slice(&id)).unwrap_or_default();
    voters.iter().map(|(id, voter)| PersistedVoter { id: *id, directory_id: directory(voter) }).collect()
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
