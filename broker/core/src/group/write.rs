//! Writes under way, and what they bring about once they are committed.

use std::collections::BTreeMap;

use bytes::Bytes;
use odradek_wire::ResponseError;

use super::Name;
use super::api::{GroupResponse, Token};
use super::expiry;
use super::io::{GatherSlot, Io};
use super::member::Waiting;
use super::offsets::OffsetChange;
use super::response;
use super::state::{Group, State};
use super::static_member::Replacement;
use super::timers::Timer;

/// What takes place when a write is committed.
#[derive(Debug)]
pub(super) enum Effect {
    /// The assignment of a generation holds.
    Assigned { group: Name, generation: i32, assignment: BTreeMap<Name, Bytes>, leader: Name, waiting: Waiting },
    /// A static member has its new id.
    Replaced { group: Name, replacement: Box<Replacement> },
    /// The group has no members. It was so before already: nobody is there to rely on it.
    Emptied(Name),
    /// Offsets are committed or deleted, and then groups are.
    Offsets { changes: Vec<OffsetChange>, deleted: Vec<DeletedGroup> },
}

/// A group whose deletion is being written.
#[derive(Debug)]
pub(super) struct DeletedGroup {
    pub(super) group: Name,
    /// The generation that was deleted; a later one lives on.
    pub(super) generation: i32,
    /// Where the result goes, if a client asked for it.
    pub(super) slot: Option<GatherSlot>,
}

impl Effect {
    /// Whether somebody waits for the write from the beginning.
    pub(super) fn holds_reply(&self) -> bool {
        match self {
            Effect::Assigned { .. } | Effect::Replaced { .. } => true,
            Effect::Emptied(_) => false,
            Effect::Offsets { deleted, .. } => deleted.iter().any(|group| group.slot.is_some()),
        }
    }
}

#[derive(Debug)]
pub(super) struct PendingWrite {
    effect: Effect,
    /// Replies that leave when it is committed.
    pub(super) replies: Vec<(Token, GroupResponse)>,
}

impl PendingWrite {
    pub(super) fn new(effect: Effect) -> Self {
        Self { effect, replies: Vec::new() }
    }
}

/// The log has answered.
pub(super) fn written(groups: &mut BTreeMap<Name, Group>, io: &mut Io<'_>, number: u64, result: Result<i64, i16>) {
    let Some(pending) = io.writes.remove(&number) else {
        return;
    };
    io.timers.cancel(&Timer::Write { number });
    let result = result.map(|_| ()).map_err(response::write_error);
    match pending.effect {
        Effect::Assigned { group, generation, assignment, .. } => {
            if let Some(group) = groups.get_mut(&group) {
                group.assignment_written(io, generation, &assignment, result);
            }
        }
        Effect::Replaced { group, replacement } => {
            if let Some(group) = groups.get_mut(&group) {
                group.replacement_written(io, *replacement, result);
            }
        }
        Effect::Emptied(group) => {
            if let Err(error) = result {
                // If this broker fails before the next write, the generation before comes back with
                // members whose sessions end at once.
                tracing::warn!(%group, %error, "the empty group could not be written");
            }
        }
        Effect::Offsets { changes, deleted } => {
            offsets_written(groups, io, changes, deleted, result);
        }
    }
    for (token, answer) in pending.replies {
        let answer = match result {
            Ok(()) => answer,
            Err(error) => response::failed(answer, error),
        };
        io.reply(token, answer);
    }
}

fn offsets_written(
    groups: &mut BTreeMap<Name, Group>,
    io: &mut Io<'_>,
    changes: Vec<OffsetChange>,
    deleted: Vec<DeletedGroup>,
    result: Result<(), ResponseError>,
) {
    let mut touched: BTreeMap<Name, bool> = BTreeMap::new();
    for change in changes {
        let Some(group) = groups.get_mut(&change.group) else {
            continue;
        };
        let is_deletion = change.value.is_none();
        group.offsets.end(&change.topic, change.partition);
        if result.is_ok() {
            expiry::note(group, io, &change);
            group.offsets.apply(&change.topic, change.partition, change.value);
        }
        *touched.entry(change.group).or_default() |= is_deletion && result.is_ok();
    }
    for DeletedGroup { group: id, generation, slot } in deleted {
        if let Some(group) = groups.get_mut(&id) {
            let same = group.state == State::Empty && group.generation == generation;
            if result.is_ok() && same {
                group.forget();
            }
            touched.entry(id).or_default();
        }
        if let Some(slot) = slot {
            io.shared.gathers.fill(slot, result, io.out);
        }
    }
    for (id, deleted_something) in touched {
        if deleted_something && let Some(group) = groups.get(&id) {
            expiry::schedule(group, io);
        }
        tidy(groups, io, &id);
    }
}

/// Removes a group that nothing is left of, or sees to it that it will be removed.
pub(super) fn tidy(groups: &mut BTreeMap<Name, Group>, io: &mut Io<'_>, id: &Name) {
    let Some(group) = groups.get(id) else {
        return;
    };
    let timer = Timer::Expiry { group: id.clone() };
    if group.is_vacant() {
        groups.remove(id);
        io.timers.cancel(&timer);
    } else if group.state == State::Empty && group.offsets.is_empty() && !group.offsets.has_pending() {
        expiry::schedule(group, io);
    }
}

/// The reply has waited long enough. The write itself goes on: whatever becomes of it will hold.
pub(super) fn timed_out(groups: &mut BTreeMap<Name, Group>, io: &mut Io<'_>, number: u64) {
    let Some(mut pending) = io.writes.remove(&number) else {
        return;
    };
    let error = ResponseError::CoordinatorNotAvailable;
    match &mut pending.effect {
        Effect::Assigned { group, leader, waiting, .. } => {
            if let Some(group) = groups.get_mut(group)
                && let Some(member) = group.members.get_mut(leader)
                && member.awaiting_sync == Some(*waiting)
            {
                member.awaiting_sync = None;
                io.reply(waiting.token, response::sync_error(error));
                group.restart_session(io, leader);
            }
        }
        Effect::Replaced { group, replacement } => {
            if let Some(group) = groups.get_mut(group)
                && group.goes_on_with(replacement)
                && let Some(member) = group.members.get_mut(&replacement.new_id)
                && member.awaiting_join == Some(replacement.waiting)
            {
                member.awaiting_join = None;
                io.reply(replacement.waiting.token, response::join_error("", error));
                group.restart_session(io, &replacement.new_id);
            }
        }
        Effect::Emptied(_) => {}
        Effect::Offsets { deleted, .. } => {
            for slot in deleted.iter_mut().filter_map(|group| group.slot.take()) {
                io.shared.gathers.fill(slot, Err(error), io.out);
            }
        }
    }
    for (token, answer) in std::mem::take(&mut pending.replies) {
        io.reply(token, response::failed(answer, error));
    }
    io.writes.insert(number, pending);
}

/// Leadership is lost: whatever becomes of the writes, it is not told by this broker.
pub(super) fn abandon(io: &mut Io<'_>) {
    let error = ResponseError::NotCoordinator;
    for (_, pending) in std::mem::take(io.writes) {
        if let Effect::Offsets { deleted, .. } = pending.effect {
            for slot in deleted.into_iter().filter_map(|group| group.slot) {
                io.shared.gathers.fill(slot, Err(error), io.out);
            }
        }
        for (token, answer) in pending.replies {
            io.reply(token, response::failed(answer, error));
        }
    }
}
