//! Offsets that nobody needs any more, and empty groups that have none left.
//!
//! Each group has at most one timer, for the moment at which its first offset can expire. Nothing is
//! looked at before.

use super::config::GroupConfig;
use super::delete;
use super::io::Io;
use super::offsets::OffsetChange;
use super::record::CommittedOffset;
use super::state::{Group, State};
use super::timers::Timer;
use super::write::DeletedGroup;

/// Sets the timer of the group to the moment at which something in it expires.
pub(super) fn schedule(group: &Group, io: &mut Io<'_>) {
    let timer = Timer::Expiry { group: group.id.clone() };
    match next_wall_ms(group, io) {
        Some(wall_ms) => {
            let at = io.at_wall(wall_ms);
            io.timers.set(timer, at);
        }
        None => io.timers.cancel(&timer),
    }
}

/// An offset was committed: the timer is set if it would come too late. This does not look at the
/// other offsets, as commits are many.
pub(super) fn note(group: &Group, io: &mut Io<'_>, change: &OffsetChange) {
    let Some(value) = &change.value else {
        return;
    };
    let retention_ms = io.config().offsets_retention_ms;
    let wall_ms = value.expires_ms.unwrap_or_else(|| value.committed_ms.saturating_add(retention_ms));
    let at = io.at_wall(wall_ms);
    let timer = Timer::Expiry { group: group.id.clone() };
    if io.timers.get(&timer).is_none_or(|before| before > at) {
        io.timers.set(timer, at);
    }
}

/// Deletes what has expired, and the group when nothing else is left of it.
pub(super) fn run(group: &mut Group, io: &mut Io<'_>) {
    let wall_ms = io.now.wall_ms;
    let mut kept = 0;
    let mut keys = Vec::new();
    for (topic, offsets) in group.offsets.topics() {
        for (&partition, value) in offsets {
            let expired = expires_ms(group, topic, value, io.config()).is_some_and(|at| at <= wall_ms)
                && !group.offsets.is_pending(topic, partition);
            if expired {
                keys.push((topic.clone(), partition));
            } else {
                kept += 1;
            }
        }
    }
    let is_over = kept == 0
        && is_abandoned(group)
        && (!keys.is_empty() || next_wall_ms(group, io).is_some_and(|at| at <= wall_ms));
    if keys.is_empty() && !is_over {
        return schedule(group, io);
    }
    tracing::info!(group = %group.id, offsets = keys.len(), is_over, "offsets have expired");
    let deleted = is_over.then(|| DeletedGroup { group: group.id.clone(), generation: group.generation, slot: None });
    delete::append(group, io, keys, deleted.into_iter().collect());
    // The timer is set anew when the deletion is written; this one is for when it is not.
    let at = io.after(io.config().offsets_retention_check_interval_ms);
    let timer = Timer::Expiry { group: group.id.clone() };
    io.timers.set(timer, at);
}

/// Nobody is in the group or about to be.
fn is_abandoned(group: &Group) -> bool {
    group.state == State::Empty && group.pending_joins.is_empty() && !group.offsets.has_pending()
}

/// When the first offset of the group expires, or else the group itself, by the wall clock.
fn next_wall_ms(group: &Group, io: &Io<'_>) -> Option<i64> {
    if group.offsets.is_empty() {
        let since = group.state_since_ms.unwrap_or(io.now.wall_ms);
        let keep_ms = io.config().offsets_retention_check_interval_ms;
        return is_abandoned(group).then(|| since.saturating_add(keep_ms));
    }
    group
        .offsets
        .topics()
        .flat_map(|(topic, offsets)| offsets.values().map(move |value| (topic, value)))
        .filter_map(|(topic, value)| expires_ms(group, topic, value, io.config()))
        .min()
}

/// When an offset expires, as the group is now; `None` while it is in use.
fn expires_ms(group: &Group, topic: &str, value: &CommittedOffset, config: &GroupConfig) -> Option<i64> {
    if group.is_subscribed_to(topic) {
        return None;
    }
    let since = match group.state {
        _ if group.is_simple() => value.committed_ms,
        // The offsets of a group outlive its last member by the retention.
        State::Empty => group.state_since_ms.unwrap_or(value.committed_ms),
        State::Stable if group.subscribed.is_some() => value.committed_ms,
        _ => return None,
    };
    let by_retention = since.saturating_add(config.offsets_retention_ms);
    Some(value.expires_ms.unwrap_or(by_retention))
}
