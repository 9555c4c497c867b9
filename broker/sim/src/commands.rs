//! What the loops want done: calls, answers, syncs, ends of processes.

use bytes::{Bytes, BytesMut};
use odradek_core::metadata::rpc::{ControllerRequest, ControllerResponse};
use odradek_node::controller::{ControllerCommand, ControllerEvent};
use odradek_node::event::{CallError, Command, Event, Peer, PeerRequest, PeerResponse, Request, Response};
use odradek_wire::fetch::Chunk;
use odradek_wire::messages::{FetchResponse, RequestKind, ResponseKind};
use odradek_wire::protocol::Decodable;

use crate::network::{Caller, FIRST_CLIENT, Place};
use crate::process::{Arrived, State};
use crate::world::{ANY_LIFE, ClientAnswer, Item, World, context};

/// Followers fetch in this version.
const REPLICA_FETCH_VERSION: i16 = 17;

impl World {
    pub(crate) fn broker_command(&mut self, place: Place, generation: u64, command: Command) {
        match command {
            Command::Reply { request, response } => self.reply(place, request, response),
            Command::Call { call, to, body, timeout_ms } => {
                let caller = Caller { place, generation, call };
                match (to, body) {
                    (Peer::Controller { id }, PeerRequest::Controller(body)) => {
                        self.send(caller, id, timeout_ms, |connection, request| {
                            Arrived::Controller(ControllerEvent::Request { request, connection, body: *body })
                        });
                    }
                    (Peer::Broker { id, .. }, PeerRequest::Fetch(body)) => {
                        self.send(caller, id, timeout_ms, |connection, request| {
                            let api = (1, REPLICA_FETCH_VERSION);
                            let body = Request::Kafka(Box::new(RequestKind::Fetch(*body)));
                            Arrived::Broker(Event::Request {
                                context: context(request, connection, api, "replica"),
                                body,
                            })
                        });
                    }
                    (to, body) => self.findings.push(format!("process {place} asks {to:?} for {body:?}")),
                }
            }
            Command::Flush { log, job } => {
                let what = Arrived::Broker(Event::Flushed { log, result: job.run() });
                let slow_us = self.processes.get(&place).map_or(0, |process| process.slow_us);
                if slow_us > 0 {
                    self.counts.add("sync on a slow disk");
                }
                let delay = self.rng.range(100, 5_000) + slow_us;
                self.schedule(self.now_us + delay, Item::Arrive { place, generation, what });
            }
            Command::Load { log, step, job } => {
                let what = Arrived::Broker(Event::Loaded { log, step, result: job.run() });
                let delay = self.rng.range(100, 5_000);
                self.schedule(self.now_us + delay, Item::Arrive { place, generation, what });
            }
            Command::Run(job) => {
                let what = job.what.clone();
                if let Err(error) = (job.run)()
                    && !self.in_trouble(place)
                {
                    self.findings.push(format!("process {place}: {what}: {error}"));
                }
            }
            Command::State(_) | Command::Controllers(_) => {}
            Command::Stopped => {
                if let Some(process) = self.processes.get_mut(&place) {
                    let closed = process.broker.as_mut().map_or(Ok(()), |broker| broker.close());
                    process.kill();
                    if let Err(errors) = closed
                        && !self.in_trouble(place)
                    {
                        self.findings.push(format!("process {place} could not close: {errors:?}"));
                    }
                    self.counts.add("broker stopped in order");
                    self.gone(place, generation);
                }
            }
            Command::Fatal { reason, .. } => {
                // A second life that could not register within its time is started again later, as Kubernetes would.
                self.trace.numbers(&[5, self.now_us, place as u64]);
                if !reason.contains("could not register") && !self.in_trouble(place) {
                    self.findings.push(format!("process {place} gave up: {reason}"));
                }
                self.kill(place);
            }
        }
    }

    fn in_trouble(&self, place: Place) -> bool {
        self.processes.get(&place).is_some_and(|process| process.disk_trouble)
    }

    /// When an answer arrives, and at whom; `None` when it is lost on its way.
    fn way_back(&mut self, place: Place, request: u64) -> Option<(u64, Caller)> {
        let caller = self.network.answered(request)?;
        let delay = self.delay_or_late();
        if !self.network.reaches(place, caller.place) {
            return None;
        }
        let at = self.now_us + delay;
        if self.lossy && self.rng.chance(self.plan.break_per_thousand) {
            self.counts.add("connection broken after the request");
            self.end_call(at, caller, Err(CallError::Disconnected("broken".to_owned())));
            return None;
        }
        Some((at, caller))
    }

    fn reply(&mut self, place: Place, request: u64, response: Response) {
        self.watch_reply(place, request, &response);
        let Some((at, caller)) = self.way_back(place, request) else { return };
        let kind = match response {
            Response::Kafka(kind) => *kind,
            Response::Fetch(response) => match decoded(*response) {
                Ok(response) => ResponseKind::Fetch(response),
                Err(reason) => return self.findings.push(format!("process {place}: a fetch answer: {reason}")),
            },
            Response::Nothing | Response::Close => {
                return self.end_call(at, caller, Err(CallError::Disconnected("closed".to_owned())));
            }
        };
        if caller.place >= FIRST_CLIENT {
            let answer = ClientAnswer::Kafka(Box::new(kind));
            return self.schedule(at, Item::ClientAnswer { caller, answer });
        }
        let result = match kind {
            ResponseKind::Fetch(response) => Ok(PeerResponse::Fetch(Box::new(response))),
            _ => Err(CallError::Malformed("not a fetch".to_owned())),
        };
        self.schedule(at, Item::Answer { caller, result: Box::new(result) });
    }

    pub(crate) fn controller_command(&mut self, place: Place, generation: u64, command: ControllerCommand) {
        match command {
            ControllerCommand::Reply { request, response } => self.controller_reply(place, request, response),
            ControllerCommand::Send { to, message } => {
                let Ok(to) = Place::try_from(to) else { return };
                self.send_to_controller(place, generation, to, &message);
            }
            ControllerCommand::Probe { server, message } => {
                let servers = self.plan.controller_ids();
                if let Some(to) = servers.get(server).filter(|to| **to != place) {
                    self.send_to_controller(place, generation, *to, &message);
                }
            }
            ControllerCommand::Fatal { reason, .. } => {
                if self.in_trouble(place) {
                    self.counts.add("controller gave up on a disk in trouble");
                } else {
                    self.findings.push(format!("controller {place} gave up: {reason}"));
                }
                self.kill(place);
            }
            ControllerCommand::Stopped => self.kill(place),
            // Places are where they are.
            ControllerCommand::Controllers(_) => {}
        }
    }

    /// One controller's message to another, which may be lost, doubled or late.
    fn send_to_controller(&mut self, place: Place, generation: u64, to: Place, message: &ControllerRequest) {
        if !self.network.reaches(place, to) {
            return;
        }
        let Some(peer) = self.processes.get(&to).filter(|process| process.state != State::Down) else { return };
        let to_generation = peer.generation;
        let connection = self.network.connection((place, generation), (to, to_generation));
        if self.lossy && self.rng.chance(self.plan.raft_loss_per_thousand) {
            self.counts.add("raft message lost");
            return;
        }
        let copies = if self.lossy && self.rng.chance(self.plan.raft_loss_per_thousand) { 2 } else { 1 };
        if copies == 2 {
            self.counts.add("raft message duplicated");
        }
        for _ in 0..copies {
            let delay = self.delay_or_late();
            let request = 0;
            let what = Arrived::Controller(ControllerEvent::Request { request, connection, body: message.clone() });
            // What waits in the sender's queue goes to whoever is there when it is sent at last.
            self.schedule(self.now_us + delay, Item::Arrive { place: to, generation: ANY_LIFE, what });
        }
    }

    fn controller_reply(&mut self, place: Place, request: u64, response: ControllerResponse) {
        self.watch_controller_reply(place, request, &response);
        let Some((at, caller)) = self.way_back(place, request) else { return };
        let result = Ok(PeerResponse::Controller(Box::new(response)));
        self.schedule(at, Item::Answer { caller, result: Box::new(result) });
    }
}

/// A fetch answer as it is after its way over the wire.
fn decoded(
    response: odradek_wire::fetch::FetchResponse<odradek_node::event::FetchPayload>,
) -> Result<FetchResponse, String> {
    let chunks = response.encode(REPLICA_FETCH_VERSION, 7).map_err(|error| error.to_string())?;
    let mut bytes = BytesMut::new();
    for chunk in chunks {
        match chunk {
            Chunk::Bytes(part) => bytes.extend_from_slice(&part),
            Chunk::Records(payload) => {
                for range in payload.ranges {
                    bytes.extend_from_slice(&range.read().map_err(|error| error.to_string())?);
                }
            }
        }
    }
    // Length, correlation id and the header's tagged fields.
    let mut frame: Bytes = bytes.freeze().slice(4 + 4 + 1..);
    FetchResponse::decode(&mut frame, REPLICA_FETCH_VERSION).map_err(|error| error.to_string())
}
