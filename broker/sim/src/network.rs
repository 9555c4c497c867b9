//! Calls between processes and clients, with delays, broken connections and cut links.

use std::collections::{BTreeMap, BTreeSet};

use odradek_node::event::{CallId, RequestId};

/// A process of the cluster, or a client.
pub type Place = i32;

/// Clients have places from here on.
pub const FIRST_CLIENT: Place = 1_000;

/// Who waits for an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Caller {
    /// Where it is.
    pub place: Place,
    /// Which life of that process.
    pub generation: u64,
    /// Its own name for the call.
    pub call: CallId,
}

/// What the network remembers.
#[derive(Debug, Default)]
pub struct Network {
    next_request: RequestId,
    /// Requests at a process that were not answered yet.
    waiting: BTreeMap<RequestId, (Place, Caller)>,
    /// Those of them that change the voters.
    voter_changes: BTreeSet<RequestId>,
    /// Calls whose caller still waits.
    open: BTreeSet<Caller>,
    /// What is sent from the first to the second is lost without a word.
    cut: BTreeSet<(Place, Place)>,
    /// Connections by their ends: a new one for each life of either end.
    connections: BTreeMap<(Place, u64, Place, u64), u64>,
    /// When the last request of one life of a place to another place arrives: requests keep their order.
    arrivals: BTreeMap<(Place, u64, Place), u64>,
}

impl Network {
    /// Notes a call and names the request that it becomes at `to`.
    pub fn call(&mut self, caller: Caller, to: Place) -> RequestId {
        self.next_request += 1;
        self.waiting.insert(self.next_request, (to, caller));
        self.open.insert(caller);
        self.next_request
    }

    /// Notes a call that never becomes a request.
    pub fn call_lost(&mut self, caller: Caller) {
        self.open.insert(caller);
    }

    /// A request changes the voters, once somebody takes it up.
    pub fn changes_voters(&mut self, request: RequestId) {
        self.voter_changes.insert(request);
    }

    /// Whether somebody was asked to change the voters and has not answered: it may be done yet, whoever asked.
    #[must_use]
    pub fn may_change_voters(&self) -> bool {
        !self.voter_changes.is_empty()
    }

    /// Who asked; only once.
    pub fn answered(&mut self, request: RequestId) -> Option<Caller> {
        self.voter_changes.remove(&request);
        self.waiting.remove(&request).map(|(_, caller)| caller)
    }

    /// The call is over; false when it was before.
    pub fn close(&mut self, caller: Caller) -> bool {
        self.open.remove(&caller)
    }

    /// A process died: who waited for it.
    pub fn lost_at(&mut self, place: Place) -> Vec<Caller> {
        let lost: Vec<RequestId> =
            self.waiting.iter().filter(|(_, (at, _))| *at == place).map(|(request, _)| *request).collect();
        lost.iter().filter_map(|request| self.answered(*request)).collect()
    }

    /// The connection between two lives of two processes.
    pub fn connection(&mut self, from: (Place, u64), to: (Place, u64)) -> u64 {
        let next = self.connections.len() as u64 + 1;
        *self.connections.entry((from.0, from.1, to.0, to.1)).or_insert(next)
    }

    /// Connections from that life of a process, with who has the other end.
    pub fn connections_from(&self, from: (Place, u64)) -> Vec<(Place, u64, u64)> {
        self.connections
            .range((from.0, from.1, Place::MIN, 0)..=(from.0, from.1, Place::MAX, u64::MAX))
            .map(|((_, _, to, generation), connection)| (*to, *generation, *connection))
            .collect()
    }

    /// When a request that would arrive at `at_us` does arrive: not before those that were sent earlier.
    pub fn in_order(&mut self, from: (Place, u64), to: Place, at_us: u64) -> u64 {
        let last = self.arrivals.entry((from.0, from.1, to)).or_insert(0);
        *last = at_us.max(*last + 1);
        *last
    }

    /// Loses everything from `from` to `to`.
    pub fn cut(&mut self, from: Place, to: Place) {
        self.cut.insert((from, to));
    }

    /// Ends all cuts.
    pub fn heal(&mut self) {
        self.cut.clear();
    }

    /// Whether something sent now arrives.
    #[must_use]
    pub fn reaches(&self, from: Place, to: Place) -> bool {
        !self.cut.contains(&(from, to))
    }
}
