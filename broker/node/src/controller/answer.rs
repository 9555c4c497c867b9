//! Events: who asks what, and who may answer.

use bytes::Bytes;
use odradek_core::metadata::controller::QuorumView;
use odradek_core::metadata::rpc::{
    ControllerNodeEndpoint, ControllerRequest, ControllerResponse, FetchMetadataRequest, FetchMetadataResponse,
    RaftResponse, Request,
};
use odradek_core::time::Now;
use odradek_quorum::{Member, StepError, VoterStatus};
use odradek_wire::ResponseError;

use super::error::ControllerError;
use super::event::{ControllerCommand, ControllerEvent};
use super::fetches::WaitingFetch;
use super::lead::{HeldRequest, MOST_HELD};
use super::peer::Payload;
use super::{ControllerNode, describe, peer, supported, voters};
use crate::event::RequestId;

/// Kafka's key of IncrementalAlterConfigs.
const ALTER_CONFIGS: i32 = 44;

/// No FetchMetadata waits longer, whatever it asks for.
const LONGEST_WAIT_MS: u64 = 60_000;

impl ControllerNode {
    /// Takes an event; what comes of it is on disk and on its way only after [`ControllerNode::turn`].
    pub(super) fn accept(
        &mut self,
        now: Now,
        event: ControllerEvent,
        out: &mut Vec<ControllerCommand>,
    ) -> Result<(), ControllerError> {
        match event {
            ControllerEvent::Request { request, connection, body } => {
                self.request(now, request, connection, body, out)?
            }
            ControllerEvent::ConnectionClosed { connection } => self.connection_closed(now, connection),
            ControllerEvent::PeerMessage { from, message } => {
                let _ = self.peer_message(now, from, message, out)?;
            }
            ControllerEvent::PeerUnreachable { peer } => {
                self.unreachable.insert(peer);
                self.quorum.unreachable(peer);
            }
            ControllerEvent::Shutdown => self.shutdown(now),
            // What is due is done in every turn.
            ControllerEvent::Timer => {}
        }
        Ok(())
    }

    fn request(
        &mut self,
        now: Now,
        request: RequestId,
        connection: u64,
        body: ControllerRequest,
        out: &mut Vec<ControllerCommand>,
    ) -> Result<(), ControllerError> {
        match body.request {
            None => {
                let error_code = i32::from(ResponseError::InvalidRequest.code());
                let response = ControllerResponse { error_code, leader_id: self.leader_id(), response: None };
                out.push(ControllerCommand::Reply { request, response });
            }
            Some(Request::Raft(raft)) => {
                let mut response = ControllerResponse::from(RaftResponse {});
                if !self.peer_message(now, raft.from, raft.message.into(), out)? {
                    response.error_code = i32::from(ResponseError::InconsistentClusterId.code());
                }
                out.push(ControllerCommand::Reply { request, response });
            }
            Some(Request::FetchMetadata(fetch)) => self.fetch(now, request, connection, fetch, out),
            Some(Request::Forward(forward)) if forward.api_key == describe::CLUSTER => {
                let response = describe::cluster(&forward, &self.view(now)).into();
                out.push(ControllerCommand::Reply { request, response });
            }
            Some(_) => self.lead_request(now, HeldRequest { request, connection, body }, out),
        }
        Ok(())
    }

    /// A request that only the active controller answers.
    pub(super) fn lead_request(&mut self, now: Now, held: HeldRequest, out: &mut Vec<ControllerCommand>) {
        let leader_id = self.leader_id();
        let stopping = self.stopping.is_some();
        let request = held.request;
        match &mut self.lead {
            Some(lead) if lead.controller.is_some() && !stopping => {}
            Some(lead) if lead.controller.is_none() && !stopping && lead.held.len() < MOST_HELD => {
                lead.held.push(held);
                return;
            }
            _ => {
                // Not itself, of which it knows that it does not decide (now).
                let leader_id = if self.lead.is_some() { -1 } else { leader_id };
                let response = ControllerResponse::not_controller(leader_id);
                out.push(ControllerCommand::Reply { request, response });
                return;
            }
        }
        match &held.body.request {
            Some(Request::Forward(forward)) if forward.api_key == describe::QUORUM => {
                let response = describe::answer(forward.api_version, &forward.body, &self.view(now)).into();
                out.push(ControllerCommand::Reply { request, response });
                return;
            }
            Some(Request::Forward(forward)) if [voters::ADD, voters::REMOVE].contains(&forward.api_key) => {
                self.change_voters(now, request, forward, out);
                return;
            }
            Some(Request::Forward(forward)) if forward.api_key == supported::UPDATE_FEATURES => {
                let known = self.supported.controllers(&self.quorum);
                if let Some(controller) = self.lead.as_mut().and_then(|lead| lead.controller.as_mut()) {
                    controller.controllers_support(known);
                }
            }
            Some(Request::Forward(forward)) if forward.api_key == ALTER_CONFIGS => {
                let ids = self.quorum.members().iter().filter_map(|member| i32::try_from(member.id).ok()).collect();
                if let Some(controller) = self.lead.as_mut().and_then(|lead| lead.controller.as_mut()) {
                    controller.controllers_are(ids);
                }
            }
            Some(Request::RegisterBroker(register)) => {
                self.heartbeats.insert(held.connection, register.broker_id);
            }
            Some(Request::Heartbeat(heartbeat)) => {
                let (id, applied) = (heartbeat.broker_id, heartbeat.metadata_offset);
                self.heartbeats.insert(held.connection, id);
                self.progress.heard_of_broker(id, applied, self.image.offset(), now.wall_ms);
            }
            Some(Request::RestartSafety(_)) => {
                let view = self.quorum_view(now);
                if let Some(controller) = self.lead.as_mut().and_then(|lead| lead.controller.as_mut()) {
                    controller.quorum_is(view);
                }
            }
            _ => {}
        }
        self.decide(now, held, out);
    }

    /// Every voter, and whether it has all that is committed and was heard of within two election time-outs.
    fn quorum_view(&self, now: Now) -> QuorumView {
        let status = self.quorum.status();
        let patience =
            i64::try_from(2 * self.config.tick_ms * u64::from(self.config.election_ticks)).unwrap_or(i64::MAX);
        let id = |id: u64| i32::try_from(id).unwrap_or(i32::MAX);
        let caught_up = |voter: u64, state: &VoterStatus| {
            let directory = Bytes::copy_from_slice(&state.directory_id);
            let (heard_ms, _) = self.progress.controller(voter, &directory);
            let recent = state.recently_active || (heard_ms >= 0 && now.wall_ms - heard_ms <= patience);
            voter == status.node_id || (recent && state.match_index >= Some(status.commit_index))
        };
        QuorumView {
            node_id: id(status.node_id),
            voters: status.voters.iter().map(|(voter, state)| (id(*voter), caught_up(*voter, state))).collect(),
        }
    }

    fn connection_closed(&mut self, now: Now, connection: u64) {
        self.fetches.forget_connection(connection);
        let Some(broker_id) = self.heartbeats.remove(&connection) else { return };
        if self.heartbeats.values().any(|id| *id == broker_id) {
            return;
        }
        if let Some(controller) = self.lead.as_mut().and_then(|lead| lead.controller.as_mut()) {
            controller.broker_disconnected(now, broker_id);
        }
    }

    fn view(&self, now: Now) -> describe::View<'_> {
        describe::View {
            status: self.quorum.status(),
            members: self.quorum.members(),
            progress: &self.progress,
            image: &self.image,
            wall_ms: now.wall_ms,
        }
    }

    /// Takes a message of another controller. False when that one is of another cluster.
    fn peer_message(
        &mut self,
        now: Now,
        from: u64,
        message: Bytes,
        out: &mut Vec<ControllerCommand>,
    ) -> Result<bool, ControllerError> {
        let message = match peer::open(message) {
            Ok(message) => message,
            Err(error) => {
                tracing::warn!(from, %error, "a controller's message cannot be read");
                return Ok(true);
            }
        };
        let ours = self.image.cluster_id().or(self.config.cluster_id.as_deref());
        if let (Some(ours), Some(theirs)) = (ours, &message.cluster_id)
            && ours != theirs
        {
            // Once for each peer: it goes on sending.
            if self.foreign.insert(from) {
                tracing::error!(
                    from,
                    theirs,
                    ours,
                    "messages of a controller of another cluster are refused: check \
                     controller.quorum.bootstrap.servers, controller.quorum.voters and the folders of both"
                );
            }
            if let Some(Payload::Hello(hello)) = message.payload {
                self.take_hello(now, from, message.directory_id, hello, false, out);
            }
            return Ok(false);
        }
        self.unreachable.remove(&from);
        let directory_id = message.directory_id;
        self.supported.heard(from, message.features, &self.quorum);
        let raft = match message.payload {
            Some(Payload::Raft(raft)) => raft,
            Some(Payload::Hello(hello)) => {
                self.take_hello(now, from, directory_id, hello, true, out);
                return Ok(true);
            }
            Some(Payload::Welcome(welcome)) => {
                self.take_welcome(now, from, welcome, out)?;
                return Ok(true);
            }
            None => return Ok(true),
        };
        match self.quorum.step(&raft) {
            Ok(()) => {}
            Err(StepError::Fatal(error)) => return Err(error.into()),
            Err(
                error @ (StepError::WrongDirectory { .. } | StepError::Outdated { .. } | StepError::Stranger { .. }),
            ) => {
                // As long as a former disk's voter is not taken out, such messages go on.
                tracing::debug!(from, %error, "a controller's message was dropped");
                return Ok(true);
            }
            Err(error) => {
                tracing::warn!(from, %error, "a controller's message was dropped");
                return Ok(true);
            }
        }
        if self.lead.is_some() {
            let status = self.quorum.status();
            let known = [status.voters.get(&from), status.observers.get(&from)];
            let known = known.into_iter().flatten().find(|it| it.directory_id[..] == directory_id[..]);
            let caught_up = known.is_some_and(|voter| voter.match_index >= Some(status.last_index));
            self.progress.heard_of_controller(from, directory_id, caught_up, now.wall_ms);
        }
        Ok(true)
    }

    fn fetch(
        &mut self,
        now: Now,
        request: RequestId,
        connection: u64,
        fetch: FetchMetadataRequest,
        out: &mut Vec<ControllerCommand>,
    ) {
        let applied = fetch.from_offset.saturating_sub(1);
        if let Some(controller) = self.lead.as_mut().and_then(|lead| lead.controller.as_mut()) {
            controller.broker_has_applied(fetch.node_id, applied);
        }
        let waiting = WaitingFetch { request, connection, from: fetch.from_offset };
        let term = i64::try_from(self.quorum.term()).unwrap_or(i64::MAX);
        let newer_leader =
            self.quorum.leader().is_some() && fetch.leader_epoch.is_some_and(|known| (0..term).contains(&known));
        if fetch.from_offset.max(1) < self.window.end() || fetch.max_wait_ms == 0 || newer_leader {
            return self.answer_fetch(waiting, out);
        }
        let wait = u64::from(fetch.max_wait_ms).min(LONGEST_WAIT_MS);
        self.fetches.push(now.mono_ms + wait, waiting);
    }

    pub(super) fn answer_fetch(&mut self, fetch: WaitingFetch, out: &mut Vec<ControllerCommand>) {
        let page = self.window.page(fetch.from, self.config.fetch_bytes, &self.image);
        let response = FetchMetadataResponse {
            error_code: 0,
            leader_id: self.leader_id(),
            leader_epoch: i64::try_from(self.quorum.term()).unwrap_or(i64::MAX),
            high_watermark: self.image.offset(),
            snapshot: page.snapshot,
            batches: page.batches,
            controllers: self.controllers(),
        };
        out.push(ControllerCommand::Reply { request: fetch.request, response: response.into() });
    }

    /// The voters, for brokers that were not configured with them.
    fn controllers(&self) -> Vec<ControllerNodeEndpoint> {
        let voters = self.quorum.members().iter().filter(|member| !member.observer);
        let endpoint = |member: &Member| {
            let at = member.endpoints.first()?;
            let node_id = i32::try_from(member.id).ok()?;
            Some(ControllerNodeEndpoint { node_id, host: at.host.clone(), port: at.port })
        };
        let mut endpoints: Vec<_> = voters.filter_map(endpoint).collect();
        endpoints.sort_unstable_by_key(|at| at.node_id);
        endpoints
    }

    /// Brokers that wait are told what is new: entries, or another leader.
    pub(super) fn answer_fetches(&mut self, now: Now, out: &mut Vec<ControllerCommand>) {
        let leader = (self.quorum.leader(), self.quorum.term());
        let changed = leader != self.known_leader && leader.0.is_some();
        self.known_leader = if changed { leader } else { self.known_leader };
        for fetch in self.fetches.take_due(now.mono_ms, self.window.end(), changed) {
            self.answer_fetch(fetch, out);
        }
    }

    fn shutdown(&mut self, now: Now) {
        if self.stopping.is_none() {
            let patience = self.config.tick_ms * u64::from(self.config.election_ticks);
            self.stopping = Some(now.mono_ms + patience);
            self.quorum.transfer_leadership();
        }
    }
}
