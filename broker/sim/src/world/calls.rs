//! Calls between processes, and of clients.

use odradek_core::metadata::rpc::Request as Asked;
use odradek_node::controller::ControllerEvent;
use odradek_node::event::{CallError, Event, ListenerRole, PeerResponse, Request, RequestContext};
use odradek_wire::messages::{ApiKey, RequestKind};

use super::{ClientAnswer, Item, World};
use crate::network::{Caller, FIRST_CLIENT, Place};
use crate::process::{Arrived, LISTENER, State};

const ADD_RAFT_VOTER: i32 = ApiKey::AddRaftVoter as i32;
const REMOVE_RAFT_VOTER: i32 = ApiKey::RemoveRaftVoter as i32;

impl World {
    /// A client asks a broker; exactly one [`Happened::ClientAnswer`] follows.
    pub fn client_call(
        &mut self,
        client: Place,
        call: u64,
        to: Place,
        api: (i16, i16),
        body: Request,
        timeout_ms: u64,
    ) {
        let caller = Caller { place: client, generation: 0, call };
        self.send(caller, to, timeout_ms, |connection, request| {
            Arrived::Broker(Event::Request { context: context(request, connection, api, "client"), body })
        });
    }

    pub(crate) fn send(
        &mut self,
        caller: Caller,
        to: Place,
        timeout_ms: u64,
        arrive: impl FnOnce(u64, u64) -> Arrived,
    ) {
        let deadline = self.now_us + timeout_ms * 1_000;
        let up = self.processes.get(&to).filter(|process| process.state != State::Down);
        let generation = up.map(|process| process.generation);
        let delay = self.delay_or_late();
        self.network.call_lost(caller);
        self.end_call(deadline, caller, Err(CallError::TimedOut));
        if !self.network.reaches(caller.place, to) {
            return;
        }
        let Some(generation) = generation else {
            if self.network.reaches(to, caller.place) {
                self.end_call(self.now_us + delay, caller, Err(CallError::Disconnected("refused".to_owned())));
            }
            return;
        };
        if self.lossy && self.rng.chance(self.plan.break_per_thousand) {
            self.counts.add("connection broken before the request");
            self.end_call(self.now_us + delay, caller, Err(CallError::Disconnected("broken".to_owned())));
            return;
        }
        let request = self.network.call(caller, to);
        let connection = self.network.connection((caller.place, caller.generation), (to, generation));
        let what = arrive(connection, request);
        if changes_voters(&what) {
            self.network.changes_voters(request);
        }
        let at = self.network.in_order((caller.place, caller.generation), to, self.now_us + delay);
        self.schedule(at, Item::Arrive { place: to, generation, what });
    }

    pub(crate) fn end_call(&mut self, at_us: u64, caller: Caller, result: Result<PeerResponse, CallError>) {
        if caller.place >= FIRST_CLIENT {
            self.schedule(at_us, Item::ClientAnswer { caller, answer: ClientAnswer::Lost });
        } else {
            self.schedule(at_us, Item::Answer { caller, result: Box::new(result) });
        }
    }
}

/// Whether it asks for AddRaftVoter or RemoveRaftVoter.
fn changes_voters(what: &Arrived) -> bool {
    match what {
        Arrived::Broker(Event::Request { body: Request::Kafka(kind), .. }) => {
            matches!(**kind, RequestKind::AddRaftVoter(_) | RequestKind::RemoveRaftVoter(_))
        }
        Arrived::Controller(ControllerEvent::Request { body, .. }) => match &body.request {
            Some(Asked::Forward(forward)) => [ADD_RAFT_VOTER, REMOVE_RAFT_VOTER].contains(&forward.api_key),
            _ => false,
        },
        Arrived::Broker(_) | Arrived::Controller(_) => false,
    }
}

pub(crate) fn context(request: u64, connection: u64, api: (i16, i16), client: &str) -> RequestContext {
    RequestContext {
        request,
        connection,
        listener: LISTENER.into(),
        role: ListenerRole::InterBroker,
        api_key: api.0,
        api_version: api.1,
        client_id: client.into(),
        client_host: "/127.0.0.1".into(),
    }
}
