//! A turn of the loop: ticks, what the quorum gives, and snapshots.

use odradek_core::metadata::image::Image;
use odradek_core::metadata::record::Record;
use odradek_core::metadata::rpc::ControllerResponse;
use odradek_core::time::Now;
use odradek_probe::reached;
use odradek_quorum::{Entry, Snapshot};

use super::error::ControllerError;
use super::event::ControllerCommand;
use super::lead::Lead;
use super::peer::Payload;
use super::{ControllerNode, entry};

/// A process that slept does not catch up on its ticks: it would start elections over messages that wait to be read.
const MOST_TICKS: u32 = 2;

impl ControllerNode {
    /// Does what is due at `now`, and carries everything as far as it goes.
    pub(super) fn turn(&mut self, now: Now, out: &mut Vec<ControllerCommand>) -> Result<(), ControllerError> {
        self.tick_quorum(now);
        self.tick_controller(now);
        loop {
            let ready = self.quorum.ready(now.wall_ms)?;
            if let Some(snapshot) = ready.snapshot {
                self.load(&snapshot)?;
            }
            for entry in &ready.committed {
                self.apply(entry, out)?;
            }
            // Before leadership is given up: the change may be what it is given up for.
            self.finish_change(out);
            if ready.lost_leadership {
                reached("controller lost its leadership");
                self.lose_leadership(out);
            }
            if let Some(term) = ready.became_leader {
                // The last entry is the one with which this leader begins.
                self.lead = Some(Lead::new(term, self.quorum.next_index() - 1));
                self.progress.clear();
                self.begin_to_hear(now);
            }
            self.send(ready.messages, out);
            if self.activate(now, out) {
                continue;
            }
            let before = self.quorum.next_index();
            self.drive_change(now, out);
            self.look_around(now, out);
            if self.quorum.next_index() == before {
                break;
            }
        }
        self.snapshot_if_due(now)?;
        self.answer_fetches(now, out);
        self.stop_if_done(now, out);
        Ok(())
    }

    fn tick_quorum(&mut self, now: Now) {
        let alone = self.quorum.is_alone();
        if self.next_tick.is_none() && !alone {
            self.next_tick = Some(now.mono_ms + self.config.tick_ms);
        } else if alone {
            self.next_tick = None;
        }
        let Some(mut next) = self.next_tick else { return };
        for _ in 0..MOST_TICKS {
            if next > now.mono_ms {
                break;
            }
            self.quorum.tick();
            next += self.config.tick_ms;
        }
        self.next_tick = Some(if next > now.mono_ms { next } else { now.mono_ms + self.config.tick_ms });
    }

    fn send(&self, messages: Vec<(u64, bytes::Bytes)>, out: &mut Vec<ControllerCommand>) {
        for (to, message) in messages {
            let message = self.sealed(Payload::Raft(message));
            out.push(ControllerCommand::Send { to, message });
        }
    }

    fn load(&mut self, snapshot: &Snapshot) -> Result<(), ControllerError> {
        let index = snapshot.index;
        let records = entry::decode(&snapshot.data).map_err(|reason| ControllerError::Entry { index, reason })?;
        let image = Image::from_records(index, &records);
        self.image = image.map_err(|source| ControllerError::Apply { index, source })?;
        self.window.reset(index + 1);
        (self.records_since, self.bytes_since) = (0, 0);
        tracing::info!(index, records = records.len(), "metadata snapshot loaded");
        self.check_cluster_id()
    }

    fn apply(&mut self, entry: &Entry, out: &mut Vec<ControllerCommand>) -> Result<(), ControllerError> {
        let index = entry.index;
        let records = entry::decode(&entry.data).map_err(|reason| ControllerError::Entry { index, reason })?;
        for record in &records {
            self.image.apply(index, record).map_err(|source| ControllerError::Apply { index, source })?;
        }
        self.image.advance_to(index);
        self.window.push(index, &records);
        self.records_since += records.len() as u64;
        self.bytes_since += entry.data.len() as u64;
        if !records.is_empty() {
            self.check_cluster_id()?;
            self.forget_gone_brokers(&records);
        }
        self.release(entry, out);
        Ok(())
    }

    /// Answers that waited for this entry, which is committed.
    fn release(&mut self, entry: &Entry, out: &mut Vec<ControllerCommand>) {
        let Some(lead) = &mut self.lead else { return };
        while let Some(reply) = lead.pending.pop_front_if(|reply| reply.index <= entry.index) {
            // Another leader's entry stands where ours was to be: ours is lost.
            let ours = reply.index == entry.index && entry.term == lead.term;
            let response = if ours { reply.response } else { ControllerResponse::not_controller(-1) };
            out.push(ControllerCommand::Reply { request: reply.request, response });
        }
    }

    fn lose_leadership(&mut self, out: &mut Vec<ControllerCommand>) {
        let leader_id = self.leader_id();
        let Some(lead) = self.lead.take() else { return };
        tracing::info!(
            node = self.config.node_id,
            term = lead.term,
            leader_id,
            "this controller does not lead any more"
        );
        self.progress.clear();
        self.unclean_elections += lead.unclean_elections();
        self.give_up_change(leader_id, out);
        for request in lead.unanswered() {
            let response = ControllerResponse::not_controller(leader_id);
            out.push(ControllerCommand::Reply { request, response });
        }
    }

    fn check_cluster_id(&self) -> Result<(), ControllerError> {
        match (self.image.cluster_id(), &self.config.cluster_id) {
            (Some(stored), Some(configured)) if stored != configured => Err(ControllerError::InconsistentClusterId {
                stored: stored.to_owned(),
                configured: configured.clone(),
            }),
            _ => Ok(()),
        }
    }

    fn forget_gone_brokers(&mut self, records: &[Record]) {
        use odradek_core::metadata::record::Change;
        for record in records {
            if let Some(Change::UnregisterBroker(gone)) = &record.change {
                self.progress.forget_broker(gone.broker_id);
            }
        }
    }

    fn snapshot_if_due(&mut self, now: Now) -> Result<(), ControllerError> {
        let due = self.records_since >= self.config.snapshot_every_records
            || self.bytes_since >= self.config.snapshot_every_bytes;
        // An image without records has nothing to say, and entries without records cost nothing.
        if !due || self.records_since == 0 {
            return Ok(());
        }
        reached("metadata snapshot written");
        let data = entry::encode(&self.image.to_records());
        tracing::info!(index = self.image.offset(), bytes = data.len(), "metadata snapshot");
        self.quorum.compact(self.image.offset(), data.into(), now.wall_ms)?;
        self.snapshots_written += 1;
        (self.records_since, self.bytes_since) = (0, 0);
        Ok(())
    }

    fn stop_if_done(&mut self, now: Now, out: &mut Vec<ControllerCommand>) {
        let Some(patience) = self.stopping else { return };
        let pending = self.lead.as_ref().is_some_and(|lead| !lead.pending.is_empty());
        let leads = self.lead.is_some() && !self.quorum.is_alone();
        if (!leads && !pending) || patience <= now.mono_ms {
            self.lose_leadership(out);
            self.ended = true;
            out.push(ControllerCommand::Stopped);
        }
    }
}
