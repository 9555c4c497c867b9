//! Heartbeat, and what happens without: sessions end.

use std::collections::BTreeMap;

use odradek_wire::ResponseError;
use odradek_wire::messages::HeartbeatRequest;

use super::Name;
use super::api::Token;
use super::io::Io;
use super::response;
use super::state::{Group, State};

/// Handles a heartbeat; it is answered at once.
pub(super) fn handle(groups: &BTreeMap<Name, Group>, io: &mut Io<'_>, token: Token, request: &HeartbeatRequest) {
    let result = heartbeat(groups, io, request);
    io.reply(token, response::heartbeat(result));
}

fn heartbeat(groups: &BTreeMap<Name, Group>, io: &mut Io<'_>, request: &HeartbeatRequest) -> Result<(), ResponseError> {
    let group = groups.get(&**request.group_id).ok_or(ResponseError::UnknownMemberId)?;
    group.validate_member(&request.member_id, request.group_instance_id.as_deref())?;
    if request.generation_id != group.generation {
        return Err(ResponseError::IllegalGeneration);
    }
    if group.state == State::Empty {
        return Err(ResponseError::UnknownMemberId);
    }
    group.restart_session(io, &request.member_id);
    if group.state == State::PreparingRebalance {
        return Err(ResponseError::RebalanceInProgress);
    }
    Ok(())
}

impl Group {
    /// The session of a member, or the wait for a pending one, has ended.
    pub(super) fn member_expired(&mut self, io: &mut Io<'_>, id: &Name) {
        if self.pending_joins.remove(id) {
            if self.state == State::PreparingRebalance && self.all_have_joined() {
                self.complete_join(io);
            }
            return;
        }
        let Some(member) = self.members.get(id) else {
            return;
        };
        // A member that waits for others cannot send heartbeats; its session starts again with the
        // reply.
        if !member.is_held() {
            tracing::info!(group = %self.id, member = %id, "session of the member has ended");
            self.remove_member(io, id);
            self.after_removal(io, "the session of a member has ended");
        }
    }
}
