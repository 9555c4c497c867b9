//! Decisions become entries, and entries release answers.

use odradek_core::metadata::controller::Controller;
use odradek_core::metadata::record::Record;
use odradek_core::metadata::rpc::{ControllerResponse, Request, Response};
use odradek_core::time::Now;

use super::event::ControllerCommand;
use super::lead::{HeldRequest, Lead, PendingReply};
use super::{ControllerNode, cluster_id, entry};
use crate::event::RequestId;

impl ControllerNode {
    /// Decides on a request; its answer waits for its entry. Only called while this node is active.
    pub(super) fn decide(&mut self, now: Now, held: HeldRequest, out: &mut Vec<ControllerCommand>) {
        let offset = self.quorum.next_index();
        let Some(lead) = &mut self.lead else { return };
        let Some(controller) = &mut lead.controller else { return };
        let decision = controller.handle(now, offset, &held.body);
        if let Some(Request::RegisterBroker(register)) = &held.body.request {
            let records = decision.entries.iter().map(Vec::len).sum::<usize>();
            tracing::info!(broker = register.broker_id, records, "broker registers");
        }
        for (offset, records) in (offset..).zip(&decision.entries) {
            if !self.propose(offset, records) {
                // The decision (or its rest) stands in the speculative image only, and that is gone.
                let response = ControllerResponse::not_controller(-1);
                out.push(ControllerCommand::Reply { request: held.request, response });
                return;
            }
        }
        self.reply_when_committed(held.request, decision.response, out);
    }

    /// An answer goes out once everything proposed so far is committed and applied.
    fn reply_when_committed(
        &mut self,
        request: RequestId,
        mut response: ControllerResponse,
        out: &mut Vec<ControllerCommand>,
    ) {
        let Some(lead) = &mut self.lead else { return };
        if let Some(Response::Forward(forward)) = &mut response.response {
            forward.metadata_offset = lead.proposed;
        }
        if lead.proposed <= self.image.offset() {
            out.push(ControllerCommand::Reply { request, response });
        } else {
            lead.pending.push_back(PendingReply { index: lead.proposed, request, response });
        }
    }

    /// Proposes the records as entry `offset`. False when it was not taken: then the controller is built anew, from
    /// what is committed, once all that was proposed is.
    fn propose(&mut self, offset: u64, records: &[Record]) -> bool {
        let proposed = self.quorum.propose(entry::encode(records));
        let Some(lead) = &mut self.lead else { return false };
        match proposed {
            Ok(index) if index == offset => {
                lead.proposed = index;
                true
            }
            Ok(index) => {
                tracing::error!(index, offset, "an entry got another place than expected");
                lead.proposed = index;
                lead.controller = None;
                false
            }
            Err(error) => {
                tracing::warn!(%error, records = records.len(), "a decision was not taken into the metadata log");
                lead.controller = None;
                false
            }
        }
    }

    /// What the controller decides by itself at its time.
    pub(super) fn tick_controller(&mut self, now: Now) {
        let offset = self.quorum.next_index();
        let Some(controller) = self.lead.as_mut().and_then(|lead| lead.controller.as_mut()) else { return };
        controller.awake(now);
        if controller.next_deadline().is_none_or(|deadline| deadline > now.mono_ms) {
            return;
        }
        let records = controller.tick(now, offset);
        if !records.is_empty() {
            self.propose(offset, &records);
        }
    }

    /// The leader begins to decide once its own first entry is applied: its image is complete then, and nothing has
    /// to be read again. True when it began just now.
    pub(super) fn activate(&mut self, now: Now, out: &mut Vec<ControllerCommand>) -> bool {
        let applied = self.image.offset();
        let ready = |lead: &Lead| lead.controller.is_none() && lead.proposed <= applied;
        if self.stopping.is_some() || !self.lead.as_ref().is_some_and(ready) {
            return false;
        }
        let mut config = self.config.controller.clone();
        let known = self.image.cluster_id().or(self.config.cluster_id.as_deref());
        config.cluster_id = known.map_or_else(|| cluster_id::generate(self.seed), str::to_owned);
        let mut held = Vec::new();
        if let Some(lead) = &mut self.lead {
            config.seed = cluster_id::splitmix(self.seed ^ cluster_id::splitmix(applied ^ lead.term.rotate_left(32)));
            odradek_probe::reached("controller became active");
            tracing::info!(node = self.config.node_id, term = lead.term, applied, "this controller is active");
            let mut controller = Controller::new(self.image.clone(), config, now);
            // The first records of a new cluster come before anything that is asked of it.
            let records = controller.tick(now, self.quorum.next_index());
            // A broker in the process of a controller that is gone is gone too, unless it says something.
            for peer in &self.unreachable {
                if let Ok(id) = i32::try_from(*peer) {
                    controller.broker_disconnected(now, id);
                }
            }
            lead.controller = Some(controller);
            held = std::mem::take(&mut lead.held);
            if !records.is_empty() {
                self.propose(self.quorum.next_index(), &records);
            }
        }
        for held in held {
            self.lead_request(now, held, out);
        }
        true
    }
}
