//! A static member that comes back under a new member id (KIP-345).

use odradek_wire::ResponseError;

use super::Name;
use super::api::GroupResponse;
use super::io::Io;
use super::join::Join;
use super::member::{Member, Subscription, Waiting};
use super::response;
use super::state::{Group, State};
use super::timers::Timer;
use super::write::Effect;

/// From here on the leader can be told to keep the assignment that the group has.
const SKIP_ASSIGNMENT: i16 = 9;

/// What is needed to answer a static member, or to undo its replacement.
#[derive(Debug)]
pub(super) struct Replacement {
    pub(super) instance_id: Name,
    pub(super) old_id: Name,
    pub(super) new_id: Name,
    pub(super) old_subscription: Subscription,
    pub(super) old_leader: Option<Name>,
    pub(super) waiting: Waiting,
    /// The generation that goes on with it.
    pub(super) generation: i32,
}

impl Group {
    /// Gives the place of `old_id` to the process that joins. In a stable group nothing else changes
    /// as long as the choice of the protocol stays the same: no rebalance.
    pub(super) fn replace_static_member(&mut self, io: &mut Io<'_>, old_id: &Name, new_id: Name, join: Join<'_>) {
        let old_leader = self.leader.clone();
        let Some(old_subscription) = self.rename_static_member(io, old_id, &new_id) else {
            return io.reply(join.waiting.token, response::join_error("", ResponseError::UnknownMemberId));
        };
        self.update_member(io, &new_id, join.subscription, join.waiting);
        self.restart_session(io, &new_id);
        match self.state {
            State::Stable if self.protocol == self.select_protocol() => {
                let replacement = Replacement {
                    instance_id: join.instance_id.unwrap_or_else(|| new_id.clone()),
                    old_id: old_id.clone(),
                    new_id,
                    old_subscription,
                    old_leader,
                    waiting: join.waiting,
                    generation: self.generation,
                };
                self.record(
                    io,
                    |member: &Member| member.assignment.clone(),
                    |group| Effect::Replaced { group, replacement: Box::new(replacement) },
                );
            }
            // The leader may be working on an assignment for the old id.
            State::Stable | State::CompletingRebalance => {
                self.prepare_rebalance(io, &join.reason);
            }
            State::PreparingRebalance | State::Empty => {
                self.maybe_complete_join(io);
            }
        }
    }

    /// Moves a static member to another id and fences the process that had the old one.
    fn rename_static_member(&mut self, io: &mut Io<'_>, old_id: &Name, new_id: &Name) -> Option<Subscription> {
        let mut member = self.members.remove(old_id)?;
        let fenced = ResponseError::FencedInstanceId;
        if let Some(waiting) = member.awaiting_join.take() {
            io.reply(waiting.token, response::join_error(old_id, fenced));
        }
        if let Some(waiting) = member.awaiting_sync.take() {
            io.reply(waiting.token, response::sync_error(fenced));
        }
        io.timers.cancel(&Timer::Member { group: self.id.clone(), member: old_id.clone() });
        if self.is_leader(old_id) {
            self.leader = Some(new_id.clone());
        }
        if self.pending_syncs.remove(old_id) {
            self.pending_syncs.insert(new_id.clone());
        }
        if let Some(instance) = &member.instance_id {
            self.instances.insert(instance.clone(), new_id.clone());
        }
        let subscription = member.subscription.clone();
        member.id = new_id.clone();
        self.members.insert(new_id.clone(), member);
        Some(subscription)
    }

    /// The write of a replacement has ended.
    pub(super) fn replacement_written(
        &mut self,
        io: &mut Io<'_>,
        replacement: Replacement,
        result: Result<(), ResponseError>,
    ) {
        let Replacement { new_id, waiting, .. } = &replacement;
        if !self.goes_on_with(&replacement) {
            // A rebalance came in between: the member takes part in it under its new id, and what
            // the group writes next holds it.
            return;
        }
        // A time-out may have answered it.
        let waits = |member: &mut Member| {
            let waits = member.awaiting_join == Some(*waiting);
            waits.then(|| member.awaiting_join = None).is_some()
        };
        let still_waits = self.members.get_mut(new_id).is_some_and(waits);
        match result {
            Ok(()) if still_waits => {
                let mut answer = response::joined(self, new_id);
                if waiting.api_version >= SKIP_ASSIGNMENT {
                    answer.skip_assignment = self.is_leader(new_id);
                } else {
                    // A client that finds itself leader would assign anew: it is told that the
                    // process before it still leads.
                    let leader = replacement.old_leader.as_deref();
                    answer.leader = leader.map(response::text).unwrap_or_default();
                    answer.members = Vec::new();
                }
                io.reply(waiting.token, GroupResponse::Join(answer));
                self.restart_session(io, new_id);
            }
            Ok(()) => {}
            Err(error) => {
                if still_waits {
                    io.reply(waiting.token, response::join_error("", error));
                }
                self.undo_replacement(io, replacement);
            }
        }
    }

    /// Whether the generation of the replacement still runs and nobody has replaced it in turn.
    pub(super) fn goes_on_with(&self, replacement: &Replacement) -> bool {
        self.state == State::Stable
            && self.generation == replacement.generation
            && self.instances.get(&replacement.instance_id) == Some(&replacement.new_id)
    }

    fn undo_replacement(&mut self, io: &mut Io<'_>, replacement: Replacement) {
        self.rename_static_member(io, &replacement.new_id, &replacement.old_id);
        if let Some(member) = self.members.get_mut(&replacement.old_id) {
            member.subscription = replacement.old_subscription;
        }
        self.restart_session(io, &replacement.old_id);
    }
}
