//! LeaveGroup, by the members themselves or by an administrator who names static members.

use std::collections::BTreeMap;

use odradek_wire::ResponseError;
use odradek_wire::messages::leave_group_request::MemberIdentity;
use odradek_wire::messages::leave_group_response::MemberResponse;
use odradek_wire::messages::{LeaveGroupRequest, LeaveGroupResponse};

use super::Name;
use super::api::{GroupResponse, RequestContext, Token};
use super::io::Io;
use super::response;
use super::state::{Group, State};
use super::timers::Timer;

/// From here on several members can leave at once, static ones among them.
const MEMBER_LIST: i16 = 3;

/// Handles a LeaveGroup. If it empties the group, the reply waits for that to be written.
pub(super) fn handle(
    groups: &mut BTreeMap<Name, Group>,
    io: &mut Io<'_>,
    token: Token,
    context: &RequestContext,
    request: &LeaveGroupRequest,
) {
    let one;
    let leaving = if context.api_version < MEMBER_LIST {
        one = [MemberIdentity::default().with_member_id(request.member_id.clone())];
        &one[..]
    } else {
        &request.members[..]
    };
    let mut write = None;
    let results: Vec<i16> = match groups.get_mut(&**request.group_id) {
        None => vec![ResponseError::UnknownMemberId.code(); leaving.len()],
        Some(group) => {
            let left: Vec<i16> = leaving.iter().map(|member| response::code(group.leave(io, member))).collect();
            write = group.after_leave(io, &left);
            left
        }
    };
    let answer = if context.api_version < MEMBER_LIST {
        LeaveGroupResponse::default().with_error_code(results.first().copied().unwrap_or(0))
    } else {
        let members = leaving.iter().zip(&results);
        LeaveGroupResponse::default().with_members(
            members
                .map(|(member, &error)| {
                    MemberResponse::default()
                        .with_member_id(member.member_id.clone())
                        .with_group_instance_id(member.group_instance_id.clone())
                        .with_error_code(error)
                })
                .collect(),
        )
    };
    io.reply_after(write, token, GroupResponse::Leave(answer));
    if groups.get(&**request.group_id).is_some_and(Group::is_vacant) {
        groups.remove(&**request.group_id);
    }
}

impl Group {
    fn leave(&mut self, io: &mut Io<'_>, who: &MemberIdentity) -> Result<(), ResponseError> {
        let instance = who.group_instance_id.as_deref();
        if who.member_id.is_empty() {
            let id = instance.and_then(|instance| self.instances.get(instance));
            let id = id.cloned().ok_or(ResponseError::UnknownMemberId)?;
            self.remove_member(io, &id);
            return Ok(());
        }
        if self.pending_joins.remove(&*who.member_id) {
            io.timers.cancel(&Timer::Member { group: self.id.clone(), member: (&*who.member_id).into() });
            return Ok(());
        }
        self.validate_member(&who.member_id, instance)?;
        self.remove_member(io, &(&*who.member_id).into());
        Ok(())
    }

    fn after_leave(&mut self, io: &mut Io<'_>, results: &[i16]) -> Option<u64> {
        if !results.contains(&0) {
            return None;
        }
        match self.state {
            State::Stable | State::CompletingRebalance => self.prepare_rebalance(io, "members left"),
            State::PreparingRebalance => self.maybe_complete_join(io),
            State::Empty => None,
        }
    }
}
