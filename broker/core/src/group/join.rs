//! JoinGroup.

use std::collections::BTreeMap;

use bytes::Bytes;
use odradek_wire::ResponseError;
use odradek_wire::messages::JoinGroupRequest;

use super::Name;
use super::api::{GroupResponse, RequestContext, Token};
use super::io::Io;
use super::member::{Member, Subscription, Waiting};
use super::record::MAX_TEXT;
use super::response;
use super::state::{Group, State};

/// From here on a new member without an id is only given one, and joins with its second request
/// (KIP-394): a client that gave up in between leaves no member behind.
const MEMBER_ID_REQUIRED: i16 = 4;
/// What a UUID and a hyphen add to a client id.
const MEMBER_ID_SUFFIX: usize = 37;

/// One JoinGroup, taken out of its request.
pub(super) struct Join<'a> {
    pub(super) waiting: Waiting,
    pub(super) context: &'a RequestContext,
    pub(super) member_id: Name,
    pub(super) instance_id: Option<Name>,
    pub(super) protocol_type: Name,
    pub(super) subscription: Subscription,
    pub(super) reason: String,
}

/// Handles a JoinGroup; the reply may leave much later.
pub(super) fn handle(
    groups: &mut BTreeMap<Name, Group>,
    io: &mut Io<'_>,
    token: Token,
    context: &RequestContext,
    request: &JoinGroupRequest,
) {
    let result = check(io, context, request).and_then(|()| {
        let join = take(token, context, request);
        let id = &*request.group_id;
        if join.member_id.is_empty() && !groups.contains_key(&**id) {
            groups.insert((&**id).into(), Group::new((&**id).into()));
        }
        let group = groups.get_mut(&**id).ok_or(ResponseError::UnknownMemberId)?;
        group.join(io, join)
    });
    if let Err(error) = result {
        let member = match error {
            ResponseError::GroupMaxSizeReached => "",
            _ => &request.member_id,
        };
        io.reply(token, response::join_error(member, error));
    }
    let id: &str = &request.group_id;
    if groups.get(id).is_some_and(Group::is_vacant) {
        groups.remove(id);
    }
}

fn check(io: &Io<'_>, context: &RequestContext, request: &JoinGroupRequest) -> Result<(), ResponseError> {
    let config = io.config();
    let bounds = config.min_session_timeout_ms..=config.max_session_timeout_ms;
    if !bounds.contains(&request.session_timeout_ms) {
        return Err(ResponseError::InvalidSessionTimeout);
    }
    // The log's format counts texts with 16 bits; the newer versions of the request do not.
    let too_long = |text: &str| text.len() > MAX_TEXT - MEMBER_ID_SUFFIX;
    let names = request.protocols.iter().map(|protocol| &protocol.name);
    let mut texts = names.chain([&context.client_id, &request.protocol_type]);
    let instance = request.group_instance_id.as_ref();
    if texts.any(|text| too_long(text)) || instance.is_some_and(|text| too_long(text)) {
        return Err(ResponseError::InvalidRequest);
    }
    Ok(())
}

/// Copies out what is kept, so that it does not hold on to the bytes of the whole request.
fn take<'a>(token: Token, context: &'a RequestContext, request: &JoinGroupRequest) -> Join<'a> {
    let copy = |text: &str| Name::from(text);
    Join {
        waiting: Waiting { token, api_version: context.api_version },
        context,
        member_id: copy(&request.member_id),
        instance_id: request.group_instance_id.as_deref().map(copy),
        protocol_type: copy(&request.protocol_type),
        subscription: Subscription {
            session_timeout_ms: request.session_timeout_ms,
            // Version 0 has none of its own.
            rebalance_timeout_ms: match request.rebalance_timeout_ms {
                timeout_ms if timeout_ms < 0 || context.api_version == 0 => request.session_timeout_ms,
                timeout_ms => timeout_ms,
            },
            protocols: request.protocols.iter().map(|p| (copy(&p.name), Bytes::copy_from_slice(&p.metadata))).collect(),
        },
        reason: request.reason.as_deref().unwrap_or("not provided").into(),
    }
}

impl Group {
    fn join(&mut self, io: &mut Io<'_>, join: Join<'_>) -> Result<(), ResponseError> {
        if !self.accepts(io, &join.member_id) {
            self.pending_joins.remove(&join.member_id);
            return Err(ResponseError::GroupMaxSizeReached);
        }
        let protocols = join.subscription.protocols.iter().map(|(name, _)| &**name);
        if !self.supports(&join.protocol_type, protocols) {
            return Err(ResponseError::InconsistentGroupProtocol);
        }
        if join.member_id.is_empty() {
            self.join_as_new(io, join);
            Ok(())
        } else if join.instance_id.is_none() && self.pending_joins.contains(&join.member_id) {
            let id = join.member_id.clone();
            self.add_member(io, id, join);
            Ok(())
        } else {
            self.validate_member(&join.member_id, join.instance_id.as_deref())?;
            self.rejoin(io, join)
        }
    }

    /// Whether `group.max.size` leaves room for the member.
    fn accepts(&self, io: &Io<'_>, member: &str) -> bool {
        let member = self.members.get(member);
        let max = io.config().max_size;
        match self.state {
            State::Empty => true,
            // Those who wait are counted: a group that has shrunk its limit keeps the first ones.
            State::PreparingRebalance => {
                member.is_some_and(|m| m.awaiting_join.is_some()) || self.awaiting_join() < max
            }
            State::CompletingRebalance | State::Stable => member.is_some() || self.members.len() < max,
        }
    }

    fn join_as_new(&mut self, io: &mut Io<'_>, join: Join<'_>) {
        match &join.instance_id {
            Some(instance) => {
                let id = self.new_member_id(io, instance);
                match self.instances.get(instance).cloned() {
                    Some(old) => self.replace_static_member(io, &old, id, join),
                    None => self.add_member(io, id, join),
                }
            }
            None => {
                let id = self.new_member_id(io, &join.context.client_id);
                if join.waiting.api_version < MEMBER_ID_REQUIRED {
                    return self.add_member(io, id, join);
                }
                self.pending_joins.insert(id.clone());
                self.expect_heartbeat(io, &id, join.subscription.session_timeout_ms);
                let required = response::join_error(&id, ResponseError::MemberIdRequired);
                io.reply(join.waiting.token, required);
            }
        }
    }

    /// An id that nobody in the group has, even if a seed was used twice.
    fn new_member_id(&self, io: &mut Io<'_>, prefix: &str) -> Name {
        loop {
            let id = io.shared.ids.next(prefix);
            if !self.members.contains_key(&id) && !self.pending_joins.contains(&id) {
                return id;
            }
        }
    }

    fn add_member(&mut self, io: &mut Io<'_>, id: Name, join: Join<'_>) {
        if let Some(delay) = &mut self.initial_delay {
            delay.member_added = true;
        }
        self.pending_joins.remove(&id);
        if self.members.is_empty() {
            self.protocol_type = Some(join.protocol_type);
        }
        if self.leader.is_none() {
            self.leader = Some(id.clone());
        }
        if let Some(instance) = &join.instance_id {
            self.instances.insert(instance.clone(), id.clone());
        }
        let member = Member {
            id: id.clone(),
            instance_id: join.instance_id,
            client_id: (&*join.context.client_id).into(),
            client_host: (&*join.context.client_host).into(),
            subscription: join.subscription,
            assignment: Bytes::new(),
            is_new: true,
            awaiting_join: Some(join.waiting),
            awaiting_sync: None,
        };
        self.members.insert(id.clone(), member);
        let timeout_ms = io.config().new_member_join_timeout_ms;
        self.expect_heartbeat(io, &id, timeout_ms);
        self.rebalance(io, &join.reason);
    }

    /// A member of the group joins again.
    fn rejoin(&mut self, io: &mut Io<'_>, join: Join<'_>) -> Result<(), ResponseError> {
        let id = join.member_id.clone();
        let unchanged =
            self.members.get(&id).is_some_and(|member| member.subscription.protocols == join.subscription.protocols);
        let answer_now = match self.state {
            State::PreparingRebalance => false,
            // It did not get its reply, or it only asks again.
            State::CompletingRebalance => unchanged,
            // The leader joins again when topics have changed, which no metadata shows.
            State::Stable => unchanged && !self.is_leader(&id),
            State::Empty => return Err(ResponseError::UnknownMemberId),
        };
        if answer_now {
            let answer = response::joined(self, &id);
            io.reply(join.waiting.token, GroupResponse::Join(answer));
        } else {
            self.update_member(io, &id, join.subscription, join.waiting);
            self.rebalance(io, &join.reason);
        }
        Ok(())
    }

    /// Takes the new metadata of a member that joins again and lets it wait.
    pub(super) fn update_member(&mut self, io: &mut Io<'_>, id: &Name, subscription: Subscription, waiting: Waiting) {
        if let Some(member) = self.members.get_mut(id) {
            member.subscription = subscription;
            if let Some(before) = member.awaiting_join.replace(waiting) {
                // A client that asks twice has given up on its first request; every request is
                // answered all the same.
                let error = ResponseError::RebalanceInProgress;
                io.reply(before.token, response::join_error(id, error));
            }
        }
    }
}
