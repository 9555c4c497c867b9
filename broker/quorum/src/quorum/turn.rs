//! A turn: first onto the disk, then out.

use bytes::Bytes;
use odradek_probe::{Mutation, mutated, reached};
use protobuf::Message as _;
use raft::eraftpb::{self, EntryType, Message, MessageType};
use raft::{SnapshotStatus, StateRole};

use super::Quorum;
use crate::error::QuorumError;
use crate::ready::{Entry, Ready, Snapshot};

impl Quorum {
    /// Puts onto the device what has to be there, and then gives what may be acted upon.
    ///
    /// One call leads from a proposal of a lone voter to its commit. `wall_ms` is only for timestamps on disk.
    ///
    /// # Errors
    ///
    /// The disk failed, or the log holds what this release does not know. The process must stop.
    pub fn ready(&mut self, wall_ms: i64) -> Result<Ready, QuorumError> {
        if self.stopped {
            return Err(QuorumError::Stopped);
        }
        self.turn(wall_ms).inspect_err(|_| self.stopped = true)
    }

    fn turn(&mut self, wall_ms: i64) -> Result<Ready, QuorumError> {
        let mut out = Ready { snapshot: self.restored.take(), ..Ready::default() };
        self.given = out.snapshot.as_ref().map_or(self.given, |snapshot| snapshot.index);
        let mut messages = Vec::new();
        while self.node.has_ready() {
            let mut ready = self.node.ready();
            messages.extend(ready.take_messages());
            let store = self.node.mut_store();
            // The vote goes first: entries of a term whose vote is not known would look like another node's fault.
            if let Some(hard) = ready.hs() {
                store.set_hard_state(hard)?;
            }
            if !ready.snapshot().is_empty() {
                let snapshot = ready.snapshot();
                reached("metadata snapshot installed by a controller");
                let data = store.install(snapshot)?;
                let meta = snapshot.get_metadata();
                // What was applied before is part of it.
                out.committed.clear();
                out.snapshot = Some(Snapshot { index: meta.index, term: meta.term, data });
                self.given = meta.index;
            }
            store.append(ready.entries(), wall_ms)?;
            let committed = match mutated(Mutation::ApplyUncommitted) {
                true => ready.take_entries(),
                false => ready.take_committed_entries(),
            };
            messages.extend(ready.take_persisted_messages());
            let mut light = self.node.advance(ready);
            // Only now: the library counts what was put onto the device for a leader, which one of these may take out.
            self.commit(committed, &mut out)?;
            if !mutated(Mutation::ApplyUncommitted) {
                self.commit(light.take_committed_entries(), &mut out)?;
            }
            messages.extend(light.take_messages());
            self.node.advance_apply();
            self.step_down_if_out();
            self.lead_if_last();
            self.settle_leadership(&mut out);
            self.settle_timeout();
        }
        self.settle_leadership(&mut out);
        let (applied, committed) = (self.node.raft.raft_log.applied(), self.node.raft.raft_log.committed);
        let store = self.node.mut_store();
        store.trim(applied);
        // From the first commit on the voters on disk count, whatever the configuration says.
        if store.stored_commit() == 0 && committed > 0 {
            store.set_commit(committed.min(store.last()))?;
        }
        if let Some(failure) = store.take_failure() {
            return Err(failure);
        }
        self.send(messages, &mut out)?;
        Ok(out)
    }

    fn send(&mut self, messages: Vec<Message>, out: &mut Ready) -> Result<(), QuorumError> {
        for message in messages {
            if message.get_msg_type() == MessageType::MsgSnapshot {
                self.node.report_snapshot(message.to, SnapshotStatus::Finish);
            }
            let bytes = message.write_to_bytes().map_err(raft::Error::from)?;
            if let Some(to) = self.node_of(message.to) {
                out.messages.push((to, self.seal(message.to, bytes.into())));
            }
        }
        // By receiver, since the library goes through a hash map; the order for one receiver stays.
        out.messages.sort_by_key(|(to, _)| *to);
        Ok(())
    }

    /// Gives committed entries out; what they say about the members takes effect before anything else happens.
    fn commit(&mut self, entries: Vec<eraftpb::Entry>, out: &mut Ready) -> Result<(), QuorumError> {
        for entry in entries {
            self.apply_change(&entry)?;
            if entry.index <= self.given {
                continue;
            }
            self.given = entry.index;
            let data = if is_data(&entry) { entry.data } else { Bytes::new() };
            out.committed.push(Entry { index: entry.index, term: entry.term, data });
        }
        Ok(())
    }

    fn settle_leadership(&mut self, out: &mut Ready) {
        let leads = (self.node.raft.state == StateRole::Leader).then_some(self.node.raft.term);
        if leads == self.leads {
            return;
        }
        if self.leads.is_some() {
            out.lost_leadership = true;
            out.became_leader = None;
        }
        if leads.is_some() {
            out.became_leader = leads;
        }
        self.leads = leads;
    }
}

/// Whether an entry's data is the caller's.
pub(crate) fn is_data(entry: &eraftpb::Entry) -> bool {
    entry.get_entry_type() == EntryType::EntryNormal
}
