//! Calls to controllers and brokers, and what waits for their answers.

use std::collections::BTreeMap;

use odradek_core::metadata::rpc::{ControllerRequest, ControllerResponse, NOT_CONTROLLER, Response as Answer};
use odradek_core::replica::IsrProposal;
use odradek_core::time::Now;

use super::BrokerNode;
use super::admin::Forwarded;
use super::replication::FetchInFlight;
use crate::event::{CallError, CallId, Command, LogKey, Peer, PeerRequest, PeerResponse};

/// Calls to each controller that was told, without an answer, before those of the configuration are asked again.
const LOST_ALL: usize = 10;

/// What an answer is for.
#[derive(Debug)]
pub(super) enum Pending {
    /// Answers to all but the last of these, by their number, come too late.
    Register(u64),
    /// As above.
    Heartbeat(u64),
    /// As above.
    FetchMetadata(u64),
    AlterPartition(BTreeMap<LogKey, IsrProposal>),
    ProducerIds,
    Forward(Box<Forwarded>),
    /// A topic that a client or the coordinator wants, made by the controller.
    CreateTopic(String),
    ReplicaFetch(FetchInFlight),
    /// Partitions that cannot be written here.
    OfflineReplicas,
}

/// Calls under way, and which controller to ask.
#[derive(Debug, Default)]
pub(super) struct Calls {
    next: CallId,
    pending: BTreeMap<CallId, (Pending, Option<i32>)>,
    /// Told by a controller.
    active_controller: Option<i32>,
    /// The largest epoch of an active controller that was heard of.
    controller_epoch: i64,
    /// Did not answer: other controllers may name it as the active one for a while still.
    distrusted: Option<(i32, u64)>,
    /// Asked when nobody told, and moved on after a failure.
    turn: usize,
    /// Calls without an answer since the last one that had one.
    lost_in_a_row: usize,
    /// The voters as a controller told them; empty: those of the configuration.
    told: BTreeMap<i32, (String, u16)>,
}

/// For how long a controller that did not answer is not believed to be the active one, when others say so.
const DISTRUST_MS: u64 = 1_000;

impl Calls {
    /// As far as this broker knows.
    pub fn active_controller(&self) -> Option<i32> {
        self.active_controller
    }

    fn controller(&self, configured: &[i32]) -> Option<i32> {
        let told: Vec<i32> = self.told.keys().copied().collect();
        let controllers = if told.is_empty() { configured } else { &told };
        // Where all who were told are gone, the configuration may know others.
        let lost = self.lost_in_a_row >= LOST_ALL * controllers.len().max(1);
        let controllers = if lost { configured } else { controllers };
        self.active_controller
            .filter(|id| controllers.contains(id))
            .or_else(|| controllers.get(self.turn % controllers.len().max(1)).copied())
    }

    /// A controller says who the voters are. True when that is new.
    pub fn learn_voters(&mut self, voters: BTreeMap<i32, (String, u16)>) -> bool {
        self.lost_in_a_row = 0;
        if voters.is_empty() || voters == self.told {
            return false;
        }
        self.told = voters;
        true
    }

    /// What was told last.
    pub fn voters(&self) -> &BTreeMap<i32, (String, u16)> {
        &self.told
    }

    /// The largest epoch of an active controller that was heard of.
    pub fn controller_epoch(&self) -> i64 {
        self.controller_epoch
    }

    /// A controller said who is the active one, and in which epoch. True when that is news.
    pub fn learn_controller(&mut self, now: Now, id: i32, epoch: i64) -> bool {
        if id < 0 || epoch < self.controller_epoch {
            return false;
        }
        if epoch > self.controller_epoch {
            self.controller_epoch = epoch;
            self.distrusted = None;
        }
        self.hinted(now, id)
    }

    /// Another controller took `id` for the active one. True when that is news.
    fn hinted(&mut self, now: Now, id: i32) -> bool {
        let distrusted = self.distrusted.is_some_and(|(other, until)| other == id && now.mono_ms < until);
        if id < 0 || distrusted {
            return false;
        }
        self.active_controller.replace(id) != Some(id)
    }

    /// That controller is not the active one.
    fn avoid(&mut self, id: Option<i32>) {
        self.lost_in_a_row += 1;
        if self.active_controller.is_none() || self.active_controller == id {
            self.active_controller = None;
            self.turn = self.turn.wrapping_add(1);
        }
    }

    /// That controller did not answer. True when it was the active one.
    fn failed(&mut self, now: Now, id: Option<i32>) -> bool {
        let active = self.active_controller.is_some() && self.active_controller == id;
        self.distrusted = id.map(|id| (id, now.mono_ms + DISTRUST_MS));
        self.avoid(id);
        active
    }
}

impl BrokerNode {
    pub(super) fn call_controller(
        &mut self,
        _now: Now,
        request: ControllerRequest,
        timeout_ms: u64,
        pending: Pending,
        out: &mut Vec<Command>,
    ) {
        // The shell refuses a configuration without controllers.
        let Some(id) = self.calls.controller(&self.config.controllers) else { return };
        let call = self.calls.next;
        self.calls.next += 1;
        self.calls.pending.insert(call, (pending, Some(id)));
        let body = PeerRequest::Controller(Box::new(request));
        out.push(Command::Call { call, to: Peer::Controller { id }, body, timeout_ms });
    }

    pub(super) fn call_broker(
        &mut self,
        to: Peer,
        body: PeerRequest,
        timeout_ms: u64,
        pending: Pending,
        out: &mut Vec<Command>,
    ) -> CallId {
        let call = self.calls.next;
        self.calls.next += 1;
        self.calls.pending.insert(call, (pending, None));
        out.push(Command::Call { call, to, body, timeout_ms });
        call
    }

    pub(super) fn answered(
        &mut self,
        now: Now,
        call: CallId,
        result: Result<PeerResponse, CallError>,
        out: &mut Vec<Command>,
    ) {
        let Some((pending, controller)) = self.calls.pending.remove(&call) else { return };
        if let Pending::ReplicaFetch(fetch) = pending {
            let response = match result {
                Ok(PeerResponse::Fetch(response)) => Ok(*response),
                Ok(PeerResponse::Controller(_)) => Err(CallError::Malformed("not an answer to a fetch".to_owned())),
                Err(error) => Err(error),
            };
            self.replica_fetch_answered(now, fetch, response, out);
            return;
        }
        let answer = match result {
            Ok(PeerResponse::Controller(response)) => self.controller_answer(now, controller, *response),
            Ok(PeerResponse::Fetch(_)) => Err("an answer to a fetch".to_owned()),
            Err(error) => {
                if self.calls.failed(now, controller) {
                    // It may be gone, or only the connection to it: a word of this broker is wanted in either case.
                    self.speak_soon(now);
                }
                Err(format!("{error:?}"))
            }
        };
        match (pending, answer) {
            (Pending::Register(nth) | Pending::Heartbeat(nth), _) if !self.lifecycle.is_last(nth) => {}
            (Pending::Register(_), Ok(Answer::RegisterBroker(response))) => self.registered(now, response, out),
            (Pending::Register(_), answer) => self.registration_failed(now, why(answer), out),
            (Pending::Heartbeat(_), Ok(Answer::Heartbeat(response))) => self.heartbeat_answered(now, &response, out),
            (Pending::Heartbeat(_), answer) => self.heartbeat_failed(now, &why(answer)),
            (Pending::FetchMetadata(nth), _) if !self.follow.is_last(nth) => {}
            (Pending::FetchMetadata(_), Ok(Answer::FetchMetadata(response))) => {
                self.metadata_answered(now, response, out);
            }
            (Pending::FetchMetadata(_), answer) => self.metadata_failed(now, &why(answer)),
            (Pending::AlterPartition(sent), Ok(Answer::AlterPartition(response))) => {
                self.isr_changes_answered(now, sent, response);
            }
            (Pending::AlterPartition(sent), _) => self.isr_changes_unanswered(now, sent),
            (Pending::ProducerIds, Ok(Answer::AllocateProducerIds(response))) => {
                self.producer_ids_answered(now, &response, out);
            }
            (Pending::ProducerIds, _) => self.producer_ids_failed(now),
            (Pending::Forward(forwarded), Ok(Answer::Forward(response))) => {
                self.forward_answered(now, *forwarded, response, out);
            }
            (Pending::Forward(forwarded), _) => self.forward_unanswered(now, *forwarded, out),
            (Pending::CreateTopic(name), answer) => self.topic_creation_answered(now, &name, answer),
            (Pending::OfflineReplicas, _) => self.given_up(now),
            (Pending::ReplicaFetch(_), _) => {}
        }
    }

    fn controller_answer(
        &mut self,
        now: Now,
        asked: Option<i32>,
        response: ControllerResponse,
    ) -> Result<Answer, String> {
        if response.error_code == NOT_CONTROLLER {
            self.calls.avoid(asked);
            if Some(response.leader_id) != asked && self.calls.hinted(now, response.leader_id) {
                self.controller_changed(now);
            }
            return Err(format!("controller {asked:?} is not the active one"));
        }
        match response.response {
            Some(answer) => {
                // Metadata is served by every controller; all else only by the active one.
                if !matches!(answer, Answer::FetchMetadata(_)) {
                    self.calls.active_controller = asked;
                }
                Ok(answer)
            }
            None => Err(format!("controller {asked:?} answered with error {}", response.error_code)),
        }
    }
}

fn why(answer: Result<Answer, String>) -> String {
    match answer {
        Ok(_) => "the answer is of another kind".to_owned(),
        Err(reason) => reason,
    }
}
