//! Opening: what is on the disk is brought in line, or refused.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use odradek_log::Disk;

use super::Store;
use crate::config::{QuorumConfig, ids};
use crate::disk_log::DiskLog;
use crate::error::QuorumError;
use crate::member::{Member, draw_directory_id, drawn_raft_id, initial_raft_id, named_at};
use crate::snapshot_file::{self, Damaged, SnapshotFile};
use crate::state_file::{self, PersistedState};
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
        let (snapshot, damaged) = snapshot_file::read_newest(disk.as_ref(), &dir)?;
        let known = state_file::read(disk.as_ref(), &dir, config.node_id)?;
        let missing = known.is_none();
        let state = match known {
            Some(state) => own(state, &dir, config)?,
            None => {
                let state = blank(config);
                // Before the log, so that a log without its vote can only mean that the vote was lost.
                if snapshot.is_none() && damaged.is_none() && !holds_segments(disk.as_ref(), &dir)? {
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
        match damaged {
            None => store.read_log()?,
            Some(damaged) => store.read_log_without(damaged)?,
        }
        let path = store.dir.join(state_file::NAME);
        if missing && store.last() > 0 {
            let reason = format!("it is not there, and the log holds entries up to {}", store.last());
            return Err(QuorumError::Damaged { path, reason });
        }
        store.settle_state(snapshot, config)?;
        Ok(store)
    }

    /// The newest snapshot does not check: what is before it, and the log, may stand for it.
    fn read_log_without(&mut self, damaged: Damaged) -> Result<(), QuorumError> {
        let from = self.snapshot.0 + 1;
        if self.log.start() > from || self.log.end() <= from {
            return Err(damaged.error);
        }
        self.read_log()?;
        let (snapshot, last) = (self.snapshot.0, self.last());
        if self.state.commit > last {
            return Err(damaged.error);
        }
        tracing::error!(
            snapshot,
            last,
            "{}; the snapshot before it and the log behind that one stand for it, and the file is set aside",
            damaged.error
        );
        snapshot_file::set_aside(self.disk.as_ref(), &damaged.path)
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
    fn settle_state(&mut self, snapshot: Option<SnapshotFile>, config: &QuorumConfig) -> Result<(), QuorumError> {
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
        let initial = state.raft_id == initial_raft_id(config.node_id);
        match snapshot {
            Some(file) if state.voters_index <= self.snapshot.0 => {
                state.voters_index = named_at(&file.voters, self.snapshot.0);
                (state.voters, state.generation) = (file.voters, file.generation);
            }
            _ if state.voters_index > 0 || !initial => {}
            _ if state.voters.is_empty() || state.commit == 0 => {
                let initial = config.voters.iter();
                state.voters = initial.map(|(id, at)| Member::initial(*id, at.clone())).collect();
            }
            _ => {}
        }
        let configured: Vec<u64> = config.voters.keys().copied().collect();
        let mut stored: Vec<u64> =
            state.voters.iter().filter(|member| !member.observer).map(|member| member.id).collect();
        stored.sort_unstable();
        if !configured.is_empty() && !stored.is_empty() && configured != stored {
            tracing::warn!(
                configured = ids(configured),
                stored = ids(stored),
                "controller.quorum.voters differs from the voters of the quorum; the latter count"
            );
        }
        self.write_state(state)
    }
}

/// What a new folder begins with.
fn blank(config: &QuorumConfig) -> PersistedState {
    let given = config.directory_id.map(|id| Bytes::copy_from_slice(&id));
    let directory_id = given.unwrap_or_else(|| draw_directory_id(config.seed, config.node_id));
    let raft_id = match config.voters.contains_key(&config.node_id) {
        true => initial_raft_id(config.node_id),
        false => drawn_raft_id(config.node_id, &directory_id),
    };
    PersistedState { node_id: config.node_id, raft_id, directory_id, ..PersistedState::default() }
}

/// Checks that the folder is the one that the process takes it for.
fn own(mut state: PersistedState, dir: &Path, config: &QuorumConfig) -> Result<PersistedState, QuorumError> {
    let fresh = blank(config);
    if state.raft_id == 0 {
        state.raft_id = initial_raft_id(config.node_id);
    }
    if state.directory_id.is_empty() {
        state.directory_id = fresh.directory_id;
    } else if config.directory_id.is_some() && state.directory_id != fresh.directory_id {
        return Err(QuorumError::OtherDirectory { path: dir.join(state_file::NAME) });
    }
    Ok(state)
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
