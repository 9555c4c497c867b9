//! SyncGroup: the leader hands in the assignment, the members take theirs.

use std::collections::BTreeMap;

use bytes::Bytes;
use odradek_wire::ResponseError;
use odradek_wire::messages::SyncGroupRequest;

use super::Name;
use super::api::{RequestContext, Token};
use super::io::Io;
use super::member::Waiting;
use super::response;
use super::state::{Group, State};
use super::timers::Timer;
use super::write::Effect;

/// Handles a SyncGroup; the reply may have to wait for the leader's, and for its write.
pub(super) fn handle(
    groups: &mut BTreeMap<Name, Group>,
    io: &mut Io<'_>,
    token: Token,
    context: &RequestContext,
    request: &SyncGroupRequest,
) {
    let waiting = Waiting { token, api_version: context.api_version };
    let result = groups
        .get_mut(&**request.group_id)
        .ok_or(ResponseError::UnknownMemberId)
        .and_then(|group| group.sync(io, waiting, request));
    if let Err(error) = result {
        io.reply(token, response::sync_error(error));
    }
}

impl Group {
    fn sync(&mut self, io: &mut Io<'_>, waiting: Waiting, request: &SyncGroupRequest) -> Result<(), ResponseError> {
        self.validate_member(&request.member_id, request.group_instance_id.as_deref())?;
        if request.generation_id != self.generation {
            return Err(ResponseError::IllegalGeneration);
        }
        // Only newer clients say which protocol they mean.
        let differs =
            |said: Option<&str>, is: &Option<Name>| said.is_some_and(|said| is.as_deref().is_some_and(|is| is != said));
        if differs(request.protocol_type.as_deref(), &self.protocol_type)
            || differs(request.protocol_name.as_deref(), &self.protocol)
        {
            return Err(ResponseError::InconsistentGroupProtocol);
        }
        match self.state {
            State::Empty => Err(ResponseError::UnknownMemberId),
            State::PreparingRebalance => Err(ResponseError::RebalanceInProgress),
            State::CompletingRebalance => {
                self.sync_arrived(io, &request.member_id);
                self.await_assignment(io, waiting, request);
                Ok(())
            }
            State::Stable => {
                self.sync_arrived(io, &request.member_id);
                let member = self.members.get(&*request.member_id);
                let assignment = member.map(|member| member.assignment.clone());
                let answer = response::synced(self, assignment.unwrap_or_default());
                io.reply(waiting.token, answer);
                Ok(())
            }
        }
    }

    fn sync_arrived(&mut self, io: &mut Io<'_>, member: &str) {
        self.pending_syncs.remove(member);
        if self.pending_syncs.is_empty() {
            io.timers.cancel(&Timer::Sync { group: self.id.clone() });
        }
    }

    fn await_assignment(&mut self, io: &mut Io<'_>, waiting: Waiting, request: &SyncGroupRequest) {
        let Some(member) = self.members.get_mut(&*request.member_id) else {
            return;
        };
        let id = member.id.clone();
        if let Some(before) = member.awaiting_sync.replace(waiting) {
            // It asked again: its first request is answered, too.
            let error = ResponseError::RebalanceInProgress;
            io.reply(before.token, response::sync_error(error));
        }
        if !self.is_leader(&id) {
            return;
        }
        let given: BTreeMap<&str, &Bytes> =
            request.assignments.iter().map(|given| (&*given.member_id, &given.assignment)).collect();
        // Whom the leader left out has nothing to do; whom it made up does not exist.
        let assignment: BTreeMap<Name, Bytes> = self
            .members
            .keys()
            .map(|id| {
                let bytes = given.get(&**id).map(|bytes| Bytes::copy_from_slice(bytes));
                (id.clone(), bytes.unwrap_or_default())
            })
            .collect();
        let generation = self.generation;
        let recorded = assignment.clone();
        self.record(
            io,
            |member| recorded.get(&member.id).cloned().unwrap_or_default(),
            |group| Effect::Assigned { group, generation, assignment, leader: id, waiting },
        );
    }

    /// The write of an assignment has ended. If the group has gone on meanwhile, everybody was told.
    pub(super) fn assignment_written(
        &mut self,
        io: &mut Io<'_>,
        generation: i32,
        assignment: &BTreeMap<Name, Bytes>,
        result: Result<(), ResponseError>,
    ) {
        if self.state != State::CompletingRebalance || self.generation != generation {
            return;
        }
        match result {
            Ok(()) => {
                self.set_assignments(io, assignment);
                self.transition(State::Stable, io.now.wall_ms);
                super::expiry::schedule(self, io);
            }
            Err(error) => {
                self.drop_assignments(io, error);
                self.prepare_rebalance(io, "the assignment could not be written");
            }
        }
    }

    /// Sets what each member of the generation has to do, and tells those who wait.
    fn set_assignments(&mut self, io: &mut Io<'_>, assignment: &BTreeMap<Name, Bytes>) {
        let mut told = Vec::new();
        for member in self.members.values_mut() {
            member.assignment = assignment.get(&member.id).cloned().unwrap_or_default();
            if let Some(waiting) = member.awaiting_sync.take() {
                told.push((member.id.clone(), waiting, member.assignment.clone()));
            }
        }
        for (id, waiting, assignment) in told {
            io.reply(waiting.token, response::synced(self, assignment));
            self.restart_session(io, &id);
        }
    }

    /// Members that did not ask for their assignment within the rebalance time-out are removed.
    pub(super) fn sync_expired(&mut self, io: &mut Io<'_>) {
        let generation_runs = matches!(self.state, State::CompletingRebalance | State::Stable);
        if !generation_runs || self.pending_syncs.is_empty() {
            return;
        }
        for id in std::mem::take(&mut self.pending_syncs) {
            self.remove_member(io, &id);
        }
        self.prepare_rebalance(io, "members did not ask for their assignment in time");
    }
}
