//! What the decisions of one partition reach besides its groups: time, settings, timers, writes and
//! the actions that go out.

use std::collections::BTreeMap;

use odradek_wire::ResponseError;
use odradek_wire::messages::DeleteGroupsResponse;
use odradek_wire::messages::delete_groups_response::DeletableGroupResult;

use super::api::{Action, GroupResponse, LogRecord, Token, WriteId};
use super::config::GroupConfig;
use super::member_id::MemberIds;
use super::timers::{Timer, Timers};
use super::write::{Effect, PendingWrite};

/// What all partitions share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) config: GroupConfig,
    pub(super) ids: MemberIds,
    pub(super) gathers: Gathers,
    pub(super) next_write: u64,
}

/// Everything that a decision about one group may use.
pub(super) struct Io<'a> {
    pub(super) now: crate::time::Now,
    pub(super) partition: i32,
    pub(super) shared: &'a mut Shared,
    pub(super) timers: &'a mut Timers,
    pub(super) writes: &'a mut BTreeMap<u64, PendingWrite>,
    pub(super) out: &'a mut Vec<Action>,
}

impl Io<'_> {
    pub(super) fn config(&self) -> &GroupConfig {
        &self.shared.config
    }

    pub(super) fn reply(&mut self, token: Token, response: GroupResponse) {
        self.out.push(Action::Reply { token, response });
    }

    /// The monotonic time in `ms` milliseconds: always in the future, so that a time-out of nothing
    /// cannot keep one tick busy for ever.
    pub(super) fn after(&self, ms: i64) -> u64 {
        self.now.mono_ms.saturating_add(ms.max(1).unsigned_abs())
    }

    /// The monotonic time at which the wall clock should show `wall_ms`.
    pub(super) fn at_wall(&self, wall_ms: i64) -> u64 {
        self.after(wall_ms.saturating_sub(self.now.wall_ms))
    }

    /// Asks for an append; `effect` takes place when it is committed.
    pub(super) fn append(&mut self, records: Vec<LogRecord>, effect: Effect) -> u64 {
        let number = self.shared.next_write;
        self.shared.next_write += 1;
        let waits = effect.holds_reply();
        self.writes.insert(number, PendingWrite::new(effect));
        if waits {
            self.limit_wait(number);
        }
        self.out.push(Action::Append {
            partition: self.partition,
            records,
            write: WriteId { partition: self.partition, number },
        });
        number
    }

    /// Sends `response` once the write is committed; at once when there is no write to wait for.
    pub(super) fn reply_after(&mut self, write: Option<u64>, token: Token, response: GroupResponse) {
        match write.and_then(|number| Some((number, self.writes.get_mut(&number)?))) {
            Some((number, pending)) => {
                pending.replies.push((token, response));
                self.limit_wait(number);
            }
            None => self.reply(token, response),
        }
    }

    fn limit_wait(&mut self, number: u64) {
        let at = self.now.mono_ms.saturating_add(self.config().write_timeout_ms);
        self.timers.set(Timer::Write { number }, at);
    }
}

/// DeleteGroups requests, whose groups may be kept by several partitions.
#[derive(Debug, Default)]
pub(super) struct Gathers {
    next: u64,
    open: BTreeMap<u64, Gather>,
}

#[derive(Debug)]
struct Gather {
    token: Token,
    results: Vec<DeletableGroupResult>,
    missing: usize,
}

/// The place of one group's result in a DeleteGroups response.
#[derive(Debug, Clone, Copy)]
pub(super) struct GatherSlot {
    gather: u64,
    index: usize,
}

impl Gathers {
    /// Starts one with the results of all groups; those of `missing` are still to come.
    pub(super) fn open(
        &mut self,
        token: Token,
        results: Vec<DeletableGroupResult>,
    ) -> impl Fn(usize) -> GatherSlot + use<> {
        let gather = self.next;
        self.next += 1;
        let missing = results.len();
        self.open.insert(gather, Gather { token, results, missing });
        move |index| GatherSlot { gather, index }
    }

    /// Fills one place; the last one sends the reply.
    pub(super) fn fill(&mut self, slot: GatherSlot, result: Result<(), ResponseError>, out: &mut Vec<Action>) {
        let Some(gather) = self.open.get_mut(&slot.gather) else {
            return;
        };
        if let (Err(error), Some(place)) = (result, gather.results.get_mut(slot.index)) {
            place.error_code = error.code();
        }
        gather.missing = gather.missing.saturating_sub(1);
        if gather.missing == 0
            && let Some(done) = self.open.remove(&slot.gather)
        {
            let response = DeleteGroupsResponse::default().with_results(done.results);
            out.push(Action::Reply { token: done.token, response: GroupResponse::DeleteGroups(response) });
        }
    }
}
