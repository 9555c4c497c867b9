//! Following the committed metadata by offset: a long poll, with a snapshot when far behind.

use odradek_core::metadata::image::Image;
use odradek_core::metadata::record::decode_records;
use odradek_core::metadata::rpc::{FetchMetadataRequest, FetchMetadataResponse};
use odradek_core::time::Now;
use odradek_probe::reached;

use super::BrokerNode;
use super::calls::Pending;
use crate::event::Command;

/// How long a controller may hold an answer back while nothing is new.
const MAX_WAIT_MS: u32 = 2_000;
const RETRY_MS: u64 = 100;

/// How far this broker is.
#[derive(Debug)]
pub(super) struct MetadataFollower {
    applied: u64,
    in_flight: bool,
    /// How many fetches were sent; only the last one's answer counts.
    sent: u64,
    next_ms: u64,
    /// Everything that was committed before this broker registered has been seen.
    pub caught_up: bool,
}

impl MetadataFollower {
    pub fn new(now: Now) -> MetadataFollower {
        MetadataFollower { applied: 0, in_flight: false, sent: 0, next_ms: now.mono_ms, caught_up: false }
    }

    /// The last offset that was applied.
    pub fn applied(&self) -> u64 {
        self.applied
    }

    /// Whether the fetch with that number is the last one.
    pub fn is_last(&self, nth: u64) -> bool {
        self.sent == nth
    }

    pub fn next_deadline(&self) -> Option<u64> {
        (!self.in_flight).then_some(self.next_ms)
    }
}

impl BrokerNode {
    /// Another controller is the active one: it presumes this broker alive for a short while only, and knows what is
    /// new first. What is under way to another one is not waited for.
    pub(super) fn controller_changed(&mut self, now: Now) {
        tracing::debug!(controller = self.calls.active_controller(), "the active controller changed");
        self.lifecycle.ask_anew(now);
        self.follow.in_flight = false;
        self.follow.next_ms = now.mono_ms;
    }

    pub(super) fn follow_metadata(&mut self, now: Now, out: &mut Vec<Command>) {
        if self.follow.in_flight || now.mono_ms < self.follow.next_ms {
            return;
        }
        self.follow.in_flight = true;
        self.follow.sent += 1;
        let request = FetchMetadataRequest {
            node_id: self.config.node_id,
            from_offset: self.follow.applied + 1,
            max_wait_ms: MAX_WAIT_MS,
            leader_epoch: Some(self.calls.controller_epoch()),
        };
        let timeout = u64::from(MAX_WAIT_MS) + 3_000;
        self.call_controller(now, request.into(), timeout, Pending::FetchMetadata(self.follow.sent), out);
    }

    pub(super) fn metadata_failed(&mut self, now: Now, reason: &str) {
        tracing::debug!(reason, "metadata");
        self.follow.in_flight = false;
        self.follow.next_ms = now.mono_ms + RETRY_MS;
    }

    pub(super) fn metadata_answered(&mut self, now: Now, response: FetchMetadataResponse, out: &mut Vec<Command>) {
        if response.error_code != 0 {
            return self.metadata_failed(now, &format!("error {}", response.error_code));
        }
        if self.calls.learn_controller(now, response.leader_id, response.leader_epoch) {
            self.controller_changed(now);
        }
        let voters = response
            .controllers
            .iter()
            .filter_map(|voter| Some((voter.node_id, (voter.host.clone(), u16::try_from(voter.port).ok()?))));
        if self.calls.learn_voters(voters.collect()) {
            out.push(Command::Controllers(self.calls.voters().clone()));
        }
        let before = self.image.clone();
        if let Err(reason) = self.take_metadata(&response) {
            out.push(Command::Fatal { reason: format!("the controllers' metadata: {reason}"), exit_code: 1 });
            return;
        }
        self.follow.in_flight = false;
        self.follow.next_ms = now.mono_ms;
        // What was true at some time before this broker registered is no reason to lead or to follow anything.
        if self.follow.caught_up {
            self.image_changed(now, &before, out);
        }
        self.caught_up(now, out);
    }

    fn take_metadata(&mut self, response: &FetchMetadataResponse) -> Result<(), String> {
        if let Some(snapshot) = &response.snapshot
            && snapshot.offset > self.follow.applied
        {
            let records = decode_records(&snapshot.data)
                .map_err(|error| format!("the snapshot at offset {} cannot be read: {error}", snapshot.offset))?;
            let image = Image::from_records(snapshot.offset, &records).map_err(|error| error.to_string())?;
            reached("metadata snapshot taken by a broker");
            self.image = image;
            self.follow.applied = snapshot.offset;
        }
        for batch in &response.batches {
            if batch.offset <= self.follow.applied {
                continue;
            }
            let records = decode_records(&batch.records)
                .map_err(|error| format!("the entry at offset {} cannot be read: {error}", batch.offset))?;
            for record in &records {
                self.image.apply(batch.offset, record).map_err(|error| error.to_string())?;
            }
            self.follow.applied = batch.offset;
        }
        Ok(())
    }
}
